//! `sealgate store copy`: from a data directory to PostgreSQL and back, with everything that is in it and beside servers that run.

mod failed;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::postgres::{Postgres, wait_until};
use crate::common::people::{FREE, PASSWORD, Pair, login, refresh};
use crate::common::{Server, run, sealgate, text};

const RING_KEY: &str = "hex:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const DATABASE: &str = "moved";

/// A data directory and an empty database.
struct Move {
    home: tempfile::TempDir,
    postgres: Postgres,
}

/// What a command or a server uses.
#[derive(Clone, Copy)]
enum Use<'u> {
    Folder(&'u Path),
    Database,
}

impl Move {
    fn new() -> Move {
        let postgres = Postgres::alone();
        postgres
            .primary
            .sql("postgres", &format!("CREATE DATABASE {DATABASE}"));
        Move {
            home: tempfile::tempdir().unwrap(),
            postgres,
        }
    }

    fn folder(&self) -> PathBuf {
        self.home.path().join("state")
    }

    fn address(&self, role: &str) -> String {
        let folder = self.postgres.primary.folder();
        let host = folder.to_str().unwrap().replace('/', "%2F");
        format!("postgres://{role}@{host}/{DATABASE}")
    }

    fn settings(&self, what: Use<'_>) -> Vec<(&'static str, String)> {
        let folder = match what {
            Use::Folder(folder) => folder.to_owned(),
            Use::Database => self.home.path().join("unused"),
        };
        let mut all = vec![
            ("SEALGATE_DATA_DIR", folder.to_str().unwrap().to_owned()),
            ("SEALGATE_RING_KEY", RING_KEY.to_owned()),
            ("SEALGATE_AUDIT_FILE", self.trail().display().to_string()),
        ];
        if let Use::Database = what {
            all.push(("SEALGATE_STORE", self.address("postgres")));
        }
        for (name, value) in FREE {
            all.push((name, (*value).to_owned()));
        }
        all
    }

    /// The audit trail of all.
    fn trail(&self) -> PathBuf {
        self.home.path().join("audit.log")
    }

    fn command(&self, what: Use<'_>, arguments: &[&str]) -> Command {
        let mut command = sealgate(self.home.path());
        command.args(arguments).envs(self.settings(what));
        command
    }

    fn typed(&self, what: Use<'_>, arguments: &[&str]) -> Output {
        let input = format!("{PASSWORD}\n");
        run(self.command(what, arguments), input.as_bytes())
    }

    /// Does something that has to go well.
    fn done(&self, what: Use<'_>, arguments: &[&str]) -> String {
        let output = self.typed(what, arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {output:?}");
        text(&output.stdout)
    }

    /// The sentence of something that has to fail with this code.
    fn refused(&self, what: Use<'_>, arguments: &[&str], code: i32) -> String {
        let output = self.typed(what, arguments);
        assert_eq!(
            output.status.code(),
            Some(code),
            "{arguments:?}: {output:?}"
        );
        text(&output.stderr)
    }

    fn server(&self, what: Use<'_>) -> Server {
        Server::start_with(self.home.path(), |command| {
            command.envs(self.settings(what));
        })
    }

    fn sql(&self, statement: &str) -> String {
        self.postgres.primary.sql(DATABASE, statement)
    }

    fn status(&self, what: Use<'_>) -> Value {
        serde_json::from_str(&self.done(what, &["store", "status", "--json"])).unwrap()
    }

    fn to_database(&self) -> Vec<String> {
        let to = self.address("postgres");
        ["store", "copy", "--to", &to].map(str::to_owned).to_vec()
    }
}

fn words(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}

fn secret(server: &Server, token: &str) -> u16 {
    server.get("/secure-data", Some(token)).status
}

/// Logs in again and again until it is refused; keeps every login that was confirmed.
fn log_in_until_refused(server: &Server, over: &AtomicBool, kept: &Mutex<Vec<Pair>>) -> u16 {
    loop {
        let answer = login(server, "alice", PASSWORD);
        if answer.status != 200 {
            return answer.status;
        }
        kept.lock().unwrap().push(Pair::of(&answer));
        // Of an account's logins the store keeps a hundred, and which goes first is not defined within a second.
        thread::sleep(Duration::from_millis(15));
        assert!(!over.load(Ordering::SeqCst), "logins are still confirmed");
    }
}

/// What has to be the same wherever the store is.
struct Before {
    pair: Pair,
    ended: String,
    api_key: String,
    sealed: String,
    keys: Vec<String>,
}

impl Before {
    fn keys(moved: &Move, what: Use<'_>) -> Vec<String> {
        let listed = moved.done(what, &["keys", "list", "--json"]);
        let listed: Value = serde_json::from_str(&listed).unwrap();
        let keys = listed["keys"].as_array().unwrap().iter();
        keys.map(|key| {
            ["kind", "id", "created", "accepted"]
                .map(|name| key[name].to_string())
                .concat()
        })
        .collect()
    }

    fn holds(&self, moved: &Move, server: &Server, what: Use<'_>) {
        assert_eq!(secret(server, &self.pair.token), 200);
        assert_eq!(secret(server, &self.ended), 401, "a logout is forgotten");
        assert_eq!(secret(server, &self.api_key), 200);
        assert_eq!(login(server, "bob", PASSWORD).status, 401, "he is disabled");
        assert_eq!(login(server, "alice", PASSWORD).status, 200);
        let body = json!({ "encrypted_data": self.sealed }).to_string();
        let opened = server.post("/decrypt", &body, Some(&self.pair.token));
        assert_eq!(opened.status, 200, "{}", opened.body);
        assert_eq!(Before::keys(moved, what), self.keys);
    }
}

#[test]
fn a_store_is_copied_to_postgresql_and_back_beside_servers_and_loses_nothing_that_they_confirmed() {
    let moved = Move::new();
    let folder = moved.folder();
    let old = Use::Folder(&folder);
    for name in ["alice", "bob", "carol"] {
        moved.done(
            old,
            &[
                "user",
                "add",
                name,
                "--scopes",
                "secure-data encrypt decrypt",
            ],
        );
    }
    let server = moved.server(old);
    moved.done(old, &["user", "disable", "bob"]);
    moved.done(old, &["user", "unlock", "carol"]);
    moved.done(old, &["client", "add", "shop", "--scopes", "encrypt"]);
    let api_key = moved.done(old, &["api-key", "add", "alice", "--scope", "secure-data"]);
    let pair = Pair::log_in(&server, "alice");
    let ended = Pair::log_in(&server, "alice").token;
    assert_eq!(server.post("/logout", "", Some(&ended)).status, 204);
    let body = json!({"data": "meet me at noon"}).to_string();
    let sealed = server.post("/encrypt", &body, Some(&pair.token)).json();
    let before = Before {
        api_key: api_key.trim().to_owned(),
        sealed: sealed["encrypted_data"].as_str().unwrap().to_owned(),
        keys: Before::keys(&moved, old),
        pair,
        ended,
    };
    let users = moved.done(old, &["user", "list", "--json"]);
    let rows = moved.status(old)["rows"].clone();
    let copy = moved.to_database();
    let dry = [words(&copy), vec!["--dry-run"]].concat();
    let would = moved.done(old, &dry);
    assert!(would.starts_with("Would copy from "), "{would}");
    assert_eq!(
        moved.sql("SELECT to_regclass('sealgate.accounts') IS NULL"),
        "t"
    );
    assert_eq!(moved.status(old)["read_only"], false);

    // Beside a server that confirms logins.
    let (over, kept) = (AtomicBool::new(false), Mutex::default());
    thread::scope(|scope| {
        let logins = scope.spawn(|| log_in_until_refused(&server, &over, &kept));
        wait_until("nobody logs in", || !kept.lock().unwrap().is_empty());
        let said = moved.done(old, &words(&copy));
        over.store(true, Ordering::SeqCst);
        assert!(said.starts_with("Copied from "), "{said}");
        assert_eq!(logins.join().unwrap(), 503);
    });
    let kept = kept.into_inner().unwrap();

    // The old one is read-only, for whoever uses it.
    assert_eq!(moved.status(old)["read_only"], true);
    assert_eq!(secret(&server, &before.pair.token), 200);
    assert_eq!(secret(&server, &before.api_key), 200);
    assert_eq!(server.get("/readyz", None).status, 200);
    assert_eq!(
        server.post("/logout", "", Some(&before.pair.token)).status,
        503
    );
    for change in [
        vec!["user", "remove", "carol"],
        vec!["keys", "rotate"],
        vec!["api-key", "revoke", "--owner", "alice"],
    ] {
        let sentence = moved.refused(old, &change, 2);
        assert!(
            sentence.contains("sealgate store unlock"),
            "{change:?}: {sentence}"
        );
    }
    drop(server);

    let node = moved.server(Use::Database);
    before.holds(&moved, &node, Use::Database);
    assert_eq!(
        moved.done(Use::Database, &["user", "list", "--json"]),
        users
    );
    for pair in &kept {
        assert_eq!(secret(&node, &pair.token), 200, "a confirmed login is lost");
    }
    // A session has at most so many logins; the last ones are there.
    for pair in kept.iter().rev().take(20) {
        assert_eq!(
            pair.refreshed(&node).status,
            200,
            "a confirmed login is lost"
        );
    }
    let now = moved.status(Use::Database);
    assert_eq!(now["kind"], "postgresql");
    assert_eq!(now["servers"].as_array().unwrap().len(), 1, "{now}");
    for (table, count) in rows.as_object().unwrap() {
        let now = now["rows"][table].as_u64().unwrap();
        assert!(now >= count.as_u64().unwrap(), "{table}");
    }
    let refused = moved.refused(Use::Database, &["store", "check"], 2);
    assert!(refused.contains("pg_amcheck"), "{refused}");
    let file = moved.home.path().join("file");
    let refused = moved.refused(
        Use::Database,
        &["store", "backup", file.to_str().unwrap()],
        2,
    );
    assert!(refused.contains("pg_dump") && !file.exists(), "{refused}");

    // And back.
    let late = Pair::log_in(&node, "carol");
    assert_eq!(node.post("/logout", "", Some(&late.token)).status, 204);
    let pair = Pair::log_in(&node, "carol");
    let back = moved.home.path().join("back");
    let copy = ["store", "copy", "--to", back.to_str().unwrap()];
    moved.done(Use::Database, &copy);
    assert_eq!(login(&node, "carol", PASSWORD).status, 503);
    assert_eq!(secret(&node, &pair.token), 200);
    assert_eq!(node.get("/readyz", None).status, 200);
    let sentence = moved.refused(Use::Database, &["user", "remove", "carol"], 2);
    assert!(sentence.contains("sealgate store unlock"), "{sentence}");
    drop(node);
    let server = moved.server(Use::Folder(&back));
    before.holds(&moved, &server, Use::Folder(&back));
    assert_eq!(secret(&server, &late.token), 401, "a logout is forgotten");
    assert_eq!(secret(&server, &pair.token), 200);
    assert_eq!(refresh(&server, &pair.refresh).status, 200);
    assert_eq!(moved.done(Use::Folder(&back), &["store", "check"]), "ok\n");

    // A second time: only to replace it, and not beside a server.
    let refused = moved.refused(Use::Database, &copy, 2);
    assert!(refused.contains("--replace"), "{refused}");
    let again = [&copy[..], &["--replace"]].concat();
    let refused = moved.refused(Use::Database, &again, 2);
    assert!(refused.contains("is in use"), "{refused}");
    drop(server);
    moved.done(Use::Database, &again);
    assert_eq!(
        moved.done(Use::Folder(&back), &["user", "list", "--json"]),
        users
    );
    let trail = fs::read_to_string(moved.trail()).unwrap();
    let copies = trail.matches("event=store.copy result=ok").count();
    assert!(copies >= 3, "{trail}");
}
