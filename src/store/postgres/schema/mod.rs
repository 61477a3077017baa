//! The tables, all in the schema `sealgate`, and their migration. Migration steps are only ever added.
//!
//! Whoever may create tables migrates when it starts. A server can do with fewer rights: then an operator runs
//! `sealgate store migrate` with a role that has them.

use tokio_postgres::types::Type;

use super::client::{Connection, Fault};

/// Step n migrates from version n to version n + 1.
const STEPS: &[&str] = &[include_str!("step1.sql")];

/// The version that this program reads and writes.
pub(super) const NEWEST: i64 = STEPS.len() as i64;

/// The number under which processes take turns; "sealgate" as ASCII.
const LOCK: i64 = 0x7365_616c_6761_7465;

/// The version of the tables; 0: there are none.
pub(super) fn version(connection: &mut Connection<'_>) -> Result<i64, Fault> {
    let found = connection.query_opt(
        "SELECT value FROM sealgate.meta WHERE name = 'version'",
        &[],
    );
    match found {
        Ok(Some(row)) => Ok(row.try_get(0)?),
        Ok(None) => Err(Fault::Damaged("its version is missing")),
        Err(fault) if fault.is_missing() => Ok(0),
        Err(fault) => Err(fault),
    }
}

/// Creates the tables, or migrates those of an older version, completely or not at all; in a transaction. Returns the version
/// from before.
pub(super) fn migrate(change: &mut Connection<'_>) -> Result<i64, Fault> {
    change.query("SELECT pg_advisory_xact_lock($1)", &[(&LOCK, Type::INT8)])?;
    // A statement that fails would end the transaction.
    let there = change.query_one("SELECT to_regclass('sealgate.meta') IS NOT NULL", &[])?;
    let from = match there.try_get(0)? {
        true => version(change)?,
        false => 0,
    };
    if from >= NEWEST {
        return Ok(from);
    }
    if from == 0 {
        let schema = change.query_one("SELECT to_regnamespace('sealgate') IS NULL", &[])?;
        if schema.try_get(0)? {
            change.batch("CREATE SCHEMA sealgate")?;
        }
    }
    for step in STEPS
        .iter()
        .skip(usize::try_from(from).unwrap_or(usize::MAX))
    {
        change.batch(step)?;
    }
    change.execute(
        "INSERT INTO sealgate.meta VALUES ('version', $1) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        &[(&NEWEST, Type::INT8)],
    )?;
    Ok(from)
}
