//! The tables, and the migration from older versions. Migration steps are only ever added.

use rusqlite::{Connection, TransactionBehavior};

use super::read_only;

/// "SEAL": distinguishes our files from other databases.
pub(super) const APPLICATION_ID: i32 = 0x5345_414c;

/// Step n migrates from version n to version n + 1.
const STEPS: &[&str] = &[
    // Times are seconds since 1970-01-01 UTC.
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
     INSERT INTO meta VALUES ('generation', 1), ('accounts', 0);
     CREATE TABLE accounts (
         name TEXT PRIMARY KEY, scope TEXT NOT NULL, disabled INTEGER NOT NULL, created INTEGER NOT NULL,
         version INTEGER NOT NULL, salt BLOB NOT NULL, hash BLOB NOT NULL, memory INTEGER NOT NULL,
         passes INTEGER NOT NULL, lanes INTEGER NOT NULL
     ) STRICT, WITHOUT ROWID;
     CREATE TABLE revoked_tokens (id TEXT PRIMARY KEY, expires INTEGER NOT NULL) STRICT, WITHOUT ROWID;
     CREATE INDEX revoked_tokens_by_end ON revoked_tokens (expires);
     CREATE TABLE revoked_users (name TEXT PRIMARY KEY, before INTEGER NOT NULL, expires INTEGER NOT NULL)
         STRICT, WITHOUT ROWID;
     CREATE INDEX revoked_users_by_end ON revoked_users (expires);
     CREATE TABLE sessions (
         id TEXT PRIMARY KEY, user TEXT NOT NULL, refresh TEXT NOT NULL,
         expires INTEGER NOT NULL, access_expires INTEGER NOT NULL
     ) STRICT, WITHOUT ROWID;
     CREATE INDEX sessions_by_user ON sessions (user, expires);
     CREATE INDEX sessions_by_end ON sessions (expires);",
    // Key for choosing the account that stands in for an unknown name; nobody knows it.
    "CREATE INDEX accounts_by_hash ON accounts (hash);
     INSERT INTO meta VALUES ('stand_in_key', random());",
    // A JSON object: the claims that the account's logins get.
    "ALTER TABLE accounts ADD COLUMN claims TEXT NOT NULL DEFAULT '{}';",
    // API keys. Times are NULL if there are none.
    "CREATE TABLE api_keys (
         id TEXT PRIMARY KEY, hash BLOB NOT NULL, owner TEXT NOT NULL, scope TEXT NOT NULL, created INTEGER NOT NULL,
         expires INTEGER, max_requests INTEGER, period INTEGER, used INTEGER, revoked INTEGER
     ) STRICT, WITHOUT ROWID;
     CREATE INDEX api_keys_by_owner ON api_keys (owner, id);
     INSERT INTO meta VALUES ('api_keys', 1);",
    // 0: a user; 1: a client.
    "ALTER TABLE accounts ADD COLUMN kind INTEGER NOT NULL DEFAULT 0;
     DROP INDEX accounts_by_hash;
     CREATE INDEX accounts_by_hash ON accounts (kind, hash);",
    // When a login began and was last refreshed; 0 if that is not known. `at` is in milliseconds.
    "ALTER TABLE sessions ADD COLUMN started INTEGER NOT NULL DEFAULT 0;
     ALTER TABLE sessions ADD COLUMN refreshed INTEGER NOT NULL DEFAULT 0;
     CREATE TABLE unlocked_users (name TEXT PRIMARY KEY, at INTEGER NOT NULL, expires INTEGER NOT NULL)
         STRICT, WITHOUT ROWID;
     CREATE INDEX unlocked_users_by_end ON unlocked_users (expires);",
];

/// The version that this program reads and writes.
pub(super) const NEWEST: i64 = STEPS.len() as i64;

/// The version of a database.
pub(super) enum Form {
    /// Not one of ours.
    Foreign,
    Known(i64),
    /// From a newer version of the program.
    Newer,
}

pub(super) fn form(connection: &Connection) -> rusqlite::Result<Form> {
    let number = |name: &str| {
        connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0))
    };
    let version = number("user_version")?;
    if number("application_id")? != i64::from(APPLICATION_ID) || version < 1 {
        return Ok(Form::Foreign);
    }
    Ok(match version {
        newer if newer > NEWEST => Form::Newer,
        known => Form::Known(known),
    })
}

/// Migrates an empty database or an older version to the newest, completely or not at all.
pub(super) fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Read under the lock: another process may have been faster.
    let from: i64 = change.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    // The mark guards the tables also from this.
    let is_read_only = (1..NEWEST).contains(&from) && read_only::is_marked(&change)?;
    if is_read_only {
        read_only::unmark(&change)?;
    }
    for step in STEPS
        .iter()
        .skip(usize::try_from(from).unwrap_or(usize::MAX))
    {
        change.execute_batch(step)?;
    }
    if from < NEWEST {
        change.execute_batch(&format!(
            "PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {NEWEST};"
        ))?;
    }
    if is_read_only {
        read_only::mark(&change)?;
    }
    change.commit()
}
