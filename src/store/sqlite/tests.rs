//! The store: what it keeps, what it refuses, and that it never overwrites anything damaged.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use super::*;
use crate::store::PasswordHash;

const AT: Moment = Moment {
    now: 1_000,
    forget: 2_000,
};

struct Place {
    _home: tempfile::TempDir,
    folder: PathBuf,
}

impl Place {
    fn new() -> Place {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("state");
        Place {
            _home: home,
            folder,
        }
    }

    fn made() -> Place {
        let place = Place::new();
        let store = SqliteStore::open_or_make(&place.folder).unwrap();
        assert!(store.add_account(&account("alice")).unwrap());
        place
    }

    fn file(&self) -> PathBuf {
        self.folder.join(STORE_FILE)
    }

    /// The error message when opening fails.
    fn refused(&self) -> String {
        match SqliteStore::open(&self.folder) {
            Err(Error::Store(sentence)) => sentence,
            Err(other) => panic!("{other:?}"),
            Ok(_) => panic!("the store opens"),
        }
    }
}

fn account(name: &str) -> Account {
    Account::example(name, "encrypt decrypt")
}

fn session<'a>(id: &'a str, refresh: &'a str) -> Session<'a> {
    Session {
        id,
        user: "alice",
        refresh,
        expires: 5_000,
        access_expires: 3_000,
    }
}

fn standing(store: &SqliteStore, id: &str, session: Option<&str>) -> TokenState {
    let presented = Presented {
        id,
        session,
        subject: "alice",
        issued_at: Some(1_000),
    };
    store.standing(presented).unwrap()
}

#[test]
fn the_store_is_private_and_one_that_others_can_read_is_refused() {
    let place = Place::made();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&place.folder), 0o700);
    for name in ["store.db", "store.db-wal", "store.db-shm"] {
        assert_eq!(mode(&place.folder.join(name)), 0o600, "{name}");
    }
    fs::set_permissions(place.file(), fs::Permissions::from_mode(0o640)).unwrap();
    let said = place.refused();
    assert!(
        said.contains("chmod 600") && said.contains("0640"),
        "{said}"
    );
    fs::set_permissions(place.file(), fs::Permissions::from_mode(0o600)).unwrap();
    fs::set_permissions(&place.folder, fs::Permissions::from_mode(0o755)).unwrap();
    assert!(place.refused().contains("chmod 700"));
}

#[test]
fn access_is_checked_without_opening_the_store() {
    let place = Place::new();
    assert_eq!(SqliteStore::check_access(&place.folder), Ok(()));
    assert!(!SqliteStore::is_there(&place.folder).unwrap());
    drop(SqliteStore::open_or_make(&place.folder).unwrap());
    assert!(SqliteStore::is_there(&place.folder).unwrap());
    fs::write(place.file(), b"not a database").unwrap();
    assert_eq!(SqliteStore::check_access(&place.folder), Ok(()));
    fs::set_permissions(place.file(), fs::Permissions::from_mode(0o604)).unwrap();
    let refused = SqliteStore::check_access(&place.folder);
    assert!(matches!(refused, Err(Error::Store(said)) if said.contains("chmod 600")));
}

#[test]
fn a_damaged_store_is_reported_and_never_overwritten() {
    let whole = {
        let place = Place::made();
        let store = SqliteStore::open(&place.folder).unwrap().unwrap();
        let copy = place.folder.join("copy");
        store.back_up(&copy).unwrap();
        fs::read(copy).unwrap()
    };
    let mut torn = whole.clone();
    torn[4096..12_288].fill(0xab);
    let mut no_header = whole.clone();
    no_header[..16].fill(0);
    let foreign = {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("other.db");
        let other = rusqlite::Connection::open(&path).unwrap();
        other
            .execute_batch("CREATE TABLE accounts (name TEXT)")
            .unwrap();
        drop(other);
        fs::read(path).unwrap()
    };
    for (what, bytes) in [
        ("empty", Vec::new()),
        (
            "text",
            b"not a database, but long enough to look like one, perhaps".repeat(200),
        ),
        ("no header", no_header),
        ("torn", torn),
        ("cut", whole[..5_000].to_vec()),
        ("foreign", foreign),
    ] {
        let place = Place::new();
        drop(SqliteStore::open_or_make(&place.folder).unwrap());
        for name in ["store.db-wal", "store.db-shm"] {
            let _ = fs::remove_file(place.folder.join(name));
        }
        fs::write(place.file(), &bytes).unwrap();
        let said = place.refused();
        for part in ["store.db is damaged", "Nothing was changed", "cp -p BACKUP"] {
            assert!(said.contains(part), "{what}: {said}");
        }
        assert!(SqliteStore::open_or_make(&place.folder).is_err(), "{what}");
        assert!(
            fs::read(place.file()).unwrap() == bytes,
            "{what} was changed"
        );
    }
}

#[test]
fn a_missing_store_whose_log_exists_is_not_recreated() {
    let place = Place::made();
    fs::remove_file(place.file()).unwrap();
    let said = place.refused();
    assert!(
        said.contains("is missing") && said.contains("cp -p BACKUP"),
        "{said}"
    );
    assert!(SqliteStore::open_or_make(&place.folder).is_err());
    assert!(!place.file().exists());
    // An empty log holds nothing.
    fs::write(place.folder.join("store.db-wal"), b"").unwrap();
    assert!(SqliteStore::open(&place.folder).unwrap().is_none());
}

#[test]
fn what_cannot_be_examined_or_removed_is_reported() {
    let place = Place::new();
    std::os::unix::fs::symlink(&place.folder, &place.folder).unwrap();
    assert!(place.refused().contains("cannot be examined"));
    let place = Place::new();
    fs::create_dir_all(place.folder.join("store.db.new")).unwrap();
    fs::set_permissions(&place.folder, fs::Permissions::from_mode(0o700)).unwrap();
    let refused = SqliteStore::open_or_make(&place.folder).err();
    let said = refused.unwrap().to_string();
    assert!(said.contains("cannot be created: Is a directory"), "{said}");
    // No directory at all, and a file in its place, are no store.
    let place = Place::new();
    assert!(SqliteStore::open(&place.folder).unwrap().is_none());
    fs::write(&place.folder, b"").unwrap();
    assert!(SqliteStore::open(&place.folder).unwrap().is_none());
}

#[test]
fn a_database_of_another_program_is_not_ours_whatever_its_version() {
    let connection = rusqlite::Connection::open_in_memory().unwrap();
    let ours = i64::from(schema::APPLICATION_ID);
    for (id, version, known) in [
        (ours, 1, Some(1)),
        (ours, schema::NEWEST, Some(schema::NEWEST)),
        (ours, 0, None),
        (ours, -1, None),
        (ours + 1, 1, None),
        (0, 0, None),
    ] {
        connection
            .pragma_update(None, "application_id", id)
            .unwrap();
        connection
            .pragma_update(None, "user_version", version)
            .unwrap();
        let form = schema::form(&connection).unwrap();
        match known {
            Some(number) => assert!(matches!(form, schema::Form::Known(it) if it == number)),
            None => assert!(matches!(form, schema::Form::Foreign), "{id} {version}"),
        }
    }
}

#[test]
fn a_store_of_a_newer_version_is_left_unchanged() {
    let place = Place::made();
    let newer = rusqlite::Connection::open(place.file()).unwrap();
    newer
        .pragma_update(None, "user_version", schema::NEWEST + 1)
        .unwrap();
    drop(newer);
    let said = place.refused();
    assert!(
        said.contains("newer version of sealgate") && !said.contains("damaged"),
        "{said}"
    );
}

#[test]
fn a_store_of_the_first_version_is_migrated_with_its_data() {
    let place = Place::made();
    let old = rusqlite::Connection::open(place.file()).unwrap();
    old.execute_batch(
        "DROP INDEX accounts_by_hash; DELETE FROM meta WHERE name = 'stand_in_key'; PRAGMA user_version = 1;",
    )
    .unwrap();
    drop(old);
    let store = SqliteStore::open(&place.folder).unwrap().unwrap();
    assert_eq!(store.account("alice").unwrap(), Some(account("alice")));
    assert_eq!(
        store.account_or_other("bob").unwrap(),
        Some(account("alice"))
    );
    let version: i64 = store
        .pool
        .with(|connection| connection.query_row("PRAGMA user_version", [], |row| row.get(0)))
        .unwrap();
    assert_eq!(version, schema::NEWEST);
}

#[test]
fn special_files_are_refused_without_blocking() {
    let place = Place::new();
    fs::create_dir_all(place.file()).unwrap();
    assert!(place.refused().contains("is not a regular file"));
    fs::remove_dir(place.file()).unwrap();
    std::os::unix::fs::symlink("/dev/zero", place.file()).unwrap();
    assert!(place.refused().contains("is not a regular file"));
}

#[test]
fn a_backup_restores_everything_that_was_confirmed() {
    let place = Place::made();
    let store = SqliteStore::open(&place.folder).unwrap().unwrap();
    let copy = place.folder.join("it's a copy");
    store.back_up(&copy).unwrap();
    assert_eq!(
        fs::metadata(&copy).unwrap().permissions().mode() & 0o7777,
        0o600
    );
    let refused = store.back_up(&copy);
    assert!(matches!(refused, Err(Error::Store(said)) if said.contains("already exists")));
    let nowhere = store.back_up(&place.folder.join("none/copy"));
    assert!(matches!(nowhere, Err(Error::Store(said)) if said.contains("cannot be written")));
    drop(store);
    for name in ["store.db-wal", "store.db-shm"] {
        fs::remove_file(place.folder.join(name)).unwrap();
    }
    fs::rename(&copy, place.file()).unwrap();
    let store = SqliteStore::open(&place.folder).unwrap().unwrap();
    store.check().unwrap();
    assert_eq!(store.account("alice").unwrap(), Some(account("alice")));
}

#[test]
fn a_change_is_seen_through_other_open_stores() {
    let place = Place::made();
    let one = SqliteStore::open(&place.folder).unwrap().unwrap();
    let other = SqliteStore::open(&place.folder).unwrap().unwrap();
    let before = other.generation().unwrap();
    assert!(
        one.change_account("alice", &Change::Disabled(true), AT)
            .unwrap()
    );
    assert_ne!(other.generation().unwrap(), before);
    assert!(other.account("alice").unwrap().unwrap().disabled);
    assert!(other.has_had_accounts().unwrap());
    assert!(one.change_account("alice", &Change::Removed, AT).unwrap());
    assert!(!other.change_account("alice", &Change::Removed, AT).unwrap());
    assert!(other.has_had_accounts().unwrap(), "it stays true");
    assert!(
        !SqliteStore::in_memory()
            .unwrap()
            .has_had_accounts()
            .unwrap()
    );
}

#[test]
fn the_whole_store_is_checked_even_behind_an_open_connection() {
    let place = Place::made();
    let store = SqliteStore::open(&place.folder).unwrap().unwrap();
    assert_eq!(store.check(), Ok(()));
    // A row that its index lacks.
    let other = rusqlite::Connection::open(place.file()).unwrap();
    other
        .execute_batch(
            "PRAGMA writable_schema = ON;
             DELETE FROM sqlite_schema WHERE name = 'accounts_by_hash';
             PRAGMA writable_schema = RESET;
             INSERT INTO accounts SELECT 'bob', scope, disabled, created, version, salt, hash, memory, passes, lanes
                 FROM accounts;",
        )
        .unwrap();
    drop(other);
    let refused = store.check();
    assert!(
        matches!(&refused, Err(Error::Store(said)) if said.contains("damaged")),
        "{refused:?}"
    );
}

#[test]
fn an_ended_session_is_gone_and_its_access_tokens_are_revoked() {
    let store = SqliteStore::in_memory().unwrap();
    assert!(store.add_account(&account("alice")).unwrap());
    assert!(store.begin_session(session("s", "r"), 1, 1_000).unwrap());
    store.end_session("s", AT).unwrap();
    assert!(store.session("s").unwrap().is_none());
    assert!(standing(&store, "x", Some("s")).revoked);
    // Until its last access token has expired, which is later than asked for.
    let at = |now| Moment { now, forget: now };
    store.revoke_token("y", at(3_000)).unwrap();
    assert!(standing(&store, "x", Some("s")).revoked);
    store.revoke_token("y", at(3_001)).unwrap();
    assert!(!standing(&store, "x", Some("s")).revoked);
}

#[test]
fn a_new_password_replaces_the_old_one() {
    let store = SqliteStore::in_memory().unwrap();
    assert!(store.add_account(&account("alice")).unwrap());
    let new = PasswordHash {
        salt: vec![3; 16],
        hash: vec![4; 32],
        memory: 2048,
        passes: 5,
        lanes: 6,
    };
    let change = Change::Password(new.clone());
    assert!(store.change_account("alice", &change, AT).unwrap());
    assert_eq!(store.account("alice").unwrap().unwrap().password, new);
}

#[test]
fn a_store_that_was_replaced_is_no_longer_used() {
    let (place, other) = (Place::made(), Place::made());
    let store = SqliteStore::open(&place.folder).unwrap().unwrap();
    assert!(store.account("alice").unwrap().is_some());
    fs::rename(other.file(), place.file()).unwrap();
    let refused = store.account("alice");
    assert!(matches!(refused, Err(Error::Store(said)) if said.contains("no longer the one")));
    fs::remove_file(place.file()).unwrap();
    assert!(store.revoke_user("alice", AT).is_err());
}

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
fn an_error_says_what_an_operator_can_do() {
    let path = Path::new("store.db");
    let said = |error: &rusqlite::Error| file::explain(path, error).to_string();
    let failure = |code| {
        let detail = Some("a secret statement".to_owned());
        rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), detail)
    };
    for (code, part) in [
        (
            rusqlite::ffi::SQLITE_BUSY,
            "in use by another process for 10 s",
        ),
        (
            rusqlite::ffi::SQLITE_LOCKED,
            "in use by another process for 10 s",
        ),
        (
            rusqlite::ffi::SQLITE_READONLY,
            "attempt to write a readonly database",
        ),
        (
            rusqlite::ffi::SQLITE_FULL,
            "give this user write permission",
        ),
        (rusqlite::ffi::SQLITE_CORRUPT, "is damaged"),
        (rusqlite::ffi::SQLITE_NOTADB, "is damaged"),
        (rusqlite::ffi::SQLITE_MISUSE, "failed: "),
    ] {
        let said = said(&failure(code));
        assert!(said.contains(part) && !said.contains("secret"), "{said}");
    }
    let said_of_rows = said(&rusqlite::Error::QueryReturnedNoRows);
    assert!(
        said_of_rows.contains("failed: a row is missing"),
        "{said_of_rows}"
    );
    let said = said(&rusqlite::Error::InvalidQuery);
    assert!(said.contains("failed: its contents are invalid"), "{said}");
}

#[test]
fn a_change_that_removes_rights_revokes_the_tokens() {
    let password = account("x").password;
    let rehash = |version| Change::Rehash {
        password: password.clone(),
        version,
    };
    for (change, takes_back) in [
        (Change::Password(password.clone()), true),
        (rehash(1), false),
        (Change::Scope("encrypt decrypt admin".to_owned()), false),
        (Change::Scope("encrypt".to_owned()), true),
        (Change::Scope(String::new()), true),
        (Change::Disabled(true), true),
        (Change::Disabled(false), false),
        (Change::Removed, true),
    ] {
        let store = SqliteStore::in_memory().unwrap();
        assert!(store.add_account(&account("alice")).unwrap());
        assert!(store.begin_session(session("s", "r1"), 1, 1_000).unwrap());
        assert!(store.change_account("alice", &change, AT).unwrap());
        let back = store.revoked_before("alice").unwrap();
        assert_eq!(back, takes_back.then_some(AT.now), "{change:?}");
        let lives = store.session("s").unwrap().is_some();
        assert_eq!(lives, !takes_back, "{change:?}");
    }
    let store = SqliteStore::in_memory().unwrap();
    assert!(store.add_account(&account("alice")).unwrap());
    assert!(!store.change_account("alice", &rehash(2), AT).unwrap());
    assert!(
        !store
            .change_account("nobody", &Change::Removed, AT)
            .unwrap()
    );
    assert!(!store.add_account(&account("alice")).unwrap());
}

#[test]
fn a_login_succeeds_only_for_the_account_as_it_was_checked() {
    let store = SqliteStore::in_memory().unwrap();
    assert!(store.add_account(&account("alice")).unwrap());
    assert!(store.begin_session(session("s", "r"), 1, 1_000).unwrap());
    let other = Change::Password(account("x").password);
    assert!(store.change_account("alice", &other, AT).unwrap());
    assert!(!store.begin_session(session("t", "r"), 1, 1_001).unwrap());
    assert!(store.begin_session(session("t", "r"), 2, 1_001).unwrap());
    assert!(
        !store.begin_session(session("v", "r"), 2, 1_000).unwrap(),
        "all tokens until then were revoked while the password was checked"
    );
    assert!(
        store
            .change_account("alice", &Change::Disabled(true), AT)
            .unwrap()
    );
    assert!(!store.begin_session(session("u", "r"), 3, 1_001).unwrap());
}

#[test]
fn a_session_is_changed_as_decided_from_what_was_read() {
    let store = SqliteStore::in_memory().unwrap();
    assert!(store.add_account(&account("alice")).unwrap());
    assert!(store.begin_session(session("s", "r1"), 1, 1_000).unwrap());
    let change = |id, change: SessionChange<'_>| {
        let mut found = None;
        store
            .change_session(id, &mut |session| {
                found = session.cloned();
                change
            })
            .unwrap();
        found
    };
    let stored = |refresh: &str, expires| StoredSession {
        user: "alice".to_owned(),
        refresh: refresh.to_owned(),
        expires,
        enabled: true,
    };
    let next = Session {
        expires: 6_000,
        ..session("s", "r2")
    };
    assert_eq!(change("s", SessionChange::Keep), Some(stored("r1", 5_000)));
    assert_eq!(
        change("s", SessionChange::Replace(next)),
        Some(stored("r1", 5_000))
    );
    assert_eq!(change("s", SessionChange::Keep), Some(stored("r2", 6_000)));
    // A missing one is not created.
    assert_eq!(
        change("t", SessionChange::Replace(session("t", "q1"))),
        None
    );
    assert_eq!(store.session("t").unwrap(), None);
    let generation = store.generation().unwrap();
    assert!(!standing(&store, "x", Some("s")).revoked);
    assert_eq!(
        change("s", SessionChange::End(AT)),
        Some(stored("r2", 6_000))
    );
    assert_eq!(store.session("s").unwrap(), None);
    assert!(standing(&store, "x", Some("s")).revoked);
    assert!(
        store.generation().unwrap() > generation,
        "other processes notice"
    );
    assert!(store.begin_session(session("u", "r1"), 1, 1_000).unwrap());
    let disable = "UPDATE accounts SET disabled = 1";
    store
        .change(|change| change.execute(disable, []).map(drop))
        .unwrap();
    assert!(!store.session("u").unwrap().unwrap().enabled);
}

#[test]
fn sessions_per_account_are_limited_and_the_oldest_is_dropped() {
    let store = SqliteStore::in_memory().unwrap();
    assert!(store.add_account(&account("alice")).unwrap());
    for n in 0..MAX_SESSIONS + 3 {
        let id = format!("s{n}");
        let begun = Session {
            expires: 5_000 + u64::from(n),
            ..session(&id, "r")
        };
        assert!(store.begin_session(begun, 1, 1_000).unwrap());
    }
    assert_eq!(store.session("s2").unwrap(), None);
    assert!(store.session("s3").unwrap().is_some());
}

#[test]
fn revocations_are_kept_until_they_expire_and_then_removed() {
    let store = SqliteStore::in_memory().unwrap();
    let rows = || -> i64 {
        store
            .pool
            .with(|connection| {
                connection.query_row(
                    "SELECT (SELECT count(*) FROM revoked_tokens) + (SELECT count(*) FROM revoked_users)
                         + (SELECT count(*) FROM sessions)",
                    [],
                    |row| row.get(0),
                )
            })
            .unwrap()
    };
    for n in 0..50 {
        store.revoke_token(&format!("t{n}"), AT).unwrap();
    }
    store.revoke_user("alice", AT).unwrap();
    assert_eq!(rows(), 51);
    assert!(standing(&store, "t7", None).revoked);
    assert_eq!(standing(&store, "x", None).revoked_before, Some(1_000));
    let at = |now| Moment {
        now,
        forget: now + 1,
    };
    store.revoke_token("last", at(2_000)).unwrap();
    assert_eq!(rows(), 52, "kept until the very end");
    store.revoke_token("very last", at(2_002)).unwrap();
    assert_eq!(rows(), 1);
    // A second revocation does not shorten the first.
    store
        .revoke_token(
            "very last",
            Moment {
                now: 2_002,
                forget: 0,
            },
        )
        .unwrap();
    assert!(standing(&store, "very last", None).revoked);
}

#[test]
fn concurrent_changes_lose_nothing() {
    let place = Place::made();
    let stores = [(); 2].map(|()| SqliteStore::open(&place.folder).unwrap().unwrap());
    std::thread::scope(|scope| {
        for (number, store) in stores.iter().chain(&stores).enumerate() {
            scope.spawn(move || {
                for n in 0..10 {
                    assert!(
                        store
                            .add_account(&account(&format!("{number}-{n}")))
                            .unwrap()
                    );
                }
            });
        }
    });
    assert_eq!(stores[0].accounts("", 100).unwrap().len(), 41);
    assert_eq!(stores[0].accounts("3-8", 100).unwrap().len(), 2);
}
