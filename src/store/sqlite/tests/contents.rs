//! Accounts, sessions and revoked tokens, and changes by several at once.

use super::*;

#[test]
fn after_a_failed_change_writing_is_tried_again() {
    let place = Place::made();
    let store = SqliteStore::open(&place.folder).unwrap().unwrap();
    let Pool::File { last_change, .. } = &store.pool else {
        panic!("not in a file");
    };
    let fail = || {
        let full = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL);
        last_change.note::<()>(&Err(rusqlite::Error::SqliteFailure(full, None)));
        assert!(last_change.failed());
    };
    let generation = store.generation().unwrap();
    assert_eq!(store.check_writable(), Ok(()));
    fail();
    // Another process is changing the store: it is writable.
    let other = rusqlite::Connection::open(place.file()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_eq!(store.check_writable(), Ok(()));
    drop(other);
    fail();
    assert_eq!(store.check_writable(), Ok(()));
    assert!(!last_change.failed());
    assert_eq!(store.generation(), Ok(generation), "nobody sees the test");
    // A connection that may not write; without doubt nobody tries to.
    store
        .pool
        .with(|connection| connection.pragma_update(None, "query_only", true))
        .unwrap();
    assert_eq!(store.check_writable(), Ok(()));
    fail();
    let refused = store.check_writable();
    assert!(matches!(refused, Err(Error::Store(said)) if said.contains("write permission")));
    assert!(last_change.failed());
}

#[test]
fn idle_connections_are_kept_up_to_a_limit() {
    let place = Place::made();
    let store = SqliteStore::open(&place.folder).unwrap().unwrap();
    let idle = || match &store.pool {
        Pool::File { idle, .. } => idle.lock().unwrap().len(),
        Pool::Memory(_) => panic!("not in a file"),
    };
    /// Holds this many connections at once.
    fn nested(store: &SqliteStore, deep: usize) {
        if deep > 0 {
            let inside = store.pool.with(|_| {
                nested(store, deep - 1);
                Ok(())
            });
            inside.unwrap();
        }
    }
    for (deep, kept) in [(1, 1), (3, 3), (1, 3), (9, 4)] {
        nested(&store, deep);
        assert_eq!(idle(), kept, "after {deep} at once");
    }
}

#[test]
fn a_page_of_accounts_sorts_nothing() {
    let place = Place::made();
    let store = SqliteStore::open(&place.folder).unwrap().unwrap();
    let plan: Vec<String> = store
        .pool
        .with(|connection| {
            connection
                .prepare(&format!("EXPLAIN QUERY PLAN {}", rows::page_of_accounts()))?
                .query_map(params!["alice", 100, 0], |row| row.get("detail"))?
                .collect()
        })
        .unwrap();
    assert!(
        plan.iter().any(|step| step.contains("PRIMARY KEY")),
        "{plan:?}"
    );
    assert!(
        !plan.iter().any(|step| step.contains("ORDER BY")),
        "{plan:?}"
    );
}
