//! Times: a clock that stands far off is no reason to stop, and no lifetime is so long that it wraps round.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)] // a test that panics has failed

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use crate::common::c::{checked, compiler, python, root};
use crate::common::people::{FREE, PASSWORD, Pair, claims, login, refresh, within_a_second};
use crate::common::{Server, panics, run, said, sealgate, text};

/// The second of 10000-01-01, with which dates of four digits are over.
const YEAR_10000: i64 = 253_402_300_800;
const DAY: i64 = 86_400;

/// What moves a program's clock when it is preloaded.
fn moving(folder: &Path) -> PathBuf {
    let library = folder.join("clock.so");
    let mut compile = compiler("cc", "gnu11");
    compile
        .args(["-shared", "-fPIC", "-o"])
        .arg(&library)
        .arg(root().join("tests/c/clock.c"));
    checked(&mut compile);
    library
}

/// Whose clock stands at `to` when it starts.
fn at<'c>(command: &'c mut Command, to: i64, library: &Path) -> &'c mut Command {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs() as i64;
    command
        .env("LD_PRELOAD", library)
        .env("CLOCK_OFFSET", (to - now).to_string())
        .envs(FREE.iter().copied())
}

#[test]
fn wherever_the_clock_stands_servers_start_answer_and_log_and_tokens_are_good() {
    let folder = tempfile::tempdir().unwrap();
    let library = moving(folder.path());
    let (both, pool) = (&["pool", "tiny-http"][..], &["pool"][..]);
    for (to, year, engines) in [
        (-DAY / 2, "1970", both),
        (-100 * 365 * DAY, "1970", pool),
        // In the year 2106 times of 32 bits are over.
        (i64::from(u32::MAX) + DAY, "2106", pool),
        (YEAR_10000 + DAY, "9999", both),
        (YEAR_10000 * 30, "9999", pool),
    ] {
        for engine in engines {
            let home = tempfile::tempdir().unwrap();
            let command = |arguments: &[&str], input: &str| {
                let mut command = sealgate(home.path());
                at(command.args(arguments), to, &library);
                let output = run(command, input.as_bytes());
                assert!(output.status.success(), "{to} {arguments:?}: {output:?}");
                text(&output.stdout)
            };
            command(&["user", "add", "alice"], PASSWORD);
            let server = Server::start_with(home.path(), |command| {
                at(command, to, &library).env("SEALGATE_ENGINE", engine);
            });
            let ready = server.get("/readyz", None);
            assert_eq!(ready.status, 200, "{to}: {}", ready.body);
            let date = &ready.headers["date"];
            assert!(date.contains(&format!(" {year} ")), "{to}: {date}");
            let first = Pair::log_in(&server, "alice");
            let shown = claims(&first.token);
            let (from, until) = (
                shown["iat"].as_u64().unwrap(),
                shown["exp"].as_u64().unwrap(),
            );
            assert_eq!(until - from, 1800, "{to}: {shown}");
            let answer = refresh(&server, &first.refresh);
            assert_eq!(answer.status, 200, "{to}: {}", answer.body);
            let second = Pair::of(&answer);
            for token in [&first.token, &second.token] {
                assert_eq!(server.get("/secure-data", Some(token)).status, 200, "{to}");
            }
            let issued = command(&["token", "issue", "--user", "alice"], "");
            assert_eq!(server.get("/secure-data", Some(issued.trim())).status, 200);
            let printed = command(&["token", "verify"], &issued);
            assert!(printed.contains("alice"), "{printed}");
            assert!(command(&["token", "inspect"], &issued).contains(r#""expired": false"#));
            command(&["keys", "rotate"], "");
            assert!(command(&["keys", "list"], "").contains(year), "{to}");
            assert!(command(&["user", "list"], "").contains("alice"));
            assert_eq!(server.post("/logout", "", Some(&second.token)).status, 204);
            // A clock outside of the calendar stands still, but tokens issued after a revocation are still distinguished
            // from those before it. (Other clocks begin at `to` in each process.)
            let stands = !(0..YEAR_10000).contains(&to);
            let mut last = first;
            for password in ["a windy harbour", "a foggy harbour"] {
                if !stands {
                    break;
                }
                command(&["user", "passwd", "alice"], password);
                within_a_second(|| server.get("/secure-data", Some(&last.token)).status == 401);
                let answer = login(&server, "alice", password);
                assert_eq!(answer.status, 200, "{to}: {}", answer.body);
                last = Pair::of(&answer);
                let good = server.get("/secure-data", Some(&last.token)).status;
                assert_eq!(good, 200, "{to}");
            }
            let log = server.stop();
            let line = log.lines().find(|line| line.contains("path=/readyz"));
            assert!(line.unwrap().starts_with(year), "{to}: {log}");
            assert_eq!(panics(&log), [""; 0], "{to}");
        }
    }
}

/// The clock passes the end of the calendar while the server runs.
#[test]
fn a_server_lives_through_the_end_of_the_calendar() {
    let folder = tempfile::tempdir().unwrap();
    let library = moving(folder.path());
    let home = tempfile::tempdir().unwrap();
    let server = Server::start_with(home.path(), |command| {
        at(command, YEAR_10000 - 2, &library);
    });
    let token = server.log_in("alice");
    for _ in 0..4 {
        std::thread::sleep(Duration::from_secs(1));
        let answer = server.get("/secure-data", Some(&token));
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(&answer.headers["date"][..16], "Fri, 31 Dec 9999");
    }
    server.stop();
}

#[test]
fn no_lifetime_wraps_round() {
    let home = tempfile::tempdir().unwrap();
    for seconds in ["315576001", "4294967295", "18446744073709551615"] {
        let mut command = sealgate(home.path());
        command.args(["token", "issue", "--user", "alice", "--ttl", seconds]);
        let output = run(command, b"");
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let mut command = sealgate(home.path());
        command.args(["token", "issue", "--user", "alice"]);
        command.env("SEALGATE_TOKEN_TTL", seconds);
        let output = run(command, b"");
        assert!(said(&output).contains("SEALGATE_TOKEN_TTL"), "{output:?}");
    }
    let mut command = sealgate(home.path());
    command.args(["token", "issue", "--user", "alice", "--ttl", "315576000"]);
    let shown = claims(text(&run(command, b"").stdout).trim());
    let life = shown["exp"].as_u64().unwrap() - shown["iat"].as_u64().unwrap();
    assert_eq!(life, 315_576_000);
    let program = "
import sealgate
gate = sealgate.Gate()
for seconds in (315576001, 4294967295):
    try:
        gate.issue_token('alice', ttl=seconds)
    except sealgate.SealgateError as error:
        print(type(error).__name__, error)
claims = gate.verify_token(gate.issue_token('alice', ttl=315576000))
print(claims.expires_at - claims.issued_at)
";
    let printed = checked(python(home.path()).args(["-c", program]));
    let lines: Vec<&str> = printed.lines().collect();
    assert!(
        lines.len() == 3 && lines[..2].iter().all(|line| line.contains("ten years")),
        "{printed}"
    );
    assert_eq!(lines[2], "315576000");
}
