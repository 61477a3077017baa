//! The store's file in the data directory: its name, whether it is there, and who can access it. Opens nothing, so that builds
//! without SQLite know of it too.

use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};

use crate::Error;
use crate::base::private_files::{check_folder, check_mode, shell_word};

/// The store's file in the data directory; SQLite keeps two more beside it, `-wal` and `-shm`.
pub const STORE_FILE: &str = "store.db";

/// What is in the data directory.
pub(super) enum Found {
    /// No store, and no trace of one.
    Nothing,
    File(Metadata),
}

/// Looks for the store; changes nothing.
pub(super) fn look(folder: &Path) -> Result<Found, Error> {
    let path = folder.join(STORE_FILE);
    let absent = |error: &io::Error| {
        matches!(
            error.kind(),
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
        )
    };
    match fs::symlink_metadata(&path) {
        Ok(metadata) if metadata.is_file() => Ok(Found::File(metadata)),
        Ok(_) => Err(Error::Store(format!(
            "The store {} is not a regular file. Move whatever has that name away, then restore the store from a backup.",
            path.display()
        ))),
        Err(error) if absent(&error) => {
            let log = beside(&path, "-wal");
            if fs::metadata(&log).is_ok_and(|metadata| metadata.len() > 0) {
                return Err(Error::Store(format!(
                    "The store {} is missing, but its log {} exists: accounts may be lost. {} To start without accounts, \
                     move the log away.",
                    path.display(),
                    log.display(),
                    restore(&path)
                )));
            }
            Ok(Found::Nothing)
        }
        Err(error) => Err(Error::Store(format!(
            "The store {} cannot be examined: {error}.",
            path.display()
        ))),
    }
}

/// Refuses a store that other users can access.
pub(super) fn judge_access(folder: &Path, metadata: &Metadata) -> Result<(), Error> {
    check_folder(folder).map_err(Error::Store)?;
    check_mode(&folder.join(STORE_FILE), metadata, 0o600).map_err(Error::Store)
}

/// The same for the store if it exists; opens nothing.
pub(super) fn check_access(folder: &Path) -> Result<(), Error> {
    match look(folder)? {
        Found::Nothing => Ok(()),
        Found::File(metadata) => judge_access(folder, &metadata),
    }
}

/// How to restore a store, as whole sentences.
pub(super) fn restore(path: &Path) -> String {
    format!(
        "Stop the processes that use it, then restore a backup (made earlier with: sealgate backup FILE): sealgate restore \
         --force FILE; or a copy of the store alone (made earlier with: sealgate store backup FILE): rm -f {} {} && cp -p \
         BACKUP {}",
        shell_word(&beside(path, "-wal")),
        shell_word(&beside(path, "-shm")),
        shell_word(path)
    )
}

/// A file that SQLite keeps beside the store.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
