//! Changes of more than one row, and the reading of accounts.

use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::{bump, revoke_token, revoke_user, signed, unsigned};
use crate::store::{Account, Change, Moment, PasswordHash, Rotation, Session};

/// The columns that [`account_of`] reads.
pub(super) const ACCOUNT: &str =
    "name, scope, disabled, created, version, salt, hash, memory, passes, lanes";

pub(super) fn account_of(row: &Row<'_>) -> rusqlite::Result<Account> {
    Ok(Account {
        name: row.get(0)?,
        scope: row.get(1)?,
        disabled: row.get(2)?,
        created: whole(row, 3)?,
        version: row.get(4)?,
        password: PasswordHash {
            salt: row.get(5)?,
            hash: row.get(6)?,
            memory: row.get(7)?,
            passes: row.get(8)?,
            lanes: row.get(9)?,
        },
    })
}

pub(super) fn whole(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get(column).map(unsigned)
}

/// See [`Store::change_account`](crate::store::Store::change_account).
pub(super) fn change_account(
    change: &Transaction<'_>,
    name: &str,
    wanted: &Change,
    at: Moment,
) -> rusqlite::Result<bool> {
    let old: Option<(String, i64)> = change
        .query_row(
            "SELECT scope, version FROM accounts WHERE name = ?1",
            [name],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .optional()?;
    let Some((old_scope, old_version)) = old else {
        return Ok(false);
    };
    let takes_back = match wanted {
        Change::Password(password) => {
            set_password(change, name, password)?;
            true
        }
        Change::Rehash { password, version } => {
            if old_version != *version {
                return Ok(false);
            }
            set_password(change, name, password)?;
            // Nothing of what was decided by the account is another now.
            return Ok(true);
        }
        Change::Scope(scope) => {
            change.execute(
                "UPDATE accounts SET scope = ?2 WHERE name = ?1",
                params![name, scope],
            )?;
            let kept = |old: &str| scope.split(' ').any(|new| new == old);
            old_scope
                .split(' ')
                .any(|old| !old.is_empty() && !kept(old))
        }
        Change::Disabled(disabled) => {
            change.execute(
                "UPDATE accounts SET disabled = ?2 WHERE name = ?1",
                params![name, disabled],
            )?;
            *disabled
        }
        Change::Removed => {
            change.execute("DELETE FROM accounts WHERE name = ?1", [name])?;
            true
        }
    };
    change.execute(
        "UPDATE accounts SET version = version + 1 WHERE name = ?1",
        [name],
    )?;
    if takes_back {
        revoke_user(change, name, at)?;
    }
    bump(change)?;
    Ok(true)
}

fn set_password(
    change: &Transaction<'_>,
    name: &str,
    password: &PasswordHash,
) -> rusqlite::Result<()> {
    change
        .execute(
            "UPDATE accounts SET salt = ?2, hash = ?3, memory = ?4, passes = ?5, lanes = ?6 WHERE name = ?1",
            params![
                name,
                password.salt,
                password.hash,
                password.memory,
                password.passes,
                password.lanes
            ],
        )
        .map(drop)
}

/// See [`Store::rotate`](crate::store::Store::rotate).
pub(super) fn rotate(
    change: &Transaction<'_>,
    refresh: &str,
    next: Session<'_>,
    now: u64,
) -> rusqlite::Result<Rotation> {
    let found: Option<(String, u64, bool)> = change
        .query_row(
            "SELECT refresh, expires,
                 EXISTS (SELECT 1 FROM accounts WHERE name = user AND NOT disabled) FROM sessions WHERE id = ?1 AND user = ?2",
            [next.id, next.user],
            |row| Ok((row.get(0)?, whole(row, 1)?, row.get(2)?)),
        )
        .optional()?;
    let Some((good, expires, permitted)) = found else {
        return Ok(Rotation::Gone);
    };
    if good != refresh {
        let forget = next.access_expires;
        end_session(change, next.id, Moment { now, forget })?;
        return Ok(Rotation::Reused);
    }
    if !permitted || expires <= now {
        return Ok(Rotation::Gone);
    }
    change.execute(
        "UPDATE sessions SET refresh = ?2, expires = ?3, access_expires = max(access_expires, ?4) WHERE id = ?1",
        params![
            next.id,
            next.refresh,
            signed(next.expires),
            signed(next.access_expires)
        ],
    )?;
    Ok(Rotation::Done)
}

/// See [`Store::end_session`](crate::store::Store::end_session).
pub(super) fn end_session(change: &Transaction<'_>, id: &str, at: Moment) -> rusqlite::Result<()> {
    let expires: Option<u64> = change
        .query_row(
            "DELETE FROM sessions WHERE id = ?1 RETURNING access_expires",
            [id],
            |row| whole(row, 0),
        )
        .optional()?;
    let forget = expires.map_or(at.forget, |expires| expires.max(at.forget));
    revoke_token(change, id, forget, at.now)?;
    bump(change)
}
