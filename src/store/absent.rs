//! Stands in for `backend` in builds without the cargo feature `store`: there is no store, and none can be created.
//!
//! A store that another build keeps in the data directory is refused. Without reading it, this build would accept tokens that
//! were revoked there.

use std::path::Path;

use super::Store;
use super::place::{self, Found, STORE_FILE, look};
use crate::Error;

/// Refuses a data directory whose store this build cannot use.
pub(super) fn check_build(folder: &Path) -> Result<(), Error> {
    match is_there(folder)? {
        true => Err(unreadable(folder)),
        false => Ok(()),
    }
}

/// Refuses a store that is not a file or that other users can access; opens nothing.
pub(crate) fn check_access(folder: &Path) -> Result<(), Error> {
    place::check_access(folder)
}

/// This build refuses every directory with a store.
pub(crate) fn check_not_copied(_folder: &Path) -> Result<(), Error> {
    Ok(())
}

/// Whether anything in the directory has the store's name.
pub(super) fn is_there(folder: &Path) -> Result<bool, Error> {
    Ok(matches!(look(folder)?, Found::File(_)))
}

/// Always fails: it is called only if there is a store.
pub(super) fn open(folder: &Path) -> Result<Option<Box<dyn Store>>, Error> {
    Err(unreadable(folder))
}

/// Always fails.
pub(super) fn open_or_make(_folder: &Path) -> Result<Box<dyn Store>, Error> {
    Err(not_built())
}

/// Always fails.
pub(super) fn in_memory() -> Result<Box<dyn Store>, Error> {
    Err(not_built())
}

/// Why there is no store without a data directory: for the same reason as with one.
pub(super) fn nowhere() -> Error {
    not_built()
}

fn not_built() -> Error {
    Error::Store(
        "This build of sealgate has no store for accounts, sessions and revoked tokens. Build it with the cargo feature store."
            .to_owned(),
    )
}

fn unreadable(folder: &Path) -> Error {
    Error::Store(format!(
        "The store {} cannot be read by this build of sealgate, so revoked tokens would be accepted. Build it with the cargo \
         feature store, or use another data directory.",
        folder.join(STORE_FILE).display()
    ))
}

#[cfg(test)]
#[path = "absent_tests.rs"]
mod tests;
