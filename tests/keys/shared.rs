//! The ring in a PostgreSQL that machines share, each with its own data directory. `servers` has servers that run.

#![allow(clippy::unwrap_used)] // a test that panics has failed

mod servers;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::thread;

use crate::common::people::FREE;
use crate::common::{Server, run, sealgate, text};
use cluster::Cluster;
use serde_json::{Value, json};

#[path = "../../src/store/postgres/tests/cluster.rs"]
mod cluster;

/// As a key, and not a passphrase, it is quick.
const KEY: &str = "hex:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const NEW_KEY: &str = "hex:101112131415161718191a1b1c1d1e1f101112131415161718191a1b1c1d1e1f";

/// A database, and machines that use it.
struct Shared {
    address: String,
    machines: Vec<tempfile::TempDir>,
}

impl Shared {
    fn new() -> Shared {
        Shared {
            address: Cluster::shared().database(),
            machines: (0..2).map(|_| tempfile::tempdir().unwrap()).collect(),
        }
    }

    fn with_ring() -> Shared {
        let shared = Shared::new();
        shared.done(0, &["keys", "generate"], b"");
        shared
    }

    /// The data directory of a machine.
    fn folder(&self, machine: usize) -> PathBuf {
        self.machines[machine].path().join("state")
    }

    fn command(&self, machine: usize, arguments: &[&str]) -> Command {
        let mut command = sealgate(self.machines[machine].path());
        command
            .args(arguments)
            .env("SEALGATE_DATA_DIR", self.folder(machine))
            .env("SEALGATE_STORE", &self.address)
            .env("SEALGATE_RING_KEY", KEY)
            .envs(FREE.iter().copied());
        command
    }

    fn done(&self, machine: usize, arguments: &[&str], input: &[u8]) -> Vec<u8> {
        done(self.command(machine, arguments), input)
    }

    fn refused(&self, arguments: &[&str], change: impl FnOnce(&mut Command)) -> String {
        let mut command = self.command(1, arguments);
        change(&mut command);
        let output = run(command, b"");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
        assert_eq!(output.stdout, b"");
        text(&output.stderr)
    }

    fn listed(&self, machine: usize) -> Value {
        let listed = self.done(machine, &["keys", "list", "--json"], b"");
        serde_json::from_slice(&listed).unwrap()
    }

    fn ids(&self, machine: usize) -> Vec<String> {
        let listed = self.listed(machine);
        let keys = listed["keys"].as_array().unwrap().iter();
        keys.map(|key| key["id"].as_str().unwrap().to_owned())
            .collect()
    }

    fn newest(&self, kind: &str) -> Value {
        let listed = self.listed(1);
        let mut keys = listed["keys"].as_array().unwrap().iter();
        let newest = keys.find(|key| key["kind"] == kind && key["newest"] == true);
        newest.unwrap().clone()
    }

    fn sql(&self, sql: &str) -> String {
        let database = self.address.rsplit('/').next().unwrap();
        Cluster::shared().sql(database, sql)
    }

    /// The row as it is stored.
    fn row(&self) -> String {
        self.sql(
            "SELECT version, encode(sealed, 'hex'), encode(previous, 'hex') FROM sealgate.ring",
        )
    }

    fn server(&self, machine: usize) -> Server {
        self.server_with(machine, &[])
    }

    fn server_with(&self, machine: usize, settings: &[(&str, &str)]) -> Server {
        Server::start_with(self.machines[machine].path(), |command| {
            command
                .envs(settings.iter().copied())
                .env("SEALGATE_DATA_DIR", self.folder(machine))
                .env("SEALGATE_STORE", &self.address)
                .env("SEALGATE_RING_KEY", KEY)
                .env("SEALGATE_LOGIN", "open")
                .envs(FREE.iter().copied());
        })
    }
}

fn done(command: Command, input: &[u8]) -> Vec<u8> {
    let shown = format!("{command:?}");
    let output = run(command, input);
    assert!(output.status.success(), "{shown}: {}", text(&output.stderr));
    output.stdout
}

#[test]
fn each_command_on_keys_works_on_a_shared_ring() {
    let shared = Shared::new();
    let none = run(shared.command(0, &["keys", "list"]), b"");
    assert_eq!(none.status.code(), Some(1), "{none:?}");

    let made = text(&shared.done(0, &["keys", "generate"], b""));
    let address = &shared.address;
    assert!(
        made.starts_with(&format!("Created the key ring {address}\n")),
        "{made}"
    );
    assert_eq!(shared.listed(1)["ring"], json!(address));
    let first = shared.ids(0);
    assert_eq!((first.len(), &first), (2, &shared.ids(1)));
    let sealed = shared.done(0, &["encrypt"], b"data");

    shared.done(1, &["keys", "rotate"], b"");
    assert_eq!(shared.ids(0).len(), 4);
    assert_eq!(shared.done(1, &["decrypt"], &sealed), b"data");
    let old = &first[1];
    shared.done(0, &["keys", "retire", old], b"");
    let retired = run(shared.command(1, &["decrypt"]), &sealed);
    assert!(!retired.status.success(), "{retired:?}");
    shared.done(1, &["keys", "accept", old], b"");
    assert_eq!(shared.done(0, &["decrypt"], &sealed), b"data");

    // To another fleet.
    let file = shared.machines[0].path().join("exported");
    let file = file.to_str().unwrap();
    shared.done(
        0,
        &["keys", "export", "--out", file],
        b"correct horse battery\n",
    );
    let other = Shared::new();
    other.done(
        0,
        &["keys", "import", "--in", file],
        b"correct horse battery\n",
    );
    assert_eq!(other.ids(1), shared.ids(0));
    assert_eq!(other.done(1, &["decrypt"], &sealed), b"data");

    shared.done(1, &["keys", "seal"], b"");
    let row = shared.row();
    let plain = shared.refused(&["keys", "unseal"], |_| {});
    assert!(plain.contains("has to stay sealed"), "{plain}");
    assert_eq!(shared.row(), row, "untouched");
    // All that the database ever sees, and what the machines keep.
    for column in ["sealed", "previous"] {
        let stored = shared.sql(&format!(
            "SELECT encode({column}, 'escape') FROM sealgate.ring"
        ));
        assert!(
            stored.contains("sealgate sealed key ring") && !stored.contains("token_keys"),
            "{stored}"
        );
    }
    for machine in 0..2 {
        assert!(!shared.folder(machine).join("keys.json").exists());
    }
}

#[test]
fn a_shared_ring_has_to_be_sealed() {
    let shared = Shared::new();
    for arguments in [&["keys", "generate"][..], &["encrypt"], &["serve"]] {
        let said = shared.refused(arguments, |command| {
            command.env_remove("SEALGATE_RING_KEY");
        });
        assert!(said.contains("Set SEALGATE_RING_KEY"), "{said}");
    }
    let rings = "SELECT count(*) FROM sealgate.ring";
    assert_eq!(shared.sql(rings), "0");

    // Whoever can write the database, but does not know the secret, cannot plant keys of their own.
    shared.done(0, &["keys", "generate"], b"");
    let mut local = sealgate(shared.machines[1].path());
    local
        .args(["keys", "generate"])
        .env("SEALGATE_DATA_DIR", shared.machines[1].path().join("own"));
    done(local, b"");
    let planted = fs::read(shared.machines[1].path().join("own/keys.json")).unwrap();
    let hex: String = planted.iter().map(|byte| format!("{byte:02x}")).collect();
    shared.sql(&format!(
        "UPDATE sealgate.ring SET version = version + 1, sealed = decode('{hex}', 'hex')"
    ));
    let row = shared.row();
    for arguments in [&["keys", "list"][..], &["keys", "rotate"], &["decrypt"]] {
        let said = shared.refused(arguments, |_| {});
        assert!(said.contains("is not sealed"), "{said}");
    }
    assert_eq!(shared.row(), row, "untouched");
}

#[test]
fn a_row_that_cannot_be_used_is_told_and_left_alone() {
    let shared = Shared::with_ring();
    let good = shared.sql("SELECT encode(sealed, 'hex') FROM sealgate.ring");
    let newer = r#"{"format": "sealgate sealed key ring", "version": 2}"#;
    for (damaged, what) in [
        ("''", "damaged"),
        ("'\\x00'", "damaged"),
        ("'{}'", "damaged"),
        (&*format!("'{newer}'"), "newer version"),
        ("substr(sealed, 1, length(sealed) - 3)", ""),
        ("substr(sealed, 2)", ""),
        ("sealed || sealed", ""),
        ("convert_to(repeat('x', 2 << 20), 'UTF8')", ""),
        // A bit of the sealed text, which the last few bytes do not belong to.
        (
            "set_byte(sealed, length(sealed) - 12, get_byte(sealed, length(sealed) - 12) # 1)",
            "",
        ),
    ] {
        shared.sql(&format!(
            "UPDATE sealgate.ring SET sealed = {damaged}, version = version + 1"
        ));
        let row = shared.row();
        for arguments in [&["keys", "list"][..], &["keys", "generate"], &["encrypt"]] {
            let said = shared.refused(arguments, |_| {});
            assert!(
                said.contains("key ring") && said.contains(what) && said.len() < 1000,
                "{damaged}: {said}"
            );
        }
        assert_eq!(shared.row(), row, "{damaged}: untouched");
        shared.sql(&format!(
            "UPDATE sealgate.ring SET sealed = decode('{good}', 'hex'), version = version + 1"
        ));
    }
    assert_eq!(shared.ids(0).len(), 2);
    let wrong = shared.refused(&["keys", "rotate"], |command| {
        command.env("SEALGATE_RING_KEY", NEW_KEY);
    });
    assert!(wrong.contains("cannot be opened with"), "{wrong}");
}

#[test]
fn the_secret_of_a_shared_ring_can_be_replaced() {
    let shared = Shared::with_ring();
    let ids = shared.ids(0);
    let mut seal = shared.command(0, &["keys", "seal"]);
    seal.env("SEALGATE_RING_KEY", NEW_KEY)
        .env("SEALGATE_RING_KEY_PREVIOUS", KEY);
    done(seal, b"");
    let old = shared.refused(&["keys", "list"], |_| {});
    assert!(old.contains("cannot be opened with"), "{old}");
    let mut new = shared.command(1, &["keys", "list", "--json"]);
    new.env("SEALGATE_RING_KEY", NEW_KEY);
    let listed: Value = serde_json::from_slice(&done(new, b"")).unwrap();
    let keys = listed["keys"].as_array().unwrap();
    let now: Vec<&str> = keys.iter().map(|key| key["id"].as_str().unwrap()).collect();
    assert_eq!(now, ids);
}

/// Each change is made to the ring that it replaces.
#[test]
fn changes_at_the_same_time_lose_no_key() {
    const EACH: usize = 5;
    let shared = Shared::new();
    let all: Vec<Output> = thread::scope(|scope| {
        let commands: Vec<_> = (0..2 * EACH)
            .map(|at| {
                let command = shared.command(at % 2, &["keys", "generate", "--data", "--json"]);
                scope.spawn(|| run(command, b""))
            })
            .collect();
        let ends = commands.into_iter().map(|command| command.join().unwrap());
        ends.collect()
    });
    let mut added: Vec<String> = Vec::new();
    for output in &all {
        assert!(output.status.success(), "{}", text(&output.stderr));
        let made: Value = serde_json::from_slice(&output.stdout).unwrap();
        let keys = made["added"].as_array().unwrap().iter();
        added.extend(keys.map(|key| key["id"].as_str().unwrap().to_owned()));
    }
    let mut ids = shared.ids(0);
    ids.sort();
    added.sort();
    assert_eq!(added, ids);
    // The first one also made the token key.
    assert_eq!(ids.len(), 2 * EACH + 1);
    assert_eq!(
        shared.sql("SELECT version FROM sealgate.ring"),
        (2 * EACH).to_string()
    );
}

#[test]
fn a_backup_of_the_data_directory_is_refused_where_nothing_is_in_it() {
    let shared = Shared::with_ring();
    let file = shared.machines[1].path().join("backup");
    let said = shared.refused(&["backup", file.to_str().unwrap()], |_| {});
    assert!(said.contains("pg_dump"), "{said}");
    assert!(!file.exists() && !shared.folder(1).join("keys.json").exists());
}
