//! Copying the whole store: to another one, and from another one in a single transaction.

use tokio_postgres::types::Type;

use super::changes::{get, signed};
use super::client::{Connection, Fault};
use super::{PostgresStore, nodes, rows, schema};
use crate::Error;
use crate::store::store_copy::{
    Import, Movable, MovableShared, Sink, StoreCount, StoreNode, StoreStatus,
};
use crate::store::tables::{Facts, TABLES, Tally};

/// Waits for all changes under way, and lets no other begin before the end of the transaction.
const ALONE: &str = "SELECT pg_advisory_xact_lock(x'7365616c6d6f7665'::bigint)";
/// Everything as of one moment.
const SNAPSHOT: &str = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY";
/// For how many seconds after its last report a process is listed.
const LISTED: f64 = 3_600.0;
/// What a copy replaces besides the tables that every store has.
const MORE: &[&str] = &[
    "failures",
    "known_places",
    "key_usage",
    "windows",
    "windows_since",
];

impl Movable for PostgresStore {
    fn is_read_only(&self) -> Result<bool, Error> {
        self.read(is_read_only)
    }

    fn set_read_only(&self, read_only: bool) -> Result<bool, Error> {
        self.check_schema()?;
        self.database.change(ALONE, |change| {
            let changed = change.execute(
                "UPDATE sealgate.meta SET value = $1 WHERE name = 'read_only' AND value <> $1",
                &[(&i64::from(read_only), Type::INT8)],
            )?;
            Ok(changed > 0)
        })
    }

    fn export(&self, into: &mut Sink<'_>) -> Result<Facts, Error> {
        self.check_schema()?;
        let mut begun = false;
        self.database.change(SNAPSHOT, |connection| {
            if begun {
                // What was handed on cannot be taken back.
                return Err(Fault::Down);
            }
            let facts = facts(connection)?;
            rows::read_all(connection, &mut |table, rows| {
                begun = true;
                into(table, rows).map_err(Fault::Other)
            })?;
            Ok(facts)
        })
    }

    fn status(&self) -> Result<StoreStatus, Error> {
        if self.database.read(schema::version)? == 0 {
            return Err(self.database.explain(&Fault::Refused(format!(
                "The store {} has no tables yet. Create them with: sealgate store migrate",
                self.database.name()
            ))));
        }
        self.check_schema()?;
        self.database.change(SNAPSHOT, |connection| {
            let mut counts = Vec::new();
            for table in TABLES {
                connection.go_on();
                let count = format!("SELECT count(*) FROM sealgate.{}", table.name);
                let count: i64 = get(&connection.query_one(&count, &[])?, 0)?;
                counts.push(StoreCount {
                    table: table.name,
                    rows: table.rows,
                    count: count.unsigned_abs(),
                });
            }
            let row = connection.query_one(
                "SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint,
                     (SELECT extract(epoch FROM clock_timestamp() - min(made))::bigint FROM sealgate.changes)
                     FROM pg_class c WHERE c.relnamespace = 'sealgate'::regnamespace AND c.relkind = 'r'",
                &[],
            )?;
            let (size, log_age): (i64, Option<i64>) = (get(&row, 0)?, get(&row, 1)?);
            Ok(StoreStatus {
                kind: "postgresql",
                place: self.database.name().to_owned(),
                version: schema::version(connection)?,
                read_only: is_read_only(connection)?,
                counts,
                size: size.unsigned_abs(),
                nodes: nodes::seen(connection, LISTED)?.into_iter().map(StoreNode::of).collect(),
                log_age: log_age.map(|age| age.max(0).unsigned_abs()),
            })
        })
    }
}

impl MovableShared for PostgresStore {
    fn check_target(&self, replace: bool, dry_run: bool) -> Result<(), Error> {
        match self.database.read(schema::version)? {
            0 if dry_run => return Ok(()),
            older if dry_run && older < schema::NEWEST => {}
            _ => self.check_schema()?,
        }
        self.read(|connection| check_target(connection, replace, self.database.name()))
    }

    fn import(&self, from: Import<'_>) -> Result<Tally, Error> {
        self.check_schema()?;
        let tally = self.database.change(ALONE, |change| {
            check_target(change, from.replace, self.database.name())?;
            for table in TABLES
                .iter()
                .map(|table| table.name)
                .chain(MORE.iter().copied())
            {
                change.go_on();
                change.execute(&format!("DELETE FROM sealgate.{table}"), &[])?;
            }
            let (mut read, mut failed) = (Tally::default(), None);
            let facts = (from.rows)(&mut |table, rows| {
                read.add(table, rows);
                rows::insert(change, table, rows).map_err(|fault| {
                    let error = self.database.explain(&fault);
                    failed = Some(fault);
                    error
                })
            });
            // The connection's own fault decides whether the transaction is tried again.
            let facts = facts.map_err(|error| failed.unwrap_or(Fault::Other(error)))?;
            change.go_on();
            set_facts(change, facts)?;
            set_ring(change, from.ring, from.usage)?;
            let mut written = Tally::default();
            rows::read_all(change, &mut |table, rows| {
                written.add(table, rows);
                Ok(())
            })?;
            if written != read || self::facts(change)? != facts {
                return Err(Fault::Refused(
                    "What was written differs from what was read. Nothing was changed. Try again."
                        .to_owned(),
                ));
            }
            Ok(read)
        })?;
        self.wake_others();
        Ok(tally)
    }
}

fn is_read_only(connection: &mut Connection<'_>) -> Result<bool, Fault> {
    let row = connection.query_one(
        "SELECT value <> 0 FROM sealgate.meta WHERE name = 'read_only'",
        &[],
    )?;
    get(&row, 0)
}

fn facts(connection: &mut Connection<'_>) -> Result<Facts, Fault> {
    let row = connection.query_one(
        "SELECT (SELECT value <> 0 FROM sealgate.meta WHERE name = 'accounts'),
             (SELECT value FROM sealgate.meta WHERE name = 'stand_in_key')",
        &[],
    )?;
    Ok(Facts {
        accounts: get(&row, 0)?,
        stand_in_key: get(&row, 1)?,
    })
}

/// Processes that follow the log of changes read everything again, and so do those that keep API keys in memory.
fn set_facts(change: &mut Connection<'_>, facts: Facts) -> Result<(), Fault> {
    change.execute(
        "UPDATE sealgate.meta SET value = CASE name WHEN 'accounts' THEN $1 WHEN 'stand_in_key' THEN $2
             WHEN 'api_keys' THEN value + 1 WHEN 'pruned' THEN greatest(value, pg_current_xact_id()::text::bigint) ELSE 0 END
             WHERE name IN ('accounts', 'stand_in_key', 'api_keys', 'pruned', 'read_only')",
        &[
            (&i64::from(facts.accounts), Type::INT8),
            (&facts.stand_in_key, Type::INT8),
        ],
    )?;
    // By the clock of the database, as the failures are that they forgive.
    change
        .execute(
            "UPDATE sealgate.unlocked_users SET noted = to_timestamp(at / 1000.0)",
            &[],
        )
        .map(drop)
}

fn set_ring(
    change: &mut Connection<'_>,
    ring: Option<&[u8]>,
    usage: &[(String, u64)],
) -> Result<(), Fault> {
    match ring {
        // Its version only ever grows, so that processes notice.
        Some(ring) => change.execute(
            "INSERT INTO sealgate.ring AS old (version, sealed) VALUES (1, $1) ON CONFLICT (one) DO UPDATE
                 SET version = old.version + 1, sealed = excluded.sealed, previous = NULL",
            &[(&ring, Type::BYTEA)],
        )?,
        None => change.execute("DELETE FROM sealgate.ring", &[])?,
    };
    for (id, messages) in usage {
        change.execute(
            "INSERT INTO sealgate.key_usage VALUES ($1, $2)",
            &[(id, Type::TEXT), (&signed(*messages), Type::INT8)],
        )?;
    }
    Ok(())
}

fn check_target(connection: &mut Connection<'_>, replace: bool, name: &str) -> Result<(), Fault> {
    if replace {
        return match nodes::seen(connection, nodes::ALIVE)?.first() {
            None => Ok(()),
            Some(node) => Err(Fault::Refused(format!(
                "A server on {} uses the store {name} (seen {} s ago), so it is not replaced. Stop all servers that use it, and \
                 try again in {} s.",
                node.host,
                node.ago,
                nodes::ALIVE
            ))),
        };
    }
    let all = TABLES.iter().map(|table| table.name).chain(["ring"]);
    let any = all.map(|table| format!("EXISTS (SELECT FROM sealgate.{table})"));
    let sql = format!("SELECT {}", any.collect::<Vec<_>>().join(" OR "));
    match get(&connection.query_one(&sql, &[])?, 0)? {
        false => Ok(()),
        true => Err(Fault::Refused(format!(
            "The store {name} is not empty, so nothing was copied. If that is an earlier copy, it is complete: a copy is made as a \
             whole or not at all. To replace what is there by a new copy, use --replace"
        ))),
    }
}
