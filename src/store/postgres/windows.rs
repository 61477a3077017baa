//! Windows of the rate limits. The functions in `schema/windows.sql` count: each is one statement and locks one row.

use std::time::Duration;

use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

use super::PostgresStore;
use super::changes::get;
use super::client::Fault;
use crate::Error;
use crate::store::windows::{Ask, Taken, WindowStore};

/// PostgreSQL's integers are signed. Limits are at most 10 million.
fn int(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

fn microseconds(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

fn units(row: &Row, column: usize) -> Result<u32, Fault> {
    Ok(u32::try_from(get::<i32>(row, column)?).unwrap_or(0))
}

fn time(row: &Row, column: usize) -> Result<Duration, Fault> {
    let microseconds: i64 = get(row, column)?;
    Ok(Duration::from_micros(
        u64::try_from(microseconds).unwrap_or(0),
    ))
}

fn taken(row: &Row) -> Result<Taken, Fault> {
    Ok(Taken {
        granted: units(row, 0)?,
        entry: get(row, 1)?,
        counted: units(row, 2)?,
        wait: time(row, 3)?,
        first: time(row, 4)?,
    })
}

impl WindowStore for PostgresStore {
    fn take(&self, ask: &Ask, longest: Duration) -> Result<Taken, Error> {
        let back = ask.back;
        let of_back = |part: fn(&crate::store::windows::Back) -> u32| {
            back.as_ref().map_or(0, |back| int(part(back)))
        };
        let key: &[u8] = &ask.key;
        let parameters: [(&(dyn ToSql + Sync), Type); 12] = [
            (&key, Type::BYTEA),
            (&int(ask.limit), Type::INT4),
            (&microseconds(ask.window), Type::INT8),
            (&int(ask.cost), Type::INT4),
            (&int(ask.wanted), Type::INT4),
            (&int(ask.part.max(1)), Type::INT4),
            (&microseconds(ask.hold), Type::INT8),
            (&ask.patient, Type::BOOL),
            (&back.map_or(0, |back| back.entry), Type::INT8),
            (&of_back(|back| back.granted), Type::INT4),
            (&of_back(|back| back.unused), Type::INT4),
            (
                &back.map_or(0, |back| microseconds(back.sooner)),
                Type::INT8,
            ),
        ];
        self.check_schema()?;
        self.database.read_within(longest, |connection| {
            taken(&connection.query_one(
                "SELECT granted, entry, counted, wait, first
                     FROM sealgate.take($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
                &parameters,
            )?)
        })
    }

    fn counted(&self, ask: &Ask, longest: Duration) -> Result<Taken, Error> {
        let key: &[u8] = &ask.key;
        self.check_schema()?;
        self.database.read_within(longest, |connection| {
            taken(&connection.query_one(
                "WITH now AS (SELECT floor(extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now_),
                      live AS (SELECT e, c, sum(c) OVER (ORDER BY e) AS freed
                               FROM sealgate.windows w, unnest(w.ends, w.costs) AS t (e, c), now
                               WHERE w.key = $1 AND e > greatest(now_, w.clock))
                 SELECT 0, 0::bigint, coalesce((SELECT sum(c) FROM live), 0)::integer,
                     coalesce((SELECT min(e) FROM live WHERE freed >= (SELECT sum(c) FROM live) + $2 - $3) - now_, 0),
                     coalesce((SELECT min(e) FROM live) - now_, 0) FROM now",
                &[
                    (&key, Type::BYTEA),
                    (&i64::from(ask.cost), Type::INT8),
                    (&i64::from(ask.limit), Type::INT8),
                ],
            )?)
        })
    }

    fn forget_window(&self, key: &[u8; 16], longest: Duration) -> Result<u32, Error> {
        let key: &[u8] = key;
        self.check_schema()?;
        self.database.read_within(longest, |connection| {
            let row = connection
                .query_one("SELECT sealgate.forget_window($1)", &[(&key, Type::BYTEA)])?;
            units(&row, 0)
        })
    }

    fn counting(&self, id: &str, longest: Duration) -> Result<u32, Error> {
        self.check_schema()?;
        self.database.read_within(longest, |connection| {
            let row = connection.query_one(
                "WITH mine AS (INSERT INTO sealgate.counting VALUES ($1, clock_timestamp())
                          ON CONFLICT (id) DO UPDATE SET seen = excluded.seen),
                      gone AS (DELETE FROM sealgate.counting
                          WHERE id <> $1 AND seen < clock_timestamp() - interval '1 hour')
                 SELECT 1 + count(*)::integer FROM sealgate.counting
                     WHERE id <> $1 AND seen > clock_timestamp() - interval '1 minute'",
                &[(&id, Type::TEXT)],
            )?;
            units(&row, 0)
        })
    }

    fn forget_windows(&self, most: u32) -> Result<u32, Error> {
        self.read(|connection| {
            let row = connection.query_one(
                "SELECT sealgate.forget_windows($1)",
                &[(&int(most), Type::INT4)],
            )?;
            units(&row, 0)
        })
    }
}
