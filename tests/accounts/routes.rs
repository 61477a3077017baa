//! Accounts, over the command and over HTTP: who may log in, what they may do, and what is answered where not.

#![allow(clippy::unwrap_used)] // a test that panics has failed

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::common::people::{PASSWORD, Pair, People, claims, login, refresh, within};
use crate::common::{PATIENCE, Server, said, text, unless_held_up};
use serde_json::{Value, json};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn accounts_are_made_listed_changed_and_removed() {
    let people = People::none();
    let none = people.typed(&["user", "list"], "");
    assert_eq!((none.status.code(), none.stdout.len()), (Some(0), 0));
    assert!(
        !people.place.folder.join("store.db").exists(),
        "looking makes nothing"
    );

    people.add("alice", "decrypt introspect");
    people.add("bob\u{202e}", "");
    let listed = text(&people.typed(&["user", "list"], "").stdout);
    let lines: Vec<&str> = listed.lines().collect();
    assert!(
        lines[0].starts_with("NAME") && lines[1].starts_with("alice"),
        "{listed}"
    );
    assert!(
        lines[1].contains("decrypt introspect") && !listed.contains('\u{202e}'),
        "{listed}"
    );
    people.done(&["user", "disable", "alice"]);
    people.done(&["user", "scopes", "alice", "encrypt"]);
    let listed = text(&people.typed(&["user", "list", "--json"], "").stdout);
    let first: Value = serde_json::from_str(listed.lines().next().unwrap()).unwrap();
    assert_eq!(
        (&first["name"], &first["scope"], &first["disabled"]),
        (&json!("alice"), &json!("encrypt"), &json!(true))
    );
    people.done(&["user", "enable", "alice"]);
    people.done(&["user", "passwd", "alice"]);
    people.done(&["user", "remove", "alice"]);
    for what in [
        &["user", "remove", "alice"][..],
        &["user", "passwd", "alice"],
        &["user", "disable", "alice"],
        &["user", "enable", "alice"],
        &["user", "scopes", "alice", "encrypt"],
        &["user", "claims", "alice"],
        &["user", "claims", "alice", "{}"],
    ] {
        let output = people.typed(what, PASSWORD);
        assert_eq!(output.status.code(), Some(1), "{what:?}");
        assert!(said(&output).contains("There is no account"), "{what:?}");
    }
}

#[test]
fn what_is_no_account_is_refused_and_nothing_is_kept_of_it() {
    let people = People::none();
    let long = "x".repeat(257);
    for (name, scopes, password, why) in [
        ("a", "decrypt", "1234567", "8 to 128"),
        ("a", "decrypt", "iloveyou1", "most commonly used"),
        ("a", "decrypt", "", "no password"),
        ("", "decrypt", PASSWORD, "1 to 256"),
        (&long, "decrypt", PASSWORD, "1 to 256"),
        ("a", "decrypt  x", PASSWORD, "scope"),
        (
            "a-long-name",
            "decrypt",
            "A-long-name",
            "differ from the username",
        ),
    ] {
        let output = people.typed(&["user", "add", name, "--scopes", scopes], password);
        assert_eq!(output.status.code(), Some(2), "{name} {password}");
        assert!(said(&output).contains(why), "{}", text(&output.stderr));
        assert!(password.is_empty() || !text(&output.stderr).contains(password));
    }
    // A password is no argument.
    let argument = people.typed(&["user", "add", "a", PASSWORD], PASSWORD);
    assert_eq!(argument.status.code(), Some(2));
    assert!(text(&people.typed(&["user", "list"], "").stdout).is_empty());
    people.add("a", "");
    // A program tells them apart by the exit code and the code in the sentence, as at the other doors.
    let again = people.typed(&["user", "add", "a"], PASSWORD);
    assert_eq!(again.status.code(), Some(1));
    assert!(said(&again).contains("already exists. (user_exists)"));
    let weak = people.typed(&["user", "add", "b"], "password");
    assert!(said(&weak).contains("(weak_password)"));
    let unnamed = people.typed(&["user", "add", ""], PASSWORD);
    assert!(said(&unnamed).contains("(invalid_name)"));
}

#[test]
fn once_an_account_has_existed_passwords_are_wanted_until_open_login_is_asked_for() {
    let people = People::none();
    let server = people.server(&[]);
    let open = server.log_in("anybody");
    assert_eq!(server.get("/secure-data", Some(&open)).status, 200);
    people.add("alice", "decrypt");
    crate::common::people::within_a_second(|| {
        server.get("/secure-data", Some(&open)).status == 401
    });
    let nobody = server.post("/login", r#"{"username":"anybody"}"#, None);
    assert_eq!((nobody.status, nobody.code().as_str()), (400, "bad_member"));
    people.done(&["user", "remove", "alice"]);
    for server in [&server, &people.server(&[])] {
        assert_eq!(login(server, "alice", PASSWORD).code(), "login_failed");
        assert!(
            people
                .server(&[])
                .greeting
                .contains("users with an account")
        );
    }
    // Asked for: any name again, but never more than was always permitted so.
    people.add("root", "admin introspect");
    let open = people.server(&[("SEALGATE_LOGIN", "open")]);
    let token = open.log_in("root");
    assert_eq!(claims(&token)["scope"], "secure-data encrypt decrypt");
    assert_eq!(
        open.get("/secure-data", Some(&open.log_in("anybody")))
            .status,
        200
    );
    let more = open.post("/login", r#"{"username":"root","scope":"admin"}"#, None);
    assert_eq!(more.code(), "bad_member");
    assert_eq!(
        server
            .get("/secure-data", Some(&open.log_in("anybody")))
            .code(),
        "token_revoked"
    );
    let off = people.server(&[("SEALGATE_LOGIN", "off")]);
    assert_eq!(login(&off, "root", PASSWORD).code(), "login_refused");
}

#[test]
fn with_accounts_logging_in_is_offered_beyond_this_machine() {
    let people = People::of(&["alice"]);
    let server = people.server(&[("SEALGATE_LISTEN", "127.0.0.1:0")]);
    let body = json!({"username": "alice", "password": PASSWORD}).to_string();
    let request = format!(
        "POST /login HTTP/1.1\r\nHost: api.example.org\r\nX-Forwarded-For: 192.0.2.1\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    assert_eq!(server.send(request.as_bytes()).status, 200);
}

#[test]
fn a_wrong_password_an_unknown_and_a_disabled_user_get_the_same_answer() {
    let people = People::of(&["alice", "carol"]);
    people.done(&["user", "disable", "carol"]);
    let server = people.server(&[]);
    let answers = [
        ("alice", "a noisy harbour"),
        ("bob", PASSWORD),
        ("carol", PASSWORD),
    ]
    .map(|(name, password)| {
        let mut answer = login(&server, name, password);
        let id = answer.headers.remove("x-request-id").unwrap();
        answer.headers.remove("date");
        (
            answer.status,
            answer.headers,
            answer.body.replace(&id, "ID"),
        )
    });
    assert_eq!(answers[0].0, 401);
    assert!(answers[0].2.contains("login_failed"));
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0], answers[2]);
}

#[test]
fn scopes_are_the_accounts_narrowed_at_login_and_checked_at_each_route() {
    let people = People::none();
    people.add("alice", "encrypt introspect");
    let server = people.server(&[]);
    let all = login(&server, "alice", PASSWORD);
    assert_eq!(all.json()["scope"], "encrypt introspect");
    let pair = Pair::of(&all);
    assert_eq!(claims(&pair.token)["scope"], "encrypt introspect");
    assert_eq!(
        server
            .post("/encrypt", r#"{"data":"x"}"#, Some(&pair.token))
            .status,
        200
    );
    for (path, scope) in [("/decrypt", "decrypt"), ("/secure-data", "secure-data")] {
        let refused = match path {
            "/decrypt" => server.post(path, "{}", Some(&pair.token)),
            _ => server.get(path, Some(&pair.token)),
        };
        assert_eq!(
            (refused.status, refused.code().as_str()),
            (403, "insufficient_scope")
        );
        assert_eq!(
            refused.headers["www-authenticate"],
            format!(r#"Bearer error="insufficient_scope", scope="{scope}""#)
        );
    }
    let narrow = |scope: &str| {
        let body = json!({"username": "alice", "password": PASSWORD, "scope": scope});
        server.post("/login", &body.to_string(), None)
    };
    let narrowed = Pair::of(&narrow("encrypt"));
    assert_eq!(
        server
            .post("/introspect", "{}", Some(&narrowed.token))
            .code(),
        "insufficient_scope"
    );
    for more in [
        "decrypt",
        "encrypt decrypt",
        "encrypt  introspect",
        " encrypt",
    ] {
        assert_eq!(narrow(more).code(), "bad_member", "{more}");
    }
    // A refresh can narrow further, for that one access token, and never widen.
    let body = |scope: &str, pair: &Pair| {
        json!({"refresh_token": pair.refresh, "scope": scope}).to_string()
    };
    assert_eq!(
        server
            .post("/refresh", &body("introspect", &narrowed), None)
            .code(),
        "bad_member"
    );
    let refreshed = server.post("/refresh", &body("encrypt", &pair), None);
    assert_eq!(claims(&Pair::of(&refreshed).token)["scope"], "encrypt");
    let again = Pair::of(&Pair::of(&refreshed).refreshed(&server));
    assert_eq!(claims(&again.token)["scope"], "encrypt introspect");
}

#[test]
fn logins_that_are_no_logins_are_refused_before_anything_is_hashed() {
    let people = People::of(&["alice"]);
    let server = people.server(&[]);
    for (body, status, code) in [
        ("", 400, "bad_json"),
        ("[]", 400, "bad_json"),
        (r#"{"username":"alice"}"#, 400, "bad_member"),
        (r#"{"username":"alice","password":1}"#, 400, "bad_member"),
        (r#"{"username":"alice","password":null}"#, 400, "bad_member"),
        (r#"{"username":"","password":"x"}"#, 400, "bad_member"),
        (
            r#"{"username":"alice","password":"x","password":"y"}"#,
            400,
            "bad_json",
        ),
        (
            r#"{"username":"alice","password":"x","scope":[]}"#,
            400,
            "bad_member",
        ),
        (
            r#"{"username":"alice","password":"x"}"#,
            401,
            "login_failed",
        ),
        (r#"{"username":"alice","password":""}"#, 401, "login_failed"),
    ] {
        let answer = server.post("/login", body, None);
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (status, code),
            "{body}"
        );
    }
    let long = json!({"username": "alice", "password": "x".repeat(5000)}).to_string();
    assert_eq!(server.post("/login", &long, None).code(), "bad_member");
    let get = server.get("/login", None);
    assert_eq!(
        (get.status, get.headers["allow"].as_str()),
        (405, "POST, OPTIONS")
    );
}

#[test]
fn wrong_passwords_put_further_tries_off_with_retry_after() {
    let people = People::of(&["alice"]);
    let server = people.server(&[("SEALGATE_LOCKOUT_AFTER", "3")]);
    // Put off for a second, in which the next try has to come.
    let put_off = |name: &str| {
        for _ in 0..3 {
            assert_eq!(
                login(&server, name, "a noisy harbour").code(),
                "login_failed"
            );
        }
        let put_off = login(&server, name, PASSWORD);
        assert_eq!(
            (put_off.status, put_off.code().as_str()),
            (429, "rate_limited")
        );
        assert_eq!(put_off.headers["retry-after"], "1");
    };
    let mut names = (0..).map(|n| format!("nobody-{n}"));
    unless_held_up(SECOND, || put_off(&names.next().unwrap()));
    unless_held_up(SECOND, || {
        // Who got in, because the second was over, begins anew.
        within(PATIENCE, || login(&server, "alice", PASSWORD).status == 200);
        put_off("alice");
    });
    within(PATIENCE, || login(&server, "alice", PASSWORD).status == 200);
    let log = server.stop();
    assert!(log.contains("event=lockout") && !log.contains(PASSWORD) && !log.contains("noisy"));
}

#[test]
fn logins_are_limited_before_anything_is_hashed() {
    let people = People::of(&["alice"]);
    let server = people.server(&[("SEALGATE_LOGIN_MAX_REQUESTS", "2")]);
    for _ in 0..2 {
        assert_eq!(login(&server, "alice", PASSWORD).status, 200);
    }
    let refused = login(&server, "alice", PASSWORD);
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (429, "rate_limited")
    );
    assert!(refused.headers.contains_key("retry-after"));
    assert_eq!(
        refresh(&server, "x").status,
        429,
        "the same limit holds for refreshing"
    );
}

/// The other engine asks the same questions.
#[test]
fn the_portable_engine_serves_accounts_too() {
    let people = People::of(&["alice"]);
    let server: Server = people.server(&[("SEALGATE_ENGINE", "tiny-http")]);
    let pair = Pair::log_in(&server, "alice");
    assert_eq!(server.get("/secure-data", Some(&pair.token)).status, 200);
    assert_eq!(
        login(&server, "alice", "a noisy harbour").code(),
        "login_failed"
    );
    assert_eq!(server.post("/logout", "", Some(&pair.token)).status, 204);
    assert_eq!(
        server.get("/secure-data", Some(&pair.token)).code(),
        "token_revoked"
    );
}

/// However lately the server looked for accounts.
#[test]
fn the_first_account_logs_in_as_soon_as_the_command_has_added_it() {
    // As a proxy passes it on, so that nobody gets a token without an account.
    let post = |server: &Server, body: &Value| {
        let body = body.to_string();
        let request = format!(
            "POST /login HTTP/1.1\r\nHost: localhost\r\nVia: 1.1 proxy\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        server.send(request.as_bytes()).status
    };
    for _ in 0..4 {
        let people = People::none();
        let server = people.server(&[]);
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Ordering::SeqCst) {
                    post(&server, &json!({"username": "stranger"}));
                }
            });
            assert_eq!(post(&server, &json!({"username": "alice"})), 403);
            people.add("alice", "decrypt");
            let through_proxy = post(&server, &json!({"username": "alice", "password": PASSWORD}));
            over.store(true, Ordering::SeqCst);
            assert_eq!(through_proxy, 200);
        });
        let people = People::none();
        let server = people.server(&[]);
        server.log_in("anybody");
        people.add("alice", "decrypt");
        // A process of the server's own user, to which any name would have been given a token before.
        assert_eq!(login(&server, "alice", "a wrong password").status, 401);
        assert!(Pair::log_in(&server, "alice").refresh.len() > 20);
    }
}
