//! API keys in the store.

use rusqlite::types::Type;
use rusqlite::{OptionalExtension, Row, params};

use super::SqliteStore;
use super::changes::{bump_api_keys, end_api_keys_of, signed, unsigned};
use crate::Error;
use crate::store::{ApiKeyStore, MAX_API_KEYS, REMEMBERED, StoredApiKey};

/// The columns that [`key_of`] reads.
const KEY: &str = "id, hash, owner, scope, created, expires, max_requests, period, used, revoked";

const CHANGES: &str = "SELECT value FROM meta WHERE name = 'api_keys'";

fn key_of(row: &Row<'_>) -> rusqlite::Result<StoredApiKey> {
    let time =
        |column: usize| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(column)?.map(unsigned));
    let limit: Option<u32> = row.get(6)?;
    Ok(StoredApiKey {
        id: row.get(0)?,
        hash: row.get(1)?,
        owner: row.get(2)?,
        scope: row.get(3)?,
        created: row.get(4).map(unsigned)?,
        expires: time(5)?,
        limit: match (limit, time(7)?) {
            (None, None) => None,
            (Some(limit), Some(period)) => Some((limit, period)),
            _ => {
                let half = "half a limit".into();
                return Err(rusqlite::Error::FromSqlConversionFailure(
                    6,
                    Type::Integer,
                    half,
                ));
            }
        },
        used: time(8)?,
        revoked: time(9)?,
    })
}

impl ApiKeyStore for SqliteStore {
    fn api_key_changes(&self) -> Result<u64, Error> {
        self.pool.with(|connection| {
            connection
                .prepare_cached(CHANGES)?
                .query_row([], |row| row.get(0).map(unsigned))
        })
    }

    fn all_api_keys(&self) -> Result<(u64, Vec<StoredApiKey>), Error> {
        self.pool.with(|connection| {
            // Both as of the same moment.
            let read = connection.unchecked_transaction()?;
            let changes = read.query_row(CHANGES, [], |row| row.get(0).map(unsigned))?;
            let keys = read
                .prepare_cached(&format!("SELECT {KEY} FROM api_keys"))?
                .query_map([], key_of)?
                .collect::<rusqlite::Result<_>>()?;
            Ok((changes, keys))
        })
    }

    fn api_keys(
        &self,
        owner: Option<&str>,
        after: &str,
        most: u32,
    ) -> Result<Vec<StoredApiKey>, Error> {
        self.pool.with(|connection| {
            let whose = match owner {
                Some(_) => "owner = ?3 AND",
                None => "?3 IS NULL AND",
            };
            connection
                .prepare_cached(&format!(
                    "SELECT {KEY} FROM api_keys WHERE {whose} id > ?1 ORDER BY id LIMIT ?2"
                ))?
                .query_map(params![after, most, owner], key_of)?
                .collect()
        })
    }

    fn api_key(&self, id: &str) -> Result<Option<StoredApiKey>, Error> {
        self.pool.with(|connection| {
            connection
                .prepare_cached(&format!("SELECT {KEY} FROM api_keys WHERE id = ?1"))?
                .query_row([id], key_of)
                .optional()
        })
    }

    fn add_api_key(&self, key: &StoredApiKey) -> Result<bool, Error> {
        self.change(|change| {
            let has: u32 = change.query_row(
                "SELECT count(*) FROM api_keys
                     WHERE owner = ?1 AND revoked IS NULL AND coalesce(expires > ?2, 1)",
                params![key.owner, signed(key.created)],
                |row| row.get(0),
            )?;
            if has >= MAX_API_KEYS {
                return Ok(false);
            }
            let (limit, period) = key.limit.unzip();
            change.execute(
                "INSERT INTO api_keys VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
                params![
                    key.id,
                    key.hash,
                    key.owner,
                    key.scope,
                    signed(key.created),
                    key.expires.map(signed),
                    limit,
                    period.map(signed),
                    key.used.map(signed),
                    key.revoked.map(signed)
                ],
            )?;
            // Whoever adds and revokes keys all the time must not fill the disk.
            change.execute(
                "DELETE FROM api_keys WHERE owner = ?1 AND (revoked < ?2 OR expires < ?2 OR id IN
                     (SELECT id FROM api_keys WHERE owner = ?1 AND revoked IS NOT NULL
                          ORDER BY revoked DESC LIMIT -1 OFFSET ?3))",
                params![
                    key.owner,
                    signed(key.created.saturating_sub(REMEMBERED)),
                    MAX_API_KEYS
                ],
            )?;
            bump_api_keys(change)?;
            Ok(true)
        })
    }

    fn revoke_api_key(&self, id: &str, now: u64) -> Result<bool, Error> {
        self.change(|change| {
            let revoked = change.execute(
                "UPDATE api_keys SET revoked = coalesce(revoked, ?2) WHERE id = ?1",
                params![id, signed(now)],
            )?;
            if revoked > 0 {
                bump_api_keys(change)?;
            }
            Ok(revoked > 0)
        })
    }

    fn revoke_api_keys_of(&self, owner: &str, now: u64) -> Result<u64, Error> {
        self.change(|change| end_api_keys_of(change, owner, now))
    }

    fn note_api_key_uses(&self, uses: &[(&str, u64)]) -> Result<(), Error> {
        self.change(|change| {
            let mut note = change.prepare_cached(
                "UPDATE api_keys SET used = ?2 WHERE id = ?1 AND coalesce(used, 0) < ?2",
            )?;
            for (id, used) in uses {
                note.execute(params![id, signed(*used)])?;
            }
            Ok(())
        })
    }
}
