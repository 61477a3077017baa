//! Starts, pauses, bursts and stops.

use std::io::Write;
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use crate::common::load::{burst, loopback};
use crate::common::wire::{Answers, End};
use crate::common::{Answer, PATIENCE, READ, Server, promised};
use crate::{GET, alone, beside_others, configure, start};

const LOGIN: &str = "POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n{\"username\":\"a\"}";

fn bursts(rounds: usize, idleness: Duration) {
    let _alone = alone();
    let home = tempfile::tempdir().unwrap();
    let server = start(&home, &[]);
    for round in 0..rounds {
        thread::sleep(idleness);
        let served = burst(server.port, GET, 64);
        served.assert_within(promised(Duration::from_secs(2)), &format!("burst {round}"));
    }
    server.stop();
}

#[test]
fn bursts_of_new_connections_after_idleness_are_answered() {
    bursts(5, Duration::from_millis(300));
}

#[test]
#[ignore = "soak"]
fn soak_bursts() {
    bursts(20, Duration::from_secs(10));
}

fn pauses(rounds: usize) {
    let _beside = beside_others();
    let home = tempfile::tempdir().unwrap();
    let server = start(&home, &[]);
    let mut kept: Vec<Answers<TcpStream>> = Vec::new();
    for round in 0..rounds {
        server.signal("STOP");
        let mut waiting: Vec<_> = (0..32).map(|_| Answers::new(server.connect())).collect();
        for connection in waiting.iter().chain(&kept) {
            connection.get_ref().write_all(GET).unwrap();
        }
        thread::sleep(Duration::from_millis(100));
        server.signal("CONT");
        for connection in waiting.iter_mut().chain(&mut kept) {
            let status = connection.next().map(|answer| answer.status);
            assert_eq!(status, Ok(200), "round {round}");
        }
        kept = waiting;
    }
    server.stop();
}

#[test]
fn what_came_while_the_process_was_paused_is_answered() {
    pauses(5);
}

#[test]
#[ignore = "soak"]
fn soak_pauses() {
    pauses(50);
}

/// Connections of every kind when the word comes.
#[test]
fn a_stop_lets_running_requests_end_and_nothing_else() {
    let _beside = beside_others();
    let home = tempfile::tempdir().unwrap();
    let mut server = start(&home, &[("SEALGATE_GRACE", "30")]);
    let mut idle: Vec<_> = (0..20).map(|_| Answers::new(server.connect())).collect();
    for connection in &mut idle {
        connection.get_ref().write_all(GET).unwrap();
        assert_eq!(connection.next().unwrap().status, 200);
    }
    let mut silent = Answers::new(server.connect());
    let mut slow = Answers::new(server.connect());
    let (begun, rest) = LOGIN.split_at(LOGIN.len() - 3);
    slow.get_ref().write_all(begun.as_bytes()).unwrap();
    let mut pipelining = Answers::new(server.connect());
    let all = [LOGIN.repeat(20).as_bytes(), begun.as_bytes()].concat();
    pipelining.get_ref().write_all(&all).unwrap();
    for _ in 0..20 {
        assert_eq!(pipelining.next().unwrap().status, 200);
    }
    thread::sleep(READ);

    server.signal("TERM");
    let told = Instant::now();
    while TcpStream::connect(loopback(server.port)).is_ok() {
        assert!(
            told.elapsed() < Duration::from_secs(1),
            "new ones are let in"
        );
    }
    // Those that ask once more are answered, and told that it was the last time; the others are closed after a second.
    let (asking, waiting) = idle.split_at_mut(10);
    for connection in asking.iter_mut() {
        connection.get_ref().write_all(GET).unwrap();
        let answer = connection.next().unwrap();
        assert_eq!(
            (answer.status, answer.headers["connection"].as_str()),
            (200, "close")
        );
    }
    for connection in waiting.iter_mut().chain([&mut silent]) {
        assert_eq!(connection.next().unwrap_err(), End::Closed);
    }
    let closed = told.elapsed();
    assert!(closed > Duration::from_millis(900), "{closed:?}");
    assert!(closed < promised(Duration::from_millis(2500)), "{closed:?}");
    for connection in [&mut slow, &mut pipelining] {
        connection.get_ref().write_all(rest.as_bytes()).unwrap();
        let answer = connection.next().unwrap();
        assert_eq!(
            (answer.status, answer.headers["connection"].as_str()),
            (200, "close")
        );
        assert_eq!(connection.next().unwrap_err(), End::Closed);
    }
    let answered = Instant::now();
    assert_eq!(server.wait(), Some(0), "{}", server.log());
    assert!(
        answered.elapsed() < promised(Duration::from_secs(1)),
        "{:?}",
        answered.elapsed()
    );
    assert!(server.log().ends_with("stopped\n"), "{}", server.log());
}

/// Clients that ask again and again on kept connections, each with a pause between two requests.
#[test]
fn a_stop_breaks_no_request_of_clients_that_keep_asking() {
    stops_while_clients_keep_asking("pool");
}

#[test]
fn nor_does_a_stop_of_tiny_http() {
    stops_while_clients_keep_asking("tiny-http");
}

fn stops_while_clients_keep_asking(engine: &str) {
    let _beside = beside_others();
    let home = tempfile::tempdir().unwrap();
    let mut server = Server::start_with(home.path(), |command| {
        configure(command);
        command.env("SEALGATE_ENGINE", engine);
        command.env("SEALGATE_GRACE", "5");
    });
    let clients: Vec<_> = (0..128).map(|_| Answers::new(server.connect())).collect();
    thread::scope(|scope| {
        let running: Vec<_> = (0u64..)
            .zip(clients)
            .map(|(number, mut connection)| {
                scope.spawn(move || {
                    loop {
                        let mut stream = connection.get_ref();
                        stream.write_all(GET).map_err(|error| error.to_string())?;
                        let answer = connection.next().map_err(|end| format!("{end:?}"))?;
                        if answer.headers.contains_key("connection") {
                            return Ok::<u16, String>(answer.status);
                        }
                        thread::sleep(Duration::from_millis(number * 4));
                    }
                })
            })
            .collect();
        thread::sleep(Duration::from_millis(600));
        server.signal("TERM");
        for client in running {
            assert_eq!(client.join().unwrap(), Ok(200));
        }
    });
    assert_eq!(server.wait(), Some(0), "{}", server.log());
}

/// One without a connection has nothing to wait for.
#[test]
fn an_idle_server_stops_at_once() {
    let _beside = beside_others();
    let home = tempfile::tempdir().unwrap();
    let mut server = start(&home, &[]);
    server.signal("TERM");
    let told = Instant::now();
    assert_eq!(server.wait(), Some(0), "{}", server.log());
    assert!(told.elapsed() < promised(Duration::from_millis(700)));
}

/// Somebody who goes on and on does not keep the server from stopping.
#[test]
fn a_stop_ends_a_client_that_never_pauses() {
    let _beside = beside_others();
    let home = tempfile::tempdir().unwrap();
    let mut server = start(&home, &[("SEALGATE_GRACE", "30")]);
    let stream = server.connect();
    let mut answers = Answers::new(stream.try_clone().unwrap());
    let mut last: Option<Answer> = None;
    let end = thread::scope(|scope| {
        scope.spawn(|| {
            let start = Instant::now();
            while start.elapsed() < PATIENCE && (&stream).write_all(&GET.repeat(50)).is_ok() {}
        });
        thread::sleep(Duration::from_millis(100));
        server.signal("TERM");
        let end = loop {
            match answers.next() {
                Ok(answer) => last = Some(answer),
                Err(end) => break end,
            }
        };
        let _ = stream.shutdown(std::net::Shutdown::Both);
        end
    });
    let last = last.expect("an answer");
    assert_eq!(
        (last.status, last.headers["connection"].as_str()),
        (200, "close")
    );
    assert_eq!(end, End::Closed);
    assert_eq!(server.wait(), Some(0), "{}", server.log());
}

#[test]
fn a_stop_has_an_end_and_a_second_signal_does_not_wait() {
    let _beside = beside_others();
    let home = tempfile::tempdir().unwrap();
    let slow = |server: &Server| {
        let stream = server.connect();
        (&stream)
            .write_all(&LOGIN.as_bytes()[..LOGIN.len() - 3])
            .unwrap();
        thread::sleep(READ);
        stream
    };
    let mut server = start(&home, &[("SEALGATE_GRACE", "1")]);
    let _stream = slow(&server);
    let told = Instant::now();
    server.signal("TERM");
    assert_eq!(server.wait(), Some(2));
    assert!(
        told.elapsed() > Duration::from_millis(900),
        "{:?}",
        told.elapsed()
    );
    assert!(
        told.elapsed() < promised(Duration::from_secs(3)),
        "{:?}",
        told.elapsed()
    );

    let mut server = start(&home, &[("SEALGATE_GRACE", "60")]);
    let _stream = slow(&server);
    server.signal("TERM");
    thread::sleep(READ);
    let told = Instant::now();
    server.signal("TERM");
    assert_eq!(server.wait(), Some(1));
    assert!(
        told.elapsed() < promised(Duration::from_secs(1)),
        "{:?}",
        told.elapsed()
    );
}

/// With keys that are there already; the greeting is read too, because it names the port.
fn first_answer(rounds: usize, limit: Duration) {
    let _alone = alone();
    let home = tempfile::tempdir().unwrap();
    start(&home, &[]).stop();
    let mut times: Vec<Duration> = (0..rounds)
        .map(|_| {
            let begun = Instant::now();
            let server = start(&home, &[]);
            assert_eq!(server.get("/healthz", None).status, 200);
            begun.elapsed()
        })
        .collect();
    times.sort_unstable();
    println!(
        "start to first answer: {:.1?} (median of {rounds})",
        times[rounds / 2]
    );
    assert!(times[rounds / 2] < limit, "{times:?}");
}

#[test]
fn the_first_answer_comes_soon_after_the_start() {
    first_answer(3, promised(Duration::from_millis(300)));
}

#[test]
#[ignore = "soak"]
fn soak_first_answer() {
    first_answer(11, Duration::from_millis(30));
}
