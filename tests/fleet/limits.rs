//! A limit holds in the whole fleet, while servers and the store are killed, stopped and cut off from each other, and while the
//! servers' clocks are minutes apart and run at different speeds.

use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::history::{Admission, most, violation};
use super::nodes::{Client, Fleet, get, login, sized};
use super::postgres::{Postgres, wait_until};
use super::storm::{Kills, rages};
use crate::common::people::Pair;

const NODES: usize = 3;
const CLIENTS: usize = 24;

/// How many seconds each node's clock is off, and where its drift begins. A lease is safe with a thousandth of drift.
const CLOCKS: [(&str, &str); NODES] = [("-120", "0"), ("0", "1300"), ("120", "2600")];

/// Compiles the library that changes the clocks of the program that loads it.
fn clock(folder: &Path) -> String {
    let library = folder.join("clock.so");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fleet/clock.c");
    let made = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"])
        .args([library.as_os_str(), source.as_ref()])
        .arg("-ldl")
        .status();
    assert!(made.unwrap().success());
    library.to_str().unwrap().to_owned()
}

/// When a token was issued, by the clock of the node that issued it.
fn issued(token: &str) -> i64 {
    let claims = token.split('.').nth(1).unwrap();
    let claims = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(claims).unwrap();
    let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
    claims["iat"].as_i64().unwrap()
}

/// All admissions of one user by three servers in trouble, to 24 clients that ask for more all the time.
fn admissions(
    limit: usize,
    window: Duration,
    down: &str,
    time: Duration,
    kills: Kills,
) -> Vec<Admission> {
    let (most, seconds) = (limit.to_string(), window.as_secs().to_string());
    let mut fleet = Fleet::without_nodes(Postgres::alone());
    fleet.add("alice", "secure-data");
    let library = clock(fleet.home.path());
    for (shift, phase) in CLOCKS {
        fleet.start_node(&[
            ("MAX_REQUESTS", &most),
            ("RATE_LIMIT_WINDOW", &seconds),
            ("SEALGATE_LIMITER_DOWN", down),
            ("SEALGATE_STORE_DOWN", "stale:600"),
            ("SEALGATE_STORE_TIMEOUT", "1000"),
            ("SEALGATE_LEEWAY", "300"),
            ("SEALGATE_METRICS_LISTEN", "127.0.0.1:0"),
            ("LD_PRELOAD", &library),
            ("SHIFT", shift),
            ("PHASE", phase),
        ]);
    }
    // The promise of `share` is for as many as are known, and a server looks for others every five seconds.
    wait_until("a server does not know of the others", || {
        fleet.nodes.iter().all(|node| node.knows() == NODES)
    });
    let pair = Pair::of(&Client::new().ask(&fleet.nodes[0], &login("alice")).unwrap());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let off = issued(&pair.token) - i64::try_from(now.as_secs()).unwrap();
    assert!((-180..=-60).contains(&off), "the clock is off by {off} s");
    let request = get("/secure-data", &pair.token);
    let over = AtomicBool::new(false);
    let history: Mutex<Vec<Admission>> = Mutex::default();
    thread::scope(|scope| {
        for number in 0..CLIENTS {
            let (fleet, over, history, request) = (&fleet, &over, &history, &request);
            scope.spawn(move || {
                let mut client = Client::with_patience(Duration::from_secs(10));
                let mut node = number;
                while !over.load(Ordering::SeqCst) {
                    node += 1;
                    let sent = Instant::now();
                    let answer = client.ask(&fleet.nodes[node % NODES], request);
                    let received = Instant::now();
                    let status = answer.map(|answer| answer.status);
                    match status {
                        Ok(200) => history.lock().unwrap().push(Admission { sent, received }),
                        Ok(status) => {
                            assert!([429, 503].contains(&status), "{status}");
                            thread::sleep(Duration::from_millis(10));
                        }
                        Err(_) => thread::sleep(Duration::from_millis(10)),
                    }
                }
            });
        }
        let stormed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            // In peace first: the limit is used up, not only kept.
            thread::sleep(window.min(time / 4));
            wait_until("too little is admitted in peace", || {
                history.lock().unwrap().len() >= limit / 2
            });
            rages(&fleet, time, kills);
            thread::sleep(window.min(time / 4));
        }));
        over.store(true, Ordering::SeqCst);
        stormed.unwrap_or_else(|failure| std::panic::resume_unwind(failure));
    });
    history.into_inner().unwrap()
}

/// A limit, its window, and how long there is trouble.
type Size = (usize, Duration, Duration);

/// As in the promise; in `make test` one of them, and smaller.
fn sizes() -> Vec<Size> {
    let seconds = Duration::from_secs;
    sized(
        vec![(100, seconds(2), seconds(6))],
        vec![
            (5, seconds(60), seconds(300)),
            (500, seconds(10), seconds(120)),
        ],
    )
}

/// Holds the history to so many times the limit in any window.
fn holds((limit, window, time): Size, down: &str, kills: Kills, times: usize) {
    let history = admissions(limit, window, down, time, kills);
    println!(
        "{down}, {limit} per {window:?}: {} admitted, at most {} in a window",
        history.len(),
        most(&history, window)
    );
    assert_eq!(violation(&history, limit * times, window), None, "{down}");
    // It was used, and at full size used up.
    let used = sized(limit / 2, limit);
    assert!(history.len() >= used, "{}", history.len());
}

#[test]
fn no_window_holds_more_than_the_limit_if_the_limiter_is_closed_without_its_store() {
    for size in sizes() {
        holds(size, "closed", Kills::ServersAndStore, 1);
    }
}

#[test]
fn a_window_holds_what_is_documented_if_the_limiter_goes_on_without_its_store() {
    let small = [("share", 2)];
    // Each of them counts for itself, besides what the store has counted. A server that starts again would begin with nothing.
    let full = [("share", 2), ("local", 1 + NODES)];
    for (down, times) in sized(&small[..], &full[..]) {
        for size in sizes() {
            holds(size, down, Kills::Nothing, *times);
        }
    }
}
