//! Accounts, over the command and over HTTP: who may log in, what they may do, and what is answered where not.

#![allow(clippy::unwrap_used)] // a test that panics has failed

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use common::people::{PASSWORD, Pair, People, claims, login, refresh};
use common::{Server, said, text};
use serde_json::{Value, json};

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
        ("a", "decrypt", "iloveyou1", "everybody tries"),
        ("a", "decrypt", "", "no password"),
        ("", "decrypt", PASSWORD, "1 to 256"),
        (&long, "decrypt", PASSWORD, "1 to 256"),
        ("a", "decrypt  x", PASSWORD, "scope"),
        (
            "a-long-name",
            "decrypt",
            "A-long-name",
            "another than the username",
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
    let again = people.typed(&["user", "add", "a"], PASSWORD);
    assert!(said(&again).contains("already"));
}

#[test]
fn once_an_account_has_existed_passwords_are_wanted_until_open_login_is_asked_for() {
    let people = People::none();
    let server = people.server(&[]);
    let open = server.log_in("anybody");
    assert_eq!(server.get("/secure-data", Some(&open)).status, 200);
    people.add("alice", "decrypt");
    common::people::within_a_second(|| server.get("/secure-data", Some(&open)).status == 401);
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
fn refresh_logout_and_introspect_refuse_what_is_not_theirs() {
    let people = People::none();
    people.add("alice", "introspect");
    people.add("bob", "decrypt");
    let server = people.server(&[]);
    let (alice, bob) = (Pair::log_in(&server, "alice"), Pair::log_in(&server, "bob"));
    for (body, status, code) in [
        ("{}".to_owned(), 400, "bad_member"),
        (r#"{"refresh_token":7}"#.to_owned(), 400, "bad_member"),
        (r#"{"refresh_token":""}"#.to_owned(), 401, "token_missing"),
        (
            r#"{"refresh_token":"a.b.c"}"#.to_owned(),
            401,
            "token_malformed",
        ),
        // An access token is no refresh token.
        (
            json!({"refresh_token": bob.token}).to_string(),
            401,
            "token_malformed",
        ),
        (
            json!({"refresh_token": bob.refresh, "scope": 1}).to_string(),
            400,
            "bad_member",
        ),
    ] {
        let answer = server.post("/refresh", &body, None);
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (status, code),
            "{body}"
        );
    }
    // A refresh token is no access token, whatever the route.
    assert_eq!(
        server.post("/decrypt", "{}", Some(&bob.refresh)).code(),
        "token_malformed"
    );
    assert_eq!(
        server.post("/logout", "", Some(&bob.refresh)).code(),
        "token_malformed"
    );
    assert_eq!(server.post("/logout", "", None).code(), "token_missing");
    assert_eq!(
        server.post("/introspect", "{}", None).code(),
        "token_missing"
    );
    assert_eq!(
        server.post("/introspect", "{}", Some(&bob.token)).code(),
        "insufficient_scope"
    );
    let ask = |content_type: &str, body: &str| {
        server.send(
            format!(
                "POST /introspect HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n{body}",
                alice.token,
                body.len()
            )
            .as_bytes(),
        )
    };
    const FORM: &str = "application/x-www-form-urlencoded";
    for (content_type, body, status) in [
        ("text/plain", "token=x", 415),
        (FORM, "", 400),
        (FORM, "tokens=x", 400),
        (FORM, "token=x&token=y", 400),
        (FORM, "token=%zz", 400),
        ("application/json", r#"{"token":1}"#, 400),
    ] {
        assert_eq!(
            ask(content_type, body).status,
            status,
            "{content_type} {body}"
        );
    }
    // Of a dead token nothing is told but that (RFC 7662, section 2.2).
    for body in [
        "token=",
        "token=x",
        "token=a.b.c&token_type_hint=access_token",
    ] {
        assert_eq!(ask(FORM, body).json(), json!({"active": false}), "{body}");
    }
    let live = ask(
        FORM,
        &format!("token_type_hint=access_token&token={}", bob.token),
    )
    .json();
    assert_eq!(
        (&live["active"], &live["username"], &live["scope"]),
        (&json!(true), &json!("bob"), &json!("decrypt"))
    );
    assert_eq!(live["jti"], claims(&bob.token)["jti"]);
    assert_eq!(live["exp"], claims(&bob.token)["exp"]);
    let body = json!({"token": bob.refresh}).to_string();
    assert_eq!(
        server.post("/introspect", &body, Some(&alice.token)).json()["token_type"],
        "refresh_token"
    );
    let gone = Pair::of(&bob.refreshed(&server));
    assert_eq!(
        server.post("/introspect", &body, Some(&alice.token)).json(),
        json!({"active": false})
    );
    assert_eq!(server.post("/logout", "", Some(&gone.token)).status, 204);
    for dead in [&gone.token, &gone.refresh] {
        let body = json!({"token": dead}).to_string();
        assert_eq!(
            server.post("/introspect", &body, Some(&alice.token)).json(),
            json!({"active": false})
        );
    }
}

#[test]
fn a_server_whose_settings_give_no_refresh_tokens_takes_none() {
    let people = People::of(&["alice"]);
    let pair = Pair::log_in(&people.server(&[]), "alice");
    let without = people.server(&[("SEALGATE_REFRESH_TTL", "0")]);
    assert_eq!(
        login(&without, "alice", PASSWORD)
            .json()
            .get("refresh_token"),
        None
    );
    assert_eq!(refresh(&without, &pair.refresh).code(), "token_revoked");
}

#[test]
fn wrong_passwords_put_further_tries_off_with_retry_after() {
    let people = People::of(&["alice"]);
    let server = people.server(&[("SEALGATE_LOCKOUT_AFTER", "3")]);
    for name in ["alice", "nobody"] {
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
    }
    common::people::within(std::time::Duration::from_secs(3), || {
        login(&server, "alice", PASSWORD).status == 200
    });
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

#[test]
fn a_damaged_store_stops_the_start_and_refuses_tokens_of_a_running_server() {
    let people = People::of(&["alice"]);
    let server = people.server(&[]);
    let pair = Pair::log_in(&server, "alice");
    assert_eq!(server.get("/secure-data", Some(&pair.token)).status, 200);
    let store = people.place.folder.join("store.db");
    let whole = fs::read(&store).unwrap();
    fs::remove_file(&store).unwrap();
    fs::write(&store, b"damage").unwrap();
    fs::set_permissions(&store, fs::Permissions::from_mode(0o600)).unwrap();
    let refused = || server.get("/secure-data", Some(&pair.token));
    common::people::within_a_second(|| refused().status == 503);
    assert_eq!(refused().headers["retry-after"], "1");
    assert_eq!(server.get("/healthz", None).status, 200);
    assert_eq!(fs::read(&store).unwrap(), b"damage");
    drop(server);
    for what in [
        &["user", "list"][..],
        &["user", "add", "bob"],
        &["store", "check"],
        &["serve"],
    ] {
        let output = people.typed(what, PASSWORD);
        assert_eq!(output.status.code(), Some(2), "{what:?}");
        let stderr = text(&output.stderr);
        assert!(
            stderr.contains("store.db") && stderr.contains("Nothing was changed"),
            "{stderr}"
        );
        assert!(!stderr.contains("panic"), "{stderr}");
    }
    assert!(fs::read(&store).unwrap() != whole);
}

#[test]
fn a_backup_restores_the_accounts_as_the_message_says() {
    let people = People::of(&["alice"]);
    let backup = people.home().join("backup");
    let path = backup.to_str().unwrap();
    let server = people.server(&[]);
    people.done(&["store", "backup", path]);
    people.done(&["store", "check"]);
    let again = people.typed(&["store", "backup", path], "");
    assert_eq!(
        again.status.code(),
        Some(2),
        "what is there is not written over"
    );
    drop(server);
    let store = people.place.folder.join("store.db");
    for name in ["store.db-wal", "store.db-shm"] {
        let _ = fs::remove_file(people.place.folder.join(name));
    }
    fs::write(&store, vec![7; 8192]).unwrap();
    let said = said(&people.typed(&["user", "list"], ""));
    let (_, commands) = said.split_once("FILE): ").unwrap();
    let commands = commands.trim().replace("BACKUP", path);
    let restored = std::process::Command::new("sh")
        .args(["-c", &commands])
        .status()
        .unwrap();
    assert!(restored.success(), "{commands}");
    Pair::log_in(&people.server(&[]), "alice");
    let none = People::none();
    assert_eq!(none.typed(&["store", "check"], "").status.code(), Some(1));
}

#[test]
fn audit_events_join_a_users_doings_without_the_name() {
    let people = People::none();
    let file = people.home().join("audit");
    let setting = [
        ("SEALGATE_AUDIT_FILE", file.to_str().unwrap()),
        ("SEALGATE_LOG_LEVEL", "error"),
    ];
    let typed = |arguments: &[&str]| {
        let mut command = people.command(arguments);
        command.envs(setting);
        assert!(
            common::run(command, format!("{PASSWORD}\n").as_bytes())
                .status
                .success()
        );
    };
    typed(&["user", "add", "alice-of-the-hill"]);
    typed(&["keys", "generate"]);
    let server = people.server(&setting);
    let pair = Pair::log_in(&server, "alice-of-the-hill");
    login(&server, "alice-of-the-hill", "a noisy harbour");
    assert_eq!(
        server.post("/introspect", "{}", Some(&pair.token)).status,
        403
    );
    assert_eq!(server.post("/logout", "", Some(&pair.token)).status, 204);
    typed(&["token", "revoke", "--user", "alice-of-the-hill"]);
    server.stop();
    let trail = fs::read_to_string(&file).unwrap();
    let events: Vec<(String, String, String)> = trail
        .lines()
        .map(|line| {
            let field = |name: &str| {
                let (_, rest) = line.split_once(&format!(" {name}=")).unwrap();
                rest.split(' ').next().unwrap().to_owned()
            };
            assert!(
                !field("id").is_empty() && !field("peer").is_empty(),
                "{line}"
            );
            (field("event"), field("result"), field("who"))
        })
        .collect();
    let names: Vec<(&str, &str)> = events
        .iter()
        .map(|(event, result, _)| (&**event, &**result))
        .collect();
    assert_eq!(
        names,
        [
            ("account.add", "ok"),
            ("keys.generate", "ok"),
            ("login", "ok"),
            ("login", "login_failed"),
            ("denied", "insufficient_scope"),
            ("logout", "ok"),
            ("revoke.user", "ok"),
        ]
    );
    let whose: Vec<&String> = events
        .iter()
        .map(|(_, _, who)| who)
        .filter(|who| *who != "-")
        .collect();
    assert_eq!(whose.len(), 6);
    assert!(
        whose.iter().all(|who| *who == whose[0] && who.len() == 16),
        "{trail}"
    );
    assert!(
        !trail.contains("alice-of") && trail.contains("user=ali***"),
        "{trail}"
    );
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
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
