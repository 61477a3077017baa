//! Whether the store can be written. This is determined without writing, unless there is doubt: after a failed change, or
//! when the disk is nearly full.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::{Connection, ErrorCode, TransactionBehavior};

use super::file::{self, STORE_FILE, beside};
use super::read_only;
use crate::Error;

/// With less free space than this, in bytes, a test write is made.
#[cfg(unix)]
const LITTLE: u64 = 1 << 20;

/// The result of the last change.
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

/// Whether the operating system lets this process write the store's files.
///
/// # Errors
/// [`Error::Store`] with the first path that cannot be written.
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
            // The log may not exist at the moment.
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => {
                return Err(Error::Store(format!(
                    "The store {} cannot be written: {}: {error}. Give this user write permission.",
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
pub(super) fn is_nearly_full(folder: &Path) -> bool {
    #[cfg(unix)]
    {
        rustix::fs::statvfs(folder)
            .is_ok_and(|disk| disk.f_bavail.saturating_mul(disk.f_frsize) < LITTLE)
    }
    #[cfg(not(unix))]
    {
        let _ = folder;
        false
    }
}

/// Writes the rows of a login and removes them in the same change: nobody sees them, but all these pages go to the disk.
/// Does not wait: while others write, the store is writable. One that an operator has made read-only is as it should be.
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
        Err(error) if read_only::is_refusal(&error) => Ok(()),
        tried => tried,
    }
}

fn write_nothing(connection: &mut Connection) -> rusqlite::Result<()> {
    let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    change.execute_batch(
        "INSERT INTO sessions (id, user, refresh, expires, access_expires) VALUES ('', '', '', 0, 0);
         INSERT INTO revoked_tokens VALUES ('', 0);
         DELETE FROM sessions WHERE id = '';
         DELETE FROM revoked_tokens WHERE id = '';",
    )?;
    change.commit()
}

#[cfg(all(test, unix))]
mod tests {
    use rusqlite::ffi::{
        Error as Failure, SQLITE_BUSY, SQLITE_CANTOPEN, SQLITE_CORRUPT, SQLITE_FULL, SQLITE_IOERR,
        SQLITE_PERM, SQLITE_READONLY,
    };

    use super::*;

    #[test]
    fn only_what_prevents_every_change_counts_as_a_failure_until_one_succeeds() {
        let last = LastChange::default();
        let failed = |code| {
            let failure = rusqlite::Error::SqliteFailure(Failure::new(code), None);
            last.note::<()>(&Err(failure));
            last.failed()
        };
        assert!(!last.failed());
        for code in [
            SQLITE_READONLY,
            SQLITE_CANTOPEN,
            SQLITE_PERM,
            SQLITE_FULL,
            SQLITE_IOERR,
        ] {
            assert!(!failed(SQLITE_BUSY) && !failed(SQLITE_CORRUPT));
            assert!(failed(code), "{code}");
            assert!(failed(SQLITE_BUSY), "it says nothing");
            last.note(&Ok(()));
            assert!(!last.failed());
        }
    }

    #[test]
    fn a_folder_that_cannot_be_entered_is_reported() {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(check_permission(home.path()), Ok(()));
        // Nobody can enter a file, not even root.
        let file = home.path().join("file");
        std::fs::write(&file, b"").unwrap();
        let refused = check_permission(&file).unwrap_err().to_string();
        let named = format!("cannot be written: {}: ", file.display());
        assert!(refused.contains(&named), "{refused}");
    }

    #[test]
    fn a_disk_without_space_is_nearly_full() {
        assert!(is_nearly_full(Path::new("/proc")));
        assert!(!is_nearly_full(&std::env::temp_dir()));
        assert!(!is_nearly_full(Path::new("/nowhere")));
    }
}
