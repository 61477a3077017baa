//! Wrong passwords and the places where names have logged in: what [`SharedStore`](crate::store::SharedStore) adds for lockouts.
//!
//! Each call is one round trip and one statement. Rows are locked in the order place, network, name; no two attempts wait for
//! each other. Failures are forgotten in bounded steps once they no longer count, at most once a second by each process. Each row
//! costs a password hash or a waiting network, and there are at most [`MOST`]: beyond it the rows with the fewest failures go.

use std::borrow::Cow;
use std::time::Duration;

use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

use super::PostgresStore;
use super::changes::{get, text, unsigned};
use super::client::{Connection, Fault};
use crate::Error;
use crate::store::{LockoutFailures, LockoutKeys, LockoutName, LockoutsFound, LockoutsOfName};

/// Rows of failures; about 120 bytes each with their indexes.
const MOST: i64 = 1_000_000;
/// Below this size in bytes there are fewer.
const SMALL: i64 = 64 << 20;
/// How many rows one step removes.
const STEP: i64 = 2000;
/// Since when failures count: $1 is the account, $2 the memory in seconds.
const SINCE: &str = "greatest((SELECT noted FROM sealgate.unlocked_users WHERE name = $1),
     clock_timestamp() - make_interval(secs => $2))";

/// What a statement about an attempt is given: $1 and $2 as in [`SINCE`], then the keys of the place, the network and the name.
struct Attempt<'a> {
    account: Cow<'a, str>,
    memory: f64,
    keys: [&'a [u8]; 3],
}

impl<'a> Attempt<'a> {
    fn of(keys: &'a LockoutKeys<'_>) -> Self {
        Attempt {
            account: text(keys.account),
            memory: keys.memory.as_secs_f64(),
            keys: [&keys.place, &keys.network, &keys.name],
        }
    }

    fn parameters(&self) -> [(&(dyn ToSql + Sync), Type); 5] {
        let [place, network, name] = &self.keys;
        [
            (&self.account, Type::TEXT),
            (&self.memory, Type::FLOAT8),
            (place, Type::BYTEA),
            (network, Type::BYTEA),
            (name, Type::BYTEA),
        ]
    }
}

impl PostgresStore {
    pub(super) fn find_failures(&self, of: &LockoutKeys<'_>) -> Result<LockoutsFound, Error> {
        let attempt = Attempt::of(of);
        let age = |table: &str| {
            format!(
                "{table}.count, greatest(0, extract(epoch FROM t.now - {table}.at) * 1000000)::bigint"
            )
        };
        let sql = format!(
            "SELECT {}, {}, {}, EXISTS (SELECT 1 FROM sealgate.known_places WHERE name = $5 AND place = $3)
                 FROM (SELECT clock_timestamp() AS now, {SINCE} AS since) t
                 LEFT JOIN sealgate.failures p ON p.key = $3 AND p.at > t.since
                 LEFT JOIN sealgate.failures w ON w.key = $4 AND w.at > t.since
                 LEFT JOIN sealgate.failures n ON n.key = $5 AND n.at > t.since",
            age("p"),
            age("w"),
            age("n")
        );
        self.read(|connection| {
            let row = connection.query_one(&sql, &attempt.parameters())?;
            Ok(LockoutsFound {
                place: found(&row, 0)?,
                network: found(&row, 2)?,
                name: found(&row, 4)?,
                known: get(&row, 6)?,
            })
        })
    }

    pub(super) fn find_failures_of_names(
        &self,
        names: &[LockoutName<'_>],
        memory: Duration,
    ) -> Result<Vec<LockoutsOfName>, Error> {
        let accounts: Vec<_> = names.iter().map(|name| text(name.account)).collect();
        let keys: Vec<_> = names.iter().map(|name| &name.key[..]).collect();
        self.read(|connection| {
            // LATERAL, so that each name costs a few look-ups by key, however many rows the tables have.
            let rows = connection.query(
                "SELECT f.count, greatest(0, extract(epoch FROM t.now - f.at) * 1000000)::bigint, f.known, asked.n - 1
                     FROM (SELECT clock_timestamp() AS now) t
                     CROSS JOIN unnest($1::text[], $2::bytea[]) WITH ORDINALITY AS asked (account, key, n)
                     LEFT JOIN sealgate.unlocked_users u ON u.name = asked.account
                     CROSS JOIN LATERAL (
                         SELECT count, at, false AS known FROM sealgate.failures WHERE key = asked.key
                         UNION ALL
                         SELECT failures.count, failures.at, true FROM sealgate.known_places places
                             JOIN sealgate.failures ON failures.key = places.place WHERE places.name = asked.key
                     ) f
                     WHERE f.at > greatest(u.noted, t.now - make_interval(secs => $3))",
                &[
                    (&accounts, Type::TEXT_ARRAY),
                    (&keys, Type::BYTEA_ARRAY),
                    (&memory.as_secs_f64(), Type::FLOAT8),
                ],
            )?;
            let mut of_names = vec![LockoutsOfName::default(); names.len()];
            for row in &rows {
                let at = usize::try_from(unsigned(get(row, 3)?)).unwrap_or(usize::MAX);
                let of_name = of_names.get_mut(at);
                if let (Some(of_name), Some(failures)) = (of_name, found(row, 0)?) {
                    match get(row, 2)? {
                        true => of_name.known.push(failures),
                        false => of_name.name = Some(failures),
                    }
                }
            }
            Ok(of_names)
        })
    }

    pub(super) fn start_waiting(&self, of: &LockoutKeys<'_>) -> Result<(), Error> {
        self.change(|change| {
            change.execute(
                "INSERT INTO sealgate.failures AS old VALUES ($1, 0, clock_timestamp()) ON CONFLICT (key) DO UPDATE
                     SET count = 0, at = excluded.at WHERE old.at <= excluded.at - make_interval(secs => $2)",
                &[
                    (&&of.network[..], Type::BYTEA),
                    (&of.memory.as_secs_f64(), Type::FLOAT8),
                ],
            )?;
            self.forget_failures(change, of.memory)
        })
    }

    pub(super) fn count_failure(&self, of: &LockoutKeys<'_>) -> Result<(), Error> {
        let attempt = Attempt::of(of);
        let sql = format!(
            "INSERT INTO sealgate.failures AS old SELECT key, 1, clock_timestamp()
                 FROM unnest(ARRAY[$3, $4, $5]) WITH ORDINALITY AS keys (key, n)
                 WHERE n = 1 OR NOT EXISTS (SELECT 1 FROM sealgate.known_places WHERE name = $5 AND place = $3)
                 ORDER BY n
                 ON CONFLICT (key) DO UPDATE SET
                     count = CASE WHEN old.at > {SINCE} THEN least(old.count, 1000000000) + 1 ELSE 1 END,
                     at = clock_timestamp()"
        );
        self.change(|change| {
            change.execute(&sql, &attempt.parameters())?;
            self.forget_failures(change, of.memory)
        })
    }

    pub(super) fn learn_place(&self, of: &LockoutKeys<'_>) -> Result<(), Error> {
        self.change(|change| {
            // One statement for all; at most four places of a name are known, the last ones.
            change
                .execute(
                    "WITH gone AS (DELETE FROM sealgate.failures WHERE key = $2),
                         older AS (DELETE FROM sealgate.known_places WHERE name = $1 AND place <> $2 AND place NOT IN
                             (SELECT place FROM sealgate.known_places WHERE name = $1 AND place <> $2 ORDER BY at DESC LIMIT 3))
                     INSERT INTO sealgate.known_places AS old VALUES ($1, $2, clock_timestamp())
                         ON CONFLICT (name, place) DO UPDATE SET at = excluded.at",
                    &[(&&of.name[..], Type::BYTEA), (&&of.place[..], Type::BYTEA)],
                )
                .map(drop)
        })
    }

    /// Removes some rows that no longer count, now and then.
    fn forget_failures(&self, change: &mut Connection<'_>, memory: Duration) -> Result<(), Fault> {
        let (expired, counted) = self.lockouts.is_due();
        if expired {
            change.execute(
                "WITH places AS (DELETE FROM sealgate.known_places WHERE (name, place) IN
                     (SELECT name, place FROM sealgate.known_places WHERE at < clock_timestamp() - interval '400 days'
                         ORDER BY at LIMIT $2 FOR UPDATE SKIP LOCKED))
                 DELETE FROM sealgate.failures WHERE key IN
                     (SELECT key FROM sealgate.failures WHERE at <= clock_timestamp() - make_interval(secs => $1)
                         ORDER BY at LIMIT $2 FOR UPDATE SKIP LOCKED)",
                &[
                    (&memory.as_secs_f64(), Type::FLOAT8),
                    (&STEP, Type::INT8),
                ],
            )?;
        }
        if counted {
            let size = change.query_one("SELECT pg_relation_size('sealgate.failures')", &[])?;
            if get::<i64>(&size, 0)? > SMALL {
                trim(change, MOST)?;
            }
        }
        Ok(())
    }
}

/// Removes the rows beyond this many, those with the fewest failures first and of those the oldest.
pub(super) fn trim(change: &mut Connection<'_>, most: i64) -> Result<(), Fault> {
    change
        .execute(
            "DELETE FROM sealgate.failures WHERE key IN
                 (SELECT key FROM sealgate.failures ORDER BY count, at
                     LIMIT greatest(0, (SELECT count(*) FROM sealgate.failures) - $1) FOR UPDATE SKIP LOCKED)",
            &[(&most, Type::INT8)],
        )
        .map(drop)
}

fn found(row: &Row, column: usize) -> Result<Option<LockoutFailures>, Fault> {
    let count: Option<i32> = get(row, column)?;
    let age: Option<i64> = get(row, column + 1)?;
    Ok(count.zip(age).map(|(count, age)| LockoutFailures {
        count: u32::try_from(count).unwrap_or(0),
        age: Duration::from_micros(u64::try_from(age).unwrap_or(0)),
    }))
}
