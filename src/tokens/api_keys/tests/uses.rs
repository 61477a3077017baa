//! How uses of API keys are counted, how changes are noticed, and what wrong keys cost.

use super::*;
use crate::store::{SqliteStore, calls};

#[test]
fn a_key_is_counted_against_its_own_limit_whatever_happens_to_other_keys() {
    let keys = in_memory();
    let limit = ApiKeyLimit {
        max_requests: 3,
        window: Duration::from_secs(3_600),
    };
    let (text, id) = add(
        &keys,
        &NewApiKey {
            limit: Some(limit),
            ..new("alice")
        },
    );
    let (_, plain) = add(&keys, &new("alice"));
    assert!(keys.window(&plain).is_none());
    assert_eq!(keys.owner(&plain).as_deref(), Some("alice"));
    assert!(keys.verify(&text).is_ok());
    for (allowed, left) in [(true, 2), (true, 1), (true, 0), (false, 0)] {
        // The table is replaced each time.
        let (_, other) = add(&keys, &new("bob"));
        assert!(keys.revoke(&other).unwrap());
        let admission = keys.window(&id).unwrap().admit(1);
        assert_eq!((admission.allowed, admission.remaining), (allowed, left));
        assert_eq!((admission.limit, admission.window), (3, limit.window));
    }
    assert!(keys.revoke(&id).unwrap());
    assert!(keys.window(&id).is_none() && keys.owner(&id).is_none());
    assert_eq!(keys.owner("nonsense"), None);
}

#[test]
fn keys_of_other_processes_are_noticed_and_so_is_their_end() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("state");
    let here = ApiKeys::new(&settings(Some(&folder))).unwrap();
    assert_eq!(
        here.verify(&new_key().unwrap()).err(),
        Some(TokenError::Invalid)
    );
    assert!(!folder.exists(), "looking creates nothing");
    let there = ApiKeys::new(&settings(Some(&folder))).unwrap();
    let within_a_minute = |what: &str, is: &dyn Fn() -> bool| {
        let start = Instant::now();
        while !is() {
            assert!(start.elapsed() < Duration::from_secs(60), "{what}");
            thread::sleep(Duration::from_millis(10));
        }
    };
    let (text, id) = add(&there, &new("alice"));
    within_a_minute("a new store with a key", &|| here.verify(&text).is_ok());
    let (second, _) = add(&there, &new("alice"));
    within_a_minute("another key", &|| here.verify(&second).is_ok());
    assert!(there.revoke(&id).unwrap());
    assert_eq!(scope(&there, &text), Err(TokenError::Revoked));
    within_a_minute("its end", &|| {
        scope(&here, &text) == Err(TokenError::Revoked)
    });
    assert!(here.verify(&second).is_ok());
    there.add_account("alice", "encrypt");
    within_a_minute("an account", &|| {
        scope(&here, &second) == Err(TokenError::Revoked)
    });
    let (third, _) = add(&there, &new("alice"));
    within_a_minute("its key", &|| {
        scope(&here, &third) == Ok("encrypt".to_owned())
    });
    there.change_account("alice", &Change::Removed);
    within_a_minute("its end", &|| here.verify(&third).is_err());
}

#[test]
fn a_first_request_of_many_waits_until_the_keys_are_read() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("state");
    let (text, _) = add(
        &ApiKeys::new(&settings(Some(&folder))).unwrap(),
        &new("alice"),
    );
    for _ in 0..10 {
        let keys = ApiKeys::new(&settings(Some(&folder))).unwrap();
        assert_eq!(keys.ledger.look(), None);
        let start = std::sync::Barrier::new(4);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    start.wait();
                    assert!(keys.verify(&text).is_ok());
                });
            }
        });
    }
}

#[test]
fn while_the_store_cannot_be_used_no_key_is_accepted() {
    use std::os::unix::fs::PermissionsExt;

    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("state");
    let keys = ApiKeys::new(&settings(Some(&folder))).unwrap();
    let (text, _) = add(&keys, &new("alice"));
    let fresh = ApiKeys::new(&settings(Some(&folder))).unwrap();
    let mode = |mode| {
        let file = folder.join(store::STORE_FILE);
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(0o644);
    assert_eq!(scope(&fresh, &text), Err(TokenError::Unchecked));
    assert_eq!(fresh.owner("000000000000"), None);
    // What is no key at all is known without it.
    assert_eq!(scope(&fresh, "sg_"), Err(TokenError::Malformed));
    mode(0o600);
    assert_eq!(fresh.ledger.look(), None);
    assert!(fresh.verify(&text).is_ok());
}

#[test]
fn the_last_use_is_written_once_for_each_key_and_hour() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("state");
    let keys = ApiKeys::new(&settings(Some(&folder))).unwrap();
    let (text, id) = add(&keys, &new("alice"));
    let (_, unused) = add(&keys, &new("alice"));
    let stored = |id: &str| keys.store().api_key(id).unwrap().unwrap().used;
    let hour = |now: u64| now - now % 3_600;
    let before = hour(unix_now());
    for _ in 0..100 {
        assert!(keys.verify(&text).is_ok());
    }
    assert_eq!(stored(&id), None, "not on the way of a request");
    let shown = keys.find(&id).unwrap().unwrap().last_used.unwrap();
    assert!((before..=hour(unix_now())).contains(&shown));
    let changes = keys.store().api_key_changes().unwrap();
    let generation = keys.store().generation().unwrap();
    keys.write_uses();
    assert_eq!(stored(&id), Some(shown));
    assert_eq!(stored(&unused), None);
    // It invalidates nothing.
    assert_eq!(keys.store().api_key_changes().unwrap(), changes);
    assert_eq!(keys.store().generation().unwrap(), generation);
    // Not again in the same hour.
    let table = keys.table.load();
    let entry = table.find(id.as_bytes()).unwrap();
    assert!(!entry.note_use(shown) && !entry.note_use(shown + 3_599));
    assert!(table.unwritten().is_empty());
    assert!(entry.note_use(shown + 3_600));
    assert!(!entry.note_use(shown), "a clock that was set back");
    keys.used.store(true, Ordering::Relaxed);
    let calls_before = calls();
    keys.write_uses();
    assert_eq!(calls(), calls_before + 1, "one change for all");
    keys.write_uses();
    assert_eq!(calls(), calls_before + 1);
    assert_eq!(stored(&id), Some(shown + 3_600));
    // What is not written yet is when they are dropped.
    assert!(entry.note_use(shown + 7_200));
    keys.used.store(true, Ordering::Relaxed);
    drop((table, keys));
    let store = SqliteStore::open(&folder).unwrap().unwrap();
    let used = store::ApiKeyStore::api_key(&store, &id)
        .unwrap()
        .unwrap()
        .used;
    assert_eq!(used, Some(shown + 7_200));
}

#[test]
fn a_known_key_reads_the_store_once_for_each_change_of_accounts() {
    let keys = in_memory();
    keys.add_account("alice", "encrypt");
    let (text, _) = add(&keys, &new("alice"));
    let reads = |work: &dyn Fn()| {
        let before = calls();
        work();
        calls() - before
    };
    let many = || (0..1_000).for_each(|_| assert!(keys.verify(&text).is_ok()));
    assert!(reads(&many) <= 1);
    assert_eq!(reads(&many), 0);
    keys.add_account("bob", "");
    assert_eq!(reads(&many), 1);
    // Another key is none of its business.
    add(&keys, &new("bob"));
    assert_eq!(reads(&many), 0);
}

/// Whatever somebody sends who has no key: nothing is read, and nothing is kept.
#[test]
fn a_million_wrong_keys_read_no_store_and_leave_nothing_in_memory() {
    const WRONG: usize = 1_000_000;
    let keys = in_memory();
    let (text, _) = add(&keys, &new("alice"));
    assert!(keys.verify(&text).is_ok());
    let before = calls();
    let size = keys.table.load().len();
    let digits = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut wrong = text.clone().into_bytes();
    for n in 0..WRONG {
        // Other ids, other secrets of the same id, other checksums; a few of each.
        let at = [3, 9, 15, 40, 57, 58, 63][n % 7];
        let kept = wrong[at];
        wrong[at] = digits[(n / 7) % 62];
        if wrong[at] != kept {
            let wrong = std::str::from_utf8(&wrong).unwrap();
            assert_eq!(keys.verify(wrong).err(), Some(TokenError::Malformed));
        }
        wrong[at] = kept;
    }
    for _ in 0..1_000 {
        let unknown = new_key().unwrap();
        assert_eq!(keys.verify(&unknown).err(), Some(TokenError::Invalid));
        let secret_of_another = text_of(&format!("{}{}", &text[..15], &unknown[15..58]));
        assert_eq!(
            keys.verify(&secret_of_another).err(),
            Some(TokenError::Invalid)
        );
    }
    assert_eq!(calls(), before);
    assert_eq!(keys.table.load().len(), size);
    assert!(keys.verify(&text).is_ok());
}
