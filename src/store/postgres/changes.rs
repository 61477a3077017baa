//! Building blocks for changes, and the log of changes that other processes read.

use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, ToSql, Type};

use super::client::{Connection, Fault};
use crate::base::clock::stands_still;
use crate::store::Moment;
pub(super) use crate::store::storable::storable as text;

/// How many expired rows a change removes at most, so that none takes long.
const FORGOTTEN_AT_ONCE: i64 = 200;

/// Kinds of entries in the log.
pub(super) const TOKEN: i16 = 1;
pub(super) const USER: i16 = 2;
pub(super) const ACCOUNT: i16 = 3;

/// What the log says of an account: the states of the column `number`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Enabled = 0,
    Disabled = 1,
    Removed = 2,
}

/// PostgreSQL's integers are signed; none of our times exceeds their range.
pub(super) fn signed(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX)
}

pub(super) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// A column, whose type the table determines.
pub(super) fn get<'a, T: FromSql<'a>>(row: &'a Row, column: usize) -> Result<T, Fault> {
    Ok(row.try_get(column)?)
}

pub(super) fn time(row: &Row, column: usize) -> Result<u64, Fault> {
    get(row, column).map(unsigned)
}

pub(super) fn log(
    change: &mut Connection<'_>,
    kind: i16,
    key: &str,
    number: Option<i64>,
    expires: i64,
) -> Result<(), Fault> {
    change
        .execute(
            "INSERT INTO sealgate.changes (kind, key, number, expires) VALUES ($1, $2, $3, $4)",
            &[
                (&kind, Type::INT2),
                (&key, Type::TEXT),
                (&number, Type::INT8),
                (&expires, Type::INT8),
            ],
        )
        .map(drop)
}

/// Revokes a token or a session.
pub(super) fn revoke_token(
    change: &mut Connection<'_>,
    id: &str,
    expires: u64,
) -> Result<(), Fault> {
    let (id, expires) = (text(id), signed(expires));
    let row = change.query_one(
        "INSERT INTO sealgate.revoked_tokens AS old VALUES ($1, $2)
             ON CONFLICT (id) DO UPDATE SET expires = greatest(old.expires, excluded.expires) RETURNING expires",
        &[(&&*id, Type::TEXT), (&expires, Type::INT8)],
    )?;
    let expires = get(&row, 0)?;
    log(change, TOKEN, &id, None, expires)
}

/// Revokes the tokens of a user that were issued until now, and ends the sessions.
pub(super) fn revoke_user(
    change: &mut Connection<'_>,
    name: &str,
    at: Moment,
) -> Result<(), Fault> {
    let name = text(name);
    // A login that is beginning a session holds it, so the session is seen below.
    change.query(
        "SELECT 1 FROM sealgate.accounts WHERE name = $1 FOR NO KEY UPDATE",
        &[(&&*name, Type::TEXT)],
    )?;
    // With a stopped clock, tokens issued since the last revocation carry its time plus one.
    let next = i64::from(stands_still(at.now));
    let row = change.query_one(
        "INSERT INTO sealgate.revoked_users AS old VALUES ($1, $2, $3) ON CONFLICT (name) DO UPDATE
             SET before = greatest(old.before + $4, excluded.before), expires = greatest(old.expires, excluded.expires)
             RETURNING before, expires",
        &[
            (&&*name, Type::TEXT),
            (&signed(at.now), Type::INT8),
            (&signed(at.forget), Type::INT8),
            (&next, Type::INT8),
        ],
    )?;
    let (before, expires) = (get(&row, 0)?, get(&row, 1)?);
    change.execute(
        "DELETE FROM sealgate.sessions WHERE account = $1",
        &[(&&*name, Type::TEXT)],
    )?;
    log(change, USER, &name, Some(before), expires)
}

/// Revokes all API keys of an owner and returns how many there were.
pub(super) fn end_api_keys_of(
    change: &mut Connection<'_>,
    owner: &str,
    now: u64,
) -> Result<u64, Fault> {
    let ended = change.execute(
        "UPDATE sealgate.api_keys SET revoked = $2 WHERE owner = $1 AND revoked IS NULL",
        &[(&&*text(owner), Type::TEXT), (&signed(now), Type::INT8)],
    )?;
    if ended > 0 {
        count_api_key_change(change)?;
    }
    Ok(ended)
}

/// Increments the number that changes only with API keys.
pub(super) fn count_api_key_change(change: &mut Connection<'_>) -> Result<(), Fault> {
    change
        .execute(
            "UPDATE sealgate.meta SET value = value + 1 WHERE name = 'api_keys'",
            &[],
        )
        .map(drop)
}

/// Removes expired rows, which can no longer affect any token.
pub(super) fn forget(change: &mut Connection<'_>, now: u64) -> Result<(), Fault> {
    // Rows that somebody else is changing are left to the next time.
    let expired = |table: &str, key: &str| {
        format!(
            "DELETE FROM sealgate.{table} WHERE {key} IN
                 (SELECT {key} FROM sealgate.{table} WHERE expires < $1 ORDER BY expires LIMIT $2 FOR UPDATE SKIP LOCKED)"
        )
    };
    let all = format!(
        "WITH t AS ({}), u AS ({}), s AS ({}) {}",
        expired("revoked_tokens", "id"),
        expired("revoked_users", "name"),
        expired("sessions", "id"),
        expired("unlocked_users", "name"),
    );
    let parameters = &[
        (&signed(now) as &(dyn ToSql + Sync), Type::INT8),
        (&FORGOTTEN_AT_ONCE, Type::INT8),
    ];
    change.execute(&all, parameters).map(drop)
}
