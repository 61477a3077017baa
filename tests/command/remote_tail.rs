//! `sealgate --server URL audit tail`: what a server has in memory, and what follows, whatever happens to the server meanwhile.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::thread::{self, JoinHandle};

use serde_json::{Value, json};

use super::administered::Administered;
use crate::common::people::{Pair, login};
use crate::common::{ended, run, sealgate, text};

/// The rows of `audit tail --json`.
fn rows(printed: &str) -> Vec<Value> {
    let lines = printed.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn the_latest_events_are_printed_oldest_first_as_the_server_has_them() {
    let all = Administered::new();
    Pair::log_in(&all.server, "alice");
    assert_eq!(login(&all.server, "mallory", "wrong").status, 401);
    all.done(&["user", "disable", "alice"]);
    all.done(&["api-key", "add", "bob"]);
    let read = |query: &str| -> Vec<Value> {
        let target = format!("/admin/v1/audit?{query}");
        let answer = all.server.get(&target, Some(&all.token)).json();
        let mut events = answer["events"].as_array().unwrap().clone();
        events.reverse();
        events
    };
    for (arguments, query, least) in [
        (&[][..], "limit=20", 5),
        (&["-n", "2"], "limit=2", 2),
        (&["--event", "login"], "event=login", 3),
        (&["--user", "alice"], "user=alice", 2),
        (&["--user", "mallory"], "user=mallory", 1),
        (
            &["--by", "root", "--event", "api_key.add"],
            "by=root&event=api_key.add",
            1,
        ),
        (&["--text", "ACCOUNT.dis"], "q=account.dis", 1),
        (&["--since", "1"], "since=1", 5),
    ] {
        let arguments = [&["audit", "tail", "--json"], arguments].concat();
        let (mut printed, expected) = (rows(&all.done(&arguments)), read(query));
        assert!(expected.len() >= least, "{query}");
        for (row, event) in printed.iter_mut().zip(&expected) {
            let time = row["time"].as_str().unwrap();
            assert!(time.starts_with("20") && time.ends_with('Z'), "{time}");
            row["time"] = event["time"].clone();
        }
        assert_eq!(printed, expected, "{query}");
    }
    for arguments in [
        &["--since", "99999999999"][..],
        &["--event", "no.such"],
        &["-n", "0"],
        &["--user", "a&limit=1000"],
    ] {
        let arguments = [&["audit", "tail"], arguments].concat();
        assert_eq!(all.done(&arguments), "", "{arguments:?}");
    }
    // As in the log, but with whole names.
    let event = read("event=account.disable").remove(0);
    let of = |name: &str| event[name].as_str().unwrap();
    let line = all.done(&["audit", "tail", "--event", "account.disable"]);
    let (_, fields) = line.split_once(' ').unwrap();
    assert_eq!(
        fields,
        format!(
            "event=account.disable result=ok user=alice who={} peer=127.0.0.1 by=root by_who={} id={}\n",
            of("who"),
            of("by_who"),
            of("request_id")
        )
    );
    for wrong in [
        &["-n", "10001"][..],
        &["-n", "-1"],
        &["--since", "yesterday"],
    ] {
        let arguments = [&["audit", "tail"], wrong].concat();
        assert_eq!(all.typed(&arguments).status.code(), Some(2), "{wrong:?}");
    }
}

/// What one request gets.
enum Reply {
    /// These events, newest first, and the numbers of the oldest and the newest.
    Events(Vec<Value>, Value, Value),
    Raw(&'static str),
}
use Reply::{Events, Raw};

fn event(seq: u64) -> Value {
    json!({"seq": seq, "time": 1_767_225_600, "event": "login", "result": "ok", "address": format!("10.0.0.{seq}")})
}

/// Plays a server, and returns what it was asked for.
fn played(replies: Vec<Reply>) -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let thread = thread::spawn(move || {
        let answered = replies.into_iter().map(|reply| {
            let (mut stream, _) = listener.accept().unwrap();
            let asked = asked(&stream);
            let raw = match reply {
                Raw(raw) => raw.to_owned(),
                Events(events, first, last) => {
                    let body = json!({"events": events, "first": first, "last": last}).to_string();
                    format!(
                        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
                        body.len()
                    )
                }
            };
            stream.write_all(raw.as_bytes()).unwrap();
            asked
        });
        answered.collect()
    });
    (url, thread)
}

/// The query of a request.
fn asked(stream: &TcpStream) -> String {
    let mut lines = BufReader::new(stream).lines().map(Result::unwrap);
    let first = lines.next().unwrap();
    lines.find(String::is_empty).unwrap();
    let target = first.strip_prefix("GET /admin/v1/audit?").unwrap();
    target.strip_suffix(" HTTP/1.1").unwrap().to_owned()
}

fn tail(url: &str, arguments: &[&str]) -> Command {
    let home = std::env::temp_dir();
    let mut command = sealgate(&home);
    command
        .args(["--server", url, "audit", "tail"])
        .args(arguments)
        .env("SEALGATE_TOKEN", "a.b.c");
    command
}

fn tailed(url: &str, arguments: &[&str]) -> Output {
    run(tail(url, arguments), b"")
}

fn line(event: &Value) -> String {
    format!(
        "2026-01-01T00:00:00Z event=login result=ok peer={}\n",
        event["address"].as_str().unwrap()
    )
}

const NO_EVENTS: Vec<Value> = Vec::new();

#[test]
fn whoever_follows_misses_nothing_unnoticed_while_the_server_is_away_or_begins_again() {
    let away = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";
    let (url, server) = played(vec![
        Events(vec![event(2), event(1)], json!(1), json!(2)),
        Events(vec![event(3)], json!(1), json!(4)),
        // Away, in two ways.
        Raw(""),
        Raw(away),
        // Restarted: nothing yet, twice, and then events with higher numbers.
        Events(NO_EVENTS, Value::Null, Value::Null),
        Events(NO_EVENTS, Value::Null, Value::Null),
        Events(vec![event(91), event(90)], json!(90), json!(91)),
        Events(NO_EVENTS, json!(90), json!(91)),
        // Restarted with a clock that is behind.
        Events(NO_EVENTS, json!(7), json!(8)),
        Events(vec![event(8), event(7)], json!(7), json!(8)),
        Raw("HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n{\"events\": 5}"),
    ]);
    let output = tailed(&url, &["--follow", "--lines", "7", "--user", "a b&c"]);
    let lines: String = [1, 2, 3, 90, 91, 7, 8]
        .map(|seq| line(&event(seq)))
        .concat();
    assert_eq!(text(&output.stdout), lines);
    let said = text(&output.stderr);
    let said: Vec<&str> = said.lines().collect();
    assert_eq!(said.len(), 6, "{said:?}");
    for (line, words) in said.iter().zip([
        "closed the connection before its answer was complete",
        "asked again every two seconds",
        "Events may be missing here",
        "answers again",
        "Events may be missing here",
        "gave an answer that this program does not understand",
    ]) {
        assert!(line.contains(words), "{words}: {said:?}");
    }
    assert_eq!(output.status.code(), Some(2));
    let asked = server.join().unwrap();
    let after = |query: &str| {
        assert!(query.ends_with("&user=a%20b%26c"), "{query}");
        let (_, rest) = query.split_once("&after=")?;
        rest.split('&').next()?.parse::<u64>().ok()
    };
    let numbers: Vec<Option<u64>> = asked.iter().map(|query| after(query)).collect();
    let expected = [
        None,
        Some(2),
        Some(4),
        Some(4),
        Some(4),
        Some(4),
        Some(4),
        Some(91),
        Some(91),
        None,
        Some(8),
    ];
    assert_eq!(numbers, expected);
    assert!(asked[0].starts_with("limit=7&"), "{}", asked[0]);
}

#[test]
fn text_from_the_server_cannot_move_the_cursor_or_look_like_other_fields() {
    let mut evil = event(1);
    evil["user"] = "a\u{1b}[2J".into();
    evil["by"] = "b result=x\n\u{202e}".into();
    evil["key"] = "\"".into();
    evil["trace"] = json!({"not": "text"});
    evil["unknown"] = "not shown".into();
    let (url, _server) = played(vec![
        Events(vec![evil.clone()], json!(1), json!(1)),
        Events(vec![evil], json!(1), json!(1)),
    ]);
    let output = tailed(&url, &[]);
    assert_eq!(
        text(&output.stdout),
        "2026-01-01T00:00:00Z event=login result=ok user=a\\u{1b}[2J peer=10.0.0.1 \
         by=\"b result=x\\n\\u202e\" key=\"\\\"\"\n"
    );
    let output = tailed(&url, &["--json"]);
    let printed = text(&output.stdout);
    assert!(printed.bytes().filter(|byte| *byte == b'\n').count() == 1 && printed.is_ascii());
    let row: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(row["user"], "a\u{1b}[2J");
    assert_eq!(row["by"], "b result=x\n\u{202e}");
    assert!(
        row.get("trace").is_none() && row.get("unknown").is_none(),
        "{row}"
    );
}

#[test]
fn many_events_take_several_requests_and_a_server_that_repeats_itself_ends() {
    let page = |from: u64, to: u64| {
        Events(
            (from..=to).rev().map(event).collect(),
            json!(1),
            json!(1200),
        )
    };
    let (url, server) = played(vec![page(201, 1200), page(1, 200)]);
    let output = tailed(&url, &["-n", "10000"]);
    let lines: String = (1..=1200).map(|seq| line(&event(seq))).collect();
    assert_eq!(text(&output.stdout), lines);
    assert_eq!(
        server.join().unwrap(),
        ["limit=1000", "limit=1000&before=201"]
    );
    let (url, server) = played(vec![page(201, 1200), page(201, 1200)]);
    let output = tailed(&url, &["-n", "10000"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(text(&output.stdout).lines().count(), 1000);
    server.join().unwrap();
}

#[test]
fn answers_that_are_none_are_refused_with_a_sentence() {
    for body in [
        "{}",
        "[]",
        r#"{"events": [], "first": 1, "last": null}"#,
        r#"{"events": [], "first": -1, "last": 1.5}"#,
        r#"{"events": [{}], "first": 1, "last": 1}"#,
        r#"{"events": [{"seq": 1, "time": "now"}], "first": 1, "last": 1}"#,
        "not JSON",
    ] {
        let raw = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let (url, server) = played(vec![Raw(raw.leak())]);
        let output = tailed(&url, &["--follow"]);
        assert_eq!(output.status.code(), Some(2), "{body}: {output:?}");
        let said = text(&output.stderr);
        assert!(said.contains("does not understand"), "{body}: {said}");
        server.join().unwrap();
    }
    // A token that is refused, and nobody at all: there is nothing to follow.
    let body = r#"{"type":"urn:sealgate:problem:x","title":"Go\u001b."}"#;
    let refused = format!(
        "HTTP/1.1 401 Unauthorized\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let (url, server) = played(vec![Raw(refused.leak())]);
    let output = tailed(&url, &["-f"]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains(r"refuses the token: Go\u{1b}."), "{said}");
    server.join().unwrap();
    let output = tailed(&url, &["-f"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(
        text(&output.stderr).contains("cannot be reached"),
        "{output:?}"
    );
}

/// A command that follows, and its output.
fn following(all: &Administered) -> (Child, BufReader<std::process::ChildStdout>) {
    let arguments = ["audit", "tail", "--follow", "--json", "-n", "1"];
    let mut command = all.command(&["--server", &all.url()], &arguments);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    (child, out)
}

#[test]
fn new_events_are_printed_until_the_command_is_interrupted() {
    for signal in ["INT", "TERM"] {
        let all = Administered::new();
        let (mut child, mut out) = following(&all);
        let mut next = || {
            let mut line = String::new();
            out.read_line(&mut line).unwrap();
            serde_json::from_str::<Value>(&line).unwrap()["event"].clone()
        };
        assert_eq!(next(), "login");
        all.done(&["user", "disable", "bob"]);
        assert_eq!(next(), "account.disable");
        all.done(&["user", "enable", "bob"]);
        all.done(&["user", "unlock", "bob"]);
        assert_eq!(next(), "account.enable");
        assert_eq!(next(), "account.unlock");
        let id = child.id().to_string();
        let sent = Command::new("kill")
            .args([&format!("-{signal}"), &id])
            .status();
        assert!(sent.unwrap().success());
        assert_eq!(ended(&mut child, "it goes on").code(), Some(0));
        let mut said = String::new();
        child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut said)
            .unwrap();
        assert_eq!(said, "");
    }
}

#[test]
fn a_follower_whose_reader_is_gone_ends_although_nothing_happens() {
    let all = Administered::new();
    let (mut child, mut out) = following(&all);
    out.read_line(&mut String::new()).unwrap();
    drop(out);
    assert_eq!(ended(&mut child, "it goes on").code(), Some(0));
}
