//! The log of changes: reading it, and hearing of changes.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::changes::{ACCOUNT, TOKEN, USER, get, time, unsigned};
use super::client::{Fault, Parameters};
use super::{PostgresStore, nodes};
use crate::Error;
use crate::store::shared::{Entry, Facts, Feed, News, Node, Position};

/// Rows of a table read at a time.
const PAGE: i64 = 20_000;
/// More entries of the log than this are not read: to read everything then takes less memory.
const MOST: i64 = 50_000;
/// Which transactions have ended, the server, the facts, and up to which transaction entries have been removed: the columns
/// that [`seen`] reads. A statement sees all of it at the same moment.
const SEEN: &str = "pg_current_snapshot()::text AS seen,
     concat_ws(' ', (SELECT id FROM sealgate.server), pg_postmaster_start_time(), inet_server_addr(), inet_server_port()),
     (SELECT value <> 0 FROM sealgate.meta WHERE name = 'accounts'),
     (SELECT value FROM sealgate.meta WHERE name = 'api_keys'),
     coalesce((SELECT version FROM sealgate.ring), 0),
     (SELECT value FROM sealgate.meta WHERE name = 'pruned'),
     EXISTS (SELECT FROM sealgate.server)";

/// The log of transactions that had not ended at a position. An account is reported as it is now: the entries of two
/// transactions may be in the log in another order than they were committed.
const LOG: &str = "SELECT log.kind, log.key, log.number, log.expires, accounts.disabled FROM (
         SELECT kind, key, number, expires FROM sealgate.changes WHERE xid >= pg_snapshot_xmax($1::text::pg_snapshot)
         UNION ALL SELECT kind, key, number, expires FROM sealgate.changes
             WHERE xid = ANY (ARRAY(SELECT pg_snapshot_xip($1::text::pg_snapshot)))
         LIMIT $2
     ) AS log LEFT JOIN sealgate.accounts AS accounts ON log.kind = 3 AND accounts.name = log.key";

struct Seen {
    position: Position,
    facts: Facts,
    /// The key ring's version; 0: there is none.
    ring: i64,
    /// Entries of transactions up to this one have been removed.
    pruned: u64,
    /// Whether the server has its mark.
    is_marked: bool,
}

fn seen(row: &Row) -> Result<Seen, Fault> {
    Ok(Seen {
        position: Position {
            seen: get(row, 0)?,
            server: get(row, 1)?,
        },
        facts: Facts {
            accounts: get(row, 2)?,
            api_keys: time(row, 3)?,
        },
        ring: get(row, 4)?,
        pruned: time(row, 5)?,
        is_marked: get(row, 6)?,
    })
}

/// The oldest transaction that may not have ended at a position.
fn oldest(position: &Position) -> Option<u64> {
    position.seen.split(':').next()?.parse().ok()
}

/// An entry of the log, in the columns from `first` on.
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
            disabled: get(row, first + 4)?,
        },
        _ => return Err(Fault::Damaged("the log has an entry of an unknown kind")),
    }))
}

impl PostgresStore {
    /// What a process sees now. The server gets its mark first if it has none.
    fn seen(&self) -> Result<Seen, Error> {
        let look =
            || self.read(|connection| seen(&connection.query_one(&format!("SELECT {SEEN}"), &[])?));
        let found = look()?;
        self.ring.fetch_max(found.ring, Ordering::AcqRel);
        if found.is_marked {
            return Ok(found);
        }
        self.database.change("", |change| {
            change
                .execute(
                    "INSERT INTO sealgate.server (id) VALUES (gen_random_uuid()) ON CONFLICT DO NOTHING",
                    &[],
                )
                .map(drop)
        })?;
        look()
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
}

impl Feed for PostgresStore {
    fn snapshot(&self, each: &mut dyn FnMut(Entry)) -> Result<(Position, Facts), Error> {
        // The position first: whatever is committed later, while the pages are read, is in the news since then.
        let first = self.seen()?;
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

    fn news(&self, since: &Position) -> Result<News, Error> {
        let most = MOST + 1;
        let parameters: Parameters<'_> = &[(&since.seen, Type::TEXT), (&most, Type::INT8)];
        let sql = format!(
            "SELECT seen.*, log.* FROM (SELECT {SEEN}) AS seen LEFT JOIN ({LOG}) AS log ON true"
        );
        self.read(|connection| {
            let rows = connection.query(&sql, parameters)?;
            let first = rows.first().ok_or(Fault::Damaged("a row is missing"))?;
            let seen = seen(first)?;
            self.ring.fetch_max(seen.ring, Ordering::AcqRel);
            let is_pruned = oldest(since).is_none_or(|oldest| seen.pruned >= oldest);
            if seen.position.server != since.server
                || !seen.is_marked
                || is_pruned
                || rows.len() as i64 > MOST
            {
                return Ok(News::Lost);
            }
            let mut entries = Vec::with_capacity(rows.len());
            for row in &rows {
                entries.extend(entry(row, 7)?);
            }
            Ok(News::Changes {
                position: seen.position,
                facts: seen.facts,
                entries,
            })
        })
    }

    fn wait(&self, longest: Duration) -> bool {
        self.listener.wait(&self.database, longest)
    }

    fn report(&self, node: &Node) -> Result<u32, Error> {
        self.change(|change| nodes::report(change, node))
    }

    fn maintain(&self) -> Result<(), Error> {
        self.change(nodes::maintain)
    }

    fn is_up(&self) -> bool {
        !self.database.is_down()
    }
}
