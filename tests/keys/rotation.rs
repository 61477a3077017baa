//! Keys that are replaced while servers run: nobody notices, until the time of the old ones is over.
//! `key_pairs` has keys that are published first, `rotation_under_load` many requests beside.

#![allow(clippy::unwrap_used)] // a test that panics has failed

mod key_pairs;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::common::people::{Pair, People, within};
use crate::common::{PATIENCE, Server, said, text, typed};
use serde_json::{Value, json};

fn keys(home: &Path, arguments: &[&str]) -> Value {
    let arguments = [&["keys"], arguments, &["--json"]].concat();
    let output = typed(home, &arguments, b"", &[]);
    assert!(output.status.success(), "{arguments:?}: {}", said(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The id of a kind's newest key.
fn newest(home: &Path, kind: &str) -> String {
    let listed = keys(home, &["list"]);
    let listed = listed["keys"].as_array().unwrap();
    let key = listed
        .iter()
        .find(|key| key["kind"] == kind && key["newest"] == true);
    key.unwrap()["id"].as_str().unwrap().to_owned()
}

fn start(home: &Path) -> Server {
    Server::start(
        home,
        &[("MAX_REQUESTS", "0"), ("SEALGATE_LOGIN_MAX_REQUESTS", "0")],
    )
}

fn encrypt(server: &Server, token: &str, data: &str) -> String {
    let body = json!({ "data": data }).to_string();
    let answer = server.post("/encrypt", &body, Some(token));
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()["encrypted_data"].as_str().unwrap().to_owned()
}

fn decrypt(server: &Server, token: &str, sealed: &str) -> crate::common::Answer {
    let body = json!({ "encrypted_data": sealed }).to_string();
    server.post("/decrypt", &body, Some(token))
}

/// Rotating logs nobody out: what refreshes a login lives far longer than the token that it came with.
#[test]
fn a_login_can_be_refreshed_after_its_key_was_replaced() {
    let people = People::of(&["alice"]);
    let server = people.server(&[("SEALGATE_TOKEN_TTL", "1"), ("SEALGATE_LEEWAY", "0")]);
    let pair = Pair::log_in(&server, "alice");
    people.done(&["keys", "rotate", "--token-ttl", "1", "--leeway", "0"]);
    thread::sleep(Duration::from_millis(2100));
    assert_eq!(server.get("/secure-data", Some(&pair.token)).status, 401);
    let refreshed = pair.refreshed(&server);
    assert_eq!(refreshed.status, 200, "{}", refreshed.body);
    server.stop();
}

/// A server that has not looked at the ring since looks when it is asked for a key that it does not know.
#[test]
fn a_login_at_one_server_can_be_refreshed_at_another_right_after_a_rotation() {
    let people = People::of(&["alice"]);
    let [one, other] = [(); 2].map(|()| people.server(&[]));
    for rotations in 1..=3 {
        assert_eq!(other.get("/readyz", None).status, 200);
        people.done(&["keys", "rotate"]);
        one.signal("HUP");
        let start = Instant::now();
        while one.log().matches("was reloaded").count() < rotations {
            assert!(start.elapsed() < PATIENCE, "{}", one.log());
            thread::sleep(Duration::from_millis(5));
        }
        let refreshed = Pair::log_in(&one, "alice").refreshed(&other);
        assert_eq!(refreshed.status, 200, "{}", refreshed.body);
    }
    one.stop();
    other.stop();
}

#[test]
fn a_replaced_token_key_is_accepted_until_its_time_is_over() {
    let home = tempfile::tempdir().unwrap();
    let server = start(home.path());
    let token = server.log_in("alice");
    let rotated = Instant::now();
    keys(home.path(), &["rotate", "--token", "--grace", "3"]);
    // Cached and not, before and after.
    let ask = || server.get("/secure-data", Some(&token));
    let refused = loop {
        let answer = ask();
        if answer.status != 200 {
            break answer;
        }
        assert!(rotated.elapsed() < PATIENCE, "still accepted");
        thread::sleep(Duration::from_millis(20));
    };
    let after = rotated.elapsed();
    assert!(after > Duration::from_millis(1900), "{after:?}");
    assert_eq!(
        (refused.status, refused.code()),
        (401, "token_key_retired".to_owned())
    );
    assert!(refused.body.contains("Log in again"), "{}", refused.body);
    let verified = typed(home.path(), &["token", "verify"], token.as_bytes(), &[]);
    assert_eq!(verified.status.code(), Some(1));
    assert!(said(&verified).contains("retired key"));
    assert_eq!(
        server
            .get("/secure-data", Some(&server.log_in("alice")))
            .status,
        200
    );
}

#[test]
fn without_grace_nobody_stays_logged_in_and_all_data_opens() {
    let home = tempfile::tempdir().unwrap();
    let issue = || said_by(home.path(), &["token", "issue", "--user", "alice"], b"");
    // Of a key that is accepted without an end, of one that is until its tokens expire, and of the newest.
    let first = issue();
    let sealed = said_by(home.path(), &["encrypt"], b"old");
    keys(home.path(), &["generate", "--token"]);
    let second = issue();
    keys(home.path(), &["rotate"]);
    let tokens = [first, second, issue()];
    let codes = || {
        tokens.each_ref().map(|token| {
            typed(home.path(), &["token", "verify"], token, &[])
                .status
                .code()
        })
    };
    assert_eq!(codes(), [Some(0); 3]);
    keys(home.path(), &["rotate", "--token", "--grace", "60"]);
    assert_eq!(codes(), [Some(0); 3]);
    keys(home.path(), &["rotate", "--token", "--grace", "0"]);
    assert_eq!(codes(), [Some(1); 3]);
    let verified = typed(home.path(), &["token", "verify"], &issue(), &[]);
    assert_eq!(verified.status.code(), Some(0));
    assert_eq!(said_by(home.path(), &["decrypt"], &sealed), b"old");
}

/// What a command that has to succeed prints.
fn said_by(home: &Path, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let output = typed(home, arguments, input, &[]);
    assert!(output.status.success(), "{}", said(&output));
    output.stdout
}

#[test]
fn a_retired_data_key_opens_nothing_until_it_is_accepted_again() {
    let home = tempfile::tempdir().unwrap();
    let server = start(home.path());
    let token = server.log_in("alice");
    let sealed = encrypt(&server, &token, "old");
    let old = newest(home.path(), "data");
    let refused = typed(home.path(), &["keys", "retire", &old], b"", &[]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        said(&refused).contains("sealgate keys rotate --data"),
        "{}",
        said(&refused)
    );

    keys(home.path(), &["rotate", "--data"]);
    assert_eq!(decrypt(&server, &token, &sealed).status, 200);
    keys(home.path(), &["retire", &old]);
    let waits_for = |status: u16| {
        let start = Instant::now();
        loop {
            let answer = decrypt(&server, &token, &sealed);
            if answer.status == status {
                return answer;
            }
            assert!(start.elapsed() < PATIENCE, "{}", answer.body);
            thread::sleep(Duration::from_millis(20));
        }
    };
    assert_eq!(waits_for(400).code(), "key_retired");
    let opened = typed(home.path(), &["decrypt"], sealed.as_bytes(), &[]);
    assert_eq!((opened.status.code(), opened.stdout.len()), (Some(1), 0));
    // Something changed under a retired key is no other case.
    let mut changed = sealed.clone().into_bytes();
    changed[60] = if changed[60] == b'A' { b'B' } else { b'A' };
    let answer = decrypt(&server, &token, &text(&changed));
    assert_eq!(answer.code(), "key_retired");
    keys(home.path(), &["accept", &old]);
    waits_for(200);
    keys(home.path(), &["accept", &old, "--for", "1"]);
    waits_for(400);
}

#[test]
fn a_server_replaces_keys_that_have_reached_their_age() {
    let home = tempfile::tempdir().unwrap();
    let settings = [("SEALGATE_ROTATE_TOKEN_KEY_AFTER", "1")];
    // Two of them, of which one does it.
    let servers = [0, 1].map(|_| Server::start(home.path(), &settings));
    let before = newest(home.path(), "token");
    let start = Instant::now();
    while newest(home.path(), "token") == before {
        assert!(start.elapsed() < PATIENCE);
        thread::sleep(Duration::from_millis(100));
    }
    let listed = keys(home.path(), &["list"]);
    let data = listed["keys"].as_array().unwrap();
    assert_eq!(data.iter().filter(|key| key["kind"] == "data").count(), 1);
    let old = data
        .iter()
        .find(|key| key["id"] == before.as_str())
        .unwrap();
    assert!(
        old["accepted"] == true && old["accepted_until"].is_string(),
        "{old}"
    );
    for server in servers {
        server.stop();
    }
}

#[test]
fn a_ring_that_was_damaged_meanwhile_is_told_and_the_keys_before_stay_in_use() {
    let home = tempfile::tempdir().unwrap();
    let server = start(home.path());
    let token = server.log_in("alice");
    let ring = home.path().join(".local/state/sealgate/keys.json");
    let good = fs::read(&ring).unwrap();
    fs::write(&ring, &good[..good.len() / 2]).unwrap();
    server.signal("HUP");
    let is_told = |server: &Server| server.get("/readyz", None).body.contains("cannot be used");
    let start = Instant::now();
    while !is_told(&server) {
        assert!(start.elapsed() < PATIENCE);
        thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(server.get("/readyz", None).status, 200);
    assert_eq!(server.get("/secure-data", Some(&token)).status, 200);
    // Lines wait for a moment before they are written.
    within(PATIENCE, || {
        server.log().contains("The previous keys stay in use.")
    });
    let is_well_again = || {
        let start = Instant::now();
        while is_told(&server) {
            assert!(start.elapsed() < PATIENCE, "{}", server.log());
            // It is whoever uses keys that looks.
            assert_eq!(server.get("/secure-data", Some(&token)).status, 200);
            thread::sleep(Duration::from_millis(20));
        }
    };
    fs::write(&ring, &good).unwrap();
    is_well_again();

    // What the log says mends it leaves the file as it is.
    let mode = |mode| fs::set_permissions(&ring, fs::Permissions::from_mode(mode)).unwrap();
    mode(0o644);
    server.signal("HUP");
    let start = Instant::now();
    while !is_told(&server) {
        assert!(start.elapsed() < PATIENCE);
        thread::sleep(Duration::from_millis(20));
    }
    // More than one look.
    thread::sleep(Duration::from_millis(1200));
    assert_eq!(server.get("/secure-data", Some(&token)).status, 200);
    mode(0o600);
    is_well_again();
    let log = server.stop();
    assert_eq!(log.matches("is open to other users").count(), 1, "{log}");
}

#[test]
fn keys_that_cannot_be_replaced_at_their_age_are_told_once_and_replaced_when_they_can() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start(home.path(), &[("SEALGATE_ROTATE_TOKEN_KEY_AFTER", "2")]);
    let ring = home.path().join(".local/state/sealgate/keys.json");
    let good = fs::read(&ring).unwrap();
    fs::write(&ring, b"no ring").unwrap();
    let failures = |log: &str| log.matches("their maximum age cannot be replaced").count();
    let start = Instant::now();
    while failures(&server.log()) == 0 {
        assert!(start.elapsed() < PATIENCE, "{}", server.log());
        thread::sleep(Duration::from_millis(20));
    }
    // More than one further try.
    thread::sleep(Duration::from_millis(2500));
    assert_eq!(failures(&server.log()), 1, "{}", server.log());
    fs::write(&ring, &good).unwrap();
    let start = Instant::now();
    while !server.log().contains("its maximum age and was replaced") {
        assert!(start.elapsed() < PATIENCE, "{}", server.log());
        thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(failures(&server.stop()), 1);
}

#[test]
fn what_is_mistyped_changes_nothing() {
    let home = tempfile::tempdir().unwrap();
    let nothing = typed(home.path(), &["keys", "retire", "abc"], b"", &[]);
    assert_eq!(nothing.status.code(), Some(2), "{}", said(&nothing));
    let ring = home.path().join(".local/state/sealgate/keys.json");
    assert!(!ring.exists(), "none is made");
    keys(home.path(), &["generate"]);
    let old = newest(home.path(), "data");
    keys(home.path(), &["rotate"]);
    let before = fs::read(&ring).unwrap();
    for (arguments, hint) in [
        (&["keys", "retire", "nokey"][..], "sealgate keys list"),
        (&["keys", "retire", &old, "nokey"], "sealgate keys list"),
        (&["keys", "retire", "\u{1b}[2J"], "sealgate keys list"),
        (&["keys", "retire"], "<ID>"),
        (&["keys", "rotate", "--grace=-1"], "--grace"),
        (&["keys", "accept", &old, "--for", "soon"], "--for"),
    ] {
        let output = typed(home.path(), arguments, b"", &[]);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let said = text(&output.stderr);
        assert!(said.contains(hint) && !said.contains('\u{1b}'), "{said}");
    }
    assert_eq!(fs::read(&ring).unwrap(), before);
}
