//! The mark of a store that was copied to another one.

use super::*;
use crate::store::store_copy::Movable;
use crate::store::{ApiKeyStore, StoredApiKey};

fn marked() -> (Place, SqliteStore) {
    let place = Place::made();
    let store = SqliteStore::open(&place.folder).unwrap().unwrap();
    assert!(store.begin_session(session("s", "r"), 1, 1_000).unwrap());
    assert_eq!(store.set_read_only(true), Ok(true));
    assert_eq!(store.set_read_only(true), Ok(false), "it is already");
    (place, store)
}

fn api_key() -> StoredApiKey {
    StoredApiKey {
        id: "k".to_owned(),
        hash: [1; 32],
        owner: "alice".to_owned(),
        scope: "encrypt".to_owned(),
        created: 1_000,
        expires: None,
        limit: None,
        used: None,
        revoked: None,
    }
}

#[test]
fn a_marked_store_is_read_and_refuses_every_change_with_what_to_do() {
    let (place, store) = marked();
    let other = SqliteStore::open(&place.folder).unwrap().unwrap();
    let at = AT;
    for store in [&store, &other] {
        let refusals = [
            store.add_account(&account("bob")).map(drop),
            store
                .change_account("alice", &Change::Disabled(true), at)
                .map(drop),
            store
                .change_account("alice", &Change::Removed, at)
                .map(drop),
            store.revoke_token("t", at),
            store.revoke_user("alice", at),
            store.unlock("alice", 1, at).map(drop),
            store.begin_session(session("t", "r"), 1, 1_000).map(drop),
            store.end_session("s", at),
            store.add_api_key(&api_key()).map(drop),
        ];
        for (number, refusal) in refusals.into_iter().enumerate() {
            let Err(Error::Store(sentence)) = refusal else {
                panic!("{number} is not refused");
            };
            assert!(
                sentence.contains("sealgate store unlock"),
                "{number}: {sentence}"
            );
        }
        assert!(store.account("alice").unwrap().is_some());
        assert!(store.session("s").unwrap().is_some());
        assert_eq!(store.check_writable(), Ok(()), "that is on purpose");
        assert!(store.status().unwrap().read_only);
    }
    assert_eq!(other.set_read_only(false), Ok(true));
    assert!(store.add_account(&account("bob")).unwrap());
    assert!(!store.status().unwrap().read_only);
}

#[test]
fn a_process_that_does_not_know_the_mark_cannot_write_either() {
    let (place, _store) = marked();
    let older = rusqlite::Connection::open(place.file()).unwrap();
    for statement in [
        "INSERT OR IGNORE INTO accounts SELECT 'x', scope, disabled, created, version, salt, hash, memory, passes, lanes, claims, \
         kind FROM accounts",
        "INSERT OR REPLACE INTO revoked_tokens VALUES ('t', 1)",
        "UPDATE meta SET value = value + 1 WHERE name = 'generation'",
        "DELETE FROM sessions",
        "UPDATE OR IGNORE sessions SET refresh = 'x'",
    ] {
        let error = older.execute(statement, []).unwrap_err().to_string();
        assert!(
            error.contains("copied to another one"),
            "{statement}: {error}"
        );
    }
}

#[test]
fn a_test_write_while_the_disk_is_full_takes_the_mark_for_no_fault() {
    let (_place, store) = marked();
    let Pool::File { last_change, .. } = &store.pool else {
        panic!("not in a file");
    };
    let full = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL);
    last_change.note::<()>(&Err(rusqlite::Error::SqliteFailure(full, None)));
    assert_eq!(store.check_writable(), Ok(()));
}

#[test]
fn the_mark_stays_when_a_newer_version_migrates_the_tables() {
    let (place, store) = marked();
    assert_eq!(store.set_read_only(false), Ok(true));
    drop(store);
    let older = rusqlite::Connection::open(place.file()).unwrap();
    older.execute_batch(TO_FIRST).unwrap();
    // As that version would have set it, had it known the mark.
    let mut older = older;
    super::super::read_only::set(&mut older, true).unwrap();
    drop(older);
    let store = SqliteStore::open(&place.folder).unwrap().unwrap();
    assert!(store.status().unwrap().read_only);
    assert!(
        store.add_api_key(&api_key()).is_err(),
        "a table that is new"
    );
    assert!(store.add_account(&account("bob")).is_err());
    assert_eq!(store.set_read_only(false), Ok(true));
    assert!(store.add_api_key(&api_key()).unwrap());
}

#[test]
fn a_backup_may_have_the_mark_and_no_other_trigger() {
    let (place, store) = marked();
    let copy = place.folder.join("copy");
    store.back_up(&copy).unwrap();
    assert!(check_copy(&copy).is_ok());
    let forged = rusqlite::Connection::open(&copy).unwrap();
    for trigger in [
        "CREATE TRIGGER more AFTER INSERT ON sessions BEGIN DELETE FROM revoked_tokens; END",
        "DROP TRIGGER read_only_insert_sessions; CREATE TRIGGER read_only_insert_sessions BEFORE INSERT ON sessions
             BEGIN DELETE FROM revoked_tokens; END",
    ] {
        forged.execute_batch(&format!("SAVEPOINT s; {trigger}; RELEASE s")).unwrap();
        let refused = check_copy(&copy).unwrap_err();
        assert!(refused.contains("not those of a store"), "{trigger}: {refused}");
    }
}

#[test]
fn a_new_file_has_the_rows_of_another_store_and_refuses_others() {
    use crate::store::store_copy::Sink;
    use crate::store::write_new;
    let (place, store) = marked();
    let read = |into: &mut Sink<'_>| store.export(into);
    let path = place.folder.join("new.db");
    fs::File::create(&path).unwrap();
    let mut rows = read;
    let tally = write_new(&path, &mut rows).unwrap();
    let counts: Vec<u64> = tally.counts().iter().map(|(_, count)| *count).collect();
    assert_eq!(counts, [1, 0, 0, 1, 0, 0]);
    assert_eq!(check_copy(&path).unwrap().accounts, 1);
    // What the source says is passed on as it is.
    let broken = place.folder.join("broken.db");
    fs::File::create(&broken).unwrap();
    let lost = Error::Store("The other store is lost.".to_owned());
    let mut rows = |_: &mut Sink<'_>| Err(lost.clone());
    assert_eq!(write_new(&broken, &mut rows).unwrap_err(), lost);
}
