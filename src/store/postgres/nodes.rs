//! The processes that use the store, and the work that one of them does for all.

use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::changes::{get, time};
use super::client::{Connection, Fault};
use crate::store::shared::{Node, SeenNode};

/// For how many seconds after its report a process counts as one that uses the store.
pub(super) const ALIVE: f64 = 15.0;
/// How long the log of changes is kept, in seconds. Whoever has not read it for longer reads everything.
const LOGGED: f64 = 600.0;
/// How many entries are removed at most, so that it does not take long.
const AT_ONCE: i64 = 20_000;
/// The number under which one process at a time does the work; "sealprue" as ASCII.
const LOCK: i64 = 0x7365_616c_7072_7565;

/// Makes the commit of this transaction wait neither for a disk nor for a standby. Little is lost in a crash, and neither requests
/// nor the thread that reads the log of changes should wait for it.
pub(super) fn hurry(change: &mut Connection<'_>) -> Result<(), Fault> {
    change.execute("SET LOCAL synchronous_commit = off", &[])?;
    Ok(())
}

/// See [`Feed::report`](crate::store::shared::Feed::report).
pub(super) fn report(change: &mut Connection<'_>, node: &Node) -> Result<u32, Fault> {
    hurry(change)?;
    let row = change.query_one(
        "WITH here AS (
             INSERT INTO sealgate.nodes VALUES ($1, $2, $3, clock_timestamp())
                 ON CONFLICT (id) DO UPDATE SET host = excluded.host, version = excluded.version, seen = excluded.seen
         )
         SELECT count(*) + 1 FROM sealgate.nodes
             WHERE id <> $1 AND seen > clock_timestamp() - make_interval(secs => $4)",
        &[
            (&node.id, Type::TEXT),
            (&node.host, Type::TEXT),
            (&crate::VERSION, Type::TEXT),
            (&ALIVE, Type::FLOAT8),
        ],
    )?;
    Ok(u32::try_from(get::<i64>(&row, 0)?).unwrap_or(u32::MAX))
}

/// The processes that have reported within so many seconds, in order of their hosts; at most 1,000.
pub(super) fn seen(connection: &mut Connection<'_>, within: f64) -> Result<Vec<SeenNode>, Fault> {
    let rows = connection.query(
        "SELECT host, version, extract(epoch FROM seen)::bigint, extract(epoch FROM clock_timestamp() - seen)::bigint
             FROM sealgate.nodes WHERE seen > clock_timestamp() - make_interval(secs => $1) ORDER BY host, id LIMIT 1000",
        &[(&within, Type::FLOAT8)],
    )?;
    let of = |row: &Row| {
        Ok(SeenNode {
            host: get(row, 0)?,
            version: get(row, 1)?,
            seen: time(row, 2)?,
            ago: get::<i64>(row, 3)?.max(0).unsigned_abs(),
        })
    };
    rows.iter().map(of).collect()
}

/// See [`Feed::maintain`](crate::store::shared::Feed::maintain).
pub(super) fn maintain(change: &mut Connection<'_>) -> Result<(), Fault> {
    hurry(change)?;
    let row = change.query_one(
        "SELECT pg_try_advisory_xact_lock($1)",
        &[(&LOCK, Type::INT8)],
    )?;
    if !get::<bool>(&row, 0)? {
        return Ok(());
    }
    change.execute(
        "DELETE FROM sealgate.nodes WHERE seen < clock_timestamp() - interval '1 day'",
        &[],
    )?;
    // No entry of a transaction that a reader may not have seen: while one goes on for long, all later entries stay, or every
    // reader would have to read everything.
    let row = change.query_one(
        "WITH old AS (
             SELECT ctid FROM sealgate.changes WHERE made < clock_timestamp() - make_interval(secs => $1)
                 AND xid < pg_snapshot_xmin(pg_current_snapshot()) ORDER BY xid LIMIT $2
         ), gone AS (
             DELETE FROM sealgate.changes WHERE ctid = ANY (ARRAY(SELECT ctid FROM old)) RETURNING xid
         )
         SELECT max(xid::text::bigint) FROM gone",
        &[(&LOGGED, Type::FLOAT8), (&AT_ONCE, Type::INT8)],
    )?;
    if let Some(pruned) = get::<Option<i64>>(&row, 0)? {
        change.execute(
            "UPDATE sealgate.meta SET value = greatest(value, $1) WHERE name = 'pruned'",
            &[(&pruned, Type::INT8)],
        )?;
    }
    Ok(())
}
