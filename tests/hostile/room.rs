//! Where there is not room for all: connections, connections of one address, descriptors.

use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::common::load::{burst, connect_from};
use crate::common::process::limit_descriptors;
use crate::common::wire::{Answers, End};
use crate::common::{PATIENCE, Server, promised};
use crate::{GET, beside_others, configure, start};

fn ask(connection: &mut Answers<TcpStream>) -> Result<u16, End> {
    let mut stream = connection.get_ref();
    // A connection that the server has closed may fail here already.
    let _ = stream.write_all(GET);
    connection.next().map(|answer| answer.status)
}

/// A connection that has been answered, and waits.
fn kept(server: &Server) -> Answers<TcpStream> {
    let mut connection = Answers::new(server.connect());
    assert_eq!(ask(&mut connection), Ok(200));
    connection
}

fn is_closed(connection: &mut Answers<TcpStream>) -> bool {
    closes_within(connection, Duration::from_millis(5))
}

/// It may take its worker a while, on a busy machine.
fn closes(connection: &mut Answers<TcpStream>) -> bool {
    closes_within(connection, PATIENCE)
}

fn closes_within(connection: &mut Answers<TcpStream>, patience: Duration) -> bool {
    connection
        .get_ref()
        .set_read_timeout(Some(patience))
        .unwrap();
    match connection.next() {
        Err(End::Silent) => false,
        Err(_) => true,
        // It may have been told why.
        Ok(answer) => answer.headers.get("connection").map(String::as_str) == Some("close"),
    }
}

#[test]
fn at_the_limit_the_longest_idle_connections_make_room() {
    let _beside = beside_others();
    let home = tempfile::tempdir().unwrap();
    let server = start(&home, &[("SEALGATE_MAX_CONNECTIONS", "50")]);
    let mut old: Vec<_> = (0..50)
        .map(|_| {
            // So that each is the older one by the clock too.
            thread::sleep(Duration::from_millis(5));
            kept(&server)
        })
        .collect();
    let mut new: Vec<_> = (0..10)
        .map(|_| {
            thread::sleep(Duration::from_millis(5));
            kept(&server)
        })
        .collect();
    for (number, connection) in old.iter_mut().enumerate() {
        let closed = if number < 10 {
            closes(connection)
        } else {
            is_closed(connection)
        };
        assert_eq!(closed, number < 10, "number {number} of 50");
    }
    for connection in &mut new {
        assert!(!is_closed(connection));
    }
    server.stop();
}

#[test]
fn at_the_limit_whoever_is_slow_with_its_head_goes_first() {
    let _beside = beside_others();
    let home = tempfile::tempdir().unwrap();
    let server = start(&home, &[("SEALGATE_MAX_CONNECTIONS", "50")]);
    let mut idle: Vec<_> = (0..47).map(|_| kept(&server)).collect();
    let mut slow: Vec<_> = (0..3).map(|_| Answers::new(server.connect())).collect();
    for connection in &slow {
        connection.get_ref().write_all(&GET[..20]).unwrap();
    }
    thread::sleep(Duration::from_millis(1500));
    let mut new: Vec<_> = (0..3).map(|_| kept(&server)).collect();
    assert!(slow.iter_mut().all(closes), "slow heads are still there");
    for connection in idle.iter_mut().chain(&mut new) {
        assert!(!is_closed(connection));
    }
    server.stop();
}

/// Halves of bodies, and refused clients that do not hang up: as cheap to hold as halves of heads.
#[test]
fn at_the_limit_nobody_keeps_the_others_out_with_bodies() {
    let _beside = beside_others();
    let home = tempfile::tempdir().unwrap();
    let server = start(&home, &[("SEALGATE_MAX_CONNECTIONS", "50")]);
    let half_a_body = b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{";
    let mut crowd: Vec<_> = (0..50).map(|_| Answers::new(server.connect())).collect();
    for (number, connection) in crowd.iter().enumerate() {
        let first: &[u8] = if number < 45 {
            half_a_body
        } else {
            b"nonsense\r\n\r\n"
        };
        connection.get_ref().write_all(first).unwrap();
    }
    thread::sleep(Duration::from_millis(1500));
    let _new: Vec<_> = (0..10).map(|_| kept(&server)).collect();
    for refused in &mut crowd[45..] {
        assert_eq!(refused.next().unwrap().status, 400);
    }
    drop(crowd);
    server.stop();
}

/// As many as there is idle room for come at the same moment: all are answered, twice, and the youngest stay.
#[test]
fn at_the_limit_a_burst_loses_nobody() {
    let _beside = beside_others();
    let home = tempfile::tempdir().unwrap();
    let server = start(&home, &[("SEALGATE_MAX_CONNECTIONS", "50")]);
    for round in 0..5 {
        let old: Vec<_> = (0..50).map(|_| kept(&server)).collect();
        let served = burst(server.port, GET, 40);
        served.assert_within(
            promised(Duration::from_secs(2)),
            &format!("burst {round} at the limit"),
        );
        drop(old);
    }
    server.stop();
}

#[test]
fn no_address_has_more_connections_than_it_may() {
    let _beside = beside_others();
    let home = tempfile::tempdir().unwrap();
    let server = start(&home, &[("SEALGATE_MAX_CONNECTIONS_PER_ADDRESS", "10")]);
    let mut first: Vec<_> = (0..10).map(|_| kept(&server)).collect();
    for _ in 0..5 {
        let refused = ask(&mut Answers::new(server.connect()));
        assert!(matches!(refused, Err(_) | Ok(503)), "{refused:?}");
    }
    let mut other: Vec<_> = (0..10)
        .map(|_| {
            let stream = connect_from(2, server.port).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            Answers::new(stream)
        })
        .collect();
    assert!(
        other
            .iter_mut()
            .all(|connection| ask(connection) == Ok(200))
    );
    assert!(
        first
            .iter_mut()
            .all(|connection| ask(connection) == Ok(200))
    );
    // What is given back can be had again.
    first.truncate(5);
    let deadline = Instant::now() + promised(Duration::from_secs(2));
    while ask(&mut Answers::new(server.connect())) != Ok(200) {
        assert!(Instant::now() < deadline, "no room is given back");
        thread::sleep(Duration::from_millis(10));
    }
    server.stop();
}

/// The server of these tests, with hardly any descriptors.
fn few_descriptors(command: &mut Command) {
    configure(command);
    limit_descriptors(command, 64, "");
}

#[test]
fn serving_resumes_within_a_second_after_the_descriptors_ran_out() {
    let _beside = beside_others();
    let home = tempfile::tempdir().unwrap();
    let server = Server::start_with(home.path(), few_descriptors);
    for round in 0..2 {
        // Half a head each: nobody is idle, nobody is slow yet, and so nobody makes room.
        let crowd: Vec<_> = (0..100)
            .map(|_| {
                let mut stream = server.connect();
                // Where this takes long, whoever is slow has made room.
                let _ = stream.write_all(&GET[..20]);
                stream
            })
            .collect();
        thread::sleep(Duration::from_millis(300));
        // Rests instead of spinning.
        let busy = server.cpu_time();
        thread::sleep(Duration::from_millis(500));
        let busy = server.cpu_time() - busy;
        println!("out of descriptors: {busy:.1?} of 500 ms busy");
        // Whoever spins is busy all of the time.
        assert!(busy < Duration::from_millis(200), "{busy:?}");
        drop(crowd);
        let freed = Instant::now();
        while !server.is_heard() {
            assert!(
                freed.elapsed() < promised(Duration::from_secs(1)),
                "round {round}: it does not serve"
            );
        }
        let took = freed.elapsed();
        println!("serving again after {took:.1?}");
        assert!(
            took < promised(Duration::from_secs(1)),
            "round {round}: {took:?}"
        );
    }
    server.stop();
}

/// Idle connections are nobody's right while others cannot come in.
#[test]
fn out_of_descriptors_idle_connections_make_room() {
    let _beside = beside_others();
    let home = tempfile::tempdir().unwrap();
    let server = Server::start_with(home.path(), few_descriptors);
    let mut crowd: Vec<_> = Vec::new();
    for number in 0..80 {
        let start = Instant::now();
        let mut connection = Answers::new(server.connect());
        assert_eq!(ask(&mut connection), Ok(200), "number {number}");
        assert!(
            start.elapsed() < promised(Duration::from_secs(1)),
            "number {number}"
        );
        crowd.push(connection);
    }
    crowd[79].get_ref().shutdown(Shutdown::Both).unwrap();
    server.stop();
}

/// Fewer descriptors than connections are permitted: one address must not push the others out of what room there is.
#[test]
fn out_of_descriptors_the_address_that_has_most_makes_room() {
    let _beside = beside_others();
    let home = tempfile::tempdir().unwrap();
    let server = Server::start_with(home.path(), few_descriptors);
    // Idle for longer than anybody of the crowd.
    let mut others: Vec<_> = (0..4).map(|_| kept(&server)).collect();
    let mut crowd = Vec::new();
    for number in 0..80 {
        let stream = connect_from(2, server.port).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut connection = Answers::new(stream);
        assert_eq!(ask(&mut connection), Ok(200), "number {number}");
        crowd.push(connection);
    }
    for (number, connection) in others.iter_mut().enumerate() {
        assert_eq!(ask(connection), Ok(200), "of another address: {number}");
    }
    server.stop();
}
