//! API keys: what is kept of them, and how many.

use super::*;
use crate::store::{Change, MAX_API_KEYS, StoredApiKey};

fn key(id: &str, owner: &str) -> StoredApiKey {
    StoredApiKey::example(id, owner)
}

fn ids(store: &dyn Store, owner: Option<&str>, after: &str, most: u32) -> Vec<String> {
    let keys = store.api_keys(owner, after, most).unwrap();
    keys.into_iter().map(|key| key.id).collect()
}

pub(crate) fn a_key_is_kept_as_it_was_added(place: &dyn Place) {
    let store = place.open();
    let full = StoredApiKey {
        hash: [9; 32],
        expires: Some(5_000),
        limit: Some((u32::MAX, 60)),
        ..key("b", "j\u{fc}rgen")
    };
    let first = store.api_key_changes().unwrap();
    assert!(store.add_api_key(&key("a", "alice")).unwrap());
    assert!(store.add_api_key(&full).unwrap());
    let other = place.open();
    assert_eq!(other.api_key("b").unwrap(), Some(full.clone()));
    assert_eq!(other.api_key("c").unwrap(), None);
    let (changes, all) = other.all_api_keys().unwrap();
    assert!(changes > first && changes == other.api_key_changes().unwrap());
    assert_eq!(all, [key("a", "alice"), full]);
    // An id belongs to one key.
    assert!(store.add_api_key(&key("a", "mallory")).is_err());
    assert_eq!(other.api_key("a").unwrap().unwrap().owner, "alice");
}

pub(crate) fn keys_are_listed_in_order_and_by_owner(place: &dyn Place) {
    let store = place.open();
    for (id, owner) in [("d", "alice"), ("a", "bob"), ("c", "alice"), ("b", "alice")] {
        assert!(store.add_api_key(&key(id, owner)).unwrap());
    }
    assert_eq!(ids(&*store, None, "", 10), ["a", "b", "c", "d"]);
    assert_eq!(ids(&*store, None, "a", 2), ["b", "c"]);
    assert_eq!(ids(&*store, Some("alice"), "", 10), ["b", "c", "d"]);
    assert_eq!(ids(&*store, Some("alice"), "b", 1), ["c"]);
    assert_eq!(ids(&*store, Some("alice"), "d", 1), [""; 0]);
    assert_eq!(ids(&*store, Some(""), "", 10), [""; 0]);
    assert_eq!(ids(&*store, Some("alic"), "", 10), [""; 0]);
    assert_eq!(ids(&*store, None, "", 0), [""; 0]);
}

pub(crate) fn only_changes_of_api_keys_move_their_number_and_they_move_no_other(place: &dyn Place) {
    let store = place.open();
    let numbers = || {
        (
            store.api_key_changes().unwrap(),
            store.generation().unwrap(),
        )
    };
    let (keys, generation) = numbers();
    assert!(store.add_account(&account("alice")).unwrap());
    store.revoke_user("alice", AT).unwrap();
    assert_eq!(numbers().0, keys);
    let generation_then = numbers().1;
    assert_ne!(generation_then, generation);
    assert!(store.add_api_key(&key("a", "alice")).unwrap());
    assert_eq!(numbers(), (keys + 1, generation_then));
    assert!(store.revoke_api_key("a", 1_000).unwrap());
    assert_eq!(numbers(), (keys + 2, generation_then));
    assert!(!store.revoke_api_key("b", 1_000).unwrap());
    assert_eq!(store.revoke_api_keys_of("alice", 1_000).unwrap(), 0);
    store.note_api_key_uses(&[("a", 3_600)]).unwrap();
    assert_eq!(numbers(), (keys + 2, generation_then));
    // The end of an account ends its keys in the same change.
    assert!(store.add_api_key(&key("c", "alice")).unwrap());
    assert!(
        store
            .change_account("alice", &Change::Disabled(true), AT)
            .unwrap()
    );
    assert_eq!(numbers().0, keys + 4);
    assert_eq!(store.api_key("c").unwrap().unwrap().revoked, Some(1_000));
}

pub(crate) fn the_last_use_never_goes_back(place: &dyn Place) {
    let store = place.open();
    assert!(store.add_api_key(&key("a", "alice")).unwrap());
    assert!(store.add_api_key(&key("b", "alice")).unwrap());
    let used = |id: &str| store.api_key(id).unwrap().unwrap().used;
    assert_eq!(used("a"), None);
    let uses = [("a", 7_200), ("gone", 7_200), ("b", 3_600)];
    store.note_api_key_uses(&uses).unwrap();
    store.note_api_key_uses(&[("a", 3_600)]).unwrap();
    store.note_api_key_uses(&[]).unwrap();
    assert_eq!((used("a"), used("b")), (Some(7_200), Some(3_600)));
}

pub(crate) fn an_owner_has_a_bounded_number_of_keys_revoked_or_not(place: &dyn Place) {
    let store = place.open();
    let add = |id: u32, created: u64| {
        let new = StoredApiKey {
            created,
            ..key(&format!("{id:05}"), "alice")
        };
        store.add_api_key(&new).unwrap()
    };
    for id in 0..MAX_API_KEYS {
        assert!(add(id, 1_000));
    }
    assert!(!add(90_000, 1_000));
    assert!(store.add_api_key(&key("bobs", "bob")).unwrap());
    // What is revoked makes room, and is kept for a time.
    assert_eq!(
        store.revoke_api_keys_of("alice", 2_000).unwrap(),
        u64::from(MAX_API_KEYS)
    );
    assert!(add(90_000, 3_000));
    let count = || ids(&*store, Some("alice"), "", u32::MAX).len();
    assert_eq!(count(), MAX_API_KEYS as usize + 1);
    assert!(store.revoke_api_key("90000", 3_000).unwrap());
    assert!(add(90_001, 3_000));
    // One of those revoked first is gone.
    assert_eq!(count(), MAX_API_KEYS as usize + 1);
    assert!(store.api_key("90000").unwrap().is_some());
    // In the end all of them are, but nothing of others.
    assert!(add(90_002, 3_001 + 90 * 86_400));
    assert_eq!(ids(&*store, None, "", u32::MAX), ["90001", "90002", "bobs"]);
}
