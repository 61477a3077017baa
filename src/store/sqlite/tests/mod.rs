//! The store: `contents` and `api_keys` have what it keeps, `on_disk` what it refuses, and that it never overwrites anything
//! damaged, `read_only` how it is after it was copied.

mod api_keys;
mod contents;
mod on_disk;
mod read_only;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use super::*;
use crate::store::suite::session;
use crate::store::{STORE_FILE, suite};

const AT: Moment = Moment {
    now: 1_000,
    forget: 2_000,
};

/// Makes a store one of the first version.
const TO_FIRST: &str = "DROP INDEX accounts_by_hash; DELETE FROM meta WHERE name IN ('stand_in_key', 'api_keys');
     ALTER TABLE accounts DROP COLUMN kind; ALTER TABLE accounts DROP COLUMN claims; DROP TABLE api_keys;
     ALTER TABLE sessions DROP COLUMN started; ALTER TABLE sessions DROP COLUMN refreshed;
     DROP TABLE unlocked_users;
     PRAGMA user_version = 1;";

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

impl suite::Place for Place {
    fn open(&self) -> Box<dyn Store> {
        Box::new(SqliteStore::open_or_make(&self.folder).unwrap())
    }

    fn fresh(&self) -> Box<dyn suite::Place> {
        Box::new(Place::new())
    }

    fn count(&self) -> i64 {
        let store = SqliteStore::open(&self.folder).unwrap().unwrap();
        let count =
            "SELECT (SELECT count(*) FROM revoked_tokens) + (SELECT count(*) FROM revoked_users)
             + (SELECT count(*) FROM sessions)";
        let counted = store
            .pool
            .with(|connection| connection.query_row(count, [], |row| row.get(0)));
        counted.unwrap()
    }

    fn disable_all(&self) {
        let store = SqliteStore::open(&self.folder).unwrap().unwrap();
        let disable = "UPDATE accounts SET disabled = 1";
        store
            .change(|change| change.execute(disable, []).map(drop))
            .unwrap();
    }
}

mod every {
    use super::*;

    suite::suite!(Place::new());
}
