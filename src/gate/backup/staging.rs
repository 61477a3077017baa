//! Restored files while they are written and checked: in a directory of their own, which is removed unless they replace
//! the files of the data directory.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::container::Part;
use crate::Error;
use crate::base::private_files::{new_file, new_folder, write_new_file};
use crate::base::replacement::{Exclusive, NAMES, NEW, OLD};
use crate::keys::{RING_BACKUP_FILE, RING_FILE, USAGE_FILE};
use crate::store::STORE_FILE;

/// All state of a data directory. Without the log of another store, SQLite would not use that log with the new one.
const STATE: &[&str] = &[
    RING_FILE,
    RING_BACKUP_FILE,
    USAGE_FILE,
    "key-usage.txt.damaged",
    STORE_FILE,
    "store.db-wal",
    "store.db-shm",
    "store.db-journal",
];

/// The first state file in the directory, if there is any.
pub(in crate::gate) fn state_in(folder: &Path) -> Option<PathBuf> {
    let mut paths = STATE.iter().map(|name| folder.join(name));
    paths.find(|path| fs::symlink_metadata(path).is_ok())
}

/// See the module.
pub(in crate::gate) struct Staging<'e> {
    folder: PathBuf,
    exclusive: &'e Exclusive,
    prepared: PathBuf,
}

impl<'e> Staging<'e> {
    /// Removes what a killed process left.
    pub(in crate::gate) fn new(folder: &Path, exclusive: &'e Exclusive) -> Result<Self, Error> {
        let staging = Staging {
            folder: folder.to_owned(),
            exclusive,
            prepared: exclusive.prepared(),
        };
        let made = || {
            remove(&staging.prepared)?;
            new_folder(folder, &staging.prepared)?;
            new_folder(folder, &staging.prepared.join(NEW))?;
            new_folder(folder, &staging.prepared.join(OLD))
        };
        made().map_err(|error| staging.unwritable(&error))?;
        Ok(staging)
    }

    /// Where a restored file is.
    pub(in crate::gate) fn path(&self, part: Part) -> PathBuf {
        self.prepared.join(NEW).join(part.name())
    }

    /// Creates a restored file.
    pub(in crate::gate) fn create(&self, part: Part) -> io::Result<File> {
        new_file(&self.folder, &self.path(part))
    }

    /// Creates a restored file with these bytes.
    pub(in crate::gate) fn write(&self, part: Part, bytes: &[u8]) -> Result<(), Error> {
        write_new_file(&self.folder, &self.path(part), bytes)
            .map_err(|error| self.unwritable(&error))
    }

    /// Replaces the state of the data directory by the restored files. Returns the directory that has the old state, if
    /// there was any.
    pub(in crate::gate) fn replace(self) -> Result<Option<PathBuf>, Error> {
        let names = STATE.join("\n") + "\n";
        let new = self.prepared.join(NEW);
        let prepared = || {
            for file in fs::read_dir(&new)? {
                File::open(file?.path())?.sync_all()?;
            }
            File::open(&new)?.sync_all()?;
            write_new_file(&self.folder, &self.prepared.join(NAMES), names.as_bytes())
        };
        prepared().map_err(|error| self.unwritable(&error))?;
        self.exclusive.replace().map_err(Error::Store)
    }

    pub(in crate::gate) fn unwritable(&self, error: &io::Error) -> Error {
        Error::Io(format!(
            "The data directory {} cannot be written: {error}. Nothing was changed.",
            self.folder.display()
        ))
    }
}

impl Drop for Staging<'_> {
    fn drop(&mut self) {
        // After a replacement nothing has this name.
        let _ = remove(&self.prepared);
    }
}

/// Removes whatever has this name; follows no link.
fn remove(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}
