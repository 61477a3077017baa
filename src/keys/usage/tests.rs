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
        (format!("{HEAD}{FIRST} 10\n5BD867BB 7\n5bd867b 7\n"), 10, 2),
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

#[test]
fn a_file_is_merged_if_that_halves_it() {
    let merged = format!("{HEAD}{FIRST} 7\n").len();
    let shrinks = |size: usize, long: usize| {
        let found = Found {
            messages: BTreeMap::from([(FIRST.to_owned(), 7)]),
            bad_lines: 0,
            text: Some(vec![b'x'; size]),
        };
        found.shrinks(long as u64)
    };
    assert!(!shrinks(2 * merged, 0));
    assert!(shrinks(2 * merged + 1, 0));
    assert!(shrinks(3 * merged, 3 * merged));
    assert!(!shrinks(3 * merged, 3 * merged + 1), "not long");
}

#[test]
fn only_damage_is_reported() {
    let place = Place::new();
    let report = |bad_lines: usize| {
        let found = Found {
            messages: BTreeMap::new(),
            bad_lines,
            text: Some(Vec::new()),
        };
        found.damage_report(place.folder())
    };
    assert_eq!(report(0), None);
    assert!(report(2).unwrap().contains("2 lines cannot be read"));
}

#[test]
fn setting_a_damaged_file_aside_is_reported_by_whoever_did_it() {
    let place = Place::new();
    fs::write(place.path(), format!("{HEAD}damaged\n")).unwrap();
    let journal = Journal::in_folder(place.folder());
    let report = journal.add(FIRST, 1, FlushMode::Last).unwrap().unwrap();
    assert!(
        report.contains("set aside as") && report.contains("1 line"),
        "{report}"
    );
    assert_eq!(journal.add(FIRST, 1, FlushMode::Last).unwrap(), None);
}

#[test]
fn a_pipe_or_a_link_in_its_place_is_reported_without_waiting() {
    let place = Place::new();
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mkfifoat(rustix::fs::CWD, place.path(), mode).unwrap();
    let folder = place.folder().to_owned();
    let (send, receive) = std::sync::mpsc::channel();
    std::thread::spawn(move || send.send(read(&folder).trouble));
    let trouble = receive.recv_timeout(Duration::from_secs(60));
    assert!(trouble.expect("it waits").unwrap().contains("not a file"));
    assert!(place.trouble(FIRST, 1).contains("not a file"));
    fs::remove_file(place.path()).unwrap();
    let elsewhere = place.folder().join("elsewhere");
    fs::write(&elsewhere, HEAD).unwrap();
    std::os::unix::fs::symlink(&elsewhere, place.path()).unwrap();
    assert!(place.trouble(FIRST, 1).contains("cannot be used"));
    assert!(place.read().trouble.is_some());
    assert_eq!(fs::read_to_string(&elsewhere).unwrap(), HEAD);
}

#[test]
fn the_largest_file_is_read() {
    for (more, expected) in [(0, Some(3)), (1, None)] {
        let place = Place::new();
        let last = format!("{FIRST} 2\n");
        let zeros = TOO_LONG as usize - HEAD.len() - last.len() - "5bd867bb 1\n".len() + more;
        let text = format!("{HEAD}{FIRST} {}1\n{last}", "0".repeat(zeros));
        assert_eq!(text.len() as u64, TOO_LONG + more as u64);
        fs::write(place.path(), text).unwrap();
        let usage = place.read();
        assert_eq!(usage.trouble.is_none(), expected.is_some());
        assert_eq!(usage.messages(FIRST), expected.unwrap_or(0));
    }
}

#[test]
fn a_failure_is_a_new_one_after_a_success() {
    let place = Place::new();
    let journal = Journal::in_folder(place.folder());
    let warned = || journal.warned.load(Ordering::Relaxed);
    journal.warn_once("no space");
    assert!(warned());
    journal.is_well();
    assert!(!warned());
}

#[test]
fn a_reader_waits_for_a_writer_for_a_moment() {
    let place = Place::new();
    place.add(FIRST, 5).unwrap();
    let writes = Locked::make(place.folder(), &place.path(), PATIENCE).unwrap();
    let brief = Locked::shared(&place.path(), Duration::ZERO);
    assert!(matches!(brief, Err(Fault::Busy)));
    std::thread::scope(|scope| {
        let reads = scope.spawn(|| Locked::shared(&place.path(), Duration::from_secs(60)));
        std::thread::sleep(Duration::from_millis(50));
        assert!(!reads.is_finished());
        // As if a process had been forked meanwhile: a copy of the descriptor does not keep the lock.
        let copy = writes.copy();
        drop(writes);
        assert!(reads.join().unwrap().unwrap().is_some());
        drop(copy);
    });
}

#[test]
fn a_count_never_decreases_when_a_backup_is_restored() {
    let place = Place::new();
    assert_eq!(text_for_backup(place.folder()), "");
    place.add(FIRST, 5).unwrap();
    place.add(SECOND, 7).unwrap();
    let backup = text_for_backup(place.folder());
    assert_eq!(backup, format!("{HEAD}{SECOND} 7\n{FIRST} 5\n"));
    place.add(FIRST, 100).unwrap();
    let after =
        |backup: &str, ids: &[&str]| text_after_restore(backup.as_bytes(), place.folder(), ids);
    let both = [FIRST, SECOND];
    let merged = format!("{HEAD}{SECOND} 7\n{FIRST} 105\n");
    assert_eq!(after(&backup, &both), Some(merged.clone()));
    assert_eq!(after(HEAD, &both), Some(merged.clone()));
    assert_eq!(after("", &both), Some(merged));
    // Higher in the backup, and a key that the restored ring lacks.
    let higher = format!("{HEAD}{SECOND} 8\nffffffff 3\n");
    assert_eq!(
        after(&higher, &[SECOND]),
        Some(format!("{HEAD}{SECOND} 8\n"))
    );
    for damaged in [
        "nonsense\n",
        &format!("{HEAD}{FIRST} -1\n"),
        "sealgate key usage 2\n",
    ] {
        assert_eq!(after(damaged, &both), None, "{damaged}");
    }
}
