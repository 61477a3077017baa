//! The primary is lost and the standby takes its place: no confirmed change is forgotten, and the servers are back soon.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::nodes::{Client, Fleet, get, login, logout, sized};
use super::postgres::Postgres;
use super::trouble::Trouble;
use crate::common::people::Pair;
use crate::common::promised;

/// After the promotion every server works again within this time.
const BACK: Duration = Duration::from_secs(10);

/// How the primary is lost.
#[derive(Clone, Copy, Debug)]
enum Loss {
    /// Its processes end at once.
    Killed,
    /// They stand still: connections are accepted, and nobody answers.
    Stopped,
    /// Nothing comes through to it any more: its network is gone.
    Unreachable,
}

fn fails_over(loss: Loss) {
    let fleet = Fleet::of(Postgres::with_standby(), 3, &["alice"], &[]);
    let (nodes, postgres) = (&fleet.nodes, &fleet.postgres);
    let over = AtomicBool::new(false);
    // Logouts that were confirmed, and sessions that go on.
    let ended: Mutex<Vec<Pair>> = Mutex::new(Vec::new());
    let kept: Mutex<Vec<Pair>> = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for worker in 0..6 {
            let (over, ended, kept) = (&over, &ended, &kept);
            scope.spawn(move || {
                let mut client = Client::with_patience(promised(Duration::from_secs(10)));
                let mut round = worker;
                while !over.load(Ordering::SeqCst) {
                    round += 1;
                    let node = &nodes[round % nodes.len()];
                    let Ok(answer) = client.ask(node, &login("alice")) else {
                        continue;
                    };
                    if answer.status != 200 {
                        assert_eq!(answer.status, 503, "{}", answer.body);
                        assert!(answer.header("Retry-After").is_some());
                        thread::sleep(Duration::from_millis(20));
                        continue;
                    }
                    let pair = Pair::of(&answer);
                    // An account has a hundred sessions at most; those that are kept are few.
                    if round % 16 == 0 && kept.lock().unwrap().len() < 10 {
                        kept.lock().unwrap().push(pair);
                        continue;
                    }
                    let node = &nodes[(round + 1) % nodes.len()];
                    match client.ask(node, &logout(&pair.token)) {
                        Ok(answer) if answer.status == 204 => ended.lock().unwrap().push(pair),
                        // It may have been revoked, or may not.
                        Ok(answer) => assert!([401, 503].contains(&answer.status), "{answer:?}"),
                        Err(_) => {}
                    }
                }
            });
        }
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            thread::sleep(sized(Duration::from_secs(1), Duration::from_secs(10)));
            let before = ended.lock().unwrap().len();
            match loss {
                Loss::Killed => postgres.primary.kill(),
                Loss::Stopped => postgres.primary.stop(),
                Loss::Unreachable => {
                    for node in nodes {
                        node.proxies[0].set(Trouble::BlackHole);
                    }
                }
            }
            thread::sleep(Duration::from_millis(500));
            let failed = Instant::now();
            postgres.standby().promote();
            let promoted = Instant::now();
            // Back: a login, and a request with the new token, everywhere.
            for node in nodes {
                let mut client = Client::with_patience(promised(Duration::from_secs(10)));
                loop {
                    let pair = client.ask(node, &login("alice"));
                    if let Ok(answer) = pair
                        && answer.status == 200
                        && client
                            .ask(node, &get("/secure-data", &Pair::of(&answer).token))
                            .is_ok_and(|answer| answer.status == 200)
                    {
                        break;
                    }
                    assert!(
                        promoted.elapsed() < promised(BACK) * 3,
                        "not back after {loss:?}"
                    );
                    thread::sleep(Duration::from_millis(20));
                }
            }
            let back = promoted.elapsed();
            println!(
                "{loss:?}: promoted in {:.1?}, back {back:.1?} later; {before} logouts before",
                promoted - failed
            );
            assert!(back < promised(BACK).max(BACK));
            thread::sleep(sized(Duration::from_millis(500), Duration::from_secs(10)));
        }));
        over.store(true, Ordering::SeqCst);
        if let Err(failure) = result {
            std::panic::resume_unwind(failure);
        }
    });
    // Every server, also one that has only seen the new primary, refuses what a logout had ended.
    nodes[0].kill_and_start();
    let ended = ended.into_inner().unwrap();
    assert!(!ended.is_empty());
    for node in nodes {
        let mut client = Client::new();
        for pair in &ended {
            let answer = client.ask(node, &get("/secure-data", &pair.token)).unwrap();
            assert_eq!(answer.status, 401, "a confirmed logout is forgotten");
        }
        for pair in kept.lock().unwrap().iter() {
            let answer = client.ask(node, &get("/secure-data", &pair.token)).unwrap();
            assert_eq!(answer.status, 200, "{}", answer.body);
        }
    }
    println!("{} confirmed logouts, none forgotten", ended.len());
}

#[test]
fn the_standby_takes_over_from_a_killed_primary() {
    fails_over(Loss::Killed);
}

#[test]
fn the_standby_takes_over_from_a_primary_that_stands_still() {
    fails_over(Loss::Stopped);
}

#[test]
fn the_standby_takes_over_from_an_unreachable_primary() {
    fails_over(Loss::Unreachable);
}
