//! Windows of the rate limits. The functions in `schema/windows.sql` count: each is one statement and locks one row.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

use super::changes::get;
use super::client::{Connection, Fault};
use super::{PostgresStore, schema};
use crate::Error;
use crate::store::windows::{Ask, Back, Taken, WindowStore};

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

fn duration(microseconds: i64) -> Duration {
    Duration::from_micros(u64::try_from(microseconds).unwrap_or(0))
}

/// Its parts, and how long before its end each was spent.
fn spent(back: &Back) -> (Vec<i32>, Vec<i64>) {
    let parts = back.spent.iter();
    // What is cut off is counted for longer.
    parts
        .map(|(sooner, spent)| (int(*spent), microseconds(*sooner)))
        .unzip()
}

impl PostgresStore {
    /// Calls with a deadline of their own, which holds for the first one as well.
    fn within<T>(
        &self,
        longest: Duration,
        work: impl FnMut(&mut Connection<'_>) -> Result<T, Fault>,
    ) -> Result<T, Error> {
        if !self.checked.load(Ordering::Acquire) {
            match self.database.read_within(longest, schema::version)? {
                schema::NEWEST => self.checked.store(true, Ordering::Release),
                // There is a store that answers, and its tables have to be made.
                _ => self.check_schema()?,
            }
        }
        self.database.read_within(longest, work)
    }
}

impl WindowStore for PostgresStore {
    fn take(&self, ask: &Ask, longest: Duration) -> Result<Taken, Error> {
        let key: &[u8] = &ask.key;
        let back = ask.back.as_ref();
        let (spent, sooner) = back.map(spent).unwrap_or_default();
        let parameters: [(&(dyn ToSql + Sync), Type); 11] = [
            (&key, Type::BYTEA),
            (&int(ask.limit), Type::INT4),
            (&microseconds(ask.window), Type::INT8),
            (&int(ask.cost), Type::INT4),
            (&int(ask.wanted), Type::INT4),
            (&microseconds(ask.hold), Type::INT8),
            (&ask.asker, Type::INT4),
            (&ask.patient, Type::BOOL),
            (&back.map_or(0, |back| back.lease), Type::INT8),
            (&spent, Type::INT4_ARRAY),
            (&sooner, Type::INT8_ARRAY),
        ];
        self.within(longest, |connection| {
            let row = connection.query_one(
                "SELECT granted, lease, later, amounts, counted, wait, first
                     FROM sealgate.take($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
                &parameters,
            )?;
            let amounts = get::<Vec<i32>>(&row, 3)?.into_iter();
            let amounts = amounts.map(|amount| u32::try_from(amount).unwrap_or(0));
            Ok(Taken {
                granted: units(&row, 0)?,
                lease: get(&row, 1)?,
                later: get::<Vec<i64>>(&row, 2)?
                    .into_iter()
                    .map(duration)
                    .zip(amounts)
                    .collect(),
                counted: units(&row, 4)?,
                wait: duration(get(&row, 5)?),
                first: duration(get(&row, 6)?),
            })
        })
    }

    fn give_back(&self, all: &[([u8; 16], Back)], longest: Duration) -> Result<(), Error> {
        self.within(longest, |connection| {
            for (key, back) in all {
                let key: &[u8] = key;
                let (spent, sooner) = spent(back);
                connection.query_one(
                    "SELECT sealgate.give_back($1, $2, $3, $4) IS NULL",
                    &[
                        (&key, Type::BYTEA),
                        (&back.lease, Type::INT8),
                        (&spent, Type::INT4_ARRAY),
                        (&sooner, Type::INT8_ARRAY),
                    ],
                )?;
            }
            Ok(())
        })
    }

    fn counted(&self, ask: &Ask, longest: Duration) -> Result<Taken, Error> {
        let key: &[u8] = &ask.key;
        self.within(longest, |connection| {
            let row = connection.query_one(
                "WITH now AS (SELECT floor(extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now_),
                      live AS (SELECT e, c, sum(c) OVER (ORDER BY e) AS freed
                               FROM sealgate.windows w, unnest(w.ends, w.costs) AS t (e, c), now
                               WHERE w.key = $1 AND e > greatest(now_, w.clock))
                 SELECT coalesce((SELECT sum(c) FROM live), 0)::integer,
                     coalesce((SELECT min(e) FROM live WHERE freed >= (SELECT sum(c) FROM live) + $2 - $3) - now_, 0),
                     coalesce((SELECT min(e) FROM live) - now_, 0) FROM now",
                &[
                    (&key, Type::BYTEA),
                    (&i64::from(ask.cost), Type::INT8),
                    (&i64::from(ask.limit), Type::INT8),
                ],
            )?;
            Ok(Taken {
                counted: units(&row, 0)?,
                wait: duration(get(&row, 1)?),
                first: duration(get(&row, 2)?),
                ..Taken::default()
            })
        })
    }

    fn forget_window(&self, key: &[u8; 16], longest: Duration) -> Result<u32, Error> {
        let key: &[u8] = key;
        self.within(longest, |connection| {
            let row = connection
                .query_one("SELECT sealgate.forget_window($1)", &[(&key, Type::BYTEA)])?;
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
