//! Connections to one store, each used by one call at a time and kept for the next. In a forked child they are reopened.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::file::{self, Found, Judge};
use super::writable::{self, LastChange};
use super::{read_only, schema};
use crate::Error;
use crate::base::fork::Owner;
use crate::base::private_files::new_private_file;
use crate::base::sync::{Turns, lock};

/// Idle connections to keep: each takes a few descriptors and at most 512 KiB.
const KEPT: usize = 4;

#[cfg(test)]
thread_local! {
    /// How often this thread has used a store.
    pub(super) static CALLS: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// See the module.
pub(super) enum Pool {
    File {
        folder: PathBuf,
        path: PathBuf,
        idle: Mutex<Vec<Connection>>,
        /// SQLite allows one writer at a time and picks whichever retries first: here writers take turns.
        writers: Turns,
        owner: Owner,
        identity: Identity,
        last_change: LastChange,
    },
    /// The only connection, and it holds the data.
    Memory(Mutex<Connection>),
}

/// Identifies the file that a path leads to.
#[derive(PartialEq, Eq)]
pub(super) struct Identity {
    #[cfg(unix)]
    device: u64,
    #[cfg(unix)]
    inode: u64,
}

impl Identity {
    #[cfg(unix)]
    fn of(metadata: &fs::Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Identity {
            device: metadata.dev(),
            inode: metadata.ino(),
        }
    }

    #[cfg(not(unix))]
    fn of(_metadata: &fs::Metadata) -> Self {
        Identity {}
    }
}

impl Pool {
    pub(super) fn open(folder: &Path) -> Result<Option<Self>, Error> {
        let Found::File(metadata) = file::look(folder)? else {
            return Ok(None);
        };
        let path = folder.join(file::STORE_FILE);
        let first = file::open(folder, &metadata, Judge::All)?;
        Ok(Some(Pool::File {
            folder: folder.to_owned(),
            path,
            idle: Mutex::new(vec![first]),
            writers: Turns::default(),
            owner: Owner::this(),
            identity: Identity::of(&metadata),
            last_change: LastChange::default(),
        }))
    }

    pub(super) fn in_memory() -> Result<Self, Error> {
        let made = || {
            let mut connection = Connection::open_in_memory()?;
            schema::migrate(&mut connection)?;
            Ok(connection)
        };
        made()
            .map(|connection| Pool::Memory(Mutex::new(connection)))
            .map_err(|error| file::explain(Path::new("in memory"), &error))
    }

    pub(super) fn with<T>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, Error> {
        self.lend(false, |connection| work(connection))
    }

    pub(super) fn change<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, Error> {
        let change = |connection: &mut Connection| {
            let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let done = work(&change)?;
            change.commit()?;
            Ok(done)
        };
        self.lend(true, |connection| self.noted(change(connection)))
    }

    fn noted<T>(&self, done: rusqlite::Result<T>) -> rusqlite::Result<T> {
        if let Pool::File { last_change, .. } = self {
            last_change.note(&done);
        }
        done
    }

    pub(super) fn check_writable(&self) -> Result<(), Error> {
        let Pool::File {
            folder,
            last_change,
            ..
        } = self
        else {
            return Ok(());
        };
        writable::check_permission(folder)?;
        if !last_change.failed() && !writable::is_nearly_full(folder) {
            return Ok(());
        }
        self.lend(false, |connection| {
            self.noted(writable::try_to_write(connection))
        })
    }

    fn lend<T>(
        &self,
        writes: bool,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T>,
    ) -> Result<T, Error> {
        #[cfg(test)]
        CALLS.set(CALLS.get() + 1);
        let (folder, path, idle, owner, writers, identity) = match self {
            Pool::Memory(only) => {
                return work(&mut lock(only))
                    .map_err(|error| file::explain(Path::new("in memory"), &error));
            }
            Pool::File {
                folder,
                path,
                idle,
                owner,
                writers,
                identity,
                ..
            } => (folder, path, idle, owner, writers, identity),
        };
        let _turn = writes.then(|| writers.wait());
        // The file may have been removed or replaced: an open connection is then not to the file that the operator sees,
        // and anything written there is lost.
        let metadata = match file::look(folder)? {
            Found::File(metadata) if Identity::of(&metadata) == *identity => metadata,
            _ => {
                return Err(Error::Store(format!(
                    "The store {} is no longer the one that was opened. Put the original back, or restart to use \
                     the new one.",
                    path.display()
                )));
            }
        };
        let taken = {
            let mut idle = lock(idle);
            if owner.changed() {
                // SQLite's locks are not inherited by a child. Close all at once: while one is open, SQLite takes the
                // parent's locks for this process's own.
                idle.clear();
            }
            idle.pop()
        };
        let mut connection = match taken {
            Some(connection) => connection,
            None => file::open(folder, &metadata, Judge::Head)?,
        };
        let done = work(&mut connection).map_err(|error| file::explain(path, &error))?;
        let mut idle = lock(idle);
        if idle.len() < KEPT {
            idle.push(connection);
        }
        Ok(done)
    }

    /// See [`read_only`].
    pub(super) fn set_read_only(&self, read_only: bool) -> Result<bool, Error> {
        self.lend(true, |connection| read_only::set(connection, read_only))
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        let path = self.path().to_owned();
        let said: String = self.with(|connection| {
            connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
        })?;
        match said.as_str() {
            "ok" => Ok(()),
            _ => Err(file::damaged(&path, "its pages are inconsistent")),
        }
    }

    /// Copies the store to a new file that only its owner can read.
    pub(super) fn back_up(&self, to: &Path) -> Result<(), Error> {
        let unwritable = |error: &dyn std::fmt::Display| {
            Error::Store(format!("{} cannot be written: {error}.", to.display()))
        };
        let plain = file::plain_name(to);
        let name = plain
            .to_str()
            .ok_or_else(|| unwritable(&"its name is not UTF-8"))?;
        new_private_file(to).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => {
                Error::Store(format!("{} already exists. Name a new file.", to.display()))
            }
            _ => unwritable(&error),
        })?;
        let copied = self
            .with(|connection| connection.execute("VACUUM INTO ?1", [name]).map(drop))
            .and_then(|()| {
                fs::File::open(to)
                    .and_then(|file| file.sync_all())
                    .map_err(|error| unwritable(&error))
            });
        copied.inspect_err(|_| {
            let _ = fs::remove_file(to);
        })
    }

    pub(super) fn path(&self) -> &Path {
        match self {
            Pool::File { path, .. } => path,
            Pool::Memory(_) => Path::new("in memory"),
        }
    }
}
