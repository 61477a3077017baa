//! A store that several machines share, in PostgreSQL 13 or newer.
//!
//! `client` has the connections, `schema` the tables, `accounts`, `sessions` and `api_keys` their rows, `changes` the building
//! blocks of changes and the log of them, `feed` reads that log, woken by its `listener`, `nodes` has the processes that do,
//! `ring` (with `asking`) has the key ring, `lockouts` (with `forgotten`) wrong passwords, `store_copy` (with `rows`) copies all of it
//! to another store or back; this file implements [`Store`]. No other room knows that the client is asynchronous.
//!
//! All changes take locks in the same order: an account, what is revoked, sessions, API keys.

mod accounts;
mod api_keys;
mod asking;
mod changes;
pub(super) mod client;
mod feed;
mod forgotten;
mod listener;
mod lockouts;
mod nodes;
mod ring;
mod rows;
mod schema;
mod sessions;
mod store_copy;
mod windows;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use tokio_postgres::types::Type;

use super::store_copy::Movable;
use super::{
    Account, AccountKind, Change, Condition, Moment, MovableShared, Presented, Session,
    SessionChange, SharedSettings, SharedStore, Store, StoreUrl, StoredSession, TokenState,
    UserSession,
};
use crate::Error;
use changes::{forget, get, revoke_token, revoke_user, text, time, unsigned};
use client::{Connection, Database, Fault};
use listener::Listener;

#[cfg(test)]
pub(super) mod tests;

/// The store at this address. Connects with the first call.
pub(super) fn open(
    url: &StoreUrl,
    settings: &SharedSettings,
) -> Result<Arc<dyn SharedStore>, Error> {
    Ok(Arc::new(PostgresStore::new(url, settings)?))
}

/// Creates or updates the tables and returns their version from before (0: there were none) and now.
pub(super) fn migrate(url: &StoreUrl, settings: &SharedSettings) -> Result<(i64, i64), Error> {
    PostgresStore::new(url, &settings.patient())?.migrate()
}

/// The store at this address, for a copy of all of it.
pub(super) fn open_to_copy(
    url: &StoreUrl,
    settings: &SharedSettings,
) -> Result<Box<dyn MovableShared>, Error> {
    Ok(Box::new(PostgresStore::new(url, &settings.patient())?))
}

/// See the module.
struct PostgresStore {
    database: Database,
    /// Whether the tables are known to be there, in this program's version.
    checked: AtomicBool,
    /// When expired rows were last removed.
    forgot: AtomicU64,
    /// The same for wrong passwords.
    lockouts: forgotten::Forgotten,
    listener: Listener,
    /// The key ring's version as it was last seen, and when it was asked for, in milliseconds of `coarse_milliseconds`.
    ring: AtomicI64,
    ring_asked: AtomicU64,
    asking: asking::Asking,
}

/// Each change begins with it: others may make the store read-only between changes, never during one.
const PROLOGUE: &str = "SELECT pg_advisory_xact_lock_shared(x'7365616c6d6f7665'::bigint); SELECT sealgate.check_writable()";

impl PostgresStore {
    fn new(url: &StoreUrl, settings: &SharedSettings) -> Result<Self, Error> {
        Ok(PostgresStore {
            database: Database::new(url, settings)?,
            checked: AtomicBool::new(false),
            forgot: AtomicU64::new(0),
            lockouts: forgotten::Forgotten::default(),
            listener: Listener::default(),
            ring: AtomicI64::new(0),
            ring_asked: AtomicU64::new(0),
            asking: asking::Asking::default(),
        })
    }

    fn read<T>(
        &self,
        work: impl FnMut(&mut Connection<'_>) -> Result<T, Fault>,
    ) -> Result<T, Error> {
        self.check_schema()?;
        self.database.read(work)
    }

    fn change<T>(
        &self,
        work: impl FnMut(&mut Connection<'_>) -> Result<T, Fault>,
    ) -> Result<T, Error> {
        self.check_schema()?;
        self.database.change(PROLOGUE, work)
    }

    /// A change at this time, in seconds since 1970-01-01 UTC. At most once for each time it also removes what has expired.
    fn change_at<T>(
        &self,
        now: u64,
        mut work: impl FnMut(&mut Connection<'_>) -> Result<T, Fault>,
    ) -> Result<T, Error> {
        let forgets = self.forgot.swap(now, Ordering::Relaxed) != now;
        self.change(|change| {
            let done = work(change)?;
            if forgets {
                forget(change, now)?;
            }
            Ok(done)
        })
    }

    /// The same for a change that others have to know of at once.
    fn publish_at<T>(
        &self,
        now: u64,
        work: impl FnMut(&mut Connection<'_>) -> Result<T, Fault>,
    ) -> Result<T, Error> {
        let done = self.change_at(now, work)?;
        self.wake_others();
        Ok(done)
    }

    /// A change that others have to know of at once.
    fn publish<T>(
        &self,
        work: impl FnMut(&mut Connection<'_>) -> Result<T, Fault>,
    ) -> Result<T, Error> {
        let done = self.change(work)?;
        self.wake_others();
        Ok(done)
    }

    fn wake_others(&self) {
        self.database.wake_others();
    }

    /// Before the first use: the tables must be there in this version. Whoever may create them does.
    fn check_schema(&self) -> Result<(), Error> {
        if self.checked.load(Ordering::Acquire) {
            return Ok(());
        }
        let refused = |text: String| Err(self.database.explain(&Fault::Refused(text)));
        match self.database.read(schema::version)? {
            schema::NEWEST => {}
            newer if newer > schema::NEWEST => return refused(too_new(newer)),
            older => {
                let mut forbidden = false;
                let migrated = self.database.change("", |change| {
                    let done = schema::migrate(change);
                    forbidden = done.as_ref().is_err_and(Fault::is_forbidden);
                    done
                });
                if !forbidden {
                    migrated?;
                } else {
                    return refused(format!(
                        "The store has {}, and the role of SEALGATE_STORE may not create them. With a role that may, run: \
                         sealgate store migrate",
                        match older {
                            0 => "no tables yet".to_owned(),
                            older =>
                                format!("the tables of version {older}, not {}", schema::NEWEST),
                        }
                    ));
                }
            }
        }
        self.checked.store(true, Ordering::Release);
        Ok(())
    }

    fn migrate(&self) -> Result<(i64, i64), Error> {
        let from = self.database.change("", schema::migrate)?;
        if from > schema::NEWEST {
            return Err(self.database.explain(&Fault::Refused(too_new(from))));
        }
        Ok((from, schema::NEWEST))
    }
}

fn too_new(version: i64) -> String {
    format!(
        "The store is of version {version}, and this program knows version {} at most. Update the program.",
        schema::NEWEST
    )
}

impl Store for PostgresStore {
    fn generation(&self) -> Result<u64, Error> {
        self.read(|connection| {
            // Every committed change alters the sum, in whatever order they are committed.
            let row = connection.query_one(
                "SELECT coalesce(sum(hashtextextended(xid::text, 0)), 1)::text FROM sealgate.changes",
                &[],
            )?;
            let sum: String = get(&row, 0)?;
            let low = sum.parse::<i128>().map_or(1, |sum| sum as u64);
            Ok(low.max(1))
        })
    }

    fn has_had_accounts(&self) -> Result<bool, Error> {
        self.read(|connection| {
            let row = connection.query_one(
                "SELECT value <> 0 FROM sealgate.meta WHERE name = 'accounts'",
                &[],
            )?;
            get(&row, 0)
        })
    }

    fn account(&self, name: &str) -> Result<Option<Account>, Error> {
        self.read(|connection| accounts::account(connection, name))
    }

    fn account_or_other(&self, kind: AccountKind, name: &str) -> Result<Option<Account>, Error> {
        self.read(|connection| accounts::account_or_other(connection, kind, name))
    }

    fn accounts(&self, kind: AccountKind, after: &str, most: u32) -> Result<Vec<Account>, Error> {
        self.read(|connection| accounts::accounts(connection, kind, after, most))
    }

    fn search_accounts(
        &self,
        after: &str,
        containing: &str,
        most: u32,
    ) -> Result<Vec<Account>, Error> {
        self.read(|connection| accounts::search(connection, after, containing, most))
    }

    fn add_account(&self, account: &Account) -> Result<bool, Error> {
        self.publish(|change| accounts::add(change, account))
    }

    fn change_account(&self, name: &str, wanted: &Change, at: Moment) -> Result<bool, Error> {
        self.publish(|change| accounts::change_account(change, AccountKind::User, name, wanted, at))
    }

    fn change_client(&self, name: &str, wanted: &Change, at: Moment) -> Result<bool, Error> {
        self.publish(|change| {
            accounts::change_account(change, AccountKind::Client, name, wanted, at)
        })
    }

    fn edit_account(
        &self,
        name: &str,
        changes: &[Change],
        only_if: Condition,
        at: Moment,
    ) -> Result<bool, Error> {
        self.publish(|change| accounts::edit_account(change, name, changes, only_if, at))
    }

    fn revoke_token(&self, id: &str, at: Moment) -> Result<(), Error> {
        self.publish_at(at.now, |change| revoke_token(change, id, at.forget))
    }

    fn revoke_user(&self, name: &str, at: Moment) -> Result<(), Error> {
        self.publish_at(at.now, |change| revoke_user(change, name, at))
    }

    fn standing(&self, presented: Presented<'_>) -> Result<TokenState, Error> {
        self.read(|connection| {
            let row = connection.query_one(
                "SELECT EXISTS (SELECT 1 FROM sealgate.revoked_tokens WHERE id IN ($1, $2)),
                     (SELECT before FROM sealgate.revoked_users WHERE name = $3),
                     (SELECT disabled FROM sealgate.accounts WHERE name = $3),
                     (SELECT value <> 0 FROM sealgate.meta WHERE name = 'accounts')",
                &[
                    (&&*text(presented.id), Type::TEXT),
                    (
                        &&*text(presented.session.unwrap_or(presented.id)),
                        Type::TEXT,
                    ),
                    (&&*text(presented.subject), Type::TEXT),
                ],
            )?;
            Ok(TokenState {
                revoked: get(&row, 0)?,
                revoked_before: get::<Option<i64>>(&row, 1)?.map(unsigned),
                disabled: get(&row, 2)?,
                accounts: get(&row, 3)?,
            })
        })
    }

    fn revoked_before(&self, user: &str) -> Result<Option<u64>, Error> {
        self.read(|connection| {
            let row = connection.query_opt(
                "SELECT before FROM sealgate.revoked_users WHERE name = $1",
                &[(&&*text(user), Type::TEXT)],
            )?;
            row.map(|row| time(&row, 0)).transpose()
        })
    }

    fn unlock(&self, name: &str, at: u64, kept: Moment) -> Result<bool, Error> {
        self.change_at(kept.now, |change| sessions::unlock(change, name, at, kept))
    }

    fn unlocked(&self, names: &[&str]) -> Result<Vec<Option<u64>>, Error> {
        self.read(|connection| sessions::unlocked(connection, names))
    }

    fn begin_session(
        &self,
        session: Session<'_>,
        version: i64,
        issued: u64,
    ) -> Result<bool, Error> {
        self.change_at(issued, |change| {
            sessions::begin(change, session, version, issued)
        })
    }

    fn session(&self, id: &str) -> Result<Option<StoredSession>, Error> {
        self.read(|connection| sessions::session(connection, id))
    }

    fn sessions(&self, user: &str, now: u64) -> Result<Vec<UserSession>, Error> {
        self.read(|connection| sessions::sessions(connection, user, now))
    }

    fn all_sessions(
        &self,
        after: &str,
        now: u64,
        most: u32,
    ) -> Result<Vec<(String, UserSession)>, Error> {
        self.read(|connection| sessions::all(connection, after, now, most))
    }

    fn change_session<'a>(
        &self,
        id: &str,
        decide: &mut dyn FnMut(Option<&StoredSession>) -> SessionChange<'a>,
    ) -> Result<(), Error> {
        if self.change(|change| sessions::change(change, id, decide))? {
            self.wake_others();
        }
        Ok(())
    }

    fn check_writable(&self) -> Result<(), Error> {
        // One that an operator has made read-only is as it should be.
        match Movable::is_read_only(self)? {
            true => Ok(()),
            false => self.change(|_| Ok(())),
        }
    }

    fn check(&self) -> Result<(), Error> {
        self.read(|connection| schema::version(connection).map(drop))
    }

    fn back_up(&self, _to: &Path) -> Result<(), Error> {
        Err(Error::Store(
            "The store is in PostgreSQL: make a backup with its own tools, such as pg_dump --schema=sealgate.".to_owned(),
        ))
    }

    fn end_session(&self, id: &str, at: Moment) -> Result<(), Error> {
        self.publish_at(at.now, |change| sessions::end(change, id, at))
    }
}
