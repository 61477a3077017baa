//! The examples in C do what they say.

#![allow(clippy::unwrap_used)] // a test that panics has failed
#![cfg(target_os = "linux")]

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::common::c::{Under, checked, compile};
use crate::common::{text, unless_held_up};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn seal_opens_only_where_it_belongs() {
    assert_eq!(
        compile("examples/c/seal.c", Under::Sanitizers).run(),
        "19 bytes need a buffer of 64\nopened: 4111 1111 1111 1111\nanother context: does not open\nchanged: does not open\n"
    );
}

#[test]
fn limits_admits_three_times() {
    let program = compile("examples/c/limits.c", Under::Sanitizers);
    // It may be said a second late.
    unless_held_up(SECOND, || {
        assert_eq!(
            program.run(),
            "alice is allowed, 2 more\nalice is allowed, 1 more\nalice is allowed, 0 more\n\
             alice has to wait 10 s\nbob is allowed, 2 more\n"
        );
    });
}

#[test]
fn accounts_let_in_who_knows_the_password_and_take_tokens_back() {
    let program = compile("examples/c/accounts.c", Under::Sanitizers);
    // Whoever has to wait for a second need not after it.
    unless_held_up(SECOND, || {
        assert_eq!(
            program.run(),
            "alice is allowed: encrypt decrypt\nbob is denied\nbob is denied\nbob has to wait 1 s\n\
             after the login: ok\nafter a refresh: ok\nrevoked a token of alice\nthe revoked token: token_revoked\n\
             the token of the same login: token_revoked\nalice is denied\n"
        );
    });
}

#[test]
fn stream_seals_and_opens_a_file() {
    let program = compile("examples/c/stream.c", Under::Sanitizers);
    let place = program.folder.path().to_owned();
    let run = |arguments: [&str; 3]| {
        let mut command = program.command();
        command.args(arguments).current_dir(&place);
        let output = command.output().unwrap();
        (output.status.code(), text(&output.stdout))
    };
    let data: Vec<u8> = (0..3_000_000u32).map(|at| at as u8).collect();
    std::fs::write(place.join("plain"), &data).unwrap();
    let done = (Some(0), "sealed\n".to_owned());
    assert_eq!(run(["seal", "plain", "sealed"]), done);
    let done = (Some(0), "opened\n".to_owned());
    assert_eq!(run(["open", "sealed", "again"]), done);
    assert_eq!(std::fs::read(place.join("again")).unwrap(), data);
    let sealed = std::fs::read(place.join("sealed")).unwrap();
    std::fs::write(place.join("cut"), &sealed[..sealed.len() - 1]).unwrap();
    assert_eq!(run(["open", "cut", "none"]).0, Some(1));
    for absent in ["none", "none.part", "again.part"] {
        assert!(!place.join(absent).exists(), "{absent}");
    }
}

#[test]
fn embed_serves_its_own_routes_and_the_api() {
    let program = compile("examples/c/embed.c", Under::Sanitizers);
    let mut host = program
        .command()
        .arg("127.0.0.1:0")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut printed = BufReader::new(host.stdout.take().unwrap());
    let mut line = String::new();
    printed.read_line(&mut line).unwrap();
    let url = line
        .trim()
        .strip_prefix("listening on ")
        .unwrap()
        .to_owned();
    let curl = |arguments: &[&str], path: &str| {
        let mut curl = Command::new("curl");
        curl.args(["-s", "--max-time", "60"]).args(arguments);
        checked(curl.arg(format!("{url}{path}")))
    };
    let json = "Content-Type: application/json";
    assert_eq!(curl(&[], "/hello"), "hello\n");
    assert!(curl(&[], "/orders/17").contains("Token is missing."));
    let login = curl(&["-H", json, "-d", r#"{"username":"alice"}"#], "/login");
    let login: serde_json::Value = serde_json::from_str(&login).unwrap();
    let bearer = format!("Authorization: Bearer {}", login["token"].as_str().unwrap());
    assert_eq!(curl(&["-H", &bearer], "/orders/17"), "order 17 of alice\n");
    drop(host.stdin.take());
    assert!(host.wait().unwrap().success());
    let mut rest = String::new();
    printed.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "stopped\n");
}
