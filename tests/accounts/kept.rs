//! What accounts bring along: refresh tokens and introspection at their refusals, the store's damage and its backup, the audit
//! trail.

#![allow(clippy::unwrap_used)] // a test that panics has failed
#![allow(clippy::print_stdout)] // reasons, for whoever runs the tests

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::common::people::{FREE, PASSWORD, Pair, People, claims, login, refresh, within};
use crate::common::process::start_by;
use crate::common::{PATIENCE, Server, said, text};
use serde_json::json;

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
    crate::common::people::within_a_second(|| refused().status == 503);
    assert_eq!(refused().headers["retry-after"], "1");
    assert_eq!(server.get("/healthz", None).status, 200);
    assert_eq!(server.get("/readyz", None).status, 503);
    assert_eq!(fs::read(&store).unwrap(), b"damage");
    // It is looked at several times a second, and reported once.
    for _ in 0..4 {
        std::thread::sleep(Duration::from_millis(300));
        assert_eq!(refused().status, 503);
    }
    let reported = |log: &str| log.matches("Tokens are refused until").count();
    within(PATIENCE, || reported(&server.log()) > 0);
    assert_eq!(reported(&server.log()), 1);
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
fn a_password_hash_with_costs_beyond_the_limits_is_refused_and_reported() {
    let people = People::of(&["alice"]);
    let server = people.server(&[]);
    let reported = || {
        server
            .log()
            .matches("costs beyond what any settings")
            .count()
    };
    assert_eq!(login(&server, "alice", "a wrong password").status, 401);
    assert_eq!(login(&server, "alice", PASSWORD).status, 200);
    let store = rusqlite::Connection::open(people.place.folder.join("store.db")).unwrap();
    store
        .execute_batch("UPDATE accounts SET passes = 4000000000")
        .unwrap();
    drop(store);
    assert_eq!(login(&server, "alice", PASSWORD).status, 401);
    within(PATIENCE, || reported() > 0);
    assert_eq!(reported(), 1, "the wrong password is not reported");
}

/// A server on these accounts, started by another program.
fn started_by(people: &People, by: &[&str]) -> Server {
    Server::start_with(people.home(), |command| {
        command
            .env("SEALGATE_DATA_DIR", &people.place.folder)
            .envs(FREE.iter().copied());
        start_by(command, by);
    })
}

/// Waits until the server says that its store cannot be written, or that it is ready again.
fn becomes_ready(server: &Server, wanted: bool) {
    let status = if wanted { 200 } else { 503 };
    within(PATIENCE, || server.get("/readyz", None).status == status);
    if !wanted {
        let answer = server.get("/readyz", None);
        let unwritten = "The store of accounts cannot be written.";
        assert_eq!(answer.json()["store"], unwritten, "{}", answer.body);
        assert_eq!(answer.headers["cache-control"], "no-store");
        assert_eq!(server.get("/healthz", None).status, 200);
    }
}

#[test]
fn a_server_is_not_ready_while_the_disk_of_its_store_is_full() {
    let script = r#"kept="$HOME/kept" && cp -a "$SEALGATE_DATA_DIR" "$kept" &&
        mount -t tmpfs -o size=4m,mode=700 tmpfs "$SEALGATE_DATA_DIR" &&
        cp -a "$kept/." "$SEALGATE_DATA_DIR" && exec "$0" serve"#;
    let probe = ["-rm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"];
    let mut unshare = Command::new("unshare");
    if !unshare
        .args(probe)
        .output()
        .is_ok_and(|done| done.status.success())
    {
        println!("not run: this system lets nobody make a small disk");
        return;
    }
    let people = People::of(&["alice"]);
    let server = started_by(&people, &["unshare", "-rm", "sh", "-c", script]);
    let pair = Pair::log_in(&server, "alice");
    becomes_ready(&server, true);
    let folder = people.place.folder.strip_prefix("/").unwrap();
    let disk = Path::new(&format!("/proc/{}/root", server.id())).join(folder);
    let filler = disk.join("filler");
    let mut file = fs::File::create(&filler).unwrap();
    while file.write_all(&[0; 4096]).is_ok() {}
    becomes_ready(&server, false);
    assert_eq!(login(&server, "alice", PASSWORD).status, 503);
    assert_eq!(server.get("/secure-data", Some(&pair.token)).status, 200);
    drop(file);
    fs::remove_file(&filler).unwrap();
    becomes_ready(&server, true);
    assert_eq!(login(&server, "alice", PASSWORD).status, 200);
    server.stop();
}

#[test]
fn a_server_is_not_ready_while_it_may_not_write_its_store() {
    // Whoever may do anything is not stopped by a mode.
    let mortal = [
        "setpriv",
        "--bounding-set=-dac_override,-dac_read_search",
        "sh",
        "-c",
        r#"exec "$0" serve"#,
    ];
    let by = if rustix::process::geteuid().is_root() {
        &mortal[..]
    } else {
        &mortal[2..]
    };
    let people = People::of(&["alice"]);
    let server = started_by(&people, by);
    becomes_ready(&server, true);
    let set =
        |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let folder = &people.place.folder;
    for (path, closed, open) in [
        (folder.join("store.db"), 0o400, 0o600),
        (folder.clone(), 0o500, 0o700),
    ] {
        set(&path, closed);
        becomes_ready(&server, false);
        set(&path, open);
        becomes_ready(&server, true);
    }
    assert_eq!(login(&server, "alice", PASSWORD).status, 200);
    server.stop();
}

/// Only a token that the server itself has signed says whether its user has an account.
#[test]
fn a_token_whose_user_has_no_account_says_so() {
    let people = People::of(&["alice"]);
    let issued = |name: &str| {
        let output = people.typed(&["token", "issue", "--user", name], "");
        text(&output.stdout).trim().to_owned()
    };
    let (stranger, removed) = (issued("nobody"), issued("alice"));
    let server = people.server(&[]);
    let ask = |token: &str| {
        let answer = server.get("/secure-data", Some(token));
        let code = match answer.status {
            200 => String::new(),
            _ => answer.code(),
        };
        (answer.status, code, answer.body)
    };
    let sentence = "The token's user has no account.";
    let (status, code, body) = ask(&stranger);
    assert_eq!((status, code.as_str()), (401, "token_revoked"), "{body}");
    assert!(
        body.contains(sentence) && body.contains("sealgate user add"),
        "{body}"
    );
    // One letter of the signature is another one: nothing is said.
    let changed = match stranger.strip_suffix('A') {
        Some(rest) => format!("{rest}Q"),
        None => format!("{}A", &stranger[..stranger.len() - 1]),
    };
    let (status, code, body) = ask(&changed);
    assert_eq!(status, 401);
    assert!(
        code != "token_revoked" && !body.contains("account"),
        "{body}"
    );
    assert_eq!(ask(&removed).0, 200);
    people.done(&["user", "remove", "alice"]);
    crate::common::people::within_a_second(|| ask(&removed).0 == 401);
    assert!(ask(&removed).2.contains("has been revoked"));
    people.add("nobody", "secure-data");
    crate::common::people::within_a_second(|| ask(&stranger).0 == 200);
    let log = server.stop();
    assert!(log.contains("event=denied result=token_revoked"), "{log}");
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
    assert!(said(&again).contains("already exists. Name a new file"));
    let nowhere = people.typed(&["store", "backup", "-"], "");
    assert_eq!(nowhere.status.code(), Some(2));
    assert!(said(&nowhere).contains("Name a new file"));
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
            crate::common::run(command, format!("{PASSWORD}\n").as_bytes())
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
    assert_eq!(server.get("/secure-data", Some(&pair.token)).status, 401);
    assert_eq!(pair.refreshed(&server).status, 401);
    // Whoever knows the password is not to find that out unseen.
    let beyond = json!({"username": "alice-of-the-hill", "password": PASSWORD, "scope": "admin"})
        .to_string();
    assert_eq!(server.post("/login", &beyond, None).status, 400);
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
            ("denied", "token_revoked"),
            ("refresh", "token_revoked"),
            ("login", "invalid_scope"),
            ("revoke.user", "ok"),
        ]
    );
    let whose: Vec<&String> = events
        .iter()
        .map(|(_, _, who)| who)
        .filter(|who| *who != "-")
        .collect();
    assert_eq!(whose.len(), 9);
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

#[test]
fn these_routes_refuse_what_every_route_refuses() {
    let people = People::none();
    people.add("alice", "introspect");
    let server = people.server(&[("SEALGATE_MAX_BODY", "2048")]);
    let pair = Pair::log_in(&server, "alice");
    let deep = format!("{{\"x\":{}{}}}", "[".repeat(80), "]".repeat(80));
    let large = format!("{{\"x\":\"{}\"}}", "x".repeat(4096));
    for path in ["/login", "/refresh", "/introspect"] {
        let post = |content_type: &str, body: &[u8]| {
            let head = format!(
                "POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n{content_type}Content-Length: {}\r\n\r\n",
                pair.token,
                body.len()
            );
            server.send(&[head.as_bytes(), body].concat())
        };
        const JSON: &str = "Content-Type: application/json\r\n";
        for (content_type, body, status, code) in [
            ("", &b"{}"[..], 415, "unsupported_media_type"),
            (
                "Content-Type: text/plain\r\n",
                b"{}",
                415,
                "unsupported_media_type",
            ),
            (
                "Content-Type: application/json; charset=latin1\r\n",
                b"{}",
                415,
                "unsupported_media_type",
            ),
            (JSON, b"", 400, "bad_json"),
            (JSON, b"[1]", 400, "bad_json"),
            (JSON, b"{\"a\":\"\xff\"}", 400, "bad_json"),
            (JSON, b"{\"a\":1,\"a\":2}", 400, "bad_json"),
            (JSON, deep.as_bytes(), 400, "bad_json"),
            (JSON, b"{}", 400, "bad_member"),
            (JSON, large.as_bytes(), 413, "body_too_large"),
        ] {
            let answer = post(content_type, body);
            assert_eq!(
                answer.status, status,
                "{path} {content_type} {}",
                answer.body
            );
            assert_eq!(answer.code(), code, "{path} {content_type}");
            assert!(answer.headers.contains_key("x-request-id"));
            assert_eq!(answer.headers["x-content-type-options"], "nosniff");
        }
    }
    for path in ["/login", "/refresh", "/logout", "/introspect"] {
        let get = server.get(path, Some(&pair.token));
        assert_eq!(
            (get.status, get.headers["allow"].as_str()),
            (405, "POST, OPTIONS"),
            "{path}"
        );
    }
    let twice = format!(
        "POST /logout HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {0}\r\nAuthorization: Bearer {0}\r\nContent-Length: 0\r\n\r\n",
        pair.token
    );
    assert_eq!(server.send(twice.as_bytes()).code(), "bad_request");
    assert_eq!(
        server.get("/introspect?token=x", Some(&pair.token)).status,
        405
    );
}
