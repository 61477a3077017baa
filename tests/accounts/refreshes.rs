//! Refresh tokens: each works once, until it expires.

use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use crate::common::people::{Pair, People, claims, refresh, within_a_second};

#[test]
fn of_two_who_use_one_refresh_token_at_once_one_wins_and_the_login_ends() {
    let people = People::of(&["alice"]);
    let servers = [people.server(&[]), people.server(&[])];
    for round in 0..20 {
        let first = Pair::log_in(&servers[0], "alice");
        let start = Barrier::new(2);
        let answers = thread::scope(|scope| {
            let ask = |server| {
                let (first, start) = (&first, &start);
                scope.spawn(move || {
                    start.wait();
                    first.refreshed(server)
                })
            };
            // Two clients of one server, or of two with one data directory.
            let threads = [ask(&servers[0]), ask(&servers[round % 2])];
            threads.map(|thread| thread.join().unwrap())
        });
        let (won, lost): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
        assert_eq!((won.len(), lost.len()), (1, 1), "{answers:?}");
        assert_eq!(
            (lost[0].status, lost[0].code().as_str()),
            (401, "token_revoked")
        );
        let next = Pair::of(won[0]);
        for server in &servers {
            assert_eq!(next.refreshed(server).code(), "token_revoked");
            within_a_second(|| server.get("/secure-data", Some(&next.token)).status == 401);
            within_a_second(|| server.get("/secure-data", Some(&first.token)).status == 401);
        }
    }
}

#[test]
fn a_refresh_goes_on_and_on_and_each_token_works_once() {
    let people = People::of(&["alice"]);
    let server = people.server(&[]);
    let mut pair = Pair::log_in(&server, "alice");
    let mut used = Vec::new();
    for _ in 0..10 {
        let next = Pair::of(&pair.refreshed(&server));
        assert_eq!(server.get("/secure-data", Some(&next.token)).status, 200);
        assert_eq!(claims(&next.token)["sid"], claims(&pair.token)["sid"]);
        used.push(std::mem::replace(&mut pair, next).refresh);
    }
    assert_eq!(refresh(&server, &used[4]).code(), "token_revoked");
    assert_eq!(
        pair.refreshed(&server).code(),
        "token_revoked",
        "a copy of an old one ends all"
    );
}

#[test]
fn a_refresh_token_expires() {
    let people = People::of(&["alice"]);
    let server = people.server(&[("SEALGATE_REFRESH_TTL", "1"), ("SEALGATE_LEEWAY", "0")]);
    let pair = Pair::log_in(&server, "alice");
    thread::sleep(Duration::from_millis(2100));
    let answer = pair.refreshed(&server);
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (401, "token_expired")
    );
}
