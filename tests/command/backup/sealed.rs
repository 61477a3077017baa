//! A backup of a sealed ring, and a backup that is sealed itself.

use super::*;
use crate::common::people::PASSWORD;

#[test]
fn a_sealed_ring_stays_sealed() {
    let people = People::of(&["alice"]);
    let secret = [("SEALGATE_RING_KEY", "a ring secret, long enough")];
    let with = |people: &People, secret: &[(&str, &str)], arguments: &[&str]| {
        let mut command = people.command(arguments);
        command
            .current_dir(people.home())
            .envs(secret.iter().copied());
        run(command, b"")
    };
    let keys = stored(&people.place.ring()).unwrap();
    assert!(with(&people, &secret, &["keys", "seal"]).status.success());
    for (file, secret, words) in [
        (
            "with",
            &secret[..],
            "a key ring (sealed) with 1 token key and 1 data key, 1 account",
        ),
        ("without", &[], "a key ring (sealed), 1 account"),
    ] {
        let output = with(&people, secret, &["backup", file]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert!(text(&output.stdout).contains(words), "{output:?}");
        let remarked = text(&output.stderr);
        assert!(
            remarked.contains("keep the secret that opens it"),
            "{remarked}"
        );
        assert_eq!(remarked.contains("copied unopened"), secret.is_empty());
        let bytes = fs::read(people.home().join(file)).unwrap();
        let backup = String::from_utf8_lossy(&bytes);
        for key in keys.iter().flatten() {
            assert!(
                !backup.contains(key.trim_matches('"')),
                "a key in the clear"
            );
        }
    }
    let there = nobody();
    carry(&people, "without", &there);
    for (secret, words) in [
        (&[][..], "is sealed. Set SEALGATE_RING_KEY"),
        (
            &[("SEALGATE_RING_KEY", "another ring secret")],
            "cannot be opened with SEALGATE_RING_KEY",
        ),
    ] {
        let output = with(&there, secret, &["restore", "without"]);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let sentence = said(&output);
        assert!(
            sentence.contains(words) && sentence.contains("Nothing was changed"),
            "{sentence}"
        );
        assert!(snapshot(&there.place.folder).is_empty());
    }
    assert!(
        with(&there, &secret, &["restore", "without"])
            .status
            .success()
    );
    let listed = with(&there, &secret, &["keys", "list"]);
    assert_eq!(listed.status.code(), Some(0), "{listed:?}");
}

#[test]
fn a_backup_sealed_under_a_passphrase_shows_nothing_and_opens_with_that_alone() {
    let people = People::of(&["alice"]);
    let passphrase = "correct horse battery";
    put(&people, "passphrase", format!("{passphrase}\n").as_bytes());
    let from_file = ["--passphrase-file", "passphrase"];
    let [_, remarked] = done(&people, &[&["backup", "file"], &from_file[..]].concat());
    assert!(remarked.contains("without its passphrase") && !remarked.contains("Warning"));
    let output = typed(&people, &["backup", "typed", "--passphrase"], passphrase);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let short = typed(&people, &["backup", "short", "--passphrase"], "short");
    assert_eq!(short.status.code(), Some(2));
    assert!(!people.home().join("short").exists());

    let whole = fs::read(people.home().join("file")).unwrap();
    assert!(whole.starts_with(b"sealgate sealed backup 1\n"));
    let shown = String::from_utf8_lossy(&whole);
    assert!(!shown.contains("alice") && !shown.contains("keys.json") && !shown.contains("SQLite"));

    let there = nobody();
    for name in ["file", "typed", "passphrase"] {
        carry(&people, name, &there);
    }
    let restore = |file: &str, line: &str| typed(&there, &["restore", file], line);
    let wrong = restore("file", "another horse battery");
    assert_eq!(wrong.status.code(), Some(2), "{wrong:?}");
    assert!(said(&wrong).contains("sealed under another passphrase, or it is damaged"));
    // Cut off and changed anywhere.
    for part in 1..16 {
        let at = whole.len() * part / 16;
        let mut changed = whole.clone();
        changed[at] ^= 0x10;
        for bytes in [&whole[..at], &changed] {
            put(&there, "damaged", bytes);
            let output = restore("damaged", passphrase);
            assert_eq!(output.status.code(), Some(2), "{at}: {output:?}");
            said(&output);
            assert!(snapshot(&there.place.folder).is_empty(), "{at}");
        }
    }
    for longer in [[&whole[..], b"x"].concat(), whole.repeat(2)] {
        put(&there, "damaged", &longer);
        assert_eq!(restore("damaged", passphrase).status.code(), Some(2));
    }
    // Standard input is one or the other.
    let both = run(there.command(&["restore", "-"]), &whole);
    assert_eq!(both.status.code(), Some(2));
    assert!(said(&both).contains("Use --passphrase-file"));
    assert!(snapshot(&there.place.folder).is_empty());

    assert_eq!(restore("typed", passphrase).status.code(), Some(0));
    assert_eq!(names(&there), ["alice"]);
    let again = [&["restore", "--force", "file"], &from_file[..]].concat();
    done(&there, &again);
    assert_eq!(names(&there), ["alice"]);
    // Each time with another salt and another nonce.
    let other = fs::read(people.home().join("typed")).unwrap();
    assert_ne!(whole[..200], other[..200]);
    // Sealed in the way of files, a plain backup can be kept as well.
    let sealed = typed(
        &people,
        &["encrypt", "--in", "file", "--out", "file.sealed"],
        PASSWORD,
    );
    assert_eq!(sealed.status.code(), Some(0));
}
