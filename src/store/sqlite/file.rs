//! The database file in the data directory: created completely or not at all, validated before use, never overwritten; and
//! the errors that say how to restore it.

use std::cell::Cell;
use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::read_only;
use super::schema::{self, Form};
use crate::Error;
use crate::base::private_files::{self, new_file};
pub(super) use crate::store::place::{Found, STORE_FILE, beside, check_access, look};
use crate::store::place::{judge_access, restore};

const NEW_FILE: &str = "store.db.new";
const LOCK_FILE: &str = "store.lock";
/// How long a change waits for changes by other processes.
const BUSY: Duration = Duration::from_secs(10);
/// How often it retries meanwhile. SQLite's own handler waits longer and longer, so it rarely gets a turn while another
/// process writes continuously.
const LOOK_EVERY: Duration = Duration::from_millis(1);
/// A file up to this size is checked completely when it is opened: that takes a few milliseconds.
const SMALL: u64 = 8 << 20;

/// Creates the store if there is none: under another name first, so a killed process leaves no store or a complete one.
pub(super) fn make(folder: &Path) -> Result<(), Error> {
    let _lock = private_files::make_and_lock(folder, LOCK_FILE).map_err(Error::Store)?;
    if let Found::File(_) = look(folder)? {
        return Ok(());
    }
    let path = folder.join(STORE_FILE);
    let new = folder.join(NEW_FILE);
    let unwritable = |error: &dyn std::fmt::Display| {
        Error::Store(format!(
            "The store {} cannot be created: {error}. Free space, make the folder writable, or choose another with \
             SEALGATE_DATA_DIR.",
            path.display()
        ))
    };
    // Left behind by a killed process; we hold the lock.
    for left in [new.clone(), beside(&new, "-journal")] {
        match fs::remove_file(left) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(unwritable(&error));
            }
            _ => {}
        }
    }
    new_file(folder, &new).map_err(|error| unwritable(&error))?;
    let made = || -> rusqlite::Result<()> {
        let mut connection = plain(&new)?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        schema::migrate(&mut connection)?;
        connection.close().map_err(|(_, error)| error)
    };
    made().map_err(|error| unwritable(&error))?;
    let shown = || {
        fs::rename(&new, &path)?;
        fs::File::open(folder)?.sync_all()
    };
    shown().map_err(|error| unwritable(&error))
}

/// Opens the existing store, and validates it before anything is written to it.
pub(super) fn open(folder: &Path, metadata: &Metadata, how: Judge) -> Result<Connection, Error> {
    let path = folder.join(STORE_FILE);
    judge_access(folder, metadata)?;
    if metadata.len() == 0 {
        return Err(damaged(&path, "it is empty"));
    }
    let explained = |error: rusqlite::Error| explain(&path, &error);
    let mut connection = plain(&path).map_err(explained)?;
    match schema::form(&connection).map_err(explained)? {
        Form::Foreign => Err(damaged(&path, "it is not a store of sealgate")),
        Form::Newer => Err(Error::Store(format!(
            "The store {} was written by a newer version of sealgate; use that version. Nothing was changed.",
            path.display()
        ))),
        Form::Known(known) => {
            if how == Judge::All && metadata.len() <= SMALL {
                look_through(&path, &connection)?;
            }
            prepare(&connection).map_err(explained)?;
            if known < schema::NEWEST {
                schema::migrate(&mut connection).map_err(explained)?;
            }
            Ok(connection)
        }
    }
}

/// How thoroughly a store is checked when it is opened.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Judge {
    /// Completely, if it is small: damage is found before it can affect a decision.
    All,
    /// Another connection has already checked it.
    Head,
}

fn look_through(path: &Path, connection: &Connection) -> Result<(), Error> {
    let said: String = connection
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(|error| explain(path, &error))?;
    match said.as_str() {
        "ok" => Ok(()),
        _ => Err(damaged(path, "its pages are inconsistent")),
    }
}

pub(super) fn plain(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(plain_name(path), flags)?;
    connection.busy_handler(Some(wait_for_others))?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    // A connection closed in a forked child must not touch the log that the parent is using.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    Ok(connection)
}

/// The absolute path: SQLite treats a name that starts with "file:" as a URI.
pub(super) fn plain_name(path: &Path) -> PathBuf {
    // Fails only without a working directory; then no name leads anywhere.
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

thread_local! {
    /// When this thread began to wait for another process.
    static SINCE: Cell<Instant> = Cell::new(Instant::now());
}

/// SQLite calls this for the n-th time because another process is writing; returns whether to keep waiting.
pub(super) fn wait_for_others(times: i32) -> bool {
    let waits = SINCE.with(|since| is_patient(since, times, Instant::now()));
    if waits {
        thread::sleep(pause(times));
    }
    waits
}

/// `since` is set the first time.
fn is_patient(since: &Cell<Instant>, times: i32, now: Instant) -> bool {
    if times == 0 {
        since.set(now);
    }
    now.duration_since(since.get()) < BUSY
}

/// With jitter, to avoid lockstep with other processes.
fn pause(times: i32) -> Duration {
    let uneven = Duration::from_micros(u64::from(times.unsigned_abs() * 37 % 11) * 100);
    LOOK_EVERY + uneven
}

/// The settings of every connection to a finished store.
fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -512; PRAGMA secure_delete = ON;
         PRAGMA cell_size_check = ON;",
    )
}

/// Translates an SQLite error into one that an operator can act on.
pub(super) fn explain(path: &Path, error: &rusqlite::Error) -> Error {
    if read_only::is_refusal(error) {
        return read_only::refused(path);
    }
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            damaged(path, "it is not a readable database")
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Error::Store(format!(
            "The store {} has been in use by another process for {} s. Nothing was changed. Try again.",
            path.display(),
            BUSY.as_secs()
        )),
        Some(
            ErrorCode::ReadOnly
            | ErrorCode::CannotOpen
            | ErrorCode::PermissionDenied
            | ErrorCode::DiskFull
            | ErrorCode::SystemIoFailure,
        ) => Error::Store(format!(
            "The store {} cannot be used: {}. Nothing was changed. Free space, or give this user write permission.",
            path.display(),
            reason(error)
        )),
        _ => Error::Store(format!(
            "The store {} failed: {}. Nothing was changed.",
            path.display(),
            reason(error)
        )),
    }
}

/// SQLite's own message, without the statement, which may contain a name.
pub(super) fn reason(error: &rusqlite::Error) -> String {
    match error {
        rusqlite::Error::SqliteFailure(code, _) => code.to_string(),
        rusqlite::Error::QueryReturnedNoRows => "a row is missing".to_owned(),
        _ => "its contents are invalid".to_owned(),
    }
}

pub(super) fn damaged(path: &Path, what: &str) -> Error {
    Error::Store(format!(
        "The store {} is damaged: {what}. Nothing was changed. {}",
        path.display(),
        restore(path)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_waits_ten_seconds_for_others_each_time() {
        let start = Instant::now();
        let since = Cell::new(start);
        let moment = Duration::from_nanos(1);
        for start in [start, start + Duration::from_secs(100)] {
            assert!(is_patient(&since, 0, start));
            assert!(is_patient(&since, 1, start + BUSY - moment));
            assert!(!is_patient(&since, 2, start + BUSY));
        }
    }

    #[test]
    fn a_thread_counts_its_own_ten_seconds() {
        assert!(wait_for_others(0));
        // On a stalled machine the time may have passed.
        let start = SINCE.get();
        assert!(wait_for_others(1) || start.elapsed() >= BUSY);
        let long_ago = Instant::now()
            .checked_sub(BUSY)
            .expect("it runs for longer");
        SINCE.set(long_ago);
        assert!(!wait_for_others(2));
        assert!(wait_for_others(0), "another change");
    }

    #[test]
    fn each_pause_takes_one_to_two_milliseconds() {
        for first in [0, 9_900] {
            let mut pauses: Vec<Duration> = (first..first + 11).map(pause).collect();
            pauses.sort();
            let all = (10..=20).map(|tenths| Duration::from_micros(100 * tenths));
            assert!(pauses.into_iter().eq(all));
        }
    }
}
