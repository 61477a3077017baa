//! Logins listed and ended by the command, accounts unlocked by it, and users who change their own password.

#![allow(clippy::unwrap_used)] // a test that panics has failed

use std::time::Duration;

use serde_json::{Value, json};

use crate::common::people::{PASSWORD, Pair, People, claims, login, within_a_second};
use crate::common::{Answer, Server, said, text};

fn sessions(people: &People, name: &str) -> Vec<Value> {
    let listed = people.typed(&["user", "sessions", name, "--json"], "");
    assert_eq!(listed.status.code(), Some(0), "{listed:?}");
    let lines = text(&listed.stdout);
    lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn session_of(pair: &Pair) -> String {
    claims(&pair.token)["sid"].as_str().unwrap().to_owned()
}

#[test]
fn a_login_is_listed_until_it_is_ended_and_its_tokens_are_then_refused() {
    let people = People::of(&["alice", "bob"]);
    assert!(sessions(&people, "alice").is_empty());
    let server = people.server(&[]);
    let (first, other) = (Pair::log_in(&server, "alice"), Pair::log_in(&server, "bob"));
    let [listed] = &sessions(&people, "alice")[..] else {
        panic!("one login");
    };
    assert_eq!(listed["id"], session_of(&first));
    assert_eq!(listed["refreshed"], Value::Null);
    let is_time = |name: &str| {
        listed[name]
            .as_str()
            .is_some_and(|time| time.ends_with('Z'))
    };
    assert!(is_time("started") && is_time("expires"), "{listed}");

    let next = Pair::of(&first.refreshed(&server));
    let again = sessions(&people, "alice");
    assert_eq!(again.len(), 1);
    assert_eq!(
        (&again[0]["id"], &again[0]["started"]),
        (&listed["id"], &listed["started"])
    );
    assert!(again[0]["refreshed"].is_string());
    let table = text(&people.typed(&["user", "sessions", "alice"], "").stdout);
    let lines: Vec<&str> = table.lines().collect();
    assert!(
        lines.len() == 2 && lines[0].starts_with("ID ") && lines[0].ends_with("EXPIRES"),
        "{table}"
    );
    assert!(lines[1].starts_with(&session_of(&first)), "{table}");

    people.done(&["session", "end", "--", &session_of(&first)]);
    assert!(sessions(&people, "alice").is_empty());
    for token in [&first.token, &next.token] {
        within_a_second(|| server.get("/secure-data", Some(token)).status == 401);
    }
    assert_eq!(next.refreshed(&server).code(), "token_revoked");
    assert_eq!(server.get("/secure-data", Some(&other.token)).status, 200);
    assert_eq!(sessions(&people, "bob").len(), 1);
    for id in [&*session_of(&first), "nothing", ""] {
        let again = people.typed(&["session", "end", "--", id], "");
        assert_eq!(again.status.code(), Some(1));
        assert!(said(&again).contains("There is no such login"));
    }
    let nobody = people.typed(&["user", "sessions", "nobody"], "");
    assert_eq!(nobody.status.code(), Some(1));
    assert!(said(&nobody).contains("There is no account"));
}

#[test]
fn looking_for_logins_makes_nothing() {
    let people = People::none();
    for arguments in [
        &["user", "sessions", "alice"][..],
        &["session", "end", "x"],
        &["user", "unlock", "alice"],
    ] {
        assert_eq!(
            people.typed(arguments, "").status.code(),
            Some(1),
            "{arguments:?}"
        );
    }
    assert!(!people.place.folder.join("store.db").exists());
}

#[test]
fn the_command_unlocks_an_account_for_a_running_server() {
    let people = People::of(&["alice"]);
    let server = people.server(&[("SEALGATE_LOCKOUT_AFTER", "2")]);
    // After four wrong passwords a delay takes 4 s, and each further one doubles it: some delay is longer than what holds this
    // test up.
    let mut failures = 0;
    while failures < 4 || login(&server, "alice", PASSWORD).status != 429 {
        let refused = login(&server, "alice", "a noisy harbour");
        match refused.status {
            401 => failures += 1,
            _ => {
                let wait = refused.header("Retry-After").unwrap().parse().unwrap();
                std::thread::sleep(Duration::from_secs(wait));
            }
        }
        assert!(failures < 12, "never delayed");
    }
    people.done(&["user", "unlock", "alice"]);
    assert_eq!(login(&server, "alice", PASSWORD).status, 200);
}

fn change(server: &Server, token: &str, current: &str, new: &str) -> Answer {
    let ask = json!({"current_password": current, "new_password": new}).to_string();
    server.post("/password", &ask, Some(token))
}

#[test]
fn users_change_their_own_password_with_both_engines() {
    for engine in ["pool", "tiny-http"] {
        let people = People::of(&["alice"]);
        let servers = [(); 2].map(|()| people.server(&[("SEALGATE_ENGINE", engine)]));
        let [here, elsewhere] = &servers;
        let (first, second) = (
            Pair::log_in(here, "alice"),
            Pair::log_in(elsewhere, "alice"),
        );
        let new = "a stormy harbour";
        let refused = change(here, &first.token, "a noisy harbour", new);
        assert_eq!((refused.status, &*refused.code()), (401, "login_failed"));
        let refused = change(here, &first.token, PASSWORD, "password");
        assert_eq!((refused.status, &*refused.code()), (400, "weak_password"));
        let refused = change(here, "", PASSWORD, new);
        assert_eq!((refused.status, &*refused.code()), (401, "token_missing"));
        assert_eq!(here.get("/secure-data", Some(&first.token)).status, 200);

        let done = change(here, &first.token, PASSWORD, new);
        assert_eq!((done.status, &*done.body), (204, ""));
        assert_eq!(
            change(here, &first.token, new, PASSWORD).code(),
            "token_revoked"
        );
        for pair in [&first, &second] {
            within_a_second(|| elsewhere.get("/secure-data", Some(&pair.token)).status == 401);
            assert_eq!(pair.refreshed(elsewhere).code(), "token_revoked");
        }
        assert!(sessions(&people, "alice").is_empty());
        assert_eq!(login(elsewhere, "alice", PASSWORD).code(), "login_failed");
        Pair::of(&login(elsewhere, "alice", new));
        for server in servers {
            server.stop();
        }
    }
}
