//! The store's file: who may read it, damage, versions, backups.

use super::*;

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
    old.execute_batch(TO_FIRST).unwrap();
    old.execute_batch("INSERT INTO sessions VALUES ('s', 'alice', 'r', 5000, 3000)")
        .unwrap();
    drop(old);
    let store = SqliteStore::open(&place.folder).unwrap().unwrap();
    assert_eq!(store.account("alice").unwrap(), Some(account("alice")));
    assert_eq!(
        store.account_or_other(AccountKind::User, "bob").unwrap(),
        Some(account("alice"))
    );
    let sessions = store.sessions("alice", 1_000).unwrap();
    assert_eq!(
        sessions,
        [UserSession {
            id: "s".to_owned(),
            started: None,
            refreshed: None,
            expires: 5_000,
        }]
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
             INSERT INTO accounts (name, scope, disabled, created, version, salt, hash, memory, passes, lanes)
                 SELECT 'bob', scope, disabled, created, version, salt, hash, memory, passes, lanes FROM accounts;",
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
fn a_copy_is_checked_completely_and_stays_a_single_file() {
    let place = Place::made();
    let store = SqliteStore::open(&place.folder).unwrap().unwrap();
    assert!(store.begin_session(session("s", "r"), 1, 1_000).unwrap());
    let home = tempfile::tempdir().unwrap();
    let copy = home.path().join("copy");
    store.back_up(&copy).unwrap();
    let whole = fs::read(&copy).unwrap();
    let contents = StoreContents {
        accounts: 1,
        sessions: 1,
    };
    assert_eq!(check_copy(&copy), Ok(contents));
    // Of the first version, in the mode of a store that is in use.
    let change = |bytes: &[u8], statements: &str| {
        fs::write(&copy, bytes).unwrap();
        let other = rusqlite::Connection::open(&copy).unwrap();
        other.execute_batch(statements).unwrap();
    };
    change(&whole, &format!("{TO_FIRST} PRAGMA journal_mode = WAL;"));
    assert_eq!(check_copy(&copy), Ok(contents));
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
    let mut torn = whole.clone();
    torn[4096..12_288].fill(0xab);
    for (what, bytes, statements) in [
        ("newer version", &whole, "PRAGMA user_version = 999"),
        (
            "not a store of sealgate",
            &whole,
            "PRAGMA application_id = 1",
        ),
        ("tables are not those", &whole, "DROP TABLE sessions"),
        (
            "tables are not those",
            &whole,
            "ALTER TABLE sessions ADD COLUMN more TEXT",
        ),
        (
            "tables are not those",
            &whole,
            "CREATE TRIGGER t AFTER INSERT ON sessions BEGIN DELETE FROM revoked_tokens; END",
        ),
    ] {
        change(bytes, statements);
        let said = check_copy(&copy).unwrap_err();
        assert!(said.contains(what), "{statements}: {said}");
    }
    for bytes in [&torn[..], &whole[..5_000], &whole[..100], b"", &[7; 9_000]] {
        fs::write(&copy, bytes).unwrap();
        let said = check_copy(&copy).unwrap_err();
        assert!(said.starts_with("is damaged: "), "{said}");
    }
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
}
