//! Where audit events go besides the log: syslog, systemd's journal and a file, also while these cannot take them.

#![allow(clippy::unwrap_used)] // a test that panics has failed

mod closed;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::common::c::{Under, checked, compile, python};
use crate::common::people::{PASSWORD, Pair, People, claims, login, within};
use crate::common::proxy::Proxy;
use crate::common::sinks::{Daemon, StreamDaemon, Syslog, close};
use crate::common::{Answer, PATIENCE, Server, promised, run, said, text};

const CLOSED: (&str, &str) = ("SEALGATE_AUDIT_FAIL", "closed");

/// Accounts, and a path for a socket.
fn place() -> (People, PathBuf) {
    let people = People::of(&["alice"]);
    let path = people.home().join("log");
    (people, path)
}

fn sink(kind: &str, path: &Path) -> String {
    format!("{kind}:{}", path.display())
}

/// What `/readyz` says about the trail.
fn audit(server: &Server) -> Option<String> {
    let answer = server.get("/readyz", None);
    assert_eq!(answer.status, 200, "{}", answer.body);
    Some(answer.json()["audit"].as_str()?.to_owned())
}

fn refused(answer: &Answer) {
    assert_eq!(answer.status, 503, "{}", answer.body);
    assert_eq!(answer.code(), "audit_failed");
    assert_eq!(answer.header("Retry-After"), Some("1"));
}

/// The fields of an audit file's line.
fn fields(line: &str) -> BTreeMap<String, String> {
    let (_, mut rest) = line.split_once(" audit").unwrap();
    let mut fields = BTreeMap::new();
    while let Some(field) = rest.strip_prefix(' ') {
        let (name, value) = field.split_once('=').unwrap();
        let (value, end) = match value.starts_with('"') {
            true => {
                let mut values = serde_json::Deserializer::from_str(value).into_iter::<String>();
                let read = values.next().unwrap().unwrap();
                (read, values.byte_offset())
            }
            false => {
                let end = value.find(' ').unwrap_or(value.len());
                (value[..end].to_owned(), end)
            }
        };
        fields.insert(name.to_owned(), value);
        rest = &field[name.len() + 1 + end..];
    }
    fields
}

/// Names that could end a value, a message or a line, or begin another one.
const HOSTILE: [&str; 6] = [
    "\"]\\ [x@1 y=\"",
    "]] <13>1 - - -",
    "\u{202e}\u{2028}\u{feff}abcdefgh",
    "日本語日本語日本語",
    "= = = = = =",
    "user=root event=login",
];

#[test]
fn syslog_gets_every_event_in_its_form() {
    let (people, path) = place();
    let daemon = Daemon::at(&path);
    let file = people.home().join("audit");
    let sink = sink("syslog", &path);
    let settings = [
        ("SEALGATE_AUDIT", sink.as_str()),
        ("SEALGATE_AUDIT_FILE", file.to_str().unwrap()),
    ];
    let server = people.server(&settings);
    let pair = Pair::log_in(&server, "alice");
    assert_eq!(server.get("/secure-data", Some("no.to.ken")).status, 401);
    for name in HOSTILE {
        assert_eq!(login(&server, name, "wrong").status, 401);
    }
    let id = server.id();
    server.stop();
    let mut disable = people.command(&["user", "disable", "alice"]);
    disable.envs(settings);
    assert!(run(disable, b"").status.success());

    let trail = fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = trail.lines().collect();
    assert_eq!(lines.len(), 3 + HOSTILE.len());
    for line in &lines {
        let message = daemon.next();
        for secret in [PASSWORD, &pair.token, &pair.refresh] {
            assert!(!String::from_utf8_lossy(&message).contains(secret));
        }
        let message = Syslog::parse(&message);
        assert_eq!(message.facility, 10);
        let is_ok = message.fields["result"] == "ok";
        assert_eq!(message.severity, if is_ok { 6 } else { 5 });
        assert_eq!(message.id, message.fields["event"]);
        let disabled = message.fields["event"] == "account.disable";
        assert_eq!(message.process == id, !disabled);
        // The same fields as in the file; the text is that of its line.
        assert_eq!(message.fields, escaped(fields(line)), "{line}");
        assert!(line.contains(" audit event="), "{line}");
        assert!(message.text.starts_with("audit event="), "{message:?}");
    }
    assert!(daemon.is_silent());
}

/// Values with the escapes that lines have.
fn escaped(fields: BTreeMap<String, String>) -> BTreeMap<String, String> {
    let escape = |value: String| {
        value
            .replace('\u{202e}', "\\u{202e}")
            .replace('\u{2028}', "\\u{2028}")
    };
    fields
        .into_iter()
        .map(|(name, value)| (name, escape(value)))
        .collect()
}

#[test]
fn the_journal_gets_every_event_with_its_fields() {
    let (people, path) = place();
    let daemon = Daemon::at(&path);
    let sink = sink("journald", &path);
    let server = people.server(&[("SEALGATE_AUDIT", &sink)]);
    assert_eq!(login(&server, "alice", PASSWORD).status, 200);
    for name in HOSTILE {
        assert_eq!(login(&server, name, "wrong").status, 401);
    }
    server.stop();
    let first = daemon.journal();
    let value = |name: &str| std::str::from_utf8(&first[name]).unwrap();
    assert_eq!(value("SEALGATE_EVENT"), "login");
    assert_eq!(value("SEALGATE_RESULT"), "ok");
    assert_eq!(value("SEALGATE_USER"), "a***");
    assert_eq!(value("SEALGATE_PEER"), "127.0.0.1");
    assert_eq!(value("SEALGATE_WHO").len(), 16);
    assert_eq!(value("PRIORITY"), "6");
    assert_eq!(value("SYSLOG_IDENTIFIER"), "sealgate");
    assert!(value("MESSAGE").starts_with("audit event=login result=ok user=a*** who="));
    let documented = fs::read_to_string("docs/accounts.md").unwrap();
    assert!(documented.contains(&format!("MESSAGE_ID={}", value("MESSAGE_ID"))));
    for name in HOSTILE {
        let message = daemon.journal();
        let shown = name.chars().take(3).collect::<String>() + "***";
        assert_eq!(message["SEALGATE_USER"], shown.as_bytes());
        assert_eq!(message["PRIORITY"], b"5");
    }
    assert!(daemon.is_silent());
}

#[test]
fn a_stream_gets_one_line_for_each_event_and_is_connected_again() {
    let (people, path) = place();
    let daemon = StreamDaemon::at(&path);
    let sink = sink("syslog", &path);
    let server = people.server(&[("SEALGATE_AUDIT", &sink)]);
    for result in [200, 401, 200] {
        let password = if result == 200 { PASSWORD } else { "wrong" };
        assert_eq!(login(&server, "alice", password).status, result);
    }
    let mut messages = daemon.accepted().expect("a connection");
    let results: Vec<String> = messages
        .by_ref()
        .take(3)
        .map(|message| message.event().1.to_owned())
        .collect();
    assert_eq!(results, ["ok", "login_failed", "ok"]);
    // Its daemon restarts. A process that another test forks may have the old connection for a moment.
    drop((messages, daemon));
    let daemon = StreamDaemon::at(&path);
    let mut logins = Vec::new();
    let mut messages = None;
    within(PATIENCE, || {
        let answer = login(&server, "alice", PASSWORD);
        logins.push(answer.header("X-Request-Id").unwrap().to_owned());
        messages = daemon.accepted();
        messages.is_some()
    });
    let message = messages.unwrap().next().unwrap();
    assert_eq!(message.event(), ("login", "ok"));
    assert!(logins.contains(&message.fields["id"]), "{message:?}");
    within(PATIENCE, || audit(&server).is_none());
    server.stop();
}

#[test]
fn events_wait_for_a_socket_that_is_missing_or_replaced() {
    let (people, path) = place();
    let sink = sink("syslog", &path);
    let server = people.server(&[("SEALGATE_AUDIT", &sink)]);
    within(PATIENCE, || {
        server.log().contains("SEALGATE_AUDIT cannot be written")
    });
    for name in ["one", "two", "three"] {
        assert_eq!(login(&server, name, "wrong").status, 401);
    }
    within(PATIENCE, || {
        let said = audit(&server).unwrap();
        assert!(!said.contains(path.to_str().unwrap()), "{said}");
        said.contains("No such file") && said.ends_with("3 events wait for delivery, 0 are lost.")
    });
    let daemon = Daemon::at(&path);
    let users = |daemon: &Daemon, count| -> Vec<String> {
        let next = |_| daemon.syslog().fields["user"].clone();
        (0..count).map(next).collect()
    };
    assert_eq!(users(&daemon, 3), ["o***", "t***", "t***"]);
    within(PATIENCE, || audit(&server).is_none());
    // Another one takes its place.
    let next = Daemon::at(&path);
    drop(daemon);
    assert_eq!(login(&server, "four", "wrong").status, 401);
    assert_eq!(users(&next, 1), ["f***"]);
    assert!(next.is_silent());
    let log = server.stop();
    assert_eq!(
        log.matches("SEALGATE_AUDIT cannot be written").count(),
        1,
        "{log}"
    );
    assert!(log.contains("SEALGATE_AUDIT can be written again"), "{log}");
}

#[test]
fn a_reader_that_does_not_read_holds_up_nobody_and_gets_everything_later() {
    let (people, path) = place();
    let socket = UnixDatagram::bind(&path).unwrap();
    let sink = sink("syslog", &path);
    let server = people.server(&[("SEALGATE_AUDIT", &sink)]);
    let mut ids = Vec::new();
    // Its buffer holds some messages; then the server cannot send more.
    while audit(&server).is_none() {
        assert!(ids.len() < 100_000, "the buffer is endless");
        for _ in 0..50 {
            let start = Instant::now();
            let answer = server.get("/secure-data", None);
            assert!(start.elapsed() < promised(Duration::from_secs(1)));
            assert_eq!(answer.status, 401);
            ids.push(answer.header("X-Request-Id").unwrap().to_owned());
        }
    }
    assert!(audit(&server).unwrap().contains("does not keep up"));
    let daemon = Daemon::reading(socket);
    for id in &ids {
        let message = daemon.syslog();
        assert_eq!(
            (&message.fields["id"], message.event()),
            (id, ("denied", "token_missing"))
        );
    }
    within(PATIENCE, || audit(&server).is_none());
    assert!(daemon.is_silent());
    server.stop();
}

#[test]
fn rsyslog_reads_every_field() {
    let (people, path) = place();
    let out = people.home().join("out");
    let config = format!(
        "global(workDirectory=\"{0}\")\n\
         module(load=\"imuxsock\" SysSock.Use=\"off\")\n\
         input(type=\"imuxsock\" Socket=\"{1}\" UseSpecialParser=\"off\")\n\
         template(name=\"parts\" type=\"string\" string=\"%syslogfacility-text%|%syslogseverity-text%|%app-name%|%procid%|\
         %msgid%|%structured-data%|%msg%\\n\")\n\
         *.* action(type=\"omfile\" file=\"{2}\" template=\"parts\")\n",
        people.home().display(),
        path.display(),
        out.display()
    );
    let daemon = Proxy::start(
        "rsyslogd",
        people.home(),
        path.clone(),
        &config,
        &["-n", "-iNONE"],
        "-f",
    );
    let sink = sink("syslog", &path);
    let server = people.server(&[("SEALGATE_AUDIT", &sink)]);
    Pair::log_in(&server, "alice");
    assert_eq!(login(&server, HOSTILE[0], "wrong").status, 401);
    let id = server.id();
    server.stop();
    let read = || fs::read_to_string(&out).unwrap_or_default();
    within(PATIENCE, || read().lines().count() >= 2);
    drop(daemon);
    let text = read();
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| line.contains("|sealgate|"))
        .collect();
    let [good, bad] = lines[..] else {
        panic!("{text}");
    };
    assert!(
        good.starts_with(&format!("authpriv|info|sealgate|{id}|login|[sealgate@32473 event=\"login\" result=\"ok\" user=\"a***\" ")),
        "{good}"
    );
    assert!(
        good.contains("]|audit event=login result=ok user=a*** "),
        "{good}"
    );
    assert!(
        bad.starts_with(&format!(
            "authpriv|notice|sealgate|{id}|login|[sealgate@32473 event=\"login\" result=\"login_failed\" user=\"\\\"\\]\\\\***\" "
        )),
        "{bad}"
    );
}

#[test]
fn a_reload_moves_the_trail_of_a_program_to_a_new_file() {
    let folder = tempfile::tempdir().unwrap();
    let program = "
import os, sealgate, time
def eventually(path, count):
    end = time.monotonic() + 60
    while not os.path.exists(path) or open(path).read().count('event=token.issue') != count:
        assert time.monotonic() < end, path
        time.sleep(0.01)
gate = sealgate.Gate(keys='ephemeral', audit_file='audit')
with sealgate.Server(gate, listen='127.0.0.1:0') as server:
    gate.issue_token('alice')
    eventually('audit', 1)
    os.rename('audit', 'audit.1')
    server.reload()
    eventually('audit', 0)
    gate.issue_token('bob')
    eventually('audit', 1)
    eventually('audit.1', 1)
";
    let mut command = python(folder.path());
    checked(command.args(["-c", program]).current_dir(folder.path()));
}
