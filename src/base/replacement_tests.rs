//! A replacement is complete or has not happened, wherever it was interrupted.

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;

use super::*;

/// The old files, the names to move aside, and the new files. One old file stays, and one new file replaces none.
const OLD_FILES: &[&str] = &["a", "b", "c", "other"];
const ASIDE: &[&str] = &["a", "b", "c", "missing"];
const NEW_FILES: &[&str] = &["a", "b", "new"];

fn with_files() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in OLD_FILES {
        fs::write(folder.path().join(name), "old").unwrap();
    }
    folder
}

fn prepare(folder: &Path) {
    let prepared = folder.join(PREPARED);
    for name in [NEW, OLD] {
        fs::create_dir_all(prepared.join(name)).unwrap();
    }
    for name in NEW_FILES {
        fs::write(prepared.join(NEW).join(name), "new").unwrap();
    }
    fs::write(prepared.join(NAMES), ASIDE.join("\n") + "\n").unwrap();
}

/// The files in a directory, and below `kept` those in the one with the old files.
fn files(folder: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            assert!(name.starts_with("before-restore-"), "{name}");
            for (name, text) in files(&path) {
                found.insert(format!("kept/{name}"), text);
            }
        } else {
            found.insert(name, fs::read_to_string(path).unwrap());
        }
    }
    found
}

fn assert_replaced(folder: &Path, after: &str) {
    let wanted = [
        ("a", "new"),
        ("b", "new"),
        ("kept/a", "old"),
        ("kept/b", "old"),
        ("kept/c", "old"),
        ("new", "new"),
        ("other", "old"),
    ];
    let wanted = wanted.map(|(name, text)| (name.to_owned(), text.to_owned()));
    assert_eq!(files(folder), wanted.into(), "{after}");
}

#[test]
fn all_files_are_replaced_and_the_old_ones_are_kept() {
    let folder = with_files();
    let exclusive = Exclusive::of(folder.path()).unwrap();
    prepare(folder.path());
    let kept = exclusive.replace().unwrap().unwrap();
    assert!(kept.join("a").exists());
    assert_replaced(folder.path(), "a replacement");
    // Within the same second too.
    prepare(folder.path());
    let again = exclusive.replace().unwrap().unwrap();
    assert_ne!(again, kept);
    assert_eq!(fs::read_to_string(again.join("a")).unwrap(), "new");
}

#[test]
fn nothing_is_kept_where_nothing_was() {
    let folder = tempfile::tempdir().unwrap();
    let exclusive = Exclusive::of(folder.path()).unwrap();
    prepare(folder.path());
    assert_eq!(exclusive.replace(), Ok(None));
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        NEW_FILES.len()
    );
}

#[test]
fn whoever_comes_next_completes_what_was_decided_from_any_point() {
    /// How many old files had been moved, else how many new ones, else what had been tidied up.
    enum Killed {
        MovingAside(usize),
        Placing(usize),
        TidyingUp(&'static [&'static str]),
    }
    let tidied: [&[&str]; 4] = [&[], &[NAMES], &[NEW], &[NAMES, NEW]];
    let points = (0..=ASIDE.len())
        .map(Killed::MovingAside)
        .chain((0..=NEW_FILES.len()).map(Killed::Placing))
        .chain(tidied.map(Killed::TidyingUp));
    for (number, point) in points.enumerate() {
        let folder = with_files();
        let folder = folder.path();
        prepare(folder);
        let decided = folder.join(DECIDED);
        fs::rename(folder.join(PREPARED), &decided).unwrap();
        let aside = match point {
            Killed::MovingAside(moved) => moved,
            _ => ASIDE.len(),
        };
        for name in &ASIDE[..aside] {
            move_if_there(&folder.join(name), &decided.join(OLD).join(name)).unwrap();
        }
        let placed = match point {
            Killed::MovingAside(_) => None,
            Killed::Placing(placed) => Some(placed),
            Killed::TidyingUp(_) => Some(NEW_FILES.len()),
        };
        if let Some(placed) = placed {
            let placing = folder.join(PLACING);
            fs::rename(&decided, &placing).unwrap();
            for name in &NEW_FILES[..placed] {
                fs::rename(placing.join(NEW).join(name), folder.join(name)).unwrap();
            }
            if let Killed::TidyingUp(tidied) = point {
                fs::rename(placing.join(OLD), folder.join("before-restore-x")).unwrap();
                for name in tidied {
                    let removed = match *name {
                        NEW => fs::remove_dir(placing.join(NEW)),
                        name => fs::remove_file(placing.join(name)),
                    };
                    removed.unwrap();
                }
            }
        }
        assert!(enter(folder).unwrap().is_some());
        assert_replaced(folder, &format!("point {number}"));
        assert!(!is_pending(folder));
    }
}

#[test]
fn what_was_only_prepared_means_nothing() {
    let folder = with_files();
    prepare(folder.path());
    drop(enter(folder.path()).unwrap().unwrap());
    fs::remove_dir_all(folder.path().join(PREPARED)).unwrap();
    let wanted = OLD_FILES.iter().map(|name| (*name).to_owned());
    assert!(files(folder.path()).into_keys().eq(wanted));
}

#[test]
fn a_directory_in_use_is_not_replaced_and_one_being_replaced_is_not_used() {
    let folder = with_files();
    let (one, other) = (enter(folder.path()), enter(folder.path()));
    assert!(one.unwrap().is_some(), "any number may use it");
    let in_use = other.unwrap().unwrap();
    let refused = Exclusive::of(folder.path()).err().unwrap();
    assert!(refused.contains("is in use. Stop the servers"), "{refused}");
    drop(in_use);
    let exclusive = Exclusive::of(folder.path()).unwrap();
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| enter(folder.path()).map(|entered| entered.is_some()));
        // It may not have begun to wait; then it finds the new files.
        prepare(folder.path());
        exclusive.replace().unwrap();
        drop(exclusive);
        assert_eq!(waits.join().unwrap(), Ok(true));
    });
    assert_replaced(folder.path(), "waiting");
}

#[test]
fn what_is_not_a_directory_is_neither_opened_nor_followed() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(enter(&file).unwrap().is_none());
    assert!(enter(&home.path().join("missing")).unwrap().is_none());
    assert!(
        Exclusive::of(&file)
            .err()
            .unwrap()
            .contains("cannot be locked")
    );

    let folder = with_files();
    let elsewhere = tempfile::tempdir().unwrap();
    prepare(elsewhere.path());
    symlink(elsewhere.path().join(PREPARED), folder.path().join(DECIDED)).unwrap();
    let refused = enter(folder.path()).err().unwrap();
    assert!(
        refused.contains("restore.ready is not a directory"),
        "{refused}"
    );
    assert_eq!(fs::read_to_string(folder.path().join("a")).unwrap(), "old");
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    for name in ["../a", "", "..", "/etc/passwd", "a/b"] {
        let folder = with_files();
        prepare(folder.path());
        fs::write(
            folder.path().join(PREPARED).join(NAMES),
            format!("{name}\n"),
        )
        .unwrap();
        let refused = Exclusive::of(folder.path()).unwrap().replace();
        assert!(refused.unwrap_err().contains("not complete"), "{name:?}");
        assert_eq!(fs::read_to_string(folder.path().join("a")).unwrap(), "old");
    }
}
