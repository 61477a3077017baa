//! Reading the log of changes.

use std::thread;
use std::time::Duration;

use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::PostgresStore;
use super::changes::{ACCOUNT, State, TOKEN, USER, get, time, unsigned};
use super::client::{Connection, Fault, Parameters};
use crate::Error;
use crate::base::fork;
use crate::base::sync::lock;
use crate::store::shared::{Entry, Facts, News, Position};

/// Rows read at a time.
const PAGE: i64 = 20_000;
/// How long the log is kept, in seconds. Whoever has not read it for longer reads everything.
const LOGGED: i64 = 600;

/// Where the log goes on, and the facts: the columns that [`seen`] reads.
const SEEN: &str = "pg_snapshot_xmin(pg_current_snapshot())::text,
     concat_ws(' ', pg_postmaster_start_time(), inet_server_addr(), inet_server_port()),
     (SELECT value <> 0 FROM sealgate.meta WHERE name = 'accounts'),
     (SELECT value FROM sealgate.meta WHERE name = 'api_keys'),
     coalesce((SELECT version FROM sealgate.ring), 0),
     (SELECT value FROM sealgate.meta WHERE name = 'pruned')";

struct Seen {
    position: Position,
    facts: Facts,
    /// Entries of transactions up to this one have been removed.
    pruned: u64,
}

fn seen(row: &Row) -> Result<Seen, Fault> {
    let transaction: String = get(row, 0)?;
    let damaged = Fault::Damaged("a transaction has no number");
    Ok(Seen {
        position: Position {
            transaction: transaction.parse().map_err(|_| damaged)?,
            server: get(row, 1)?,
        },
        facts: Facts {
            accounts: get(row, 2)?,
            api_keys: time(row, 3)?,
            ring: get(row, 4)?,
        },
        pruned: time(row, 5)?,
    })
}

/// An entry of the log in four columns.
fn entry(row: &Row, first: usize) -> Result<Option<Entry>, Fault> {
    let Some(kind) = get::<Option<i16>>(row, first)? else {
        return Ok(None);
    };
    let key: String = get(row, first + 1)?;
    let number: Option<i64> = get(row, first + 2)?;
    let expires = time(row, first + 3)?;
    Ok(Some(match kind {
        TOKEN => Entry::Token { id: key, expires },
        USER => Entry::User {
            name: key,
            before: number.map_or(u64::MAX, unsigned),
            expires,
        },
        ACCOUNT => Entry::Account {
            name: key,
            disabled: match number {
                Some(number) if number == State::Enabled as i64 => Some(false),
                Some(number) if number == State::Disabled as i64 => Some(true),
                _ => None,
            },
        },
        _ => return Err(Fault::Damaged("the log has an entry of an unknown kind")),
    }))
}

impl PostgresStore {
    pub(super) fn snapshot(&self, each: &mut dyn FnMut(Entry)) -> Result<(Position, Facts), Error> {
        self.check_schema()?;
        // The position first: whatever is committed later is read again from there.
        let first =
            self.read(|connection| seen(&connection.query_one(&format!("SELECT {SEEN}"), &[])?))?;
        self.pages(
            "SELECT id, expires FROM sealgate.revoked_tokens WHERE id > $1 ORDER BY id LIMIT $2",
            &mut |row| {
                each(Entry::Token {
                    id: get(row, 0)?,
                    expires: time(row, 1)?,
                });
                Ok(())
            },
        )?;
        self.pages(
            "SELECT name, before, expires FROM sealgate.revoked_users WHERE name > $1 ORDER BY name LIMIT $2",
            &mut |row| {
                each(Entry::User {
                    name: get(row, 0)?,
                    before: time(row, 1)?,
                    expires: time(row, 2)?,
                });
                Ok(())
            },
        )?;
        self.pages(
            "SELECT name FROM sealgate.accounts WHERE name > $1 AND disabled ORDER BY name LIMIT $2",
            &mut |row| {
                each(Entry::Account {
                    name: get(row, 0)?,
                    disabled: Some(true),
                });
                Ok(())
            },
        )?;
        Ok((first.position, first.facts))
    }

    /// Reads a table page by page, each with its own deadline; the first column is the key.
    fn pages(
        &self,
        sql: &str,
        each: &mut dyn FnMut(&Row) -> Result<(), Fault>,
    ) -> Result<(), Error> {
        let mut after = String::new();
        loop {
            let rows = self.read(|connection| {
                connection.query(sql, &[(&after, Type::TEXT), (&PAGE, Type::INT8)])
            })?;
            for row in &rows {
                each(row).map_err(|fault| self.database.explain(&fault))?;
            }
            match rows.last() {
                Some(last) if rows.len() as i64 == PAGE => {
                    after = get(last, 0).map_err(|fault| self.database.explain(&fault))?;
                }
                _ => return Ok(()),
            }
        }
    }

    pub(super) fn news(&self, since: &Position) -> Result<News, Error> {
        let from = since.transaction.to_string();
        let parameters: Parameters<'_> = &[(&from, Type::TEXT)];
        let sql = format!(
            "SELECT seen.*, log.kind, log.key, log.number, log.expires FROM (SELECT {SEEN}) AS seen
                 LEFT JOIN sealgate.changes AS log ON log.xid >= $1::xid8"
        );
        self.read(|connection| {
            let rows = connection.query(&sql, parameters)?;
            let first = rows.first().ok_or(Fault::Damaged("a row is missing"))?;
            let seen = seen(first)?;
            if seen.position.server != since.server || seen.pruned >= since.transaction {
                return Ok(News::Lost);
            }
            let mut entries = Vec::with_capacity(rows.len());
            for row in &rows {
                entries.extend(entry(row, 6)?);
            }
            Ok(News::Changes {
                position: seen.position,
                facts: seen.facts,
                entries,
            })
        })
    }

    pub(super) fn wait(&self, longest: Duration) {
        // The only thread that waits is the one that follows the store.
        let mut listener = lock(&self.listener.0).take();
        if listener.is_none() && !self.database.is_down() {
            listener = self.database.dedicated().ok();
            let listens = |connection: &mut Connection<'_>| connection.batch("LISTEN sealgate");
            if listener
                .as_mut()
                .is_some_and(|new| new.run(listens).is_err())
            {
                listener = None;
            }
            if listener.is_some() {
                // What was changed before it listened has to be read first.
                *lock(&self.listener.0) = listener;
                return;
            }
        }
        match &listener {
            Some(connection) => {
                connection.wait(longest);
            }
            None => fork::outside(|| thread::sleep(longest)),
        }
        *lock(&self.listener.0) = listener.filter(|connection| !connection.is_closed());
    }

    pub(super) fn maintain(&self) -> Result<(), Error> {
        self.change(|change| {
            // One process at a time is enough.
            let row = change.query_one(
                "SELECT pg_try_advisory_xact_lock(x'7365616c70727565'::bigint)",
                &[],
            )?;
            if !get::<bool>(&row, 0)? {
                return Ok(());
            }
            // Whoever has read up to the oldest running transaction goes on from there, however long it runs.
            let row = change.query_one(
                "WITH gone AS (DELETE FROM sealgate.changes
                     WHERE made < clock_timestamp() - make_interval(secs => $1)
                         AND xid < pg_snapshot_xmin(pg_current_snapshot()) RETURNING xid)
                 SELECT max(xid::text::bigint) FROM gone",
                &[(&(LOGGED as f64), Type::FLOAT8)],
            )?;
            if let Some(pruned) = get::<Option<i64>>(&row, 0)? {
                change.execute(
                    "UPDATE sealgate.meta SET value = greatest(value, $1) WHERE name = 'pruned'",
                    &[(&pruned, Type::INT8)],
                )?;
            }
            Ok(())
        })
    }
}
