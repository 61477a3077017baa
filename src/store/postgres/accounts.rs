//! Accounts.

use siphasher::sip128::SipHasher13;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::changes::{ACCOUNT, State, end_api_keys_of, get, log, revoke_user, signed, text, time};
use super::client::{Connection, Fault};
use crate::store::account_change::{Before, Found, effect};
use crate::store::{Account, AccountKind, Change, Condition, Moment, PasswordHash};

/// The columns that [`account_of`] reads.
const COLUMNS: &str =
    "name, scope, disabled, created, version, salt, hash, memory, passes, lanes, claims, kind";

/// PostgreSQL has no unsigned integers.
fn number(row: &Row, column: usize) -> Result<u32, Fault> {
    u32::try_from(get::<i32>(row, column)?).map_err(|_| Fault::Damaged("a number is negative"))
}

pub(super) fn account_of(row: &Row) -> Result<Account, Fault> {
    Ok(Account {
        name: get(row, 0)?,
        scope: get(row, 1)?,
        disabled: get(row, 2)?,
        created: time(row, 3)?,
        version: get(row, 4)?,
        password: PasswordHash {
            salt: get(row, 5)?,
            hash: get(row, 6)?,
            memory: number(row, 7)?,
            passes: number(row, 8)?,
            lanes: number(row, 9)?,
        },
        claims: get(row, 10)?,
        kind: kind_of(get(row, 11)?),
    })
}

fn kind_of(number: i16) -> AccountKind {
    match number {
        0 => AccountKind::User,
        _ => AccountKind::Client,
    }
}

/// As the column `kind` has it.
fn number_of(kind: AccountKind) -> i16 {
    match kind {
        AccountKind::User => 0,
        AccountKind::Client => 1,
    }
}

pub(super) fn account(
    connection: &mut Connection<'_>,
    name: &str,
) -> Result<Option<Account>, Fault> {
    let row = connection.query_opt(
        &format!("SELECT {COLUMNS} FROM sealgate.accounts WHERE name = $1"),
        &[(&&*text(name), Type::TEXT)],
    )?;
    row.as_ref().map(account_of).transpose()
}

/// See [`Store::account_or_other`](crate::store::Store::account_or_other). One statement, which does the same work whether or
/// not the name exists.
pub(super) fn account_or_other(
    connection: &mut Connection<'_>,
    kind: AccountKind,
    name: &str,
) -> Result<Option<Account>, Fault> {
    let key = connection.query_one(
        "SELECT value FROM sealgate.meta WHERE name = 'stand_in_key'",
        &[],
    )?;
    // Hashes of passwords and secrets are as good as random, so a random position among them selects each account about
    // equally often.
    let place = SipHasher13::new_with_keys(get::<i64>(&key, 0)?.cast_unsigned(), 0)
        .hash(name.as_bytes())
        .as_bytes();
    let rows = connection.query(
        &format!(
            "(SELECT {COLUMNS}, 0 FROM sealgate.accounts WHERE name = $1 AND kind = $2)
             UNION ALL (SELECT {COLUMNS}, 1 FROM sealgate.accounts WHERE kind = $2 AND hash >= $3 ORDER BY hash LIMIT 1)
             UNION ALL (SELECT {COLUMNS}, 2 FROM sealgate.accounts WHERE kind = $2 ORDER BY hash LIMIT 1)"
        ),
        &[
            (&&*text(name), Type::TEXT),
            (&number_of(kind), Type::INT2),
            (&&place[..], Type::BYTEA),
        ],
    )?;
    let mut found = None;
    for row in &rows {
        let rank: i32 = get(row, 12)?;
        let account = account_of(row)?;
        if found.as_ref().is_none_or(|(best, _)| rank < *best) {
            found = Some((rank, account));
        }
    }
    Ok(found.map(|(_, account)| account))
}

pub(super) fn accounts(
    connection: &mut Connection<'_>,
    kind: AccountKind,
    after: &str,
    most: u32,
) -> Result<Vec<Account>, Fault> {
    let rows = connection.query(
        &format!(
            "SELECT {COLUMNS} FROM sealgate.accounts WHERE name > $1 AND kind = $3 ORDER BY name LIMIT $2"
        ),
        &[
            (&&*text(after), Type::TEXT),
            (&i64::from(most), Type::INT8),
            (&number_of(kind), Type::INT2),
        ],
    )?;
    rows.iter().map(account_of).collect()
}

/// Adds an account; `false` if the name is in use.
pub(super) fn insert(change: &mut Connection<'_>, account: &Account) -> Result<bool, Fault> {
    let password = &account.password;
    let added = change.execute(
        &format!(
            "INSERT INTO sealgate.accounts ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
                 ON CONFLICT DO NOTHING"
        ),
        &[
            (&account.name, Type::TEXT),
            (&account.scope, Type::TEXT),
            (&account.disabled, Type::BOOL),
            (&signed(account.created), Type::INT8),
            (&account.version, Type::INT8),
            (&password.salt, Type::BYTEA),
            (&password.hash, Type::BYTEA),
            (&password.memory.cast_signed(), Type::INT4),
            (&password.passes.cast_signed(), Type::INT4),
            (&password.lanes.cast_signed(), Type::INT4),
            (&account.claims, Type::TEXT),
            (&number_of(account.kind), Type::INT2),
        ],
    )?;
    Ok(added > 0)
}

/// See [`Store::add_account`](crate::store::Store::add_account).
pub(super) fn add(change: &mut Connection<'_>, account: &Account) -> Result<bool, Fault> {
    if !insert(change, account)? {
        return Ok(false);
    }
    // Whoever had keys under this name before must not get what the account permits.
    end_api_keys_of(change, &account.name, account.created)?;
    // Only the first account writes: a row that all changes write would make them wait for one another.
    change.execute(
        "UPDATE sealgate.meta SET value = 1 WHERE name = 'accounts' AND value = 0",
        &[],
    )?;
    let state = match account.disabled {
        true => State::Disabled,
        false => State::Enabled,
    };
    log(change, ACCOUNT, &account.name, Some(state as i64), i64::MAX)?;
    Ok(true)
}

/// See [`Store::change_account`](crate::store::Store::change_account).
pub(super) fn change_account(
    change: &mut Connection<'_>,
    kind: AccountKind,
    name: &str,
    wanted: &Change,
    at: Moment,
) -> Result<bool, Fault> {
    let name = &*text(name);
    let row = change.query_opt(
        "SELECT scope, version, claims, disabled FROM sealgate.accounts WHERE name = $1 AND kind = $2 FOR UPDATE",
        &[(&name, Type::TEXT), (&number_of(kind), Type::INT2)],
    )?;
    let Some(row) = row else {
        return Ok(false);
    };
    let before = Before {
        scope: get(&row, 0)?,
        version: get(&row, 1)?,
        claims: get(&row, 2)?,
    };
    let mut state = match get(&row, 3)? {
        true => State::Disabled,
        false => State::Enabled,
    };
    let Some(effect) = effect(&before, kind, wanted) else {
        return Ok(false);
    };
    match wanted {
        Change::Password(password)
        | Change::Rehash { password, .. }
        | Change::OwnPassword { password, .. } => set_password(change, name, password)?,
        Change::Scope(scope) => {
            change.execute(
                "UPDATE sealgate.accounts SET scope = $2 WHERE name = $1",
                &[(&name, Type::TEXT), (scope, Type::TEXT)],
            )?;
        }
        Change::Claims(claims) => {
            change.execute(
                "UPDATE sealgate.accounts SET claims = $2 WHERE name = $1",
                &[(&name, Type::TEXT), (claims, Type::TEXT)],
            )?;
        }
        Change::Disabled(disabled) => {
            state = match disabled {
                true => State::Disabled,
                false => State::Enabled,
            };
            change.execute(
                "UPDATE sealgate.accounts SET disabled = $2 WHERE name = $1",
                &[(&name, Type::TEXT), (disabled, Type::BOOL)],
            )?;
        }
        Change::Removed => {
            state = State::Removed;
            change.execute(
                "DELETE FROM sealgate.accounts WHERE name = $1",
                &[(&name, Type::TEXT)],
            )?;
        }
    }
    if !effect.is_news {
        return Ok(true);
    }
    change.execute(
        "UPDATE sealgate.accounts SET version = version + 1 WHERE name = $1",
        &[(&name, Type::TEXT)],
    )?;
    if effect.revokes {
        revoke_user(change, name, at)?;
    }
    if effect.ends_api_keys {
        end_api_keys_of(change, name, at.now)?;
    }
    log(change, ACCOUNT, name, Some(state as i64), i64::MAX)?;
    Ok(true)
}

/// Whoever holds it decides alone whether an account is the last one with a scope; "sealkeep" as ASCII. Taken before any
/// account.
const KEEPING: i64 = 0x7365_616c_6b65_6570;

/// See [`Store::edit_account`](crate::store::Store::edit_account).
pub(super) fn edit_account(
    change: &mut Connection<'_>,
    name: &str,
    changes: &[Change],
    only_if: Condition,
    at: Moment,
) -> Result<bool, Fault> {
    if only_if.keeps.is_some() {
        change.query(
            "SELECT pg_advisory_xact_lock($1)",
            &[(&KEEPING, Type::INT8)],
        )?;
    }
    let key = &*text(name);
    let row = change.query_opt(
        "SELECT kind, version, scope, disabled FROM sealgate.accounts WHERE name = $1 FOR UPDATE",
        &[(&key, Type::TEXT)],
    )?;
    let Some(row) = row else {
        return Ok(false);
    };
    let found = Found {
        kind: kind_of(get(&row, 0)?),
        version: get(&row, 1)?,
        scope: get(&row, 2)?,
        disabled: get(&row, 3)?,
    };
    if !only_if.fits(&found) {
        return Ok(false);
    }
    if let Some(scope) = only_if.lost_by(&found, changes) {
        let others = change.query_opt(
            "SELECT 1 FROM sealgate.accounts WHERE name <> $1 AND NOT disabled
                 AND position(' ' || $2 || ' ' IN ' ' || scope || ' ') > 0 LIMIT 1",
            &[(&key, Type::TEXT), (&scope, Type::TEXT)],
        )?;
        if others.is_none() {
            return Ok(false);
        }
    }
    for wanted in changes {
        change_account(change, found.kind, name, wanted, at)?;
    }
    Ok(true)
}

/// See [`Store::search_accounts`](crate::store::Store::search_accounts).
pub(super) fn search(
    connection: &mut Connection<'_>,
    after: &str,
    containing: &str,
    most: u32,
) -> Result<Vec<Account>, Fault> {
    let rows = connection.query(
        &format!(
            "SELECT {COLUMNS} FROM sealgate.accounts WHERE name > $1
                 AND ($2 = '' OR position(lower($2 COLLATE \"C\") IN lower(name)) > 0) ORDER BY name LIMIT $3"
        ),
        &[
            (&&*text(after), Type::TEXT),
            (&&*text(containing), Type::TEXT),
            (&i64::from(most), Type::INT8),
        ],
    )?;
    rows.iter().map(account_of).collect()
}

fn set_password(
    change: &mut Connection<'_>,
    name: &str,
    password: &PasswordHash,
) -> Result<(), Fault> {
    change
        .execute(
            "UPDATE sealgate.accounts SET salt = $2, hash = $3, memory = $4, passes = $5, lanes = $6 WHERE name = $1",
            &[
                (&name, Type::TEXT),
                (&password.salt, Type::BYTEA),
                (&password.hash, Type::BYTEA),
                (&password.memory.cast_signed(), Type::INT4),
                (&password.passes.cast_signed(), Type::INT4),
                (&password.lanes.cast_signed(), Type::INT4),
            ],
        )
        .map(drop)
}
