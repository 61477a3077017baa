//! Opens the store that a gate uses: SQLite, in the data directory or in memory. `absent` stands in for this file in builds
//! without the cargo feature `store`.

use std::path::Path;

use super::{SqliteStore, Store, sqlite};
use crate::Error;

/// Refuses a data directory whose store this build cannot use.
pub(super) fn check_build(_folder: &Path) -> Result<(), Error> {
    Ok(())
}

/// Refuses a store that is not a file or that other users can access; opens nothing.
pub(crate) fn check_access(folder: &Path) -> Result<(), Error> {
    SqliteStore::check_access(folder)
}

/// Refuses a change of what is beside a store that takes no changes because it has been copied.
pub(crate) fn check_not_copied(folder: &Path) -> Result<(), Error> {
    match sqlite::is_read_only(folder) {
        true => Err(sqlite::refused(folder)),
        false => Ok(()),
    }
}

/// Whether anything in the directory has the store's name.
pub(super) fn is_there(folder: &Path) -> Result<bool, Error> {
    SqliteStore::is_there(folder)
}

/// The store in the directory, if there is one.
pub(super) fn open(folder: &Path) -> Result<Option<Box<dyn Store>>, Error> {
    Ok(SqliteStore::open(folder)?.map(boxed))
}

/// The store in the directory, created if there is none.
pub(super) fn open_or_make(folder: &Path) -> Result<Box<dyn Store>, Error> {
    SqliteStore::open_or_make(folder).map(boxed)
}

/// A store that is lost when the process exits.
pub(super) fn in_memory() -> Result<Box<dyn Store>, Error> {
    SqliteStore::in_memory().map(boxed)
}

/// Why there is no store without a data directory.
pub(super) fn nowhere() -> Error {
    Error::Setting(
        "There is no data directory to store accounts and revocations in. Set one with SEALGATE_DATA_DIR."
            .to_owned(),
    )
}

fn boxed(store: SqliteStore) -> Box<dyn Store> {
    Box::new(store)
}
