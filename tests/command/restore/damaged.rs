//! A backup that is damaged, or that somebody made up, is restored in no part.

use super::*;

#[test]
fn a_damaged_backup_changes_nothing() {
    let people = People::of(&["alice"]);
    done(&people, &["backup", "file"]);
    let whole = fs::read(people.home().join("file")).unwrap();
    let mut bad: Vec<(String, Vec<u8>)> = Vec::new();
    for part in 0..16 {
        let at = whole.len() * part / 16;
        bad.push((format!("cut at {at}"), whole[..at].to_vec()));
        let mut changed = whole.clone();
        changed[at] ^= 1;
        bad.push((format!("changed at {at}"), changed));
    }
    bad.push(("longer".to_owned(), [&whole[..], b"\n"].concat()));
    let shown = |text: &str| (text.to_owned(), text.as_bytes().to_vec());
    bad.push(shown("sealgate backup 2\n{}\n"));
    bad.push(shown("sealgate sealed backup 2\n{}\n"));
    bad.push(shown("sealgate sealed backup 1\n{}\n"));
    bad.push(shown("-----BEGIN PGP MESSAGE-----\n"));
    // More than any disk has, in a file of no size.
    bad.push(shown(
        "sealgate backup 1\n{\"program\":\"x\",\"created\":1,\"files\":[{\"name\":\"store.db\",\"size\":9223372036854775807}]}\n",
    ));
    let fresh = nobody();
    let before = state(&people.place.folder);
    for (what, bytes) in &bad {
        put(&people, "bad", bytes);
        put(&fresh, "bad", bytes);
        let output = typed(
            &people,
            &["restore", "--force", "bad"],
            "correct horse battery",
        );
        assert_eq!(output.status.code(), Some(2), "{what}: {output:?}");
        let sentence = said(&output);
        assert!(!sentence.contains("panic"), "{sentence}");
        assert_eq!(state(&people.place.folder), before, "{what}");
        let output = typed(&fresh, &["restore", "bad"], "correct horse battery");
        assert_eq!(output.status.code(), Some(2), "{what}: {output:?}");
        assert!(snapshot(&fresh.place.folder).is_empty(), "{what}");
        // From a pipe, whose length is not known.
        let piped = run(fresh.command(&["restore", "-"]), bytes);
        assert_eq!(piped.status.code(), Some(2), "{what}: {piped:?}");
        assert!(snapshot(&fresh.place.folder).is_empty(), "{what}");
    }
    for (name, words) in [("missing", "cannot be read"), ("state", "is a directory")] {
        assert!(refused(&people, &["restore", "--force", name]).contains(words));
    }
    assert_eq!(state(&people.place.folder), before);
}

/// A backup with these files and the right checksum.
fn crafted(files: &[(&str, &[u8])]) -> Vec<u8> {
    let list: Vec<_> = files
        .iter()
        .map(|(name, bytes)| json!({"name": name, "size": bytes.len()}))
        .collect();
    let list = json!({"program": "0.1.0", "created": 1_795_491_237, "files": list});
    let mut backup = format!("sealgate backup 1\n{list}\n").into_bytes();
    backup.extend(files.iter().flat_map(|(_, bytes)| *bytes));
    let checksum = openssl::sha::sha256(&backup);
    backup.extend(checksum);
    backup
}

#[test]
fn a_backup_with_a_good_checksum_is_checked_all_the_same() {
    let people = People::of(&["alice"]);
    let ring = fs::read(people.place.ring()).unwrap();
    people.done(&[
        "store",
        "backup",
        people.home().join("store").to_str().unwrap(),
    ]);
    let store = fs::read(people.home().join("store")).unwrap();
    let newer_ring = String::from_utf8(ring.clone()).unwrap();
    let newer_ring = newer_ring.replace("\"version\": 1", "\"version\": 99");
    let newer_store = {
        let path = people.home().join("newer");
        fs::write(&path, &store).unwrap();
        let newer = rusqlite::Connection::open(&path).unwrap();
        newer.pragma_update(None, "user_version", 99).unwrap();
        drop(newer);
        fs::read(path).unwrap()
    };
    let long = vec![b' '; (1 << 20) + 1];
    let counts = b"sealgate key usage 1\n5bd867bb minus one\n";
    let there = nobody();
    for (files, words) in [
        (
            vec![("keys.json", &b"{}"[..])],
            "key ring in the backup is damaged",
        ),
        (
            vec![("keys.json", &b""[..])],
            "key ring in the backup is damaged",
        ),
        (
            vec![("keys.json", newer_ring.as_bytes())],
            "written by a newer version",
        ),
        (vec![("keys.json", &long[..])], "too large"),
        (
            vec![("keys.json", &ring[..]), ("store.db", b"")],
            "store in the backup is damaged",
        ),
        (
            vec![("keys.json", &ring[..]), ("store.db", &store[..9000])],
            "is damaged",
        ),
        (
            vec![("keys.json", &ring[..]), ("store.db", &newer_store[..])],
            "newer version",
        ),
        (
            vec![("keys.json", &ring[..]), ("key-usage.txt", &counts[..])],
            "counts of messages",
        ),
        (
            vec![("keys.json", &ring[..]), ("../keys.json", &ring[..])],
            "list of contents",
        ),
        (
            vec![("keys.json", &ring[..]), ("keys.json", &ring[..])],
            "list of contents",
        ),
        (vec![("keys.lock", &b""[..])], "list of contents"),
        (vec![], "nothing in it"),
    ] {
        put(&there, "crafted", &crafted(&files));
        let sentence = refused(&there, &["restore", "crafted"]);
        assert!(sentence.contains(words), "{words}: {sentence}");
        assert!(snapshot(&there.place.folder).is_empty(), "{words}");
        assert_eq!(fs::read_dir(there.home()).unwrap().count(), 2, "{words}");
    }
    put(
        &there,
        "crafted",
        &crafted(&[("store.db", &store[..]), ("keys.json", &ring[..])]),
    );
    done(&there, &["restore", "crafted"]);
    assert_eq!(names(&there), ["alice"]);
    assert_eq!(stored(&there.place.ring()), stored(&people.place.ring()));
}
