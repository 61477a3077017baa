//! Servers and PostgreSQL are killed at any moment: every change that was confirmed is there, and none is half done.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::nodes::{Client, Fleet, get, login, logout, refresh, sized};
use super::postgres::Postgres;
use crate::common::people::{PASSWORD, Pair};

/// What is known of an account: `None` where a change was under way when something was killed.
type Known = BTreeMap<String, Option<bool>>;

/// Adds accounts and disables them, until it is over; what was confirmed.
fn change_accounts(fleet: &Fleet, worker: usize, over: &AtomicBool) -> (Known, Vec<String>) {
    let (mut known, mut open) = (Known::new(), Vec::new());
    let mut number = 0;
    while !over.load(Ordering::SeqCst) {
        number += 1;
        let name = format!("a{worker}x{number}");
        let added = fleet.typed(&["user", "add", &name], PASSWORD);
        if added.status.code() != Some(0) {
            open.push(name);
            thread::sleep(Duration::from_millis(50));
            continue;
        }
        known.insert(name.clone(), Some(false));
        let disabled = fleet.typed(&["user", "disable", &name], "");
        let outcome = (disabled.status.code() == Some(0)).then_some(true);
        known.insert(name, outcome);
    }
    (known, open)
}

/// What became of a session.
struct Session {
    pair: Pair,
    state: State,
}

#[derive(PartialEq, Debug)]
enum State {
    /// Its last refresh was confirmed.
    Lives,
    Ended,
    /// The answer to the last request was lost.
    Unknown,
}

/// Logs in, refreshes and logs out at any node, until it is over.
fn use_sessions(
    fleet: &Fleet,
    worker: usize,
    over: &AtomicBool,
    asked: &AtomicUsize,
) -> Vec<Session> {
    let name = format!("user{worker}");
    let mut client = Client::with_patience(Duration::from_secs(20));
    let mut sessions: Vec<Session> = Vec::new();
    let mut round = worker;
    while !over.load(Ordering::SeqCst) {
        round += 1;
        let node = |more: usize| &fleet.nodes[(round + more) % fleet.nodes.len()];
        let Some(pair) = client
            .ask(node(0), &login(&name))
            .ok()
            .filter(|answer| answer.status == 200)
        else {
            thread::sleep(Duration::from_millis(20));
            continue;
        };
        let mut session = Session {
            pair: Pair::of(&pair),
            state: State::Lives,
        };
        asked.fetch_add(1, Ordering::SeqCst);
        for more in 1..=3 {
            match client.ask(node(more), &refresh(&session.pair.refresh)) {
                Ok(answer) if answer.status == 200 => session.pair = Pair::of(&answer),
                // An answer that says nothing of an open outcome: nothing was changed, or it says so.
                Ok(answer) => {
                    assert_eq!(answer.status, 503, "{}", answer.body);
                    session.state = State::Unknown;
                    break;
                }
                Err(_) => {
                    session.state = State::Unknown;
                    break;
                }
            }
        }
        if session.state == State::Lives && !round.is_multiple_of(3) {
            session.state = match client.ask(node(4), &logout(&session.pair.token)) {
                Ok(answer) if answer.status == 204 => State::Ended,
                _ => State::Unknown,
            };
        }
        sessions.push(session);
        // An account keeps a hundred sessions at most: those that live stay among them.
        let old = sessions.len().saturating_sub(60);
        sessions.drain(..old);
    }
    sessions
}

/// Every account that was confirmed is there, as it was left, and no other one but those that were under way.
fn judge_accounts(fleet: &Fleet, known: &Known, open: &[String]) {
    let listed = fleet.done(&["user", "list", "--json"]);
    let there: BTreeMap<String, bool> = listed
        .lines()
        .map(|line| {
            let user: serde_json::Value = serde_json::from_str(line).unwrap();
            let name = user["name"].as_str().unwrap().to_owned();
            (name, user["disabled"].as_bool().unwrap())
        })
        .collect();
    for (name, disabled) in known {
        let now = there.get(name);
        assert!(now.is_some(), "{name} is lost");
        assert!(disabled.is_none_or(|wanted| now == Some(&wanted)), "{name}");
    }
    for name in there.keys().filter(|name| !name.starts_with("user")) {
        let is_known = known.contains_key(name) || open.contains(name);
        assert!(is_known, "{name} came from nowhere");
    }
}

/// A confirmed login or refresh holds, a confirmed logout too, and one whose answer was lost has happened or has not.
fn judge_sessions(fleet: &Fleet, sessions: &[Session]) {
    for (number, session) in sessions.iter().enumerate() {
        let node = &fleet.nodes[number % fleet.nodes.len()];
        let mut client = Client::new();
        let mut status = |request: &[u8]| client.ask(node, request).unwrap().status;
        let token = status(&get("/secure-data", &session.pair.token));
        let refreshed = status(&refresh(&session.pair.refresh));
        match session.state {
            State::Lives => assert_eq!((token, refreshed), (200, 200), "a session is lost"),
            State::Ended => assert_eq!((token, refreshed), (401, 401), "a logout is forgotten"),
            State::Unknown => {
                assert!([200, 401].contains(&token), "{token}");
                assert!([200, 401].contains(&refreshed), "{refreshed}");
            }
        }
    }
}

#[test]
fn kills_of_servers_and_postgresql_lose_nothing_that_was_confirmed() {
    let kills = sized(6, 500);
    let users = ["user0", "user1", "user2"];
    let fleet = Fleet::of(Postgres::alone(), 3, &users, &[]);
    let (over, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    let known: Mutex<(Known, Vec<String>)> = Mutex::default();
    let sessions: Mutex<Vec<Session>> = Mutex::default();
    let started = Instant::now();
    thread::scope(|scope| {
        for worker in 0..2 {
            let (fleet, over, known) = (&fleet, &over, &known);
            scope.spawn(move || {
                let (more, open) = change_accounts(fleet, worker, over);
                let mut known = known.lock().unwrap();
                known.0.extend(more);
                known.1.extend(open);
            });
        }
        for worker in 0..users.len() {
            let (fleet, over, sessions, asked) = (&fleet, &over, &sessions, &asked);
            scope.spawn(move || {
                let more = use_sessions(fleet, worker, over, asked);
                sessions.lock().unwrap().extend(more);
            });
        }
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for kill in 0..kills {
                // The golden ratio spreads the moments evenly, whatever their number.
                let part = (f64::from(kill) * 0.618_034).fract();
                thread::sleep(Duration::from_millis(200).mul_f64(1.0 + 3.0 * part));
                match kill % 3 {
                    0 => {
                        fleet.postgres.primary.kill();
                        fleet.postgres.primary.start();
                    }
                    // Both at once.
                    1 => {
                        fleet.postgres.primary.kill();
                        fleet.postgres.primary.launch();
                        fleet.nodes[kill as usize % 3].kill_and_start();
                    }
                    _ => fleet.nodes[kill as usize % 3].kill_and_start(),
                }
                // Some work is done in between, however slow the machine is.
                let before = asked.load(Ordering::SeqCst);
                super::postgres::wait_until("no login gets through any more", || {
                    asked.load(Ordering::SeqCst) > before
                });
            }
        }));
        over.store(true, Ordering::SeqCst);
        if let Err(failure) = result {
            std::panic::resume_unwind(failure);
        }
    });
    let (known, open) = known.into_inner().unwrap();
    fleet.wait_for(&login("user0"), 200);
    judge_accounts(&fleet, &known, &open);
    let sessions = sessions.into_inner().unwrap();
    judge_sessions(&fleet, &sessions);
    let count = |state: State| sessions.iter().filter(|one| one.state == state).count();
    println!(
        "{kills} kills in {:.0?}: {} accounts, {} logins; of the last sessions {} live, {} ended, {} open; nothing lost",
        started.elapsed(),
        known.len(),
        asked.into_inner(),
        count(State::Lives),
        count(State::Ended),
        count(State::Unknown)
    );
    assert!(!known.is_empty() && count(State::Ended) > 0 && count(State::Lives) > 0);
}
