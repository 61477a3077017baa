//! `sealgate keys` as transcripts: what is typed, what is seen, which exit code.

#![allow(clippy::unwrap_used)] // a test that panics has failed

use std::fs;
use std::path::Path;

use crate::common::{said, sealgate, text, typed};
use serde_json::Value;

const SECRET: (&str, &str) = ("JWT_SECRET_KEY", "a canary of at least thirty-two bytes");
const KEY: (&str, &str) = ("AES_KEY", "canary--canary--");
const IV: (&str, &str) = ("AES_IV", "canary++canary++");

fn listed(home: &Path, settings: &[(&str, &str)]) -> Value {
    let output = typed(home, &["keys", "list", "--json"], b"", settings);
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The ids of the keys of a kind, oldest first, and which of them is the newest.
fn ids(listed: &Value, kind: &str) -> (Vec<String>, Vec<usize>) {
    let keys = listed["keys"].as_array().unwrap();
    let keys: Vec<&Value> = keys.iter().filter(|key| key["kind"] == kind).collect();
    let ids = keys
        .iter()
        .map(|key| key["id"].as_str().unwrap().to_owned());
    let newest = (0..keys.len()).filter(|at| keys[*at]["newest"] == true);
    (ids.collect(), newest.collect())
}

#[test]
fn looking_for_keys_makes_nothing_and_says_how_to_get_some() {
    let home = tempfile::tempdir().unwrap();
    let output = typed(home.path(), &["keys", "list"], b"", &[]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
    let said_so = said(&output);
    assert!(said_so.contains("sealgate keys generate") && said_so.contains("sealgate serve"));
    assert_eq!(listed(home.path(), &[])["ring"], Value::Null);
    // Half of the keys are in the environment: they are shown, and the ring is still missed.
    let half = typed(home.path(), &["keys", "list"], b"", &[SECRET]);
    assert_eq!(half.status.code(), Some(1));
    assert!(text(&half.stdout).contains("JWT_SECRET_KEY"));
    let whole = typed(home.path(), &["keys", "list"], b"", &[SECRET, KEY]);
    assert_eq!(whole.status.code(), Some(0));
    assert!(!home.path().join(".local").exists());
    let ephemeral = [("SEALGATE_KEYS", "ephemeral")];
    let output = typed(home.path(), &["keys", "list"], b"", &ephemeral);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn keys_are_listed_in_columns_with_the_newest_marked() {
    let home = tempfile::tempdir().unwrap();
    let made = text(&typed(home.path(), &["keys", "generate"], b"", &[]).stdout);
    let ring = home.path().join(".local/state/sealgate/keys.json");
    let lines: Vec<&str> = made.lines().collect();
    assert_eq!(lines[0], format!("Created the key ring {}", ring.display()));
    let token = lines[1].strip_prefix("  new token key ").unwrap();
    let data = lines[2].strip_prefix("  new data key ").unwrap();
    assert!(lines[3].starts_with("Back it up"));

    let table = text(&typed(home.path(), &["keys", "list"], b"", &[]).stdout);
    let stored: Value = serde_json::from_slice(&fs::read(&ring).unwrap()).unwrap();
    // The second may end between the two.
    let listed = listed(home.path(), &[]);
    let [token_made, data_made] = [0, 1].map(|at| {
        let created = listed["keys"][at]["created"].as_str().unwrap();
        assert!(created.ends_with('Z') && created.len() == 20, "{created}");
        created
    });
    assert_eq!(
        table,
        format!(
            "KIND   ID           ALGORITHM  CREATED               NEWEST          ACCEPTED  MESSAGES  FROM\n\
             token  {token}  HS256      {token_made}  for new tokens  yes       -         the key ring {ring}\n\
             data   {data}     -          {data_made}  for new data    yes       0         the key ring {ring}\n",
            ring = ring.display()
        )
    );
    for kind in ["token_keys", "data_keys"] {
        let key = stored[kind][0]["key"].as_str().unwrap();
        assert!(!table.contains(key) && !made.contains(key));
    }
}

#[test]
fn a_new_key_is_used_for_what_is_new_and_the_old_one_for_what_is_old() {
    let home = tempfile::tempdir().unwrap();
    let issue = || typed(home.path(), &["token", "issue", "--user", "a"], b"", &[]).stdout;
    let seal = || typed(home.path(), &["encrypt"], b"data", &[]).stdout;
    let (token, sealed) = (issue(), seal());
    let before = listed(home.path(), &[]);
    let generated = text(&typed(home.path(), &["keys", "generate"], b"", &[]).stdout);
    assert!(generated.starts_with("Changed the key ring ") && generated.contains("keys.json.bak"));
    assert!(generated.contains("Running servers load the new keys within half a second"));
    let after = listed(home.path(), &[]);
    for kind in ["token", "data"] {
        let ((old, _), (new, newest)) = (ids(&before, kind), ids(&after, kind));
        assert_eq!((new.len(), newest), (2, vec![1]));
        assert_eq!(new[..1], old);
        assert!(generated.contains(&format!("new {kind} key {}\n", new[1])));
    }
    assert!(
        typed(home.path(), &["token", "verify"], &token, &[])
            .status
            .success()
    );
    assert_eq!(
        typed(home.path(), &["decrypt"], &sealed, &[]).stdout,
        b"data"
    );
    let shown = typed(home.path(), &["token", "inspect"], &issue(), &[]).stdout;
    let shown: Value = serde_json::from_slice(&shown).unwrap();
    assert_eq!(shown["header"]["kid"], ids(&after, "token").0[1].as_str());
    assert_ne!(sealed[..8], seal()[..8], "names another key");
}

#[test]
fn one_kind_of_key_can_be_added_alone() {
    let home = tempfile::tempdir().unwrap();
    let count = || {
        let listed = listed(home.path(), &[]);
        ["token", "data"].map(|kind| ids(&listed, kind).0.len())
    };
    // A ring never has one kind alone.
    typed(home.path(), &["keys", "generate", "--data"], b"", &[]);
    assert_eq!(count(), [1, 1]);
    typed(home.path(), &["keys", "generate", "--data"], b"", &[]);
    assert_eq!(count(), [1, 2]);
    typed(home.path(), &["keys", "generate", "--token"], b"", &[]);
    assert_eq!(count(), [2, 2]);
    let json = typed(
        home.path(),
        &["keys", "generate", "--token", "--data", "--json"],
        b"",
        &[],
    );
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["added"].as_array().unwrap().len(), 2);
    assert!(json["backup"].as_str().unwrap().ends_with("/keys.json.bak"));
    assert_eq!(count(), [3, 3]);
}

#[test]
fn a_key_that_would_never_be_used_is_not_made() {
    let home = tempfile::tempdir().unwrap();
    assert!(
        typed(home.path(), &["keys", "generate"], b"", &[])
            .status
            .success()
    );
    let ring = home.path().join(".local/state/sealgate/keys.json");
    let before = fs::read(&ring).unwrap();
    for (arguments, settings, hint) in [
        (
            &["keys", "generate"][..],
            &[SECRET][..],
            "add only a data key with --data",
        ),
        (
            &["keys", "generate"],
            &[KEY],
            "add only a token key with --token",
        ),
        (&["keys", "generate"], &[SECRET, KEY], "Unset them"),
        (&["keys", "generate", "--token"], &[SECRET], "Unset it"),
        (&["keys", "generate", "--data"], &[KEY], "Unset it"),
        (
            &["keys", "generate"],
            &[("SEALGATE_KEYS", "ephemeral")],
            "SEALGATE_KEYS=ephemeral",
        ),
    ] {
        let output = typed(home.path(), arguments, b"", settings);
        assert_eq!(output.status.code(), Some(2), "{arguments:?} {settings:?}");
        let said = said(&output);
        assert!(said.contains(hint) && !said.contains("canary"), "{said}");
        assert_eq!(fs::read(&ring).unwrap(), before);
    }
    let other_kind = typed(home.path(), &["keys", "generate", "--data"], b"", &[SECRET]);
    assert!(other_kind.status.success());
}

#[test]
fn keys_of_the_environment_are_listed_without_a_byte_of_them() {
    let home = tempfile::tempdir().unwrap();
    typed(home.path(), &["keys", "generate"], b"", &[]);
    let settings = [SECRET, KEY, IV];
    let table = text(&typed(home.path(), &["keys", "list"], b"", &settings).stdout);
    assert!(table.contains("AES_KEY (read as 16 raw bytes)") && !table.contains("canary"));
    let listed = listed(home.path(), &settings);
    assert!(!listed.to_string().contains("canary"));
    assert_eq!(ids(&listed, "token").1, [1]);
    let cbc = &listed["keys"].as_array().unwrap()[4];
    assert_eq!(
        (&cbc["kind"], &cbc["newest"]),
        (&"AES-CBC".into(), &true.into())
    );
    assert_eq!(cbc["created"], Value::Null);
}

#[test]
fn a_reader_that_has_gone_away_is_no_error() {
    let home = tempfile::tempdir().unwrap();
    for arguments in [
        &["keys", "generate"][..],
        &["keys", "list"],
        &["config"],
        &["config", "--example"],
        &["completions", "bash"],
        &["man"],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = sealgate(home.path())
            .args(arguments)
            .stdout(writer)
            .output()
            .unwrap();
        assert_eq!(
            (output.status.code(), output.stderr.len()),
            (Some(0), 0),
            "{arguments:?}"
        );
    }
    // Nobody reads why it failed either.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let failed = sealgate(home.path())
        .args(["config", "--max-requests", "x"])
        .stderr(writer)
        .output()
        .unwrap();
    assert_eq!(failed.status.code(), Some(2));
}
