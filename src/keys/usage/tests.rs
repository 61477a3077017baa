use super::*;
use std::os::unix::fs::PermissionsExt;

const FIRST: &str = "5bd867bb";
const SECOND: &str = "00ff00ff";

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Place {
        Place(tempfile::tempdir().unwrap())
    }

    fn folder(&self) -> &Path {
        self.0.path()
    }

    fn path(&self) -> PathBuf {
        self.folder().join(USAGE_FILE)
    }

    fn text(&self) -> String {
        fs::read_to_string(self.path()).unwrap()
    }

    /// Appends like a process that has just started.
    fn add(&self, id: &str, messages: u64) -> Result<(), Fault> {
        let added = Journal::in_folder(self.folder()).add(id, messages, FlushMode::Last);
        added.map(drop)
    }

    fn read(&self) -> KeyUsage {
        read(self.folder())
    }

    fn trouble(&self, id: &str, messages: u64) -> String {
        match self.add(id, messages) {
            Err(Fault::Trouble(sentence)) => sentence,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn lines_add_up() {
    let place = Place::new();
    assert_eq!(place.read(), KeyUsage::default());
    place.add(FIRST, 1).unwrap();
    place.add(SECOND, u64::MAX).unwrap();
    place.add(FIRST, 41).unwrap();
    place.add(SECOND, 7).unwrap();
    assert_eq!(
        place.text(),
        format!(
            "sealgate key usage 1\n{FIRST} 1\n{SECOND} {}\n{FIRST} 41\n{SECOND} 7\n",
            u64::MAX
        )
    );
    let usage = place.read();
    assert_eq!(usage.messages(FIRST), 42);
    assert_eq!(usage.messages(SECOND), u64::MAX);
    assert_eq!((usage.messages("ffffffff"), usage.trouble), (0, None));
    let mode = fs::metadata(place.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
}

#[test]
fn a_long_file_is_merged_to_one_line_per_key() {
    let place = Place::new();
    let journal = Journal::in_folder(place.folder());
    let lines = LONG / 11 + 2;
    for _ in 0..lines {
        journal.add(FIRST, 1, FlushMode::Sealing).unwrap();
    }
    journal.add(SECOND, 2, FlushMode::Sealing).unwrap();
    assert!(place.text().len() as u64 > LONG, "sealing never waits");
    journal.add(SECOND, 3, FlushMode::Last).unwrap();
    assert_eq!(
        place.text(),
        format!("{HEAD}{SECOND} 2\n{FIRST} {lines}\n{SECOND} 3\n")
    );
    assert_eq!(fs::read_dir(place.folder()).unwrap().count(), 1);
}

#[test]
fn many_keys_do_not_cause_a_rewrite_each_time() {
    let place = Place::new();
    let mut text = HEAD.to_owned();
    for id in 0..LONG / 10 {
        text.push_str(&line(&format!("{id:08x}"), 5));
    }
    fs::write(place.path(), &text).unwrap();
    let before = fs::metadata(place.path()).unwrap();
    place.add(FIRST, 1).unwrap();
    let after = fs::metadata(place.path()).unwrap();
    use std::os::unix::fs::MetadataExt;
    assert_eq!(before.ino(), after.ino());
    assert_eq!(place.read().messages(FIRST), 1);
}

#[test]
fn a_damaged_file_is_set_aside_and_counting_continues() {
    for (damaged, left, bad) in [
        (format!("{HEAD}{FIRST} 10\n{SECOND} 2"), 10, 1),
        (format!("{HEAD}{FIRST} 10\n{FIRST} -3\n{FIRST} +3\n"), 10, 2),
        (format!("{HEAD}{FIRST} 10\n\0\0\0\0"), 10, 1),
        (format!("{HEAD}\n{FIRST} 10\n{FIRST}\n{FIRST} \n"), 10, 3),
        (format!("{HEAD}{FIRST} 99999999999999999999\n"), 0, 1),
        (format!("{FIRST} 10\n{FIRST} 3\n"), 3, 1),
        ("sealgate key usage 1".to_owned(), 0, 1),
        ("sealgate key usage 0\n".to_owned(), 0, 1),
        ("\0\0\0\0\0".to_owned(), 0, 1),
        ("x".repeat(2 << 20), 0, 1),
    ] {
        let place = Place::new();
        fs::write(place.path(), &damaged).unwrap();
        let usage = place.read();
        assert_eq!(usage.messages(FIRST), left);
        let trouble = usage.trouble.unwrap();
        assert!(trouble.contains("is damaged ("), "{trouble}");
        let line = format!("{bad} line");
        assert!(
            trouble.contains(&line) || damaged.len() > 1 << 20,
            "{trouble}"
        );
        place.add(FIRST, 1).unwrap();
        assert_eq!(place.read().messages(FIRST), left + 1);
        let aside = place.folder().join("key-usage.txt.damaged");
        assert_eq!(fs::read_to_string(&aside).unwrap(), damaged);
        // Reported until the operator removes it.
        let trouble = place.read().trouble.unwrap();
        assert!(trouble.contains("set aside as"), "{trouble}");
        fs::remove_file(aside).unwrap();
        assert_eq!(place.read().trouble, None);
    }
}

#[test]
fn a_file_that_cannot_be_written_is_reported_and_left_unchanged() {
    let place = Place::new();
    let newer = "sealgate key usage 2\nsomething else\n";
    fs::write(place.path(), newer).unwrap();
    assert!(place.trouble(FIRST, 1).contains("newer version"));
    assert!(place.read().trouble.unwrap().contains("newer version"));
    assert_eq!(place.text(), newer);

    fs::remove_file(place.path()).unwrap();
    let elsewhere = place.folder().join("elsewhere");
    fs::write(&elsewhere, HEAD).unwrap();
    std::os::unix::fs::symlink(&elsewhere, place.path()).unwrap();
    assert!(place.trouble(FIRST, 1).contains("cannot be used"));
    assert_eq!(fs::read_to_string(&elsewhere).unwrap(), HEAD);

    fs::remove_file(place.path()).unwrap();
    fs::create_dir(place.path()).unwrap();
    assert!(place.trouble(FIRST, 1).contains("cannot be used"));

    fs::remove_dir(place.path()).unwrap();
    fs::write(place.path(), HEAD).unwrap();
    // Without the right to change owners there is nothing more to test.
    if std::os::unix::fs::chown(place.path(), Some(12_345), None).is_ok() {
        assert!(place.trouble(FIRST, 1).contains("another user"));
        assert_eq!(place.text(), HEAD);
    }
}

#[test]
fn sealing_never_waits_for_the_lock() {
    let place = Place::new();
    place.add(FIRST, 1).unwrap();
    let held = Locked::make(place.folder(), &place.path(), Duration::ZERO).unwrap();
    let journal = Journal::in_folder(place.folder());
    let times = [(); 3].map(|()| {
        let start = std::time::Instant::now();
        assert!(matches!(
            journal.add(FIRST, 1, FlushMode::Sealing),
            Err(Fault::Busy)
        ));
        start.elapsed()
    });
    // A stalled machine may be slow for some of them.
    assert!(times.iter().any(|took| *took < PATIENCE), "{times:?}");
    std::thread::scope(|scope| {
        let start = std::time::Instant::now();
        let waits = scope.spawn(|| journal.add(FIRST, 1, FlushMode::Last));
        std::thread::sleep(Duration::from_millis(50));
        drop(held);
        if let Err(fault) = waits.join().unwrap() {
            assert!(start.elapsed() > PATIENCE, "{fault:?}");
            journal.add(FIRST, 1, FlushMode::Last).unwrap();
        }
    });
    assert_eq!(place.read().messages(FIRST), 2);
}

#[test]
fn counts_of_keys_no_longer_in_the_ring_are_removed() {
    let place = Place::new();
    keep_only(place.folder(), &[FIRST]);
    assert!(!place.path().exists());
    place.add(FIRST, 1).unwrap();
    place.add(SECOND, 2).unwrap();
    keep_only(place.folder(), &[FIRST, SECOND]);
    assert_eq!(place.read().messages(SECOND), 2);
    keep_only(place.folder(), &[FIRST]);
    assert_eq!(place.text(), format!("{HEAD}{FIRST} 1\n"));
}
