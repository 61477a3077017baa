//! What threads that share a gate's ring may rely on.

use std::fs;

use super::*;
use crate::keys::KeyKind;

struct Place {
    _home: tempfile::TempDir,
    keys: Keys,
}

impl Place {
    fn new() -> Place {
        let home = tempfile::tempdir().unwrap();
        let settings = Settings {
            data_dir: Some(home.path().join("state")),
            ..Settings::default()
        };
        let (keys, _) = Keys::load(&settings).unwrap();
        Place { _home: home, keys }
    }

    fn source(&self) -> &Source {
        self.keys.source.as_ref().unwrap()
    }
}

#[test]
fn a_thread_that_misses_a_key_waits_for_the_one_that_reads_the_ring() {
    let place = Place::new();
    let ring = place.keys.current().clone();
    assert!(!place.keys.has_newer_than(&ring));
    let reads = lock(&place.source().seen);
    thread::scope(|scope| {
        let waits = scope.spawn(|| place.keys.has_newer_than(&ring));
        thread::sleep(Duration::from_millis(100));
        assert!(!waits.is_finished());
        let other = place.source().ring_under(&place.source().seal.load());
        place.keys.ring.store(Arc::new(other.unwrap()));
        drop(reads);
        assert!(waits.join().unwrap());
    });
}

#[test]
fn nobody_waits_for_ever_for_a_thread_that_reads_the_ring() {
    let place = Place::new();
    let ring = place.keys.current().clone();
    let reads = lock(&place.source().seen);
    assert!(
        !place
            .keys
            .has_newer_within(Duration::from_millis(50), &ring)
    );
    drop(reads);
}

#[test]
fn the_same_failure_is_logged_once_unless_the_file_changes() {
    let place = Place::new();
    let source = place.source();
    let logged = |again: bool| {
        let mut seen = lock(&source.seen);
        match place.keys.look_at(source, &mut seen, again) {
            Some(Read::Failed { logged, .. }) => Some(logged),
            Some(Read::New { .. }) => panic!("it is damaged"),
            None => None,
        }
    };
    assert_eq!(logged(false), None);
    for damaged in ["{}", "{ }", "not JSON"] {
        fs::write(source.place.path(), damaged).unwrap();
        assert_eq!(logged(false), Some(true), "{damaged}");
        assert_eq!(logged(false), None, "it is the same file");
        assert_eq!(logged(true), Some(false), "{damaged}");
    }
    // Another failure of the same file.
    lock(&source.seen).trouble = Some("something else".to_owned());
    assert_eq!(logged(true), Some(true));
}

#[test]
fn the_counts_of_previous_rings_are_kept_while_they_are_used() {
    let place = Place::new();
    let source = place.source();
    let old = place.keys.current().clone();
    place.keys.reload().unwrap();
    assert_eq!(lock(&source.unwritten).len(), 1, "it is in use");
    // Of seven messages, one to four have been recorded by now.
    (0..7).for_each(|_| old.count_sealed());
    drop(old);
    assert!(lock(&source.unwritten)[0].has_unwritten() && place.keys.has_unwritten_usage());
    source.write_unwritten(FlushMode::Last);
    assert!(lock(&source.unwritten).is_empty() && !place.keys.has_unwritten_usage());
    let path = source.place.path();
    let folder = path.parent().unwrap();
    let usage = super::super::usage::read(folder);
    let ring = place.keys.current();
    assert_eq!(
        usage.messages(&ring.newest_origin(KeyKind::Data).unwrap().id),
        7
    );
}

#[test]
fn calls_record_the_counts_from_time_to_time() {
    let place = Place::new();
    let source = place.source();
    let ring = place.keys.current().clone();
    // Of seven messages, the last three wait.
    (0..7).for_each(|_| ring.count_sealed());
    let recorded = |written: u64| {
        let looked = coarse_milliseconds() - LOOK_EVERY;
        source.looked.store(looked, Ordering::Relaxed);
        source.written.store(written, Ordering::Relaxed);
        drop(place.keys.current());
        let usage = super::super::usage::read(source.place.path().parent().unwrap());
        usage.messages(&ring.newest_origin(KeyKind::Data).unwrap().id)
    };
    let now = coarse_milliseconds();
    assert_eq!(recorded(now + 3_600_000), 4, "it is too early");
    assert_eq!(recorded(now - WRITE_EVERY), 7);
}

#[test]
fn calls_look_at_the_file_from_time_to_time() {
    let place = Place::new();
    let source = place.source();
    fs::write(source.place.path(), "{}").unwrap();
    let trouble = |looked: u64| {
        source.looked.store(looked, Ordering::Relaxed);
        drop(place.keys.current());
        place.keys.trouble().is_some()
    };
    let now = coarse_milliseconds();
    assert!(!trouble(now + 3_600_000), "it is too early");
    assert!(trouble(now - LOOK_EVERY));
}
