//! OAuth 2.0 clients over the command and over HTTP, in both engines: who they are, what they get, and what nobody learns.

#![allow(clippy::unwrap_used)] // a test that panics has failed
#![allow(clippy::print_stdout)] // figures, for whoever runs the tests

mod refusal_times;

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use openssl::base64::encode_block;
use sealgate::{Config, Gate};
use serde_json::{Value, json};

use crate::audit_trail::fields;
use crate::common::people::{PASSWORD, Pair, People, claims, login, within, within_a_second};
use crate::common::{Answer, PATIENCE, Server, run, said, text};

const GRANT: &str = "grant_type=client_credentials";

pub(crate) fn basic(id: &str, secret: &str) -> String {
    format!(
        "Basic {}",
        encode_block(format!("{id}:{secret}").as_bytes())
    )
}

/// Posts a form, with this `Authorization` unless it is empty.
pub(crate) fn form(server: &Server, path: &str, authorization: &str, body: &str) -> Answer {
    let authorization = match authorization {
        "" => String::new(),
        value => format!("Authorization: {value}\r\n"),
    };
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\n{authorization}Content-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    server.send(format!("{head}{body}").as_bytes())
}

/// Adds a client and returns the secret that is printed.
fn add(people: &People, id: &str, scopes: &str) -> String {
    printed(people, &["client", "add", id, "--scopes", scopes])
}

fn printed(people: &People, arguments: &[&str]) -> String {
    let output = people.typed(arguments, "");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let line = text(&output.stdout);
    assert_eq!(line.len(), 44, "{line}");
    line.trim_end().to_owned()
}

fn token_of(server: &Server, id: &str, secret: &str) -> Answer {
    form(server, "/token", &basic(id, secret), GRANT)
}

#[test]
fn clients_are_made_listed_changed_and_removed() {
    let people = People::none();
    let none = people.typed(&["client", "list"], "");
    assert_eq!((none.status.code(), none.stdout.len()), (Some(0), 0));
    let secret = add(&people, "shop", "decrypt introspect");
    people.add("alice", "encrypt");
    let listed = text(&people.typed(&["client", "list"], "").stdout);
    let lines: Vec<&str> = listed.lines().collect();
    assert_eq!(lines.len(), 2, "{listed}");
    assert!(
        lines[1].starts_with("shop  decrypt introspect  on  "),
        "{listed}"
    );
    people.done(&["client", "disable", "shop"]);
    people.done(&["client", "scopes", "shop", "encrypt"]);
    let listed = text(&people.typed(&["client", "list", "--json"], "").stdout);
    let first: Value = serde_json::from_str(listed.trim_end()).unwrap();
    assert_eq!(
        (&first["name"], &first["scope"], &first["disabled"]),
        (&json!("shop"), &json!("encrypt"), &json!(true))
    );
    people.done(&["client", "enable", "shop"]);
    let other = printed(&people, &["client", "secret", "shop"]);
    assert_ne!(other, secret);
    let listed = text(&people.typed(&["user", "list"], "").stdout);
    assert!(
        listed.contains("alice") && !listed.contains("shop"),
        "{listed}"
    );
    // A pseudonym of the audit trail leads to a client as to a user.
    let who = text(&people.typed(&["audit", "who", "shop"], "").stdout);
    let found = people.typed(&["audit", "who", who.trim_end()], "");
    assert_eq!(text(&found.stdout), "shop\n");
    // The commands of users leave clients alone, and the other way round.
    let taken = [
        &["user", "add", "shop"][..],
        &["client", "add", "alice"],
        &["client", "add", "shop"],
    ];
    for taken in taken {
        let output = people.typed(taken, PASSWORD);
        assert_eq!(output.status.code(), Some(1), "{taken:?}");
        assert!(said(&output).contains("already exists"), "{taken:?}");
    }
    for what in ["disable", "enable", "remove"] {
        for of in [["user", what, "shop"], ["client", what, "alice"]] {
            let output = people.typed(&of, PASSWORD);
            assert_eq!(output.status.code(), Some(1), "{of:?}");
            assert!(said(&output).contains("There is no account"), "{of:?}");
        }
    }
    for of in [["user", "passwd", "shop"], ["client", "secret", "alice"]] {
        assert_eq!(people.typed(&of, PASSWORD).status.code(), Some(1), "{of:?}");
    }
    let server = people.server(&[]);
    assert_eq!(token_of(&server, "shop", &other).status, 200);
    assert_eq!(token_of(&server, "shop", &secret).status, 401);
    server.stop();
    people.done(&["client", "remove", "shop"]);
    let listed = people.typed(&["client", "list"], "");
    assert_eq!(listed.stdout.len(), 0);
    for wrong in ["", "a\nb", "caf\u{e9}"] {
        let output = people.typed(&["client", "add", wrong], "");
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));
        assert!(said(&output).contains("printable ASCII"));
    }
}

#[test]
fn a_client_gets_a_token_in_both_engines_and_what_it_may_not_do_it_cannot() {
    let people = People::of(&["alice"]);
    let secret = add(&people, "shop", "encrypt introspect");
    for engine in ["pool", "tiny-http"] {
        let server = people.server(&[("SEALGATE_ENGINE", engine)]);
        let answer = token_of(&server, "shop", &secret);
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(answer.headers["cache-control"], "no-store");
        let token = answer.json()["access_token"].as_str().unwrap().to_owned();
        let read = claims(&token);
        assert_eq!(
            (&read["sub"], &read["client_id"]),
            (&json!("shop"), &json!("shop"))
        );
        assert_eq!(read.get("username"), None);
        let sealed = server.post("/encrypt", r#"{"data": "x"}"#, Some(&token));
        assert_eq!(sealed.status, 200);
        let refused = server.post("/decrypt", &sealed.body, Some(&token));
        assert_eq!(refused.code(), "insufficient_scope");
        let asked = format!("{GRANT}&scope=encrypt+decrypt");
        let asked = form(&server, "/token", &basic("shop", &secret), &asked);
        assert_eq!(
            (asked.status, &asked.json()["error"]),
            (400, &json!("invalid_scope"))
        );
        // A user gets no token as a client, and a client none as a user.
        assert_eq!(token_of(&server, "alice", PASSWORD).status, 401);
        assert_eq!(login(&server, "shop", &secret).status, 401);
        // A refresh token of a login, and its second use.
        let pair = Pair::log_in(&server, "alice");
        let ask = format!("grant_type=refresh_token&refresh_token={}", pair.refresh);
        let refreshed = form(&server, "/token", "", &ask);
        assert_eq!(refreshed.status, 200);
        let newer = refreshed.json()["access_token"]
            .as_str()
            .unwrap()
            .to_owned();
        assert_eq!(form(&server, "/token", "", &ask).status, 400);
        within_a_second(|| server.get("/secure-data", Some(&newer)).status == 401);
        let about = form(
            &server,
            "/introspect",
            &basic("shop", &secret),
            &format!("token={token}"),
        );
        assert_eq!(about.json()["client_id"], "shop");
        let revoked = form(&server, "/revoke", "", &format!("token={token}"));
        assert_eq!((revoked.status, revoked.body.trim_end()), (200, "{}"));
        let after = server.post("/encrypt", r#"{"data": "x"}"#, Some(&token));
        assert_eq!(after.code(), "token_revoked");
        let json = server.post("/token", r#"{"grant_type": "client_credentials"}"#, None);
        assert_eq!(
            (json.status, &json.json()["error"]),
            (400, &json!("invalid_request"))
        );
        server.stop();
    }
}

#[test]
fn a_running_server_notices_changes_of_clients() {
    let people = People::none();
    let secret = add(&people, "shop", "encrypt decrypt");
    let server = people.server(&[]);
    let token = |secret: &str| {
        let answer = token_of(&server, "shop", secret);
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()["access_token"].as_str().unwrap().to_owned()
    };
    let is_good = |token: &str| {
        let answer = server.post("/encrypt", r#"{"data": "x"}"#, Some(token));
        answer.status == 200
    };
    let first = token(&secret);
    assert!(is_good(&first));
    let new = printed(&people, &["client", "secret", "shop"]);
    within_a_second(|| !is_good(&first));
    assert_eq!(token_of(&server, "shop", &secret).status, 401);
    let second = token(&new);
    people.done(&["client", "scopes", "shop", "decrypt"]);
    within_a_second(|| !is_good(&second));
    assert_eq!(claims(&token(&new))["scope"], "decrypt");
    people.done(&["client", "disable", "shop"]);
    within_a_second(|| token_of(&server, "shop", &new).status == 401);
    people.done(&["client", "enable", "shop"]);
    within_a_second(|| token_of(&server, "shop", &new).status == 200);
    people.done(&["client", "remove", "shop"]);
    within_a_second(|| token_of(&server, "shop", &new).status == 401);
}

#[test]
fn what_clients_do_is_in_the_audit_trail_and_their_secrets_are_nowhere() {
    let people = People::of(&["alice"]);
    let audit = people.home().join("audit");
    let setting = ("SEALGATE_AUDIT_FILE", audit.to_str().unwrap());
    let mut command = people.command(&["client", "add", "shop"]);
    command.envs([setting]);
    let secret = text(&run(command, b"").stdout).trim_end().to_owned();
    let server = people.server(&[setting, ("SEALGATE_LOG_LEVEL", "debug")]);
    let answer = token_of(&server, "shop", &secret);
    let token = answer.json()["access_token"].as_str().unwrap().to_owned();
    let guess = "a-guess-that-is-wrong";
    assert_eq!(token_of(&server, "shop", guess).status, 401);
    assert_eq!(
        form(&server, "/introspect", &basic("shop", guess), "token=x").status,
        401
    );
    assert_eq!(
        form(&server, "/introspect", &basic("shop", &secret), "token=x").status,
        400
    );
    assert_eq!(
        form(&server, "/revoke", &basic("shop", guess), "token=x").status,
        401
    );
    assert_eq!(
        form(&server, "/revoke", "", &format!("token={token}")).status,
        200
    );
    let log = server.stop();
    let trail = fs::read_to_string(&audit).unwrap();
    assert_eq!(
        fields(&trail, "event"),
        [
            "account.add",
            "client.token",
            "client.token",
            "denied",
            "denied",
            "denied",
            "revoke.token"
        ],
        "{trail}"
    );
    assert_eq!(
        fields(&trail, "result"),
        [
            "ok",
            "ok",
            "login_failed",
            "login_failed",
            "insufficient_scope",
            "login_failed",
            "ok"
        ],
        "{trail}"
    );
    let who = fields(&trail, "who");
    assert!(who.iter().all(|one| *one == who[0]), "{trail}");
    let store = fs::read(people.place.folder.join("store.db")).unwrap();
    let store = String::from_utf8_lossy(&store);
    for hidden in [&secret, &token, guess, &basic("shop", &secret)] {
        assert!(!log.contains(hidden) && !trail.contains(hidden), "{log}");
        assert!(!store.contains(hidden));
    }
    assert!(log.contains("path=/token"), "{log}");
}

#[test]
fn while_the_audit_trail_cannot_be_written_no_client_gets_a_token() {
    let people = People::none();
    let secret = add(&people, "shop", "encrypt");
    let missing = people.home().join("no-such-socket");
    let socket = format!("syslog:{}", missing.display());
    let server = people.server(&[
        ("SEALGATE_AUDIT", &socket),
        ("SEALGATE_AUDIT_FAIL", "closed"),
    ]);
    let answer = token_of(&server, "shop", &secret);
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (503, "audit_failed")
    );
    let answer = form(&server, "/revoke", "", "token=x");
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (503, "audit_failed")
    );
}

#[test]
fn while_the_store_is_away_clients_are_not_let_in() {
    let people = People::none();
    let secret = add(&people, "shop", "introspect");
    let server = people.server(&[]);
    let token = token_of(&server, "shop", &secret).json()["access_token"].clone();
    let (store, away) = (
        people.place.folder.join("store.db"),
        people.home().join("away"),
    );
    fs::rename(&store, &away).unwrap();
    let bearer = format!("Bearer {}", token.as_str().unwrap());
    within_a_second(|| form(&server, "/introspect", &bearer, "token=x").status == 503);
    for answer in [
        token_of(&server, "shop", &secret),
        form(&server, "/introspect", &basic("shop", &secret), "token=x"),
        form(
            &server,
            "/revoke",
            "",
            &format!("token={}", token.as_str().unwrap()),
        ),
    ] {
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (503, "unavailable")
        );
    }
    fs::rename(&away, &store).unwrap();
    within_a_second(|| token_of(&server, "shop", &secret).status == 200);
}

fn gate_in(folder: &std::path::Path) -> Gate {
    let mut config = Config::new();
    for (name, value) in [
        ("data_dir", folder.join("state").to_str().unwrap()),
        ("password_memory", "1024"),
        ("password_passes", "1"),
    ] {
        config.set(name, value).unwrap();
    }
    Gate::new(&config.settings().unwrap().gate).unwrap()
}

/// Also by a request that was under way while the secret was replaced.
#[test]
fn no_token_that_an_old_secret_got_is_good() {
    let home = tempfile::tempdir().unwrap();
    let gate = gate_in(home.path());
    let mut secret = gate.clients().add("shop", "encrypt").unwrap();
    for _ in 0..4 {
        let over = AtomicBool::new(false);
        let issued = AtomicUsize::new(0);
        let collect = || {
            let mut tokens = Vec::new();
            while !over.load(Ordering::Relaxed) {
                if let Ok(new) = gate.client_token("shop", &secret, "") {
                    tokens.push(new.token);
                    issued.fetch_add(1, Ordering::Relaxed);
                }
            }
            tokens
        };
        let (tokens, new) = thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(collect)).collect();
            within(PATIENCE, || issued.load(Ordering::Relaxed) >= 4);
            let new = gate.clients().renew_secret("shop").unwrap().unwrap();
            // Whoever waits for a time of issue after the revocation has one by now.
            thread::sleep(Duration::from_millis(1_200));
            over.store(true, Ordering::Relaxed);
            let tokens = threads.into_iter().map(|thread| thread.join().unwrap());
            (tokens.collect::<Vec<_>>().concat(), new)
        });
        assert!(tokens.len() >= 4);
        let is_good = |token: &String| gate.verify_token(token).is_ok();
        assert!(!tokens.iter().any(is_good), "of {} tokens", tokens.len());
        let token = gate.client_token("shop", &new, "").unwrap().token;
        assert!(is_good(&token));
        secret = new;
    }
}
