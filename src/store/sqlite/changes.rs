//! Building blocks for changes of the store.

use rusqlite::{Transaction, params};

use crate::base::clock::stands_still;
use crate::store::Moment;

/// How many expired rows a change removes at most, so that none takes long.
const FORGOTTEN_AT_ONCE: u32 = 200;

/// Increments the number that processes watch to detect changes.
pub(super) fn bump(change: &Transaction<'_>) -> rusqlite::Result<()> {
    change
        .execute(
            "UPDATE meta SET value = value + 1 WHERE name = 'generation'",
            [],
        )
        .map(drop)
}

/// The same for the number that changes only with API keys.
pub(super) fn bump_api_keys(change: &Transaction<'_>) -> rusqlite::Result<()> {
    change
        .execute(
            "UPDATE meta SET value = value + 1 WHERE name = 'api_keys'",
            [],
        )
        .map(drop)
}

/// Revokes all API keys of an owner and returns how many there were.
pub(super) fn end_api_keys_of(
    change: &Transaction<'_>,
    owner: &str,
    now: u64,
) -> rusqlite::Result<u64> {
    let ended = change.execute(
        "UPDATE api_keys SET revoked = ?2 WHERE owner = ?1 AND revoked IS NULL",
        params![owner, signed(now)],
    )?;
    if ended > 0 {
        bump_api_keys(change)?;
    }
    Ok(ended as u64)
}

pub(super) fn revoke_token(
    change: &Transaction<'_>,
    id: &str,
    expires: u64,
    now: u64,
) -> rusqlite::Result<()> {
    change.execute(
        "INSERT INTO revoked_tokens VALUES (?1, ?2)
             ON CONFLICT DO UPDATE SET expires = max(expires, excluded.expires)",
        params![id, signed(expires)],
    )?;
    forget(change, now)
}

pub(super) fn revoke_user(
    change: &Transaction<'_>,
    name: &str,
    at: Moment,
) -> rusqlite::Result<()> {
    // With a stopped clock, tokens issued since the last revocation carry its time plus one.
    let next = i64::from(stands_still(at.now));
    change.execute(
        "INSERT INTO revoked_users VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE
             SET before = max(before + ?4, excluded.before), expires = max(expires, excluded.expires)",
        params![name, signed(at.now), signed(at.forget), next],
    )?;
    change.execute("DELETE FROM sessions WHERE user = ?1", [name])?;
    forget(change, at.now)
}

/// Removes expired rows, which can no longer affect any token.
pub(super) fn forget(change: &Transaction<'_>, now: u64) -> rusqlite::Result<()> {
    for (table, key) in [
        ("revoked_tokens", "id"),
        ("revoked_users", "name"),
        ("sessions", "id"),
        ("unlocked_users", "name"),
    ] {
        change.execute(
            &format!(
                "DELETE FROM {table} WHERE {key} IN (SELECT {key} FROM {table} WHERE expires < ?1 LIMIT ?2)"
            ),
            params![signed(now), FORGOTTEN_AT_ONCE],
        )?;
    }
    Ok(())
}

/// SQLite's integers are signed; none of our times exceeds their range.
pub(super) fn signed(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX)
}

pub(super) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
