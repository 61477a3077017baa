//! Starts, pauses, bursts and stops.

use std::io::Write;
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use crate::common::load::burst;
use crate::common::wire::{Answers, End};
use crate::common::{Answer, PATIENCE, READ, Server, promised, unless_held_up};
use crate::{GET, alone, beside_others, configure, start};

/// For so long at least a server that stops answers those that ask once more.
const FAREWELL: Duration = Duration::from_millis(900);

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

    let told = Instant::now();
    server.signal("TERM");
    server.stops_listening();
    // Those that ask once more are answered, and told that it was the last time; the others are closed after a second.
    let (asking, waiting) = idle.split_at_mut(10);
    for connection in asking.iter_mut() {
        let asked = connection.get_ref().write_all(GET);
        match connection.next() {
            Ok(answer) => assert_eq!(
                (answer.status, answer.headers["connection"].as_str()),
                (200, "close")
            ),
            // It came when the second was over.
            Err(end) => assert!(told.elapsed() > FAREWELL, "{asked:?} {end:?}"),
        }
    }
    for connection in waiting.iter_mut().chain([&mut silent]) {
        assert_eq!(connection.next().unwrap_err(), End::Closed);
    }
    let closed = told.elapsed();
    assert!(closed > FAREWELL, "{closed:?}");
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
        command.env("SEALGATE_GRACE", "30");
    });
    let clients: Vec<_> = (0..128).map(|_| Answers::new(server.connect())).collect();
    thread::scope(|scope| {
        let running: Vec<_> = (0u64..)
            .zip(clients)
            .map(|(number, mut connection)| {
                scope.spawn(move || {
                    // Before the server can have answered, and so before it was told.
                    let mut before = Instant::now();
                    loop {
                        let asked = Instant::now();
                        let sent = connection.get_ref().write_all(GET);
                        let answer = match connection.next() {
                            Ok(answer) => answer,
                            Err(end) => {
                                return (before.elapsed(), Err(format!("{sent:?} {end:?}")));
                            }
                        };
                        if answer.headers.contains_key("connection") {
                            return (before.elapsed(), Ok(answer.status));
                        }
                        before = asked;
                        thread::sleep(Duration::from_millis(number * 4));
                    }
                })
            })
            .collect();
        thread::sleep(Duration::from_millis(600));
        server.signal("TERM");
        for client in running {
            let (pause, last) = client.join().unwrap();
            // Whoever the machine held up for that long comes too late.
            assert!(last == Ok(200) || pause > FAREWELL, "{last:?} in {pause:?}");
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
    // A client that has not read all within two seconds of the last answer is cut off.
    unless_held_up(
        Duration::from_millis(1900),
        stop_beside_a_client_that_never_pauses,
    );
}

fn stop_beside_a_client_that_never_pauses() {
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
        assert_eq!(answers.next().unwrap().status, 200);
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
    server.stops_listening();
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
