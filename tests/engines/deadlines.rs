//! Time limits on whole heads, bodies, answers and idle connections. A byte now and then does not help.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::common::load::Crowd;
use crate::common::wire::{Answers, End};
use crate::common::{PATIENCE, Server, promised, unless_held_up};
use crate::table::{Engine, in_words};

/// Deadlines that a test can wait for.
const SHORT: &[(&str, &str)] = &[
    ("SEALGATE_HEAD_TIMEOUT", "1"),
    ("SEALGATE_BODY_TIMEOUT", "1"),
    ("SEALGATE_WRITE_TIMEOUT", "1"),
    ("SEALGATE_IDLE_TIMEOUT", "2"),
];

const GET: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
const HEAD: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: x\r\nA: ";
const BODY: &[u8] = b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{";
const CHUNKS: &[u8] = b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n{";

/// A client that keeps sending and does not read its 408 for two seconds is disconnected.
const CUT_OFF: Duration = Duration::from_millis(2900);

/// Sends these bytes and then a byte each tenth of a second; what comes back, and after how long.
fn slowly(server: &Server, bytes: &[u8], dripping: bool, patience: Duration) -> (String, Duration) {
    // The server's clock for it may run before ours goes on.
    let start = Instant::now();
    let stream = server.connect();
    stream.set_read_timeout(Some(patience)).unwrap();
    (&stream).write_all(bytes).unwrap();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while dripping && !over.load(Ordering::SeqCst) {
                thread::sleep(Duration::from_millis(100));
                let _ = (&stream).write_all(b" ");
            }
        });
        let mut answers = Answers::new(&stream);
        let first = answers.next();
        let took = start.elapsed();
        let words = match &first {
            Ok(answer) => {
                let closed = answer.headers.get("connection").map(String::as_str) == Some("close")
                    && answers.next().err() == Some(End::Closed);
                let end = if closed { "closed" } else { "open" };
                format!("{}, {end}", in_words(answer))
            }
            Err(end) => format!("{end:?}"),
        };
        over.store(true, Ordering::SeqCst);
        (words, took)
    })
}

/// All at the same time, so that they take one deadline together.
#[test]
fn a_slow_request_is_given_up_at_its_deadline() {
    let home = tempfile::tempdir().unwrap();
    let server = Engine::Pool.start(&home, SHORT);
    let slow = |bytes, dripping| slowly(&server, bytes, dripping, PATIENCE);
    let checks: [(&str, &[u8], bool, &str); 7] = [
        ("half a head", HEAD, false, "408 timeout, closed"),
        ("a dripping head", HEAD, true, "408 timeout, closed"),
        ("half a body", BODY, false, "408 timeout, closed"),
        ("a dripping body", BODY, true, "408 timeout, closed"),
        ("half a chunk", CHUNKS, false, "408 timeout, closed"),
        ("a dripping chunk", CHUNKS, true, "408 timeout, closed"),
        ("nothing at all", b"", false, "Closed"),
    ];
    thread::scope(|scope| {
        for (name, bytes, dripping, expected) in checks {
            scope.spawn(move || {
                unless_held_up(CUT_OFF, || {
                    let (words, took) = slow(bytes, dripping);
                    // A connection that never sent anything may get a 408 too.
                    let fits =
                        words == expected || (bytes.is_empty() && words == "408 timeout, closed");
                    assert!(fits, "{name}: {words}, not {expected}");
                    assert!(took >= Duration::from_millis(900), "{name}: {took:?}");
                    assert!(
                        took < promised(Duration::from_millis(2500)),
                        "{name}: {took:?}"
                    );
                });
            });
        }
    });
    server.stop();
}

/// Its head has arrived, so the response and the log can name it.
#[test]
fn a_request_whose_body_does_not_arrive_keeps_its_id() {
    let home = tempfile::tempdir().unwrap();
    let server = Engine::Pool.start(&home, SHORT);
    let named = |bytes: &[u8], id: &str| {
        let text = std::str::from_utf8(bytes).unwrap();
        text.replacen("Host:", &format!("X-Request-Id: {id}\r\nHost:"), 1)
    };
    for (bytes, late, ended) in [(BODY, "late", "ended"), (CHUNKS, "late-2", "ended-2")] {
        let answer = server.send(named(bytes, late).as_bytes());
        assert_eq!(in_words(&answer), "408 timeout");
        assert_eq!(answer.header("X-Request-Id"), Some(late));
        let answer = server.send_all(named(bytes, ended).as_bytes());
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
        assert!(
            answer.contains(&format!("X-Request-Id: {ended}\r\n")),
            "{answer}"
        );
    }
    let log = server.stop();
    for id in ["late", "late-2", "ended", "ended-2"] {
        let mut lines = log.lines();
        let line = lines.find(|line| line.contains(&format!(" id={id} ")));
        assert!(
            line.is_some_and(|line| line.contains(" method=POST ")),
            "{log}"
        );
    }
}

/// A body in bursts is slow all the same, however much each of them brings.
#[test]
fn a_body_that_comes_in_bursts_has_no_longer_than_another() {
    let home = tempfile::tempdir().unwrap();
    let sizes = &[
        ("SEALGATE_MAX_BODY", "30000000"),
        ("SEALGATE_MAX_CREDENTIALS", "30000000"),
    ];
    let settings = [SHORT, sizes].concat();
    let server = Engine::Pool.start(&home, &settings);
    unless_held_up(CUT_OFF, || send_in_bursts(&server));
    server.stop();
}

fn send_in_bursts(server: &Server) {
    let stream = server.connect();
    let head = "POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 20000000\r\n\r\n";
    (&stream).write_all(head.as_bytes()).unwrap();
    let start = Instant::now();
    let pause = Duration::from_millis(700);
    stream.set_read_timeout(Some(pause)).unwrap();
    let mut answers = Answers::new(&stream);
    let answer = loop {
        let _ = (&stream).write_all(&vec![b' '; 900_000]);
        match answers.next() {
            Err(End::Silent) => assert!(
                start.elapsed() < promised(Duration::from_secs(3)),
                "still welcome"
            ),
            answer => break answer.unwrap(),
        }
    };
    assert_eq!(in_words(&answer), "408 timeout");
}

/// The next head's time begins with its first byte: a pause before it is idleness, which has a limit of its own.
#[test]
fn an_idle_connection_is_closed_in_its_time_without_a_word() {
    let home = tempfile::tempdir().unwrap();
    let idle = [SHORT, &[("SEALGATE_IDLE_TIMEOUT", "4")]].concat();
    let server = Engine::Pool.start(&home, &idle);
    // Two pauses and an idle time take seven seconds by themselves.
    unless_held_up(Duration::from_secs(8), || stay_idle(&server));
    server.stop();
}

fn stay_idle(server: &Server) {
    let mut connection = Answers::new(server.connect());
    let mut start = Instant::now();
    for pause in [0, 1500, 1500] {
        thread::sleep(Duration::from_millis(pause));
        start = Instant::now();
        connection.get_ref().write_all(GET).unwrap();
        assert_eq!(connection.next().unwrap().status, 200);
    }
    assert_eq!(connection.next().unwrap_err(), End::Closed);
    let took = start.elapsed();
    assert!(
        took > Duration::from_millis(3900) && took < promised(Duration::from_millis(5500)),
        "{took:?}"
    );
}

/// On a Unix socket, where the kernel takes no more than some 200 KB of what nobody reads.
#[test]
fn a_client_that_does_not_read_is_given_up() {
    let home = tempfile::tempdir().unwrap();
    let secret = home.path().join("large");
    std::fs::write(&secret, vec![b'x'; 300_000]).unwrap();
    let socket = home.path().join("socket");
    let listen = format!("127.0.0.1:0,unix:{}", socket.display());
    let large = [
        ("SEALGATE_SECURE_DATA_FILE", secret.to_str().unwrap()),
        ("SEALGATE_LISTEN", &listen),
        ("SEALGATE_WRITE_TIMEOUT", "4"),
    ];
    let server = Engine::Pool.start(&home, &[SHORT, &large].concat());
    let token = server.log_in("reader");
    let before = server.settled_descriptors();
    let ask =
        format!("GET /secure-data HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n");
    let unwilling = Crowd::connect_unix(&socket, 10, ask.repeat(4).as_bytes());
    let start = Instant::now();
    while server.descriptors() < before + 10 {
        assert!(start.elapsed() < PATIENCE, "they are not let in");
        thread::sleep(Duration::from_millis(20));
    }
    let took = server.waits_for_descriptors(before, PATIENCE);
    println!("given up after {took:.1?}");
    assert_eq!(unwilling.gone(), unwilling.len());

    // Whoever takes a while, but not too long, gets all of it.
    let mut slow = UnixStream::connect(&socket).unwrap();
    slow.write_all(ask.as_bytes()).unwrap();
    let mut got = Vec::new();
    while got.len() < 400_000 {
        thread::sleep(Duration::from_millis(80));
        let mut piece = vec![0; 65536];
        let read = slow.read(&mut piece).unwrap();
        assert!(read > 0, "cut off after {} bytes", got.len());
        got.extend_from_slice(&piece[..read]);
    }
    assert!(got.starts_with(b"HTTP/1.1 200"));
    server.stop();
}

/// Its documentation says so; when it has deadlines, this says so too.
#[test]
fn tiny_http_waits_for_slow_clients_without_end() {
    let home = tempfile::tempdir().unwrap();
    let server = Engine::TinyHttp.start(&home, SHORT);
    let quiet = |bytes: &[u8]| slowly(&server, bytes, false, Duration::from_millis(2500)).0;
    thread::scope(|scope| {
        for bytes in [HEAD, BODY, b""] {
            scope.spawn(move || assert_eq!(quiet(bytes), "Silent"));
        }
    });
    println!("tiny-http: has no time limits");
    assert_eq!(server.get("/healthz", None).status, 200);
}
