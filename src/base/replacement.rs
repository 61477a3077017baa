//! Who uses a data directory, and how all of its files are replaced at once, as a restore does.
//!
//! Whatever uses the directory holds a shared lock on it; a replacement needs it exclusively. The new files are first
//! written to a directory inside it, which means nothing until one rename decides the replacement. If the process is
//! killed after that, whoever uses the directory next completes it first. So nobody ever uses a mixture of old and new.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::calendar::DateTime;
use super::clock::unix_now;

/// New files that are being written: [`NEW`], an empty [`OLD`], and [`NAMES`].
const PREPARED: &str = "restore.new";
/// The replacement is decided, and the old files are being moved to [`OLD`].
const DECIDED: &str = "restore.ready";
/// The old files are in [`OLD`], and the new ones are being moved into place.
const PLACING: &str = "restore.placing";
/// The new files.
pub(crate) const NEW: &str = "new";
/// Where the old files go.
pub(crate) const OLD: &str = "old";
/// The names of the files to move to [`OLD`], each on a line of its own.
pub(crate) const NAMES: &str = "names";
/// How long whoever uses the directory waits for a replacement, and how long a replacement waits for short commands.
const PATIENCE: Duration = Duration::from_secs(10);
const SHORT: Duration = Duration::from_secs(2);

/// No replacement begins while this exists. A forked child shares it with its parent.
pub(crate) struct InUse {
    _lock: File,
}

/// Nobody else uses the directory.
pub(crate) struct Exclusive {
    folder: PathBuf,
    _lock: File,
}

/// Uses the directory, after completing a replacement that a killed process left. `None`: there is no directory that could
/// be opened.
pub(crate) fn enter(folder: &Path) -> Result<Option<InUse>, String> {
    let started = Instant::now();
    loop {
        let Some(lock) = open(folder) else {
            return Ok(None);
        };
        let locked = lock.try_lock_shared();
        if matches!(locked, Err(TryLockError::WouldBlock)) {
            wait(started, PATIENCE).map_err(|()| {
                format!(
                    "A backup is being restored to {}. Try again once that has ended.",
                    folder.display()
                )
            })?;
            continue;
        }
        // A file system without locks cannot be protected, but it can be used.
        if !is_pending(folder) {
            return Ok(Some(InUse { _lock: lock }));
        }
        drop(lock);
        drop(Exclusive::within(folder, PATIENCE)?);
    }
}

impl Exclusive {
    /// Waits a moment for short commands, not for servers.
    pub(crate) fn of(folder: &Path) -> Result<Self, String> {
        Exclusive::within(folder, SHORT)
    }

    fn within(folder: &Path, patience: Duration) -> Result<Self, String> {
        let started = Instant::now();
        let failed = |error: &dyn std::fmt::Display| {
            format!(
                "The data directory {} cannot be locked: {error}.",
                folder.display()
            )
        };
        let lock = open(folder).ok_or_else(|| failed(&"it cannot be opened"))?;
        loop {
            match lock.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(error)) => return Err(failed(&error)),
                Err(TryLockError::WouldBlock) => wait(started, patience).map_err(|()| {
                    format!(
                        "The data directory {} is in use. Stop the servers and programs that use it, then try again. \
                         Nothing was changed.",
                        folder.display()
                    )
                })?,
            }
        }
        let exclusive = Exclusive {
            folder: folder.to_owned(),
            _lock: lock,
        };
        if is_pending(folder) {
            exclusive.complete()?;
        }
        Ok(exclusive)
    }

    /// Where the new files are to be prepared.
    pub(crate) fn prepared(&self) -> PathBuf {
        self.folder.join(PREPARED)
    }

    /// Replaces the files by those that were prepared. Returns the directory that has the old ones, if there were any. After
    /// an error the old files are still in place, unless the error says otherwise.
    pub(crate) fn replace(&self) -> Result<Option<PathBuf>, String> {
        let prepared = self.prepared();
        let decide = || {
            sync(&prepared)?;
            fs::rename(&prepared, self.folder.join(DECIDED))
        };
        decide().map_err(|error| {
            format!(
                "The data directory {} cannot be written: {error}. Nothing was changed.",
                self.folder.display()
            )
        })?;
        self.complete()
    }

    fn complete(&self) -> Result<Option<PathBuf>, String> {
        complete(&self.folder).map_err(|error| {
            format!(
                "The restore of {} is decided but not complete: {error}. Fix that; the next command or server that uses \
                 the directory completes it.",
                self.folder.display()
            )
        })
    }
}

/// The directory, opened to be locked. Nothing else with its name is opened, because opening a pipe would wait.
fn open(folder: &Path) -> Option<File> {
    let is_folder = fs::metadata(folder).is_ok_and(|metadata| metadata.is_dir());
    is_folder.then(|| File::open(folder).ok()).flatten()
}

/// Pauses; an error once it has been too long.
fn wait(started: Instant, patience: Duration) -> Result<(), ()> {
    if started.elapsed() > patience {
        return Err(());
    }
    thread::sleep(Duration::from_millis(5));
    Ok(())
}

fn is_pending(folder: &Path) -> bool {
    [DECIDED, PLACING]
        .iter()
        .any(|name| fs::symlink_metadata(folder.join(name)).is_ok())
}

/// Completes a replacement from wherever it was interrupted.
fn complete(folder: &Path) -> io::Result<Option<PathBuf>> {
    let (decided, placing) = (folder.join(DECIDED), folder.join(PLACING));
    sync(folder)?;
    if is_folder(&decided)? {
        let old = decided.join(OLD);
        for name in fs::read_to_string(decided.join(NAMES))?.lines() {
            check_name(name)?;
            move_if_there(&folder.join(name), &old.join(name))?;
        }
        sync(&old)?;
        sync(folder)?;
        fs::rename(&decided, &placing)?;
        sync(folder)?;
    }
    if !is_folder(&placing)? {
        return Ok(None);
    }
    let new = placing.join(NEW);
    // If it was interrupted while tidying up, this directory is gone.
    if is_folder(&new)? {
        for entry in fs::read_dir(&new)?.collect::<io::Result<Vec<_>>>()? {
            fs::rename(entry.path(), folder.join(entry.file_name()))?;
        }
        sync(folder)?;
        sync(&new)?;
    }
    let kept = keep(folder, &placing.join(OLD))?;
    sync(folder)?;
    fs::remove_dir_all(&placing)?;
    sync(folder)?;
    Ok(kept)
}

/// Gives the directory with the old files a name that lasts. `None`: there is no old file.
fn keep(folder: &Path, old: &Path) -> io::Result<Option<PathBuf>> {
    let first = match fs::read_dir(old) {
        Ok(mut files) => files.next(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    if first.is_none() {
        return Ok(None);
    }
    let name = format!("before-restore-{}", now());
    let mut kept = folder.join(&name);
    let mut number = 1;
    while fs::symlink_metadata(&kept).is_ok() {
        number += 1;
        kept = folder.join(format!("{name}-{number}"));
    }
    fs::rename(old, &kept)?;
    Ok(Some(kept))
}

/// The time as in `20261129T221213Z`.
fn now() -> String {
    let DateTime {
        year,
        month,
        day,
        hour,
        minute,
        second,
    } = DateTime::at(unix_now());
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

/// Whether there is such a directory; an error if something else has its name.
fn is_folder(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => Ok(true),
        Ok(_) => Err(io::Error::other(format!(
            "{} is not a directory",
            path.display()
        ))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn check_name(name: &str) -> io::Result<()> {
    match name {
        "" | "." | ".." => Err(io::ErrorKind::InvalidData.into()),
        name if name.contains('/') => Err(io::ErrorKind::InvalidData.into()),
        _ => Ok(()),
    }
}

fn move_if_there(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
#[cfg(unix)]
#[path = "replacement_tests.rs"]
mod tests;
