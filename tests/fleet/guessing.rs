//! Whoever guesses passwords gets no further with three servers than with one, whatever fails meanwhile.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use super::history::Admission;
use super::nodes::{Client, Fleet, Node, login, post, sized};
use super::postgres::{Postgres, wait_until};
use super::storm::{Kills, rages};

/// Wrong passwords before attempts have to wait.
const AFTER: u32 = 5;
const NODES: usize = 3;

/// The most guesses that are answered in this time, if so many may be under way at once: each is judged by those that were
/// counted before it began.
fn most(at_once: u32, time: Duration) -> u32 {
    fn best(failures: u32, at_once: u32, left: Duration) -> u32 {
        // As docs/accounts.md has it: 1 s, 2 s, 4 s and so on.
        let delay = Duration::from_secs(1 << (failures - AFTER).min(9));
        let Some(left) = left.checked_sub(delay) else {
            return failures;
        };
        let more = (1..=at_once).map(|more| best(failures + more, at_once, left));
        more.max().unwrap_or(failures)
    }
    let first = (0..at_once).map(|more| best(AFTER + more, at_once, time));
    first.max().unwrap_or(AFTER)
}

#[test]
fn the_most_guesses_are_counted_right() {
    let seconds = Duration::from_secs;
    assert_eq!(most(1, Duration::ZERO), 5);
    assert_eq!(most(1, seconds(1)), 6);
    assert_eq!(most(1, seconds(7)), 8);
    assert_eq!(most(3, Duration::ZERO), 7);
    // 5, after 1 s three more, after 8 s three more.
    assert_eq!(most(3, seconds(9)), 11);
}

#[test]
fn guesses_at_three_servers_in_trouble_are_as_few_as_at_one() {
    let after = AFTER.to_string();
    let settings = [
        ("SEALGATE_LOCKOUT_AFTER", &*after),
        // As many guesses at a time as there are servers.
        ("SEALGATE_PASSWORD_HASHES", "1"),
        ("SEALGATE_STORE_TIMEOUT", "1000"),
    ];
    let fleet = Fleet::of(Postgres::alone(), NODES, &["alice", "bob"], &settings);
    let over = AtomicBool::new(false);
    let guesses: Mutex<Vec<Admission>> = Mutex::default();
    let wrong = json!({"username": "alice", "password": "not the right one"});
    let wrong = post("/login", &wrong, None);
    thread::scope(|scope| {
        for guesser in 0..12 {
            let (fleet, over, guesses, wrong) = (&fleet, &over, &guesses, &wrong);
            scope.spawn(move || {
                let mut client = Client::with_patience(Duration::from_secs(20));
                let mut node = guesser;
                while !over.load(Ordering::SeqCst) {
                    node += 1;
                    let sent = Instant::now();
                    match client.ask(&fleet.nodes[node % NODES], wrong) {
                        Ok(answer) if answer.status == 401 => {
                            let received = Instant::now();
                            guesses.lock().unwrap().push(Admission { sent, received });
                        }
                        // Delayed, or not judged at all.
                        Ok(answer) => {
                            assert!([429, 503].contains(&answer.status), "{}", answer.body);
                        }
                        Err(_) => {}
                    }
                    thread::sleep(Duration::from_millis(5));
                }
            });
        }
        let time = sized(Duration::from_secs(6), Duration::from_secs(120));
        let stormed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            rages(&fleet, time, Kills::Servers);
        }));
        over.store(true, Ordering::SeqCst);
        stormed.unwrap_or_else(|failure| std::panic::resume_unwind(failure));
    });
    let guesses = guesses.into_inner().unwrap();
    let first = guesses.iter().map(|guess| guess.sent).min().unwrap();
    let last = guesses.iter().map(|guess| guess.received).max().unwrap();
    let permitted = most(NODES as u32, last - first);
    println!(
        "{} guesses in {:.1?}, at most {permitted} permitted",
        guesses.len(),
        last - first
    );
    assert!(guesses.len() <= permitted as usize);
    assert!(guesses.len() >= AFTER as usize, "{}", guesses.len());
    // The delay holds on every server, also for the right password; other names are not concerned.
    fleet.wait_for(&login("bob"), 200);
    for node in &fleet.nodes {
        wait_until("the name was never delayed for long enough to see", || {
            is_delayed(node, &wrong)
        });
    }
}

/// Whether the right password has to wait. `false`: not known, because the delay was over before it could be tried. Each
/// further guess doubles it, so a slow machine gets there too.
fn is_delayed(node: &Node, wrong: &[u8]) -> bool {
    let mut client = Client::with_patience(Duration::from_secs(20));
    let Ok(guess) = client.ask(node, wrong) else {
        return false;
    };
    let asked = Instant::now();
    if guess.status != 429 {
        return false;
    }
    let wait = guess.header("Retry-After").unwrap().parse().unwrap();
    let Ok(answer) = client.ask(node, &login("alice")) else {
        return false;
    };
    // It is given in whole seconds, rounded up.
    if asked.elapsed() + Duration::from_secs(1) >= Duration::from_secs(wait) {
        return false;
    }
    assert_eq!(answer.status, 429, "{}", answer.body);
    true
}
