//! Copies of the store outside the data directory, as a backup has them: checked completely before anybody relies on them.

use std::collections::BTreeSet;
use std::path::Path;

use rusqlite::{Connection, ErrorCode};

use super::file::{plain, reason};
use super::read_only;
use super::rows::whole;
use super::schema::{self, Form};

/// How much a store contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreContents {
    /// Accounts of users and clients, including disabled ones.
    pub accounts: u64,
    /// Logins that can be refreshed.
    pub sessions: u64,
}

/// Checks a copy that nobody else has open, migrates it to the newest version, and leaves it as a single file.
///
/// # Errors
/// Why it cannot be used, as the end of a sentence.
pub(crate) fn check_copy(path: &Path) -> Result<StoreContents, String> {
    let ended = |error: rusqlite::Error| end_of(&error);
    let mut connection = plain(path).map_err(ended)?;
    match schema::form(&connection).map_err(ended)? {
        Form::Foreign => return Err(damaged("it is not a store of sealgate")),
        Form::Newer => {
            return Err("was written by a newer version of sealgate; use that version.".to_owned());
        }
        Form::Known(_) => {}
    }
    // A copy of the file itself is in WAL mode, and would leave two more files beside it.
    connection
        .pragma_update(None, "journal_mode", "DELETE")
        .and_then(|()| connection.pragma_update(None, "synchronous", "FULL"))
        .map_err(ended)?;
    let said: String = connection
        .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
        .map_err(ended)?;
    if said != "ok" {
        return Err(damaged("its pages are inconsistent"));
    }
    schema::migrate(&mut connection).map_err(ended)?;
    if !has_our_tables(&connection).map_err(ended)? {
        return Err(damaged("its tables are not those of a store"));
    }
    let contents = contents(&connection).map_err(ended)?;
    connection.close().map_err(|(_, error)| end_of(&error))?;
    Ok(contents)
}

fn contents(connection: &Connection) -> rusqlite::Result<StoreContents> {
    let count = |table: &str| {
        let count = format!("SELECT count(*) FROM {table}");
        connection.query_row(&count, [], |row| whole(row, 0))
    };
    Ok(StoreContents {
        accounts: count("accounts")?,
        sessions: count("sessions")?,
    })
}

/// Whether it has exactly the tables and indexes of a new store, and no views. The triggers of a store that takes no changes are
/// ours too.
fn has_our_tables(connection: &Connection) -> rusqlite::Result<bool> {
    let mut ours = Connection::open_in_memory()?;
    schema::migrate(&mut ours)?;
    read_only::set(&mut ours, read_only::is_marked(connection)?)?;
    Ok(names(connection)? == names(&ours)?)
}

/// Kind, name and table of everything in the schema, the statements of triggers, and the columns of the tables.
fn names(connection: &Connection) -> rusqlite::Result<BTreeSet<String>> {
    let mut names = connection.prepare(
        "SELECT type || ' ' || name || ' ' || tbl_name || iif(type = 'trigger', sql, '') FROM sqlite_schema WHERE name NOT LIKE 'sqlite_stat%'
         UNION ALL
         SELECT s.name || '.' || c.name || ' ' || c.type || ' ' || c.pk
             FROM sqlite_schema AS s JOIN pragma_table_xinfo(s.name) AS c WHERE s.type = 'table'",
    )?;
    let rows = names.query_map([], |row| row.get(0))?;
    rows.collect()
}

fn damaged(what: &str) -> String {
    format!("is damaged: {what}.")
}

fn end_of(error: &rusqlite::Error) -> String {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            damaged("it is not a readable database")
        }
        _ => format!("cannot be checked: {}.", reason(error)),
    }
}
