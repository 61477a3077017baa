//! Rings that are missing or damaged.

use super::*;

#[test]
fn a_missing_ring_whose_backup_exists_is_not_recreated() {
    let ring = Ring::made();
    ring.add(TOKEN);
    fs::remove_file(ring.file()).unwrap();
    let backup = ring.folder.join(RING_BACKUP_FILE);
    let said = sentence(load(&ring.settings));
    let command = format!("cp -p {} {}", backup.display(), ring.file().display());
    assert!(
        said.contains("is missing, but its backup") && said.contains(&command),
        "{said}"
    );
    assert!(sentence(generate(&ring.settings, BOTH)).contains("is missing"));
    fs::write(&backup, b"{}").unwrap();
    let said = sentence(load(&ring.settings));
    assert!(
        said.contains("cannot be used either") && !said.contains("cp -p"),
        "{said}"
    );
    assert!(!ring.file().exists());
    // The same advice for a ring that is damaged.
    let ring = Ring::made();
    ring.add(TOKEN);
    fs::write(ring.file(), b"{}").unwrap();
    assert!(sentence(load(&ring.settings)).contains("restore it with: cp -p"));
    fs::remove_file(ring.folder.join(RING_BACKUP_FILE)).unwrap();
    assert!(sentence(load(&ring.settings)).contains("from a backup of your own"));
}

#[test]
fn a_ring_without_a_data_key_is_damaged() {
    let ring = Ring::made();
    let mut text: serde_json::Value = serde_json::from_slice(&ring.text()).unwrap();
    text["data_keys"] = serde_json::json!([]);
    fs::write(ring.file(), text.to_string()).unwrap();
    assert!(sentence(load(&ring.settings)).contains("has no data key"));
}

#[test]
fn a_ring_that_cannot_be_used_is_reported_and_the_previous_keys_stay() {
    let ring = Ring::made();
    let (keys, _) = Keys::load(&ring.settings).unwrap();
    let before = keys.current().generation();
    assert_eq!((keys.trouble(), keys.lacks_secret()), (None, false));
    assert_eq!(keys.reload(), Ok(()));
    let reloaded = keys.current().generation();
    assert_ne!(reloaded, before);
    let good = ring.text();
    fs::write(ring.file(), b"{}").unwrap();
    let said = sentence(keys.reload());
    assert!(said.contains(&ring.file().display().to_string()), "{said}");
    assert_eq!(keys.trouble(), Some(said));
    assert!(!keys.lacks_secret());
    assert_eq!(keys.current().generation(), reloaded);
    fs::write(ring.file(), good).unwrap();
    assert_eq!(keys.reload(), Ok(()));
    assert_eq!(keys.trouble(), None);
}
