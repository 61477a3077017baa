//! The bytes of a backup: what is accepted, and that nothing else is.

use super::*;

const FILES: [(Part, &[u8]); 3] = [
    (Part::Store, b"accounts"),
    (Part::Usage, b""),
    (Part::Ring, b"the keys\n"),
];

fn backup() -> Vec<u8> {
    let mut out = Vec::new();
    let parts = FILES.map(|(part, bytes)| {
        let read: Box<dyn Read> = Box::new(bytes);
        (part, bytes.len() as u64, read)
    });
    write(&mut out, 1_795_491_237, parts.into()).unwrap();
    out
}

type Files = Vec<(Part, Vec<u8>)>;

/// The files, and when the backup was made.
fn read_all(bytes: &[u8], length: Option<u64>) -> Result<(Files, u64), Error> {
    let mut found = Vec::new();
    let created = read(&mut { bytes }, length, |part, _, from| {
        let mut file = Vec::new();
        from.read_to_end(&mut file).unwrap();
        found.push((part, file));
        Ok(())
    })?;
    Ok((found, created))
}

fn refused(bytes: &[u8]) -> String {
    let both = [None, Some(bytes.len() as u64)];
    let both = both.map(|length| read_all(bytes, length).unwrap_err().to_string());
    both.into_iter().next().unwrap()
}

/// With this list of contents, and the right checksum.
fn listing(list: &str, files: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{HEAD}{list}\n").into_bytes();
    bytes.extend(files);
    let mut hash = Sha256::new();
    hash.update(&bytes);
    bytes.extend(hash.finish());
    bytes
}

#[test]
fn the_files_come_back() {
    let bytes = backup();
    let wanted = FILES.map(|(part, bytes)| (part, bytes.to_vec())).to_vec();
    for length in [None, Some(bytes.len() as u64)] {
        assert_eq!(
            read_all(&bytes, length),
            Ok((wanted.clone(), 1_795_491_237))
        );
    }
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "sealgate backup 1");
    assert_eq!(
        lines[1],
        format!(
            r#"{{"program":"{VERSION}","created":1795491237,"files":[{{"name":"store.db","size":8}},{{"name":"key-usage.txt","size":0}},{{"name":"keys.json","size":9}}]}}"#
        )
    );
}

#[test]
fn a_backup_with_any_byte_missing_added_or_changed_is_refused() {
    let bytes = backup();
    for end in 0..bytes.len() {
        let said = refused(&bytes[..end]);
        let known = ["its end is missing", "not a backup", "cannot be read"];
        assert!(
            known.iter().any(|known| said.contains(known)),
            "{end}: {said}"
        );
    }
    for at in 0..bytes.len() {
        for bit in [1, 0x80] {
            let mut changed = bytes.clone();
            changed[at] ^= bit;
            refused(&changed);
        }
        let mut longer = bytes.clone();
        longer.insert(at, b' ');
        refused(&longer);
    }
    let longer = [&bytes[..], b"\n"].concat();
    assert!(refused(&longer).contains("something follows its end"));
    assert!(refused(&[&bytes[..], &bytes].concat()).contains("something follows"));
}

#[test]
fn names_and_sizes_that_are_not_ours_are_refused() {
    let entry = |name: &str, size: &str| {
        format!(r#"{{"program":"x","created":1,"files":[{{"name":"{name}","size":{size}}}]}}"#)
    };
    assert!(read_all(&listing(&entry("keys.json", "1"), b"x"), None).is_ok());
    for name in [
        "",
        "keys.json.bak",
        "../keys.json",
        "/etc/passwd",
        "./keys.json",
        "KEYS.JSON",
        "keys.json\\u0000",
    ] {
        let said = refused(&listing(&entry(name, "1"), b"x"));
        assert!(said.contains("list of contents"), "{name}: {said}");
    }
    for size in [
        "-1",
        "1.5",
        "\"1\"",
        "18446744073709551616",
        "18446744073709551615",
    ] {
        let said = refused(&listing(&entry("keys.json", size), b"x"));
        assert!(said.contains("list of contents"), "{size}: {said}");
    }
    // Far more than there is: nothing of that size is reserved.
    let said = refused(&listing(&entry("store.db", "9000000000000000000"), b"x"));
    assert!(said.contains("its end is missing"), "{said}");
    let twice = r#"{"program":"x","created":1,"files":[{"name":"keys.json","size":0},{"name":"keys.json","size":0}]}"#;
    let more = r#"{"program":"x","created":1,"files":[],"more":1}"#;
    for list in [twice, more, "{}", "[]", "null", ""] {
        assert!(refused(&listing(list, b"")).contains("list of contents"));
    }
    let long = listing(&entry(&"x".repeat(5000), "1"), b"x");
    assert!(refused(&long).contains("list of contents"));
}

#[test]
fn a_newer_format_is_named_and_anything_else_is_no_backup() {
    for (head, words) in [
        ("sealgate backup 2\n{}", "newer version"),
        ("sealgate backup 4294967295\n", "newer version"),
        ("sealgate backup 0\n", "not a backup"),
        ("sealgate backup 1", "not a backup"),
        ("sealgate backup 1 \n", "not a backup"),
        ("sealgate backup -1\n", "not a backup"),
        ("", "not a backup"),
        ("\n", "not a backup"),
        ("SQLite format 3\0", "not a backup"),
    ] {
        assert!(refused(head.as_bytes()).contains(words), "{head}");
    }
}
