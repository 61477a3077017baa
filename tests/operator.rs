//! What an operator has to see: which files a command changed, and whether they are the server's.

#![allow(clippy::unwrap_used)] // a test that panics has failed

mod common;

use std::process::Output;

use common::people::{PASSWORD, People};
use common::place::Place;
use common::{run, said, sealgate, text, typed};

fn stderr(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    text(&output.stderr)
}

#[test]
fn a_store_made_in_another_users_home_is_named_with_a_warning() {
    let home = tempfile::tempdir().unwrap();
    let store = home.path().join(".local/state/sealgate/store.db");
    let add = |name: &str, variables: &[(&str, &str)]| {
        let output = typed(
            home.path(),
            &["user", "add", name],
            PASSWORD.as_bytes(),
            variables,
        );
        assert!(output.stdout.is_empty(), "{output:?}");
        stderr(&output)
    };
    let first = add("alice", &[("SUDO_USER", "bob")]);
    let created = format!("sealgate: Created the store {}\n", store.display());
    assert!(first.starts_with(&created), "{first}");
    assert!(store.exists());
    for wanted in [
        "no key ring",
        "SEALGATE_DATA_DIR",
        "sudo -u",
        "bob",
        "$HOME",
    ] {
        assert!(first.contains(wanted), "{wanted}: {first}");
    }
    // Still: no server has been seen to use it. Without sudo there is nothing to say about sudo.
    let second = add("bob", &[]);
    let changed = format!("sealgate: Changed the store {}\n", store.display());
    assert!(second.starts_with(&changed), "{second}");
    assert!(second.contains("no key ring") && !second.contains("$HOME"));
    // A server whose keys all come from the environment has no ring.
    let keys = [
        ("JWT_SECRET_KEY", "0123456789abcdef0123456789abcdef"),
        ("AES_KEY", "0123456789abcdef"),
    ];
    assert_eq!(add("carol", &keys), changed);
    let elsewhere = home.path().join("state");
    let elsewhere = [("XDG_STATE_HOME", elsewhere.to_str().unwrap())];
    let other = add("alice", &elsewhere);
    assert!(other.contains("Created the store") && other.contains("state/sealgate/store.db"));
}

#[test]
fn every_command_that_changes_the_store_names_it() {
    let people = People::none();
    let store = people.place.folder.join("store.db");
    let created = format!("sealgate: Created the store {}\n", store.display());
    let changed = created.replace("Created", "Changed");
    let add = ["user", "add", "alice"];
    assert_eq!(stderr(&people.typed(&add, PASSWORD)), created);
    for arguments in [
        &["user", "passwd", "alice"][..],
        &["user", "scopes", "alice", "decrypt"],
        &["user", "disable", "alice"],
        &["user", "enable", "alice"],
        &["token", "revoke", "--user", "alice"],
        &["token", "revoke", "--id", "abc"],
        &["user", "remove", "alice"],
    ] {
        let output = people.typed(arguments, "another quiet harbour");
        assert_eq!(stderr(&output), changed, "{arguments:?}");
        assert!(output.stdout.is_empty());
    }
    // What fails changed nothing, and says where it looked.
    let missing = people.typed(&["user", "enable", "alice"], "");
    assert_eq!(missing.status.code(), Some(1));
    assert!(said(&missing).contains(store.to_str().unwrap()));
    let nobody = Place::with_ring();
    let missing = run(nobody.command(&["user", "enable", "alice"]), b"");
    assert_eq!(missing.status.code(), Some(1));
    assert!(said(&missing).contains(nobody.folder.to_str().unwrap()));
    let listed = run(nobody.command(&["user", "list"]), b"");
    assert!(stderr(&listed).contains(nobody.folder.to_str().unwrap()));
    // A path of the working directory is shown whole.
    let mut relative = sealgate(nobody.home.path());
    relative
        .args(["token", "revoke", "--user", "a", "--data-dir", "other"])
        .current_dir(nobody.home.path());
    let revoked = stderr(&run(relative, b""));
    let folder = nobody.home.path().join("other");
    for name in ["keys.json", "store.db"] {
        assert!(
            revoked.contains(folder.join(name).to_str().unwrap()),
            "{revoked}"
        );
    }
    assert!(
        revoked.contains("no key ring"),
        "the one there is was made just now: {revoked}"
    );
}

#[test]
fn a_key_ring_made_on_the_way_is_named() {
    for arguments in [
        &["token", "issue", "--user", "a"][..],
        &["encrypt"],
        &["rewrap"],
        &["token", "revoke", "--id", "a"],
    ] {
        let place = Place::new();
        let created = format!("Created the key ring {}", place.ring().display());
        let first = stderr(&run(place.command(arguments), b""));
        assert!(first.contains(&created), "{arguments:?}: {first}");
        let second = stderr(&run(place.command(arguments), b""));
        assert!(
            !second.contains("Created the key ring"),
            "{arguments:?}: {second}"
        );
    }
    let place = Place::with_ring();
    let key = place.newest("data");
    assert_eq!(stderr(&place.keys("rotate")), "");
    let retired = run(place.command(&["keys", "retire", &key]), b"");
    let changed = format!(
        "sealgate: Changed the key ring {}\n",
        place.ring().display()
    );
    assert_eq!(stderr(&retired), changed);
    assert_eq!(
        stderr(&run(place.command(&["keys", "retire", &key]), b"")),
        ""
    );
}

#[test]
fn a_change_that_would_be_lost_is_refused() {
    let place = Place::new();
    for arguments in [&["user", "add", "a"][..], &["token", "revoke", "--id", "a"]] {
        let mut command = place.command(arguments);
        command.env("SEALGATE_KEYS", "ephemeral");
        let refused = run(command, PASSWORD.as_bytes());
        assert_eq!(refused.status.code(), Some(2), "{refused:?}");
        assert!(said(&refused).contains("SEALGATE_KEYS=ephemeral"));
        assert!(!place.folder.exists());
    }
}
