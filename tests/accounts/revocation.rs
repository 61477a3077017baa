//! Taking tokens back: within a second at every door and in every process that shares the data directory, until they would
//! have expired. `refreshes` has what a refresh token is good for.

#![allow(clippy::unwrap_used)] // a test that panics has failed
#![allow(clippy::print_stdout)] // figures, for whoever runs the tests

use std::thread;
use std::time::{Duration, SystemTime};

use crate::common::people::{PASSWORD, Pair, People, claims, login, within_a_second};
use crate::common::{run, said, text};
use sealgate::{Config, Gate, Grant, TokenError};
use serde_json::json;

/// A gate of another process than the servers': this one.
fn gate(people: &People) -> Gate {
    let mut config = Config::new();
    config
        .set("data_dir", people.place.folder.to_str().unwrap())
        .unwrap();
    Gate::new(&config.settings().unwrap().gate).unwrap()
}

fn refused(gate: &Gate, token: &str) -> bool {
    gate.verify_token(token) == Err(TokenError::Revoked)
}

#[test]
fn a_change_of_an_account_takes_its_tokens_back_within_a_second_everywhere() {
    let people = People::of(&["alice", "bob"]);
    let servers = [people.server(&[]), people.server(&[])];
    let gate = gate(&people);
    let bob = Pair::log_in(&servers[0], "bob");
    let mut longest = Duration::ZERO;
    for what in [
        &["user", "disable", "alice"][..],
        &["user", "passwd", "alice"],
        &["user", "scopes", "alice", "secure-data decrypt"],
        &["token", "revoke", "--user", "alice"],
        &["user", "remove", "alice"],
    ] {
        let alice = Pair::log_in(&servers[1], "alice");
        for server in &servers {
            assert_eq!(
                server.get("/secure-data", Some(&alice.token)).status,
                200,
                "{what:?}"
            );
        }
        assert!(gate.verify_token(&alice.token).is_ok());
        people.done(what);
        for server in &servers {
            let took =
                within_a_second(|| server.get("/secure-data", Some(&alice.token)).status == 401);
            longest = longest.max(took);
            assert_eq!(
                server.get("/secure-data", Some(&alice.token)).code(),
                "token_revoked"
            );
            assert_eq!(alice.refreshed(server).code(), "token_revoked");
        }
        longest = longest.max(within_a_second(|| refused(&gate, &alice.token)));
        if what[1] == "disable" {
            assert_eq!(login(&servers[0], "alice", PASSWORD).code(), "login_failed");
            people.done(&["user", "enable", "alice"]);
            for server in &servers {
                within_a_second(|| {
                    server
                        .get("/secure-data", Some(&Pair::log_in(server, "alice").token))
                        .status
                        == 200
                });
                assert_eq!(
                    server.get("/secure-data", Some(&alice.token)).code(),
                    "token_revoked",
                    "for good"
                );
            }
        }
    }
    assert_eq!(
        servers[0].get("/secure-data", Some(&bob.token)).status,
        200,
        "nobody else's"
    );
    println!("the longest that a token was still good: {longest:?}");
}

#[test]
fn a_login_right_after_all_was_taken_back_is_good() {
    let people = People::of(&["alice"]);
    let server = people.server(&[]);
    for _ in 0..5 {
        let before = Pair::log_in(&server, "alice");
        people.done(&["token", "revoke", "--user", "alice"]);
        let after = Pair::log_in(&server, "alice");
        within_a_second(|| server.get("/secure-data", Some(&before.token)).status == 401);
        assert_eq!(server.get("/secure-data", Some(&after.token)).status, 200);
        let issued = gate(&people).issue_token(&Grant {
            subject: "alice",
            scope: "secure-data",
            ..Grant::default()
        });
        assert_eq!(
            server.get("/secure-data", Some(&issued.unwrap())).status,
            200
        );
    }
}

#[test]
fn a_logout_takes_the_token_back_with_its_login_and_no_other() {
    let people = People::of(&["alice"]);
    let servers = [people.server(&[]), people.server(&[])];
    let (one, other) = (
        Pair::log_in(&servers[0], "alice"),
        Pair::log_in(&servers[0], "alice"),
    );
    let next = Pair::of(&one.refreshed(&servers[1]));
    assert_eq!(
        servers[0].get("/secure-data", Some(&one.token)).status,
        200,
        "an older one lives on"
    );
    let logout = servers[0].post("/logout", "", Some(&next.token));
    assert_eq!((logout.status, logout.body.as_str()), (204, ""));
    for token in [&one.token, &next.token] {
        assert_eq!(
            servers[0].get("/secure-data", Some(token)).code(),
            "token_revoked",
            "at once"
        );
        within_a_second(|| servers[1].get("/secure-data", Some(token)).status == 401);
    }
    assert_eq!(next.refreshed(&servers[1]).code(), "token_revoked");
    assert_eq!(
        servers[0].post("/logout", "", Some(&next.token)).code(),
        "token_revoked"
    );
    assert_eq!(
        servers[1].get("/secure-data", Some(&other.token)).status,
        200
    );
    assert_eq!(other.refreshed(&servers[1]).status, 200);
}

#[test]
fn without_accounts_a_token_can_be_taken_back_too() {
    let people = People::none();
    let server = people.server(&[]);
    let (one, other) = (server.log_in("anybody"), server.log_in("anybody"));
    assert_eq!(server.post("/logout", "", Some(&one)).status, 204);
    assert_eq!(
        server.get("/secure-data", Some(&one)).code(),
        "token_revoked"
    );
    assert_eq!(server.get("/secure-data", Some(&other)).status, 200);
    let anew = people.server(&[]);
    assert_eq!(
        anew.get("/secure-data", Some(&one)).code(),
        "token_revoked",
        "also after a restart"
    );
    assert_eq!(
        anew.get("/secure-data", Some(&anew.log_in("anybody")))
            .status,
        200,
        "login stays open"
    );
}

#[test]
fn with_keys_that_die_with_the_process_nothing_is_written() {
    let people = People::none();
    let server = people.server(&[("SEALGATE_KEYS", "ephemeral")]);
    let token = server.log_in("anybody");
    assert_eq!(server.post("/logout", "", Some(&token)).status, 204);
    assert_eq!(
        server.get("/secure-data", Some(&token)).code(),
        "token_revoked"
    );
    assert!(!people.place.folder.join("store.db").exists());
}

#[test]
fn a_folder_that_nobody_can_write_is_missed_only_by_what_has_to_be_kept() {
    let people = People::none();
    let keys = [
        ("JWT_SECRET_KEY", "a canary of at least thirty-two bytes"),
        ("AES_KEY", "canary--canary--"),
        ("SEALGATE_DATA_DIR", "/proc/nowhere"),
    ];
    let server = people.server(&keys);
    let token = server.log_in("anybody");
    assert_eq!(server.get("/secure-data", Some(&token)).status, 200);
    assert_eq!(server.get("/readyz", None).status, 200);
    let logout = server.post("/logout", "", Some(&token));
    assert_eq!(
        (logout.status, logout.code().as_str()),
        (503, "unavailable")
    );
    assert_eq!(
        server.get("/secure-data", Some(&token)).status,
        200,
        "it was not taken back"
    );
}

#[test]
fn the_command_takes_back_by_token_and_by_id() {
    let people = People::of(&["alice"]);
    let server = people.server(&[]);
    let pairs: Vec<Pair> = (0..4).map(|_| Pair::log_in(&server, "alice")).collect();
    let revoked =
        |token: &str| within_a_second(|| server.get("/secure-data", Some(token)).status == 401);
    assert!(
        people
            .typed(&["token", "revoke"], &pairs[0].token)
            .status
            .success()
    );
    revoked(&pairs[0].token);
    assert_eq!(pairs[0].refreshed(&server).code(), "token_revoked");
    assert!(
        people
            .typed(&["token", "revoke"], &pairs[1].refresh)
            .status
            .success()
    );
    revoked(&pairs[1].token);
    let id = |claim: &str, pair: &Pair| claims(&pair.token)[claim].as_str().unwrap().to_owned();
    people.done(&["token", "revoke", "--id", &id("jti", &pairs[2])]);
    revoked(&pairs[2].token);
    assert_eq!(pairs[2].refreshed(&server).status, 200, "the login goes on");
    people.done(&["token", "revoke", "--id", &id("sid", &pairs[3])]);
    revoked(&pairs[3].token);
    assert_eq!(pairs[3].refreshed(&server).code(), "token_revoked");
    for (arguments, input, status) in [
        (&["token", "revoke"][..], "a.b.c", 1),
        (&["token", "revoke"], "", 1),
        (&["token", "revoke", "--id", ""], "", 2),
        (&["token", "revoke", "--id", "a b"], "", 2),
        (&["token", "revoke", "--user", ""], "", 2),
        (&["token", "revoke", "--user", "a", "--id", "b"], "", 2),
    ] {
        let output = people.typed(arguments, input);
        assert_eq!(output.status.code(), Some(status), "{arguments:?} {input}");
        assert!(!text(&output.stderr).is_empty());
    }
    let mut nowhere = people.command(&["token", "revoke", "--user", "a"]);
    nowhere
        .env_remove("SEALGATE_DATA_DIR")
        .env("SEALGATE_DATA_DIR", "/proc/nowhere")
        .env("JWT_SECRET_KEY", "a canary of at least thirty-two bytes")
        .env("AES_KEY", "canary--canary--");
    let output = run(nowhere, b"");
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("SEALGATE_DATA_DIR"));
}

#[test]
fn the_originals_tokens_are_taken_back_by_what_they_are_and_by_user_for_good() {
    const SECRET: (&str, &str) = ("JWT_SECRET_KEY", "a canary of at least thirty-two bytes");
    let people = People::none();
    let server = people.server(&[SECRET]);
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let original = |user: &str, life: u64| seed_token(SECRET.1, user, now + life);
    let (one, other) = (original("ann", 600), original("ann", 700));
    for token in [&one, &other] {
        assert_eq!(server.get("/secure-data", Some(token)).status, 200);
    }
    assert_eq!(server.post("/logout", "", Some(&one)).status, 204);
    assert_eq!(
        server.get("/secure-data", Some(&one)).code(),
        "token_revoked"
    );
    assert_eq!(server.get("/secure-data", Some(&other)).status, 200);
    let mut revoke = people.command(&["token", "revoke", "--user", "ann"]);
    revoke.env(SECRET.0, SECRET.1);
    assert!(run(revoke, b"").status.success());
    within_a_second(|| server.get("/secure-data", Some(&other)).status == 401);
    // They do not say when they were issued.
    assert_eq!(
        server
            .get("/secure-data", Some(&original("ann", 800)))
            .code(),
        "token_revoked"
    );
    assert_eq!(
        server
            .get("/secure-data", Some(&original("ben", 800)))
            .status,
        200
    );
    thread::sleep(Duration::from_millis(1100));
    assert_eq!(
        server
            .get("/secure-data", Some(&server.log_in("ann")))
            .status,
        200
    );
}

/// A token as PyJWT makes it for the original program.
fn seed_token(secret: &str, user: &str, expires: u64) -> String {
    use jwt_simple::prelude::*;
    #[derive(serde::Serialize, serde::Deserialize)]
    struct Seed {
        username: String,
    }
    let mut claims = Claims::with_custom_claims(
        Seed {
            username: user.to_owned(),
        },
        Duration::from_secs(1),
    );
    claims.issued_at = None;
    claims.invalid_before = None;
    claims.expires_at = Some(UnixTimeStamp::from_secs(expires));
    let key = HS256Key::from_bytes(secret.as_bytes());
    key.authenticate(claims).unwrap()
}

#[test]
fn tokens_of_the_command_for_nobody_are_refused_where_there_are_accounts() {
    let people = People::of(&["alice"]);
    let server = people.server(&[]);
    let issue = |user: &str| {
        text(&people.typed(&["token", "issue", "--user", user], "").stdout)
            .trim()
            .to_owned()
    };
    assert_eq!(
        server.get("/secure-data", Some(&issue("alice"))).status,
        200
    );
    assert_eq!(
        server.get("/secure-data", Some(&issue("nobody"))).code(),
        "token_revoked"
    );
    let body = json!({"username": "nobody", "password": PASSWORD}).to_string();
    assert_eq!(server.post("/login", &body, None).code(), "login_failed");
}
