//! Logins in crowds, with hashes as dear as they are by default: all are answered, memory has a ceiling, others are served
//! beside; and how long a refusal takes tells nothing. `cargo test` runs it small; `make soak` runs it in full and prints figures.

#![allow(clippy::unwrap_used)] // a test that panics has failed
#![allow(clippy::print_stdout)] // figures, for whoever runs the tests

use std::io::Write;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::common::load::good_client;
use crate::common::people::{PASSWORD, People, login, within_a_second};
use crate::common::{Answer, Server, promised};

/// As the settings have them where nobody says otherwise.
const DEAR: &[(&str, &str)] = &[
    ("SEALGATE_PASSWORD_MEMORY", "19456"),
    ("SEALGATE_PASSWORD_PASSES", "2"),
    ("SEALGATE_WORKERS", "2"),
];
const HASHES: u64 = 2;
const ONE_HASH_KIB: u64 = 19456;
/// What everything else of so many connections may take.
const SLACK_KIB: u64 = 16 << 10;

const GET: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";

fn dear_server(people: &People) -> Server {
    let mut settings = DEAR.to_vec();
    settings.push(("SEALGATE_PASSWORD_HASHES", "2"));
    people.server(&settings)
}

fn crowd(clients: usize, beside: Duration) {
    let people = People::of(&["alice"]);
    let server = dear_server(&people);
    let before = server.resident();
    let over = AtomicBool::new(false);
    let started = Instant::now();
    let (answers, served, took) = thread::scope(|scope| {
        let others = scope.spawn(|| {
            let mut served = Vec::new();
            while !over.load(Ordering::Relaxed) {
                served.push(good_client(server.port, GET, 50));
            }
            served
        });
        let logins: Vec<_> = (0..clients)
            .map(|n| {
                let server = &server;
                // Some do not know the password.
                let password = if n % 5 == 4 {
                    "a noisy harbour"
                } else {
                    PASSWORD
                };
                scope.spawn(move || (n % 5 != 4, patient_login(server, password)))
            })
            .collect();
        let answers: Vec<(bool, Answer)> = logins
            .into_iter()
            .map(|login| login.join().unwrap())
            .collect();
        let took = started.elapsed();
        over.store(true, Ordering::Relaxed);
        (answers, others.join().unwrap(), took)
    });
    let mut busy = 0;
    for (right, answer) in &answers {
        match answer.status {
            503 => {
                assert!(answer.headers.contains_key("retry-after"));
                busy += 1;
            }
            status => assert_eq!(status, if *right { 200 } else { 401 }),
        }
    }
    let peak = server.peak().saturating_sub(before);
    println!(
        "{clients} logins at once: all answered in {took:.1?} ({busy} with 503), {peak} KiB more at the peak, {} KiB of hashes",
        HASHES * ONE_HASH_KIB
    );
    assert!(peak <= HASHES * ONE_HASH_KIB + SLACK_KIB, "{peak} KiB");
    for part in &served {
        assert!(part.lost.is_empty(), "{:?}", part.lost);
    }
    let worst = served.iter().map(|part| part.percentile(99)).max().unwrap();
    println!(
        "beside them: {} times 50 requests, the worst p99 {worst:.1?}",
        served.len()
    );
    assert!(worst < beside, "{worst:?}");
}

/// A login that waits longer than others do: it may be the last of many.
fn patient_login(server: &Server, password: &str) -> Answer {
    let mut stream = begun_login(server, password);
    stream.write_all(b"}").unwrap();
    Answer::read(&mut stream).expect("an answer")
}

/// The same without its last byte.
fn begun_login(server: &Server, password: &str) -> TcpStream {
    let body = serde_json::json!({"username": "alice", "password": password}).to_string();
    let mut stream = server.connect();
    stream
        .set_read_timeout(Some(Duration::from_secs(120)))
        .unwrap();
    write!(
        stream,
        "POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{}",
        body.len(),
        body.strip_suffix('}').unwrap()
    )
    .unwrap();
    stream
}

#[test]
fn a_crowd_of_logins_is_answered_and_keeps_nobody_else_waiting() {
    crowd(40, promised(Duration::from_secs(2)));
}

#[test]
#[ignore = "200 logins that take a core's time: make soak"]
fn two_hundred_logins_at_once() {
    crowd(200, Duration::from_millis(100));
}

#[test]
fn past_the_queue_logins_are_told_to_come_back() {
    let people = People::of(&["alice"]);
    let mut settings = DEAR.to_vec();
    settings.push(("SEALGATE_PASSWORD_HASHES", "1"));
    let server = people.server(&settings);
    // All but a byte is there before the first is served: however slow the machine is, they come together.
    let logins: Vec<TcpStream> = (0..320).map(|_| begun_login(&server, PASSWORD)).collect();
    for mut login in &logins {
        login.write_all(b"}").unwrap();
    }
    let answers: Vec<Answer> = logins
        .iter()
        .map(|mut login| Answer::read(&mut login).expect("an answer"))
        .collect();
    let refused: Vec<&Answer> = answers
        .iter()
        .filter(|answer| answer.status == 503)
        .collect();
    assert!(
        answers
            .iter()
            .all(|answer| matches!(answer.status, 200 | 503))
    );
    assert!(!refused.is_empty(), "more than may wait");
    assert!(
        answers.len() - refused.len() >= 256,
        "as many as may wait are served"
    );
    assert!(
        refused
            .iter()
            .all(|answer| answer.headers["retry-after"] == "1" && answer.code() == "unavailable")
    );
    assert_eq!(
        login(&server, "alice", PASSWORD).status,
        200,
        "and then all goes on"
    );
}

/// The rank-sum test of Mann and Whitney: how many standard deviations the one's ranks are from where they would be if both
/// were drawn from the same times.
pub(crate) fn rank_sum(one: &[Duration], other: &[Duration]) -> f64 {
    let mut all: Vec<(Duration, bool)> = one
        .iter()
        .map(|time| (*time, true))
        .chain(other.iter().map(|time| (*time, false)))
        .collect();
    all.sort();
    let (n, m) = (one.len() as f64, other.len() as f64);
    let ranks = all.iter().enumerate().filter(|(_, (_, is_one))| *is_one);
    let sum: f64 = ranks.map(|(rank, _)| rank as f64 + 1.0).sum();
    let expected = n * (n + m + 1.0) / 2.0;
    (sum - expected) / (n * m * (n + m + 1.0) / 12.0).sqrt()
}

#[test]
fn the_rank_sum_test_tells_times_apart_that_differ() {
    let times = |from: u64| -> Vec<Duration> {
        (0..200)
            .map(|n| Duration::from_micros(from + n * 7 % 200))
            .collect()
    };
    assert!(rank_sum(&times(1000), &times(1000)).abs() < 0.1);
    assert!(rank_sum(&times(1000), &times(1040)) < -3.3);
    assert!(rank_sum(&times(1040), &times(1000)) > 3.3);
}

#[test]
#[ignore = "a statistical test of times wants a quiet machine: make soak"]
fn a_refusal_takes_as_long_whatever_its_reason() {
    let people = People::of(&["alice", "carol"]);
    let server = dear_server(&people);
    // The kept hashes cost less than the server's: so does what stands in for a name that nobody has.
    people.done(&["user", "disable", "carol"]);
    refusals(&server, "hashes of lower costs");
    people.done(&["user", "enable", "carol"]);
    within_a_second(|| login(&server, "carol", PASSWORD).status == 200);
    assert_eq!(login(&server, "alice", PASSWORD).status, 200);
    people.done(&["user", "disable", "carol"]);
    refusals(
        &server,
        "hashes of the server's costs, which they have after a login",
    );
}

fn refusals(server: &Server, what: &str) {
    const TRIES: usize = 200;
    println!("{what}:");
    let cases = [
        ("wrong password", "alice", "a noisy harbour"),
        ("unknown user", "bob", PASSWORD),
        ("disabled user", "carol", PASSWORD),
    ];
    let mut times = cases.map(|_| Vec::with_capacity(TRIES));
    for n in 0..TRIES * cases.len() {
        // In turns, and each turn in another order, so that what drifts meets all alike.
        let at = (n + n / cases.len()) % cases.len();
        let (_, name, password) = cases[at];
        let started = Instant::now();
        let answer = login(server, name, password);
        times[at].push(started.elapsed());
        assert_eq!(answer.code(), "login_failed");
    }
    for (case, times) in cases.iter().zip(&times) {
        let mut sorted = times.clone();
        sorted.sort();
        println!(
            "{}: {} tries, median {:.2?}, 10th to 90th percentile {:.2?} to {:.2?}",
            case.0,
            sorted.len(),
            sorted[TRIES / 2],
            sorted[TRIES / 10],
            sorted[TRIES * 9 / 10]
        );
    }
    for (a, b) in [(0, 1), (0, 2), (1, 2)] {
        let z = rank_sum(&times[a], &times[b]);
        println!(
            "{} against {}: z = {z:.2} (|z| > 3.29 where p < 0.001)",
            cases[a].0, cases[b].0
        );
        assert!(
            z.abs() < 3.29,
            "told apart: {} and {}",
            cases[a].0,
            cases[b].0
        );
    }
}
