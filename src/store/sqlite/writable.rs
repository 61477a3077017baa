//! Whether the store can be written. That is seen without writing, unless there is a reason for doubt: a change that failed, or
//! a disk that is nearly full.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::{Connection, ErrorCode, TransactionBehavior};

use super::file::{self, STORE_FILE, beside};
use crate::Error;

/// With less free space than this, in bytes, a write is tried.
#[cfg(unix)]
const LITTLE: u64 = 1 << 20;

/// What came of the last change.
#[derive(Default)]
pub(super) struct LastChange(AtomicBool);

impl LastChange {
    pub(super) fn note<T>(&self, done: &rusqlite::Result<T>) {
        match done {
            Ok(_) => self.0.store(false, Ordering::Relaxed),
            Err(error) if is_no_way_to_write(error) => self.0.store(true, Ordering::Relaxed),
            Err(_) => {}
        }
    }

    pub(super) fn failed(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

fn is_no_way_to_write(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::ReadOnly
                | ErrorCode::CannotOpen
                | ErrorCode::PermissionDenied
                | ErrorCode::DiskFull
                | ErrorCode::SystemIoFailure
        )
    )
}

/// Whether the system lets this process write what belongs to the store.
///
/// # Errors
/// [`Error::Store`] with the first path that it does not let it write.
#[cfg(unix)]
pub(super) fn check_permission(folder: &Path) -> Result<(), Error> {
    use rustix::fs::{Access, AtFlags, CWD, accessat};
    use rustix::io::Errno;

    let store = folder.join(STORE_FILE);
    let log = beside(&store, "-wal");
    for (path, access) in [
        (folder, Access::WRITE_OK | Access::EXEC_OK),
        (&store, Access::WRITE_OK),
        (&log, Access::WRITE_OK),
    ] {
        match accessat(CWD, path, access, AtFlags::EACCESS) {
            // The log comes and goes.
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => {
                return Err(Error::Store(format!(
                    "The store {} cannot be written: {}: {error}. Permit this user to write there.",
                    store.display(),
                    path.display()
                )));
            }
        }
    }
    Ok(())
}

#[cfg(not(unix))]
pub(super) fn check_permission(_folder: &Path) -> Result<(), Error> {
    Ok(())
}

/// Whether there is so little space that a change may fail.
#[cfg(unix)]
pub(super) fn is_nearly_full(folder: &Path) -> bool {
    rustix::fs::statvfs(folder)
        .is_ok_and(|disk| disk.f_bavail.saturating_mul(disk.f_frsize) < LITTLE)
}

#[cfg(not(unix))]
pub(super) fn is_nearly_full(_folder: &Path) -> bool {
    false
}

/// Writes what a login does, and removes it in the same change: nobody sees it, and yet all of these pages go to the disk. Waits for
/// nobody: while others write, it can be written.
pub(super) fn try_to_write(connection: &mut Connection) -> rusqlite::Result<()> {
    connection.busy_handler(None::<fn(i32) -> bool>)?;
    let tried = write_nothing(connection);
    connection.busy_handler(Some(file::wait_for_others))?;
    match tried {
        Err(error)
            if matches!(
                error.sqlite_error_code(),
                Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
            ) =>
        {
            Ok(())
        }
        tried => tried,
    }
}

fn write_nothing(connection: &mut Connection) -> rusqlite::Result<()> {
    let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    change.execute_batch(
        "INSERT INTO sessions VALUES ('', '', '', 0, 0);
         INSERT INTO revoked_tokens VALUES ('', 0);
         DELETE FROM sessions WHERE id = '';
         DELETE FROM revoked_tokens WHERE id = '';",
    )?;
    change.commit()
}
