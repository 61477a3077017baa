//! The promises of `sealgate serve`, kept by the real binary on a real socket.

#![allow(clippy::unwrap_used)] // a test that panics has failed

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::common::{Server, text, unless_held_up};
use serde_json::{Value, json};

fn home() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

/// The three commands of the original's documentation, as a person types them.
#[test]
fn the_originals_curl_session_word_for_word() {
    let home = home();
    let server = Server::start(
        home.path(),
        &[("SEALGATE_SECURE_DATA", "for your eyes only")],
    );
    let curl = |line: &str| -> Value {
        let line = line.replace("127.0.0.1:5000", &format!("127.0.0.1:{}", server.port));
        let output = Command::new("sh")
            .args(["-c", &format!("{line} --silent --show-error --max-time 60")])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let login = curl(
        r#"curl -X POST http://127.0.0.1:5000/login -H "Content-Type: application/json" -d '{"username": "test_user"}'"#,
    );
    let token = login["token"].as_str().unwrap();
    let secure = curl(&format!(
        r#"curl -X GET http://127.0.0.1:5000/secure-data -H "Authorization: Bearer {token}""#
    ));
    let sealed = secure["encrypted_data"].as_str().unwrap();
    let opened = curl(&format!(
        r#"curl -X POST http://127.0.0.1:5000/decrypt -H "Authorization: Bearer {token}" -H "Content-Type: application/json" -d '{{"encrypted_data": "{sealed}"}}'"#
    ));
    assert_eq!(opened, json!({"decrypted_data": "for your eyes only"}));
    let welcome = curl("curl http://127.0.0.1:5000/");
    assert!(welcome["message"].as_str().unwrap().contains("Welcome"));
    server.stop();
}

#[test]
fn the_greeting_says_what_a_person_needs() {
    let home = home();
    let server = Server::start(
        home.path(),
        &[("JWT_SECRET_KEY", "0123456789abcdef0123456789abcdef")],
    );
    let greeting = &server.greeting;
    assert!(
        greeting.contains(&format!(
            "listening on http://127.0.0.1:{} (pool)",
            server.port
        )),
        "{greeting}"
    );
    assert!(
        greeting.contains("from JWT_SECRET_KEY") && greeting.contains("keys.json"),
        "{greeting}"
    );
    assert!(
        greeting.contains("login: processes of this server's user"),
        "{greeting}"
    );
    let log = server.stop();
    assert!(log.contains("WARN  there are no accounts"), "{log}");
    assert!(log.ends_with("stopped\n"), "{log}");
}

#[test]
fn bodies_for_which_there_is_never_room_are_told_at_the_start() {
    for (max_body, told) in [("1048576", false), ("67108864", true)] {
        let home = home();
        let server = Server::start(home.path(), &[("SEALGATE_MAX_BODY", max_body)]);
        let log = server.stop();
        let wanted = "SEALGATE_MAX_BUFFERED must be at least twice SEALGATE_MAX_BODY";
        assert_eq!(log.contains(wanted), told, "{log}");
    }
}

#[test]
fn tokens_and_data_outlive_a_restart() {
    let home = home();
    let first = Server::start(home.path(), &[]);
    let token = first.log_in("alice");
    let sealed = first
        .post("/encrypt", r#"{"data":"kept"}"#, Some(&token))
        .json();
    first.stop();
    let second = Server::start(home.path(), &[]);
    let opened = second.post("/decrypt", &sealed.to_string(), Some(&token));
    assert_eq!(opened.json(), json!({"decrypted_data": "kept"}));
}

#[test]
fn the_limit_and_its_window_are_settings() {
    let home = home();
    let server = Server::start(
        home.path(),
        &[
            ("MAX_REQUESTS", "2"),
            ("RATE_LIMIT_WINDOW", "2"),
            ("SEALGATE_LOGIN_MAX_REQUESTS", "0"),
        ],
    );
    let ask = |token: &str| server.get("/secure-data", Some(token));
    // Each attempt with a user of its own, who has used up nothing yet.
    let mut users = (0..).map(|n| format!("user-{n}"));
    let (token, start, refused) = unless_held_up(Duration::from_secs(2), || {
        let token = server.log_in(&users.next().unwrap());
        let start = Instant::now();
        assert_eq!((ask(&token).status, ask(&token).status), (200, 200));
        let refused = ask(&token);
        assert_eq!(
            (refused.status, refused.code().as_str()),
            (429, "rate_limited")
        );
        (token, start, refused)
    });
    let wait: u64 = refused.headers["retry-after"].parse().unwrap();
    assert!((1..=2).contains(&wait));
    std::thread::sleep(Duration::from_secs(wait));
    assert_eq!(ask(&token).status, 200);
    assert!(start.elapsed() >= Duration::from_secs(1));
}

#[test]
fn many_at_once_get_exactly_the_limit() {
    let home = home();
    let server = Server::start(home.path(), &[("MAX_REQUESTS", "7")]);
    let token = server.log_in("alice");
    let admitted = std::thread::scope(|scope| {
        let asks: Vec<_> = (0..32)
            .map(|_| scope.spawn(|| server.get("/secure-data", Some(&token)).status == 200))
            .collect();
        asks.into_iter()
            .filter(|_| true)
            .map(|ask| ask.join().unwrap())
            .filter(|admitted| *admitted)
            .count()
    });
    assert_eq!(admitted, 7);
}

/// Secrets sent by every way there is, and looked for in everything that the server writes.
#[test]
fn no_secret_gets_into_a_log_or_an_error() {
    let home = home();
    let log_file = home.path().join("sealgate.log");
    let secret_data = "canary-secure-data";
    let jwt = "canary-jwt-secret-key-canary-jwt-secret";
    let aes = "canary-aes-key-canary-aes-key-32";
    let iv = "canary-aes-iv-16";
    let server = Server::start(
        home.path(),
        &[
            ("SEALGATE_SECURE_DATA", secret_data),
            ("JWT_SECRET_KEY", jwt),
            ("AES_KEY", aes),
            ("AES_IV", iv),
            ("SEALGATE_CBC", "open"),
            ("SEALGATE_LOG_FILE", log_file.to_str().unwrap()),
            ("SEALGATE_LOG_LEVEL", "trace"),
            ("MAX_REQUESTS", "0"),
        ],
    );
    let token = server.log_in("canary-username");
    let sealed = server.get("/secure-data", Some(&token)).json()["encrypted_data"]
        .as_str()
        .unwrap()
        .to_owned();
    let canary = "canary-in-a-body";
    let bodies = [
        json!({"username": canary, "password": canary}).to_string(),
        json!({"data": canary, "context": canary}).to_string(),
        json!({"encrypted_data": sealed}).to_string(),
        json!({"encrypted_data": sealed, "context": canary}).to_string(),
        json!({"encrypted_data": canary}).to_string(),
        json!({"username": {canary: canary}}).to_string(),
        format!("{{{canary}"),
    ];
    let mut errors = String::new();
    for path in [
        "/",
        "/login",
        "/secure-data",
        "/encrypt",
        "/decrypt",
        "/healthz",
        "/readyz",
        "/canary-in-a-path",
        &format!("/{token}"),
        &format!("/login?token={token}"),
    ] {
        for body in &bodies {
            for with in [Some(token.as_str()), Some("canary-as-a-token"), None] {
                let answer = server.post(path, body, with);
                if answer.status >= 400 {
                    errors += &answer.body;
                    errors += &format!("{:?}", answer.headers);
                }
            }
        }
        let odd = format!(
            "{canary} {path} HTTP/1.1\r\nHost: {canary}\r\nX-Request-Id: {canary}.{token}\r\nAuthorization: Basic {canary}\r\nCookie: {canary}\r\nUser-Agent: {canary}\r\nReferer: {canary}\r\n\r\n"
        );
        errors += &server.send(odd.as_bytes()).body;
    }
    let log = server.stop() + &fs::read_to_string(&log_file).unwrap();
    assert_eq!(
        fs::metadata(&log_file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert!(log.matches("status=").count() > 200);
    let signature = token.rsplit('.').next().unwrap();
    for secret in [
        secret_data,
        jwt,
        aes,
        iv,
        canary,
        "canary",
        &token,
        signature,
        &sealed,
        &sealed[..20],
    ] {
        assert!(!log.contains(secret), "{secret} in the log");
        assert!(!errors.contains(secret), "{secret} in an error");
    }
    assert!(log.contains("user=can***"));
}

#[test]
fn nobody_can_forge_a_line_of_the_log() {
    let home = home();
    let server = Server::start(home.path(), &[]);
    let before = server.log().lines().count();
    for name in [
        "a\\nINFO forged",
        "\\u001b[2Jabc",
        "\\u202eabcdef\\u2028ghi",
    ] {
        server.post("/login", &format!(r#"{{"username": "{name}"}}"#), None);
    }
    server.send_all(
        b"GET /\x1b[2J\nINFO forged HTTP/1.1\r\nHost: x\r\nX-Request-Id: a\nINFO forged\r\n\r\n",
    );
    let log = server.stop();
    assert!(
        !log.contains("forged") && !log.contains('\x1b') && !log.contains('\u{202e}'),
        "{log}"
    );
    let stamped = log
        .lines()
        .filter(|line| line.starts_with("20") && line.contains('Z'))
        .count();
    assert_eq!(stamped, log.lines().count());
    assert!(log.lines().count() > before);
}
