//! The store in the data directory: one SQLite file (WAL, full synchronisation) that the command and running servers
//! have open at the same time. `file` creates and validates it, `schema` has its tables, `pool` hands out connections,
//! `rows` and `changes` read and change rows, `api_keys` those of API keys, `writable` determines whether changes can be
//! written, `backup_copy` checks backups, `store_copy` copies the store to another one, which `read_only` then guards; this file
//! implements [`Store`].

mod api_keys;
mod backup_copy;
mod changes;
mod file;
mod pool;
mod read_only;
mod rows;
mod schema;
mod store_copy;
mod writable;

#[cfg(test)]
mod tests;

use std::path::Path;

use rusqlite::{OptionalExtension, Transaction, params};

use super::{
    Account, AccountKind, Change, Condition, MAX_SESSIONS, Moment, Presented, Session,
    SessionChange, Store, StoredSession, TokenState, UserSession,
};
use crate::Error;
use changes::{bump, end_api_keys_of, forget, revoke_token, revoke_user, signed, unsigned};
use pool::Pool;
use rows::{ACCOUNT, account_of, number_of, whole};

pub use backup_copy::StoreContents;
pub(crate) use backup_copy::check_copy;
pub(crate) use store_copy::{is_read_only, refused, write_new};

/// How often this thread has used a store.
#[cfg(test)]
pub(crate) fn calls() -> u64 {
    pool::CALLS.get()
}

/// See the module.
pub(crate) struct SqliteStore {
    pool: Pool,
}

impl SqliteStore {
    /// The store in the directory, if there is one.
    pub(crate) fn open(folder: &Path) -> Result<Option<Self>, Error> {
        Ok(Pool::open(folder)?.map(|pool| SqliteStore { pool }))
    }

    /// Refuses a store that is not a file or that other users can access; opens nothing.
    pub(crate) fn check_access(folder: &Path) -> Result<(), Error> {
        file::check_access(folder)
    }

    /// The store in the directory, created if there is none.
    pub(crate) fn open_or_make(folder: &Path) -> Result<Self, Error> {
        file::make(folder)?;
        match SqliteStore::open(folder)? {
            Some(store) => Ok(store),
            None => Err(Error::Store(
                "The store disappeared while it was being opened. Try again.".to_owned(),
            )),
        }
    }

    /// A store that is lost when the process exits.
    pub(crate) fn in_memory() -> Result<Self, Error> {
        Ok(SqliteStore {
            pool: Pool::in_memory()?,
        })
    }

    /// Whether anything in the directory has the store's name.
    pub(crate) fn is_there(folder: &Path) -> Result<bool, Error> {
        Ok(matches!(file::look(folder)?, file::Found::File(_)))
    }

    /// One change: exclusive, atomic, and on disk when it returns.
    fn change<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, Error> {
        self.pool.change(work)
    }
}

impl Store for SqliteStore {
    fn generation(&self) -> Result<u64, Error> {
        self.pool.with(|connection| {
            connection
                .prepare_cached("SELECT value FROM meta WHERE name = 'generation'")?
                .query_row([], |row| whole(row, 0))
        })
    }

    fn has_had_accounts(&self) -> Result<bool, Error> {
        self.pool.with(|connection| {
            connection
                .prepare_cached("SELECT value FROM meta WHERE name = 'accounts'")?
                .query_row([], |row| row.get(0))
        })
    }

    fn account(&self, name: &str) -> Result<Option<Account>, Error> {
        self.pool.with(|connection| rows::account(connection, name))
    }

    fn account_or_other(&self, kind: AccountKind, name: &str) -> Result<Option<Account>, Error> {
        self.pool.with(|connection| {
            // Always the same work: the other account, a name that somebody has, and one that nobody has.
            let other = rows::stand_in(connection, kind, name)?;
            let named = rows::account_of_kind(connection, kind, name)?;
            let again = match (&named, &other) {
                (None, Some(other)) => &*other.name,
                _ => "",
            };
            rows::account_of_kind(connection, kind, again)?;
            Ok(named.or(other))
        })
    }

    fn accounts(&self, kind: AccountKind, after: &str, most: u32) -> Result<Vec<Account>, Error> {
        self.pool.with(|connection| {
            connection
                .prepare_cached(&rows::page_of_accounts())?
                .query_map(params![after, most, number_of(kind)], account_of)?
                .collect()
        })
    }

    fn search_accounts(
        &self,
        after: &str,
        containing: &str,
        most: u32,
    ) -> Result<Vec<Account>, Error> {
        self.pool
            .with(|connection| rows::search_accounts(connection, after, containing, most))
    }

    fn add_account(&self, account: &Account) -> Result<bool, Error> {
        self.change(|change| {
            let password = &account.password;
            let added = change.execute(
                &format!(
                    "INSERT OR IGNORE INTO accounts ({ACCOUNT}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)"
                ),
                params![
                    account.name,
                    account.scope,
                    account.disabled,
                    signed(account.created),
                    account.version,
                    password.salt,
                    password.hash,
                    password.memory,
                    password.passes,
                    password.lanes,
                    account.claims,
                    number_of(account.kind)
                ],
            )?;
            if added == 0 {
                return Ok(false);
            }
            // Whoever had keys under this name before must not get what the account permits.
            end_api_keys_of(change, &account.name, account.created)?;
            change.execute("UPDATE meta SET value = 1 WHERE name = 'accounts'", [])?;
            bump(change)?;
            Ok(true)
        })
    }

    fn change_account(&self, name: &str, wanted: &Change, at: Moment) -> Result<bool, Error> {
        self.change(|change| rows::change_account(change, AccountKind::User, name, wanted, at))
    }

    fn change_client(&self, name: &str, wanted: &Change, at: Moment) -> Result<bool, Error> {
        self.change(|change| rows::change_account(change, AccountKind::Client, name, wanted, at))
    }

    fn edit_account(
        &self,
        name: &str,
        changes: &[Change],
        only_if: Condition,
        at: Moment,
    ) -> Result<bool, Error> {
        self.change(|change| rows::edit_account(change, name, changes, only_if, at))
    }

    fn revoke_token(&self, id: &str, at: Moment) -> Result<(), Error> {
        self.change(|change| {
            revoke_token(change, id, at.forget, at.now)?;
            bump(change)
        })
    }

    fn revoke_user(&self, name: &str, at: Moment) -> Result<(), Error> {
        self.change(|change| {
            revoke_user(change, name, at)?;
            bump(change)
        })
    }

    fn standing(&self, presented: Presented<'_>) -> Result<TokenState, Error> {
        self.pool.with(|connection| {
            connection
                .prepare_cached(
                    "SELECT EXISTS (SELECT 1 FROM revoked_tokens WHERE id IN (?1, ?2)),
                         (SELECT before FROM revoked_users WHERE name = ?3),
                         (SELECT disabled FROM accounts WHERE name = ?3),
                         (SELECT value FROM meta WHERE name = 'accounts')",
                )?
                .query_row(
                    params![
                        presented.id,
                        presented.session.unwrap_or(presented.id),
                        presented.subject
                    ],
                    |row| {
                        Ok(TokenState {
                            revoked: row.get(0)?,
                            revoked_before: row.get::<_, Option<i64>>(1)?.map(unsigned),
                            disabled: row.get(2)?,
                            accounts: row.get(3)?,
                        })
                    },
                )
        })
    }

    fn revoked_before(&self, user: &str) -> Result<Option<u64>, Error> {
        self.pool.with(|connection| {
            connection
                .prepare_cached("SELECT before FROM revoked_users WHERE name = ?1")?
                .query_row([user], |row| whole(row, 0))
                .optional()
        })
    }

    fn begin_session(
        &self,
        session: Session<'_>,
        version: i64,
        issued: u64,
    ) -> Result<bool, Error> {
        self.change(|change| {
            let unchanged: bool = change.query_row(
                "SELECT EXISTS (SELECT 1 FROM accounts WHERE name = ?1 AND version = ?2 AND NOT disabled)
                     AND NOT EXISTS (SELECT 1 FROM revoked_users WHERE name = ?1 AND before >= ?3)",
                params![session.user, version, signed(issued)],
                |row| row.get(0),
            )?;
            if !unchanged || session.expires <= issued {
                return Ok(unchanged);
            }
            change.execute(
                "INSERT INTO sessions (id, user, refresh, expires, access_expires, started)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                params![
                    session.id,
                    session.user,
                    session.refresh,
                    signed(session.expires),
                    signed(session.access_expires),
                    signed(issued)
                ],
            )?;
            forget(change, issued)?;
            change.execute(
                "DELETE FROM sessions WHERE user = ?1 AND id NOT IN
                     (SELECT id FROM sessions WHERE user = ?1 ORDER BY expires DESC, id = ?3 DESC LIMIT ?2)",
                params![session.user, MAX_SESSIONS, session.id],
            )?;
            Ok(true)
        })
    }

    fn session(&self, id: &str) -> Result<Option<StoredSession>, Error> {
        self.pool.with(|connection| rows::session(connection, id))
    }

    fn sessions(&self, user: &str, now: u64) -> Result<Vec<UserSession>, Error> {
        self.pool
            .with(|connection| rows::sessions(connection, user, now))
    }

    fn all_sessions(
        &self,
        after: &str,
        now: u64,
        most: u32,
    ) -> Result<Vec<(String, UserSession)>, Error> {
        self.pool
            .with(|connection| rows::all_sessions(connection, after, now, most))
    }

    fn unlock(&self, name: &str, at: u64, kept: Moment) -> Result<bool, Error> {
        self.change(|change| {
            forget(change, kept.now)?;
            rows::unlock(change, name, at, kept.forget)
        })
    }

    fn unlocked(&self, names: &[&str]) -> Result<Vec<Option<u64>>, Error> {
        self.pool
            .with(|connection| rows::unlocked(connection, names))
    }

    fn change_session<'a>(
        &self,
        id: &str,
        decide: &mut dyn FnMut(Option<&StoredSession>) -> SessionChange<'a>,
    ) -> Result<(), Error> {
        self.change(|change| match decide(rows::session(change, id)?.as_ref()) {
            SessionChange::Keep => Ok(()),
            SessionChange::Replace { next, now } => rows::replace_refresh(change, id, next, now),
            SessionChange::End(at) => rows::end_session(change, id, at),
        })
    }

    fn check_writable(&self) -> Result<(), Error> {
        self.pool.check_writable()
    }

    fn check(&self) -> Result<(), Error> {
        self.pool.check()
    }

    fn back_up(&self, to: &Path) -> Result<(), Error> {
        self.pool.back_up(to)
    }

    fn end_session(&self, id: &str, at: Moment) -> Result<(), Error> {
        self.change(|change| rows::end_session(change, id, at))
    }
}
