//! Hashes of passwords: which are computed anew, which are too expensive to compute, and how many are computed at once.

use super::*;

#[test]
fn a_hash_with_lower_costs_is_replaced_at_the_next_login() {
    let folder = tempfile::tempdir().unwrap();
    users(folder.path(), &[])
        .add("alice", &PASSWORD.into(), "")
        .unwrap();
    let dearer = users(
        folder.path(),
        &[("password_memory", "2048"), ("password_passes", "3")],
    );
    let kept = || {
        let store = dearer.ledger.reading().unwrap().unwrap();
        store.account("alice").unwrap().unwrap()
    };
    let before = kept();
    assert!(dearer.check("alice", &"wrong password".into(), "").is_err());
    assert_eq!(kept(), before, "a wrong password changes nothing");
    dearer.check("alice", &PASSWORD.into(), "").unwrap();
    let after = kept();
    assert_eq!((after.password.memory, after.password.passes), (2048, 3));
    assert_ne!(after.password.salt, before.password.salt);
    assert_eq!(after.version, before.version, "tokens stay valid");
    // Lower costs leave the stronger hash in place.
    users(folder.path(), &[])
        .check("alice", &PASSWORD.into(), "")
        .unwrap();
    assert_eq!(kept(), after);
}

#[test]
fn a_hash_is_outdated_if_any_of_its_costs_is_lower() {
    let hasher = Hasher::new(&Settings {
        password_memory: 1024,
        password_passes: 2,
        password_lanes: 2,
        ..Settings::default()
    });
    for (memory, passes, lanes, outdated) in [
        (1024, 2, 2, false),
        (4096, 3, 4, false),
        (1023, 2, 2, true),
        (1024, 1, 2, true),
        (1024, 2, 1, true),
        (4096, 1, 4, true),
    ] {
        let hash = store::PasswordHash {
            salt: Vec::new(),
            hash: Vec::new(),
            memory,
            passes,
            lanes,
        };
        assert_eq!(hasher.is_outdated(&hash), outdated, "{hash:?}");
    }
}

#[test]
fn a_hash_with_costs_beyond_the_limits_is_not_computed() {
    let folder = tempfile::tempdir().unwrap();
    let users = users(folder.path(), &[("lockout_after", "0")]);
    users.add("alice", &PASSWORD.into(), "").unwrap();
    let store = rusqlite::Connection::open(folder.path().join("state/store.db")).unwrap();
    let started = Instant::now();
    for dear in [
        "memory = 4000000000",
        "memory = 4294967295, lanes = 16000000",
        "passes = 4000000000",
        "lanes = 128",
    ] {
        store
            .execute_batch(&format!("UPDATE accounts SET {dear}"))
            .unwrap();
        assert_eq!(
            users.check("alice", &PASSWORD.into(), ""),
            Err(Error::LoginFailed),
            "{dear}"
        );
        store
            .execute_batch("UPDATE accounts SET memory = 1024, passes = 1, lanes = 1")
            .unwrap();
    }
    assert!(started.elapsed() < Duration::from_secs(10));
    assert!(users.check("alice", &PASSWORD.into(), "").is_ok());
}

#[test]
fn the_number_of_hashes_computed_at_once_is_limited() {
    let folder = tempfile::tempdir().unwrap();
    let users = users(
        folder.path(),
        &[("password_hashes", "2"), ("lockout_after", "0")],
    );
    users.add("alice", &PASSWORD.into(), "").unwrap();
    assert_eq!(users.places(), 2);
    let held = [users.hasher.place(), users.hasher.place()];
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| users.check("alice", &PASSWORD.into(), ""));
        std::thread::sleep(Duration::from_millis(100));
        assert!(!waiting.is_finished(), "there was no free slot");
        drop(held);
        assert!(waiting.join().unwrap().is_ok());
    });
    let started = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| assert!(users.check("alice", &PASSWORD.into(), "").is_ok()));
        }
    });
    assert!(started.elapsed() < Duration::from_secs(60), "it hangs");
}
