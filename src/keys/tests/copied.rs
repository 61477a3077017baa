//! What a backup and a copy of a store take of a ring, and what a restored ring changes.

use super::*;
use crate::keys::backup_copy::{KeyLosses, RingCopy};
use crate::keys::store_copy::MovedRing;

fn copy(ring: &Ring) -> RingCopy {
    RingCopy::of(&ring.settings, &ring.folder).unwrap().unwrap()
}

#[test]
fn a_copy_is_the_file_sealed_or_not() {
    let mut ring = Ring::made();
    let plain = copy(&ring);
    assert_eq!(plain.raw.expose(), ring.text());
    assert_eq!((plain.sealed, plain.counts()), (false, Some((1, 1))));
    assert!(!load(&ring.settings).unwrap().is_sealed());
    ring.settings.ring.ring_key = Some(secret(1));
    seal(&ring.settings).unwrap();
    assert!(load(&ring.settings).unwrap().is_sealed());
    assert_eq!(
        (copy(&ring).sealed, copy(&ring).counts()),
        (true, Some((1, 1)))
    );
    // Without the secret its contents are not known.
    ring.settings.ring.ring_key = None;
    let closed = copy(&ring);
    assert_eq!(closed.raw.expose(), ring.text());
    assert_eq!((closed.sealed, closed.counts()), (true, None));
    assert_eq!((closed.losses(&plain), plain.losses(&closed)), (None, None));
    assert_eq!(closed.all_lost(), None);
    let none = Ring::none();
    fs::create_dir(&none.folder).unwrap();
    assert!(
        RingCopy::of(&none.settings, &none.folder)
            .unwrap()
            .is_none()
    );
}

#[test]
fn an_older_ring_lacks_newer_keys_and_accepts_retired_ones_again() {
    let ring = Ring::made();
    let old = copy(&ring);
    assert_eq!(old.losses(&old), Some(KeyLosses::default()));
    let first = ring.ids(KeyKind::Data);
    let new = ring.add(DATA);
    let newer = copy(&ring);
    let missing = vec![(KeyKind::Data, new[0].id.clone())];
    let lost = old.losses(&newer).unwrap();
    assert_eq!(
        (lost.missing, lost.accepted_again),
        (missing.clone(), vec![])
    );
    // Nothing is lost the other way round.
    assert_eq!(newer.losses(&old), Some(KeyLosses::default()));
    ring.set(&first[0], KeyState::Retired).unwrap();
    let lost = old.losses(&copy(&ring)).unwrap();
    let again = vec![(KeyKind::Data, first[0].clone())];
    assert_eq!((lost.missing, lost.accepted_again), (missing, again));
    let all = copy(&ring).all_lost().unwrap();
    assert_eq!((all.missing.len(), all.accepted_again.len()), (3, 0));
}

#[test]
fn a_copy_of_a_store_takes_the_counts_of_the_keys_there_are() {
    let ring = Ring::made();
    let (keys, _) = Keys::load(&ring.settings).unwrap();
    (0..3).for_each(|_| keys.current().count_sealed());
    keys.write_usage();
    ring.add(DATA);
    let read = || MovedRing::in_folder_now(&ring.settings, &ring.folder);
    let moved = read().unwrap().unwrap();
    let used = ring.ids(KeyKind::Data).remove(0);
    assert_eq!(moved.counts(), (1, 2));
    assert_eq!(moved.usage(), [(used, 3)]);
    fs::remove_file(ring.file()).unwrap();
    assert!(read().unwrap().is_none());
}
