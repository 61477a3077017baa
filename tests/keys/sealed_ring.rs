//! The ring sealed in its file. `carried` has it on its way to another machine.

#![allow(clippy::unwrap_used)] // a test that panics has failed

mod carried;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::common::place::Place;
use crate::common::{PATIENCE, Server, run, said, text, typed};
use serde_json::Value;

const PASSPHRASE: (&str, &str) = ("SEALGATE_RING_KEY", "correct horse battery");
const KEY: (&str, &str) = (
    "SEALGATE_RING_KEY",
    "hex:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
);

fn ring(home: &Path) -> PathBuf {
    home.join(".local/state/sealgate/keys.json")
}

/// What a command that has to succeed prints.
fn done(home: &Path, arguments: &[&str], input: &[u8], settings: &[(&str, &str)]) -> Vec<u8> {
    let output = typed(home, arguments, input, settings);
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        text(&output.stderr)
    );
    output.stdout
}

fn refused(home: &Path, arguments: &[&str], input: &[u8], settings: &[(&str, &str)]) -> String {
    let output = typed(home, arguments, input, settings);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    assert_eq!(output.stdout, b"");
    said(&output)
}

/// The keys' bytes as a ring in the clear has them.
fn bytes_of_keys(home: &Path) -> Vec<String> {
    let ring: Value = serde_json::from_slice(&fs::read(ring(home)).unwrap()).unwrap();
    ["token_keys", "data_keys"]
        .iter()
        .flat_map(|kind| ring[kind].as_array().unwrap())
        .map(|key| key["key"].as_str().unwrap().to_owned())
        .collect()
}

fn ids(home: &Path, settings: &[(&str, &str)]) -> Vec<String> {
    let listed = done(home, &["keys", "list", "--json"], b"", settings);
    let listed: Value = serde_json::from_slice(&listed).unwrap();
    let keys = listed["keys"].as_array().unwrap();
    keys.iter()
        .map(|key| key["id"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_sealed_ring_serves_under_its_secret_and_nothing_else() {
    for secret in [PASSPHRASE, KEY] {
        let home = tempfile::tempdir().unwrap();
        let home = home.path();
        let sealed = done(home, &["encrypt"], b"data", &[secret]);
        let file = fs::read_to_string(ring(home)).unwrap();
        assert!(file.contains("sealgate sealed key ring") && !file.contains("token_keys"));
        // Unattended: nobody types anything.
        let server = Server::start(home, &[secret]);
        assert_eq!(server.get("/readyz", None).status, 200);
        assert!(!server.stop().contains("not sealed"));
        assert_eq!(done(home, &["decrypt"], &sealed, &[secret]), b"data");

        let without = refused(home, &["decrypt"], &sealed, &[]);
        assert!(without.contains("Set SEALGATE_RING_KEY"), "{without}");
        let other = ("SEALGATE_RING_KEY", "another horse battery");
        let wrong = refused(home, &["keys", "generate"], b"", &[other]);
        assert!(
            wrong.contains("cannot be opened with") && !wrong.contains("horse"),
            "{wrong}"
        );
        assert_eq!(fs::read_to_string(ring(home)).unwrap(), file, "untouched");
    }
}

#[test]
fn sealing_leaves_no_key_in_the_clear_and_the_secret_can_be_changed() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    done(home, &["keys", "generate"], b"", &[]);
    done(home, &["keys", "generate"], b"", &[]);
    let (keys, before) = (bytes_of_keys(home), ids(home, &[]));
    assert_eq!(keys.len(), 4);
    assert!(refused(home, &["keys", "seal"], b"", &[]).contains("SEALGATE_RING_KEY"));
    let server = Server::start(home, &[KEY]);
    // Warnings come right behind the greeting.
    let start = Instant::now();
    while !server.log().contains("sealgate keys seal") {
        assert!(start.elapsed() < PATIENCE, "{}", server.log());
        thread::sleep(Duration::from_millis(20));
    }
    done(home, &["keys", "seal"], b"", &[KEY]);
    assert_eq!(server.get("/readyz", None).status, 200);
    let nothing_in_the_clear = || {
        for entry in fs::read_dir(ring(home).parent().unwrap()).unwrap() {
            let path = entry.unwrap().path();
            let content = fs::read_to_string(&path).unwrap();
            for key in &keys {
                assert!(!content.contains(key.as_str()), "{}", path.display());
            }
        }
    };
    nothing_in_the_clear();
    assert_eq!(ids(home, &[KEY]), before);

    // Another secret: the one before is accepted until the ring has been written again.
    let previous = ("SEALGATE_RING_KEY_PREVIOUS", KEY.1);
    assert_eq!(ids(home, &[PASSPHRASE, previous]), before);
    done(
        home,
        &["keys", "rotate", "--data"],
        b"",
        &[PASSPHRASE, previous],
    );
    nothing_in_the_clear();
    assert_eq!(ids(home, &[PASSPHRASE]).len(), 5);
    refused(home, &["keys", "list"], b"", &[KEY]);
    // A damaged ring is restored from its backup, which is sealed as well.
    let good = fs::read(ring(home)).unwrap();
    fs::write(ring(home), &good[..good.len() / 2]).unwrap();
    let damaged = refused(home, &["keys", "list"], b"", &[PASSPHRASE]);
    assert!(damaged.contains("cp -p"), "{damaged}");
    fs::write(ring(home), &good).unwrap();
    // Nothing gets written in the clear by mistake, only on purpose.
    let only_previous = ("SEALGATE_RING_KEY_PREVIOUS", PASSPHRASE.1);
    let mistake = refused(home, &["keys", "rotate"], b"", &[only_previous]);
    assert!(mistake.contains("sealgate keys unseal"), "{mistake}");
    done(home, &["keys", "unseal"], b"", &[PASSPHRASE]);
    assert_eq!(ids(home, &[]).len(), 5);
    let lost = ring(home).with_extension("lost");
    fs::rename(ring(home), &lost).unwrap();
    let gone = refused(home, &["keys", "list"], b"", &[]);
    assert!(gone.contains("cp -p"), "the backup needs no secret: {gone}");
    fs::rename(&lost, ring(home)).unwrap();
    assert_eq!(
        fs::metadata(ring(home)).unwrap().permissions().mode() & 0o777,
        0o600
    );
}

/// The secret is changed while a server runs, which has its file's name alone.
#[test]
fn a_server_goes_on_when_the_secret_in_the_file_is_changed() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let [now, before] = ["now", "before"].map(|name| home.join(name));
    fs::write(&now, KEY.1).unwrap();
    let file = [("SEALGATE_RING_KEY_FILE", now.to_str().unwrap())];
    let server = Server::start(home, &file);
    assert_eq!(server.get("/readyz", None).status, 200);

    fs::rename(&now, &before).unwrap();
    fs::write(&now, PASSPHRASE.1).unwrap();
    let previous = ("SEALGATE_RING_KEY_PREVIOUS_FILE", before.to_str().unwrap());
    done(home, &["keys", "seal"], b"", &[file[0], previous]);
    done(home, &["keys", "rotate"], b"", &file);
    let issue = ["token", "issue", "--user", "alice"];
    let token = text(&done(home, &issue, b"", &file));
    let answer = server.get("/secure-data", Some(token.trim()));
    assert_eq!(answer.status, 200, "{}", answer.body);
    let ready = server.get("/readyz", None).body;
    assert!(!ready.contains("cannot be used"), "{ready}");
    server.stop();
}

#[test]
fn a_server_without_the_secret_says_so_when_the_ring_is_sealed() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let server = Server::start(home, &[]);
    let output = crate::common::typed(home, &["keys", "seal"], b"", &[KEY]);
    let said = text(&output.stderr);
    assert!(
        output.status.success() && said.contains("Restart"),
        "{said}"
    );
    let start = std::time::Instant::now();
    loop {
        let ready = server.get("/readyz", None);
        assert_eq!(ready.status, 200, "it goes on with the keys from before");
        if ready
            .body
            .contains("sealed under a secret that this server does not have")
        {
            assert!(ready.json()["keys"].is_string(), "{}", ready.body);
            break;
        }
        assert!(start.elapsed().as_secs() < 20, "{}", ready.body);
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    server.stop();
}

/// To derive a key from a passphrase takes a while, during which many may ask for what is new in the ring.
#[test]
fn no_request_fails_while_a_ring_is_read_that_takes_long() {
    let (home, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (home, elsewhere) = (home.path(), elsewhere.path());
    done(home, &["keys", "generate"], b"", &[]);
    done(elsewhere, &["keys", "generate"], b"", &[]);
    fs::copy(ring(home), ring(elsewhere)).unwrap();
    done(elsewhere, &["keys", "rotate"], b"", &[PASSPHRASE]);
    let issue = ["token", "issue", "--user", "alice"];
    let token = text(&done(elsewhere, &issue, b"", &[PASSPHRASE]));
    let sealed = text(&done(elsewhere, &["encrypt"], b"data", &[PASSPHRASE]));
    let body = serde_json::json!({ "encrypted_data": sealed.trim() }).to_string();

    let server = Server::start(
        home,
        &[
            PASSPHRASE,
            ("MAX_REQUESTS", "0"),
            ("SEALGATE_ENGINE", "tiny-http"),
            ("SEALGATE_WORKERS", "8"),
        ],
    );
    let old = server.log_in("alice");
    fs::rename(ring(elsewhere), ring(home)).unwrap();
    let ask = |at: usize| {
        let answer = match at % 2 {
            0 => server.get("/secure-data", Some(token.trim())),
            _ => server.post("/decrypt", &body, Some(&old)),
        };
        assert_eq!(answer.status, 200, "{}", answer.body);
    };
    thread::scope(|scope| {
        for at in 0..12 {
            let ask = &ask;
            scope.spawn(move || ask(at));
        }
    });
    server.stop();
}

#[test]
fn the_secret_may_be_in_a_file_and_wrong_ones_are_named_not_shown() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let file = home.join("secret");
    let setting = [("SEALGATE_RING_KEY_FILE", file.to_str().unwrap())];
    for (content, wanted) in [
        ("canary\n", "passphrase of 12"),
        ("hex:canary", "32-byte key"),
        ("", "passphrase of 12"),
        (&"canary".repeat(4000), "larger than 8 KiB"),
    ] {
        fs::write(&file, content).unwrap();
        let said = refused(home, &["keys", "generate"], b"", &setting);
        assert!(
            said.contains(wanted) && said.contains("SEALGATE_RING_KEY_FILE"),
            "{said}"
        );
        assert!(!said.contains("canary"), "{said}");
        // Else a full stop would be copied into the key.
        assert!(!said.contains("32)."), "{said}");
    }
    fs::remove_file(&file).unwrap();
    let missing = refused(home, &["keys", "generate"], b"", &setting);
    assert!(missing.contains("cannot be read"), "{missing}");
    fs::write(&file, format!("{}\n", KEY.1)).unwrap();
    let both = refused(home, &["keys", "generate"], b"", &[setting[0], PASSPHRASE]);
    assert!(both.contains("both set"), "{both}");
    done(home, &["keys", "generate"], b"", &setting);
    assert_eq!(ids(home, &[KEY]).len(), 2, "the line end does not count");
    let short = refused(
        home,
        &["keys", "list"],
        b"",
        &[("SEALGATE_RING_KEY", "canary")],
    );
    assert!(
        short.contains("SEALGATE_RING_KEY") && !short.contains("canary"),
        "{short}"
    );
}

#[test]
fn the_audit_trail_has_what_happens_to_the_ring_as_a_whole() {
    let place = Place::with_ring();
    let audit = place.home.path().join("audit");
    let out = place.home.path().join("ring.sealed");
    let out = out.to_str().unwrap();
    for (arguments, exit) in [
        (vec!["keys", "seal"], 0),
        (vec!["keys", "export", "--out", out], 0),
        (vec!["keys", "import", "--in", out], 0),
        (vec!["keys", "unseal"], 0),
        (vec!["keys", "import", "--in", "/dev/null"], 2),
    ] {
        let mut command = place.command(&arguments);
        command
            .env("SEALGATE_AUDIT_FILE", &audit)
            .envs([PASSPHRASE]);
        let output = run(command, b"correct horse battery\n");
        assert_eq!(output.status.code(), Some(exit), "{output:?}");
    }
    let trail = fs::read_to_string(audit).unwrap();
    let events = trail.lines().map(|line| {
        let (_, event) = line.split_once("event=").unwrap();
        event.split_once(" user=").unwrap().0
    });
    assert_eq!(
        events.collect::<Vec<_>>(),
        [
            "keys.seal result=ok",
            "keys.export result=ok",
            "keys.import result=ok",
            "keys.unseal result=ok",
            "keys.import result=invalid_argument",
        ]
    );
}
