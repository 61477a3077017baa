//! The mark of a store that takes no changes, because it was copied to another one: a row of `meta`, and triggers that also
//! stop processes of versions that do not know the mark.

use std::path::Path;

use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior};

use crate::Error;
use crate::store::tables::TABLES;

/// What the triggers say. Older versions do not show it.
const REFUSAL: &str = "the store has been copied to another one";

/// Whether changes are refused. A store of any version can be asked.
pub(super) fn is_marked(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM meta WHERE name = 'read_only')",
        [],
        |row| row.get(0),
    )
}

/// Sets the mark or removes it; returns whether that is new. Whatever was confirmed before is in the store then.
pub(super) fn set(connection: &mut Connection, read_only: bool) -> rusqlite::Result<bool> {
    let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let is_new = is_marked(&change)? != read_only;
    match read_only {
        _ if !is_new => {}
        true => mark(&change)?,
        false => unmark(&change)?,
    }
    change.commit()?;
    Ok(is_new)
}

/// Sets the mark within a change.
pub(super) fn mark(change: &Transaction<'_>) -> rusqlite::Result<()> {
    change.execute("INSERT INTO meta VALUES ('read_only', 1)", [])?;
    let tables = tables(change)?;
    change.execute_batch(
        &tables
            .iter()
            .map(|table| triggers(table))
            .collect::<String>(),
    )
}

/// Removes the mark within a change.
pub(super) fn unmark(change: &Transaction<'_>) -> rusqlite::Result<()> {
    let drop_all = |table: &String| {
        ["insert", "update", "delete"]
            .map(|event| format!("DROP TRIGGER IF EXISTS read_only_{event}_{table};"))
            .concat()
    };
    let tables = tables(change)?;
    change.execute_batch(&tables.iter().map(drop_all).collect::<String>())?;
    change
        .execute("DELETE FROM meta WHERE name = 'read_only'", [])
        .map(drop)
}

/// The tables that there are: an older version has fewer.
fn tables(change: &Transaction<'_>) -> rusqlite::Result<Vec<String>> {
    let all = TABLES.iter().map(|table| table.name).chain(["meta"]);
    let mut there = change.prepare(
        "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1)",
    )?;
    let mut tables = Vec::new();
    for table in all {
        if there.query_row([table], |row| row.get(0))? {
            tables.push(table.to_owned());
        }
    }
    Ok(tables)
}

fn triggers(table: &str) -> String {
    ["insert", "update", "delete"]
        .map(|event| {
            format!(
                "CREATE TRIGGER read_only_{event}_{table} BEFORE {event} ON {table} BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END;"
            )
        })
        .concat()
}

/// Whether the mark is why a change failed: there are no other triggers.
pub(super) fn is_refusal(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation)
        && error
            .sqlite_error()
            .is_some_and(|error| error.extended_code == rusqlite::ffi::SQLITE_CONSTRAINT_TRIGGER)
}

/// The refusal in a sentence.
pub(super) fn refused(path: &Path) -> Error {
    Error::Store(format!(
        "The store {} is being copied or has been copied to another one, so it takes no changes. Use the other one. To go on with \
         this one instead: sealgate store unlock",
        path.display()
    ))
}
