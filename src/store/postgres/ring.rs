//! The key ring, sealed, and the counts of messages: what [`SharedStore`] adds to [`Store`](crate::store::Store).

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio_postgres::types::Type;

use super::PostgresStore;
use super::changes::{get, signed, time};
use super::nodes;
use crate::base::clock::coarse_milliseconds;
use crate::store::SharedStore;
use crate::store::shared::{
    LockoutKeys, LockoutName, LockoutsFound, LockoutsOfName, SeenNode, StoredRing,
};
use crate::{Error, Secret};

/// How often the ring's version is asked for because a key is unknown, in milliseconds: anybody can name an unknown key.
const ASK_EVERY: u64 = 50;

impl SharedStore for PostgresStore {
    fn calls(&self) -> (u64, u64) {
        self.database.calls()
    }

    fn nodes(&self) -> Result<Vec<SeenNode>, Error> {
        self.read(|connection| nodes::seen(connection, nodes::ALIVE))
    }

    fn ring(&self) -> Result<Option<StoredRing>, Error> {
        let found = self.read(|connection| {
            let row = connection.query_opt("SELECT version, sealed FROM sealgate.ring", &[])?;
            row.map(|row| {
                Ok(StoredRing {
                    version: get(&row, 0)?,
                    sealed: Secret::new(get(&row, 1)?),
                })
            })
            .transpose()
        })?;
        if let Some(ring) = &found {
            self.ring.fetch_max(ring.version, Ordering::AcqRel);
        }
        Ok(found)
    }

    fn ring_version(&self) -> i64 {
        self.ring.load(Ordering::Acquire)
    }

    fn ask_ring_version(&self) {
        let Some(_asking) = self.asking.begin() else {
            return;
        };
        let now = coarse_milliseconds();
        if now.saturating_sub(self.ring_asked.load(Ordering::Relaxed)) < ASK_EVERY {
            return;
        }
        self.ring_asked.store(now, Ordering::Relaxed);
        let version = self.read(|connection| {
            let row = connection.query_opt("SELECT version FROM sealgate.ring", &[])?;
            row.map(|row| get(&row, 0)).transpose()
        });
        // Otherwise the next reading of the log has it.
        if let Ok(Some(version)) = version {
            self.ring.fetch_max(version, Ordering::AcqRel);
        }
    }

    fn replace_ring(
        &self,
        version: Option<i64>,
        sealed: &[u8],
        previous: Option<&[u8]>,
    ) -> Result<bool, Error> {
        self.publish(|change| {
            let changed = match version {
                None => change.execute(
                    "INSERT INTO sealgate.ring (version, sealed, previous) VALUES (1, $1, $2) ON CONFLICT DO NOTHING",
                    &[(&sealed, Type::BYTEA), (&previous, Type::BYTEA)],
                )?,
                Some(version) => change.execute(
                    "UPDATE sealgate.ring SET version = version + 1, sealed = $1, previous = $2 WHERE version = $3",
                    &[
                        (&sealed, Type::BYTEA),
                        (&previous, Type::BYTEA),
                        (&version, Type::INT8),
                    ],
                )?,
            };
            Ok(changed > 0)
        })
    }

    fn key_usage(&self) -> Result<Vec<(String, u64)>, Error> {
        self.read(|connection| {
            let rows = connection.query("SELECT id, messages FROM sealgate.key_usage", &[])?;
            let of = |row| Ok((get(row, 0)?, time(row, 1)?));
            rows.iter().map(of).collect()
        })
    }

    fn add_key_usage(&self, counts: &[(String, u64)]) -> Result<(), Error> {
        let mut counts = counts.to_vec();
        // In order, so that two processes do not wait for each other.
        counts.sort_unstable();
        self.change(|change| {
            nodes::hurry(change)?;
            for (id, messages) in &counts {
                change.execute(
                    "INSERT INTO sealgate.key_usage AS old VALUES ($1, $2) ON CONFLICT (id) DO UPDATE
                         SET messages = least(old.messages::numeric + excluded.messages, 9223372036854775807)::bigint",
                    &[(id, Type::TEXT), (&signed(*messages), Type::INT8)],
                )?;
            }
            Ok(())
        })
    }

    fn keep_key_usage(&self, ids: &[&str]) -> Result<(), Error> {
        self.change(|change| {
            change
                .execute(
                    "DELETE FROM sealgate.key_usage WHERE id <> ALL ($1)",
                    &[(&ids, Type::TEXT_ARRAY)],
                )
                .map(drop)
        })
    }

    fn failures(&self, of: &LockoutKeys<'_>) -> Result<LockoutsFound, Error> {
        self.find_failures(of)
    }

    fn failures_of_names(
        &self,
        names: &[LockoutName<'_>],
        memory: Duration,
    ) -> Result<Vec<LockoutsOfName>, Error> {
        self.find_failures_of_names(names, memory)
    }

    fn start_waiting(&self, of: &LockoutKeys<'_>) -> Result<(), Error> {
        self.start_waiting(of)
    }

    fn failed(&self, of: &LockoutKeys<'_>) -> Result<(), Error> {
        self.count_failure(of)
    }

    fn passed(&self, of: &LockoutKeys<'_>) -> Result<(), Error> {
        self.learn_place(of)
    }
}
