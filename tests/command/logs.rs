//! The promises about the log of `sealgate serve`: its forms, and that no line is lost or split. `unwritable` has logs that cannot
//! be written.

#![allow(clippy::unwrap_used)] // a test that panics has failed

mod unwritable;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::common::{Answer, PATIENCE, Server, promised};
use serde_json::Value;

struct Place {
    folder: tempfile::TempDir,
    log: PathBuf,
}

fn place() -> Place {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("sealgate.log");
    Place { folder, log }
}

impl Place {
    fn start(&self, more: &[(&str, &str)]) -> Server {
        let log = ("SEALGATE_LOG_FILE", self.log.to_str().unwrap());
        Server::start(self.folder.path(), &[&[log], more].concat())
    }

    fn read(&self) -> String {
        read(&self.log)
    }
}

/// Empty where there is none yet.
fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// Until it is so; panics when it takes too long.
fn wait_until(what: &str, is_so: impl Fn() -> bool) -> Duration {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "it never came: {what}");
        thread::sleep(Duration::from_millis(2));
    }
    start.elapsed()
}

/// Sends requests with these ids over one connection.
fn ask_all(server: &Server, ids: impl Iterator<Item = String>) {
    let mut stream = server.connect();
    for id in ids {
        let request = format!("GET /healthz HTTP/1.1\r\nHost: x\r\nX-Request-Id: {id}\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        assert_eq!(Answer::read(&mut stream).unwrap().status, 200);
    }
}

fn readyz(server: &Server) -> Option<String> {
    let answer = server.get("/readyz", None);
    assert_eq!(answer.status, 200);
    let body = answer.json();
    assert_eq!(body["status"], "ready");
    body["log"].as_str().map(str::to_owned)
}

#[test]
fn a_json_line_is_an_object_with_the_request_in_it() {
    let place = place();
    let server = place.start(&[("SEALGATE_LOG_FORMAT", "json")]);
    let token = server.log_in("test_user");
    server.get("/secure-data", Some(&token));
    server.get("/no-such-path-here", None);
    let terminal = server.stop();
    // Lines of two threads may come in another order: each log has a lock of its own.
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(
        sorted(&terminal),
        sorted(&place.read()),
        "terminal and file say the same"
    );
    let lines: Vec<Value> = terminal
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    for line in &lines {
        let time = line["time"].as_str().unwrap();
        assert!(time.len() == 27 && time.ends_with('Z'), "{time}");
        assert!(line["level"].is_string() && line["target"].is_string());
        assert!(line["message"].is_string());
    }
    let at = |path: &str| {
        lines
            .iter()
            .find(|line| line["path"] == path)
            .unwrap_or_else(|| panic!("no line of {path}"))
    };
    let line = at("/secure-data");
    assert_eq!(line["target"], "sealgate::access");
    assert_eq!(line["level"], "INFO");
    assert_eq!(line["status"], 200);
    assert_eq!(line["user"], "tes***");
    assert_eq!(line["method"], "GET");
    assert_eq!(line["peer"], "127.0.0.1");
    assert!(line["us"].is_u64() && line["id"].is_string());
    assert_eq!(at("/no***")["status"], 404);
}

#[test]
fn a_forged_name_is_one_line_in_both_formats() {
    for format in ["text", "json"] {
        let place = place();
        let server = place.start(&[("SEALGATE_LOG_FORMAT", format)]);
        let names = [
            "\r\nINFO forged line",
            "\"},{\"level\":\"forged\"",
            "\\\\\\u000aforged",
            "\u{202e}\u{2028}\u{2066}forged name",
            "\x1b[2Jforged name",
            "\u{85}\u{61c}\u{7f}forged name",
        ];
        for name in names {
            let body = serde_json::json!({"username": name}).to_string();
            server.post("/login", &body, None);
            server.send_all(format!("GET /{name} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes());
        }
        server.stop();
        let log = place.read();
        let requests = log.lines().filter(|line| line.contains("/login")).count();
        assert_eq!(requests, names.len(), "{log}");
        assert!(!log.contains("forged"), "{log}");
        let is_wild = |c: char| {
            c != '\n' && c.is_control() || matches!(c, '\u{202e}' | '\u{2028}' | '\u{61c}')
        };
        assert!(!log.contains(is_wild), "{log:?}");
        for line in log.lines() {
            match format {
                "json" => assert!(serde_json::from_str::<Value>(line).unwrap().is_object()),
                _ => assert!(line.starts_with("20") && line.contains("Z "), "{line}"),
            }
        }
    }
}

#[test]
fn a_moved_log_file_loses_no_line_and_splits_none() {
    const THREADS: usize = 3;
    let place = place();
    let server = place.start(&[]);
    let done = AtomicBool::new(false);
    let mut moved = Vec::new();
    let sent: usize = thread::scope(|scope| {
        let (server, done) = (&server, &done);
        let askers: Vec<_> = (0..THREADS)
            .map(|asker| {
                scope.spawn(move || {
                    let mut count = 0;
                    while !done.load(Ordering::SeqCst) {
                        let ids = count..count + 50;
                        ask_all(server, ids.map(|n| format!("id-{asker}-{n}")));
                        count += 50;
                    }
                    count
                })
            })
            .collect();
        for turn in 0..8 {
            thread::sleep(Duration::from_millis(40));
            let aside = place.folder.path().join(format!("moved.{turn}"));
            fs::rename(&place.log, &aside).unwrap();
            moved.push(aside);
            server.signal("HUP");
            wait_until("a new file", || place.log.exists());
        }
        done.store(true, Ordering::SeqCst);
        askers.into_iter().map(|asker| asker.join().unwrap()).sum()
    });
    let terminal = server.stop();
    let mode = fs::metadata(&place.log).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    moved.push(place.log.clone());
    let mut seen = BTreeMap::new();
    for file in &moved {
        let log = read(file);
        assert!(log.ends_with('\n'));
        for line in log.lines() {
            assert!(line.starts_with("20") && line.contains("Z "), "{line}");
            if let Some((_, rest)) = line.split_once(" id=id-") {
                let (id, rest) = rest.split_once(' ').unwrap();
                assert!(rest.contains(" status=200 us="), "{line}");
                *seen.entry(id.to_owned()).or_insert(0) += 1;
            }
        }
    }
    assert!(seen.values().all(|times| *times == 1));
    assert_eq!(seen.len(), sent);
    assert_eq!(terminal.matches(" id=id-").count(), sent);
    assert!(read(&place.log).contains("was reopened"));
}

#[test]
fn half_a_line_at_the_end_of_the_file_gets_no_other_half() {
    let place = place();
    fs::write(&place.log, "2026-11-24T03:33:57.012345Z INFO  requ").unwrap();
    place.start(&[]).stop();
    let log = place.read();
    let mut lines = log.lines();
    assert_eq!(lines.next(), Some("2026-11-24T03:33:57.012345Z INFO  requ"));
    assert!(lines.next().unwrap().starts_with("20"), "{log}");
    assert!(lines.any(|line| line.contains("listening on")), "{log}");
}

#[test]
fn lines_are_in_the_file_at_once_and_a_stop_leaves_none_behind() {
    let place = place();
    let server = place.start(&[]);
    for turn in 0..5 {
        ask_all(&server, std::iter::once(format!("id-{turn}")));
        let took = wait_until("the line", || {
            place.read().contains(&format!("id=id-{turn} "))
        });
        assert!(took < promised(Duration::from_secs(1)), "{took:?}");
    }
    ask_all(&server, (0..100).map(|n| format!("last-{n}")));
    let terminal = server.stop();
    let log = place.read();
    assert_eq!(log.matches(" id=last-").count(), 100);
    assert!(log.ends_with("stopped\n") && terminal.ends_with("stopped\n"));
}

#[test]
fn hangups_without_a_log_file_or_many_at_once_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[]);
    server.signal("HUP");
    server.signal("HUP");
    assert_eq!(server.get("/healthz", None).status, 200);
    let terminal = server.stop();
    assert!(!terminal.contains("anew"), "{terminal}");

    let place = place();
    let server = place.start(&[]);
    for turn in 0..20 {
        server.signal("HUP");
        ask_all(&server, std::iter::once(format!("id-{turn}")));
    }
    server.stop();
    assert_eq!(place.read().matches(" id=id-").count(), 20);
}

#[test]
fn successful_health_checks_can_be_left_out() {
    for (choice, lines) in [("all", 7), ("no-health", 4)] {
        let place = place();
        let server = place.start(&[("SEALGATE_ACCESS_LOG", choice)]);
        for path in ["/healthz", "/readyz", "/", "/healthz/", "/healthz?"] {
            server.get(path, None);
        }
        // What went wrong is no check that went well.
        assert_eq!(server.post("/healthz", "", None).status, 405);
        assert_eq!(server.get("/secure-data", None).status, 401);
        server.stop();
        let log = place.read();
        let found = log.matches(" request id=").count();
        assert_eq!(found, lines, "{choice}: {log}");
        assert!(log.contains("path=/healthz status=405"), "{log}");
    }
}
