//! Changes of more than one row, and reading of accounts.

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use siphasher::sip128::SipHasher13;

use super::changes::{bump, end_api_keys_of, revoke_token, revoke_user, signed, unsigned};
use crate::store::account_change::{Before, Found, effect};
use crate::store::{
    Account, AccountKind, Change, Condition, Moment, PasswordHash, Session, StoredSession,
    UserSession,
};

/// The columns that [`account_of`] reads.
pub(super) const ACCOUNT: &str =
    "name, scope, disabled, created, version, salt, hash, memory, passes, lanes, claims, kind";

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
        claims: row.get(10)?,
        kind: kind_of(row.get(11)?),
    })
}

fn kind_of(number: i64) -> AccountKind {
    match number {
        0 => AccountKind::User,
        _ => AccountKind::Client,
    }
}

/// As the column `kind` has it.
pub(super) fn number_of(kind: AccountKind) -> i64 {
    match kind {
        AccountKind::User => 0,
        AccountKind::Client => 1,
    }
}

/// See [`Store::account`](crate::store::Store::account).
pub(super) fn account(connection: &Connection, name: &str) -> rusqlite::Result<Option<Account>> {
    connection
        .prepare_cached(&format!("SELECT {ACCOUNT} FROM accounts WHERE name = ?1"))?
        .query_row([name], account_of)
        .optional()
}

/// The same for an account of this kind.
pub(super) fn account_of_kind(
    connection: &Connection,
    kind: AccountKind,
    name: &str,
) -> rusqlite::Result<Option<Account>> {
    connection
        .prepare_cached(&format!(
            "SELECT {ACCOUNT} FROM accounts WHERE name = ?1 AND kind = ?2"
        ))?
        .query_row(params![name, number_of(kind)], account_of)
        .optional()
}

/// The account used as a stand-in if there is none of this kind and name. Hashes of passwords and secrets are as good as
/// random, so a random position among them selects each account about equally often.
pub(super) fn stand_in(
    connection: &Connection,
    kind: AccountKind,
    name: &str,
) -> rusqlite::Result<Option<Account>> {
    let key: i64 = connection
        .prepare_cached("SELECT value FROM meta WHERE name = 'stand_in_key'")?
        .query_row([], |row| row.get(0))?;
    let place = SipHasher13::new_with_keys(key.cast_unsigned(), 0).hash(name.as_bytes());
    connection
        .prepare_cached(&format!(
            "SELECT * FROM (SELECT {ACCOUNT} FROM accounts WHERE kind = ?2 AND hash >= ?1 ORDER BY hash LIMIT 1)
             UNION ALL SELECT * FROM (SELECT {ACCOUNT} FROM accounts WHERE kind = ?2 ORDER BY hash LIMIT 1) LIMIT 1"
        ))?
        .query_row(params![place.as_bytes(), number_of(kind)], account_of)
        .optional()
}

pub(super) fn whole(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get(column).map(unsigned)
}

/// See [`Store::change_account`](crate::store::Store::change_account).
pub(super) fn change_account(
    change: &Transaction<'_>,
    kind: AccountKind,
    name: &str,
    wanted: &Change,
    at: Moment,
) -> rusqlite::Result<bool> {
    let before = change
        .query_row(
            "SELECT scope, version, claims FROM accounts WHERE name = ?1 AND kind = ?2",
            params![name, number_of(kind)],
            |row| {
                Ok(Before {
                    scope: row.get(0)?,
                    version: row.get(1)?,
                    claims: row.get(2)?,
                })
            },
        )
        .optional()?;
    let Some(effect) = before.and_then(|before| effect(&before, kind, wanted)) else {
        return Ok(false);
    };
    match wanted {
        Change::Password(password)
        | Change::Rehash { password, .. }
        | Change::OwnPassword { password, .. } => set_password(change, name, password)?,
        Change::Scope(scope) => {
            change.execute(
                "UPDATE accounts SET scope = ?2 WHERE name = ?1",
                params![name, scope],
            )?;
        }
        Change::Claims(claims) => {
            change.execute(
                "UPDATE accounts SET claims = ?2 WHERE name = ?1",
                params![name, claims],
            )?;
        }
        Change::Disabled(disabled) => {
            change.execute(
                "UPDATE accounts SET disabled = ?2 WHERE name = ?1",
                params![name, disabled],
            )?;
        }
        Change::Removed => {
            change.execute("DELETE FROM accounts WHERE name = ?1", [name])?;
        }
    }
    if !effect.is_news {
        return Ok(true);
    }
    change.execute(
        "UPDATE accounts SET version = version + 1 WHERE name = ?1",
        [name],
    )?;
    if effect.revokes {
        revoke_user(change, name, at)?;
    }
    if effect.ends_api_keys {
        end_api_keys_of(change, name, at.now)?;
    }
    bump(change)?;
    Ok(true)
}

/// See [`Store::edit_account`](crate::store::Store::edit_account).
pub(super) fn edit_account(
    change: &Transaction<'_>,
    name: &str,
    changes: &[Change],
    only_if: Condition,
    at: Moment,
) -> rusqlite::Result<bool> {
    let found = change
        .query_row(
            "SELECT kind, version, scope, disabled FROM accounts WHERE name = ?1",
            [name],
            |row| {
                Ok(Found {
                    kind: kind_of(row.get(0)?),
                    version: row.get(1)?,
                    scope: row.get(2)?,
                    disabled: row.get(3)?,
                })
            },
        )
        .optional()?;
    let Some(found) = found.filter(|found| only_if.fits(found)) else {
        return Ok(false);
    };
    if let Some(scope) = only_if.lost_by(&found, changes) {
        let is_kept: bool = change.query_row(
            "SELECT EXISTS (SELECT 1 FROM accounts WHERE name <> ?1 AND NOT disabled
                 AND instr(' ' || scope || ' ', ' ' || ?2 || ' ') > 0)",
            params![name, scope],
            |row| row.get(0),
        )?;
        if !is_kept {
            return Ok(false);
        }
    }
    for wanted in changes {
        change_account(change, found.kind, name, wanted, at)?;
    }
    Ok(true)
}

/// The accounts of kind `?3` after the name `?1`, at most `?2`.
pub(super) fn page_of_accounts() -> String {
    // With the plus sign the kind's index is not used, with which SQLite would sort all accounts for each page.
    format!("SELECT {ACCOUNT} FROM accounts WHERE name > ?1 AND +kind = ?3 ORDER BY name LIMIT ?2")
}

/// See [`Store::search_accounts`](crate::store::Store::search_accounts).
pub(super) fn search_accounts(
    connection: &Connection,
    after: &str,
    containing: &str,
    most: u32,
) -> rusqlite::Result<Vec<Account>> {
    connection
        .prepare_cached(&format!(
            "SELECT {ACCOUNT} FROM accounts WHERE name > ?1 AND (?2 = '' OR instr(lower(name), lower(?2)) > 0)
                 ORDER BY name LIMIT ?3"
        ))?
        .query_map(params![after, containing, most], account_of)?
        .collect()
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

/// See [`Store::session`](crate::store::Store::session).
pub(super) fn session(
    connection: &Connection,
    id: &str,
) -> rusqlite::Result<Option<StoredSession>> {
    connection
        .prepare_cached(
            "SELECT user, refresh, expires, EXISTS (SELECT 1 FROM accounts WHERE name = user AND NOT disabled)
                 FROM sessions WHERE id = ?1",
        )?
        .query_row([id], |row| {
            Ok(StoredSession {
                user: row.get(0)?,
                refresh: row.get(1)?,
                expires: whole(row, 2)?,
                enabled: row.get(3)?,
            })
        })
        .optional()
}

/// See [`Store::sessions`](crate::store::Store::sessions).
pub(super) fn sessions(
    connection: &Connection,
    user: &str,
    now: u64,
) -> rusqlite::Result<Vec<UserSession>> {
    connection
        .prepare_cached(
            "SELECT id, started, refreshed, expires FROM sessions WHERE user = ?1 AND expires > ?2
                 ORDER BY started, id",
        )?
        .query_map(params![user, signed(now)], user_session)?
        .collect()
}

/// See [`Store::all_sessions`](crate::store::Store::all_sessions).
pub(super) fn all_sessions(
    connection: &Connection,
    after: &str,
    now: u64,
    most: u32,
) -> rusqlite::Result<Vec<(String, UserSession)>> {
    connection
        .prepare_cached(
            "SELECT id, started, refreshed, expires, user FROM sessions WHERE id > ?1 AND expires > ?2
                 ORDER BY id LIMIT ?3",
        )?
        .query_map(params![after, signed(now), most], |row| {
            Ok((row.get(4)?, user_session(row)?))
        })?
        .collect()
}

fn user_session(row: &Row<'_>) -> rusqlite::Result<UserSession> {
    let known = |column| -> rusqlite::Result<Option<u64>> {
        Ok(Some(whole(row, column)?).filter(|time| *time > 0))
    };
    Ok(UserSession {
        id: row.get(0)?,
        started: known(1)?,
        refreshed: known(2)?,
        expires: whole(row, 3)?,
    })
}

/// See [`Store::unlock`](crate::store::Store::unlock). `expires`: when the record can be removed.
pub(super) fn unlock(
    change: &Transaction<'_>,
    name: &str,
    at: u64,
    expires: u64,
) -> rusqlite::Result<bool> {
    let recorded = change.execute(
        "INSERT INTO unlocked_users SELECT name, ?2, ?3 FROM accounts WHERE name = ?1
             ON CONFLICT DO UPDATE SET at = excluded.at, expires = excluded.expires",
        params![name, signed(at), signed(expires)],
    )?;
    Ok(recorded > 0)
}

/// See [`Store::unlocked`](crate::store::Store::unlocked).
pub(super) fn unlocked(
    connection: &Connection,
    names: &[&str],
) -> rusqlite::Result<Vec<Option<u64>>> {
    let mut statement =
        connection.prepare_cached("SELECT at FROM unlocked_users WHERE name = ?1")?;
    let mut of = |name: &&str| statement.query_row([name], |row| whole(row, 0)).optional();
    names.iter().map(&mut of).collect()
}

/// See [`SessionChange::Replace`](crate::store::SessionChange::Replace).
pub(super) fn replace_refresh(
    change: &Transaction<'_>,
    id: &str,
    next: Session<'_>,
    now: u64,
) -> rusqlite::Result<()> {
    change
        .execute(
            "UPDATE sessions SET refresh = ?2, expires = ?3, access_expires = max(access_expires, ?4), refreshed = ?5
                 WHERE id = ?1",
            params![
                id,
                next.refresh,
                signed(next.expires),
                signed(next.access_expires),
                signed(now)
            ],
        )
        .map(drop)
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
