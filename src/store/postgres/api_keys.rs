//! API keys in the store.

use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::PostgresStore;
use super::changes::{count_api_key_change, end_api_keys_of, get, signed, text, time, unsigned};
use super::client::{Connection, Fault};
use crate::Error;
use crate::store::{ApiKeyStore, MAX_API_KEYS, REMEMBERED, StoredApiKey};

/// The columns that [`key_of`] reads.
const COLUMNS: &str =
    "id, hash, owner, scope, created, expires, max_requests, period, used, revoked";

const CHANGES: &str = "SELECT value FROM sealgate.meta WHERE name = 'api_keys'";

pub(super) fn key_of(row: &Row) -> Result<StoredApiKey, Fault> {
    let time_of = |column| Ok::<_, Fault>(get::<Option<i64>>(row, column)?.map(unsigned));
    let hash: Vec<u8> = get(row, 1)?;
    Ok(StoredApiKey {
        id: get(row, 0)?,
        hash: hash
            .try_into()
            .map_err(|_| Fault::Damaged("the hash of an API key has another length"))?,
        owner: get(row, 2)?,
        scope: get(row, 3)?,
        created: time(row, 4)?,
        expires: time_of(5)?,
        limit: match (get::<Option<i32>>(row, 6)?, time_of(7)?) {
            (None, None) => None,
            (Some(limit), Some(period)) => Some((limit.cast_unsigned(), period)),
            _ => return Err(Fault::Damaged("an API key has half a limit")),
        },
        used: time_of(8)?,
        revoked: time_of(9)?,
    })
}

pub(super) fn insert(change: &mut Connection<'_>, key: &StoredApiKey) -> Result<u64, Fault> {
    let (limit, period) = key.limit.unzip();
    change.execute(
        &format!(
            "INSERT INTO sealgate.api_keys ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
        ),
        &[
            (&key.id, Type::TEXT),
            (&&key.hash[..], Type::BYTEA),
            (&key.owner, Type::TEXT),
            (&key.scope, Type::TEXT),
            (&signed(key.created), Type::INT8),
            (&key.expires.map(signed), Type::INT8),
            (&limit.map(u32::cast_signed), Type::INT4),
            (&period.map(signed), Type::INT8),
            (&key.used.map(signed), Type::INT8),
            (&key.revoked.map(signed), Type::INT8),
        ],
    )
}

impl ApiKeyStore for PostgresStore {
    fn api_key_changes(&self) -> Result<u64, Error> {
        self.read(|connection| time(&connection.query_one(CHANGES, &[])?, 0))
    }

    fn all_api_keys(&self) -> Result<(u64, Vec<StoredApiKey>), Error> {
        self.read(|connection| {
            // The number first: a change after it causes another reading.
            let changes = time(&connection.query_one(CHANGES, &[])?, 0)?;
            let rows =
                connection.query(&format!("SELECT {COLUMNS} FROM sealgate.api_keys"), &[])?;
            let keys = rows.iter().map(key_of).collect::<Result<_, _>>()?;
            Ok((changes, keys))
        })
    }

    fn api_keys(
        &self,
        owner: Option<&str>,
        after: &str,
        most: u32,
    ) -> Result<Vec<StoredApiKey>, Error> {
        let owner = owner.map(text);
        self.read(|connection| {
            let rows = connection.query(
                &format!(
                    "SELECT {COLUMNS} FROM sealgate.api_keys WHERE ($3::text IS NULL OR owner = $3) AND id > $1
                         ORDER BY id LIMIT $2"
                ),
                &[
                    (&&*text(after), Type::TEXT),
                    (&i64::from(most), Type::INT8),
                    (&owner.as_deref(), Type::TEXT),
                ],
            )?;
            rows.iter().map(key_of).collect()
        })
    }

    fn api_key(&self, id: &str) -> Result<Option<StoredApiKey>, Error> {
        self.read(|connection| {
            let row = connection.query_opt(
                &format!("SELECT {COLUMNS} FROM sealgate.api_keys WHERE id = $1"),
                &[(&&*text(id), Type::TEXT)],
            )?;
            row.as_ref().map(key_of).transpose()
        })
    }

    fn add_api_key(&self, key: &StoredApiKey) -> Result<bool, Error> {
        let added = self.change(|change| {
            // Whoever adds keys for the same owner at the same time waits here.
            change.query(
                "SELECT pg_advisory_xact_lock(hashtextextended($1, 7))",
                &[(&key.owner, Type::TEXT)],
            )?;
            let row = change.query_one(
                "SELECT count(*) FROM sealgate.api_keys
                     WHERE owner = $1 AND revoked IS NULL AND coalesce(expires > $2, true)",
                &[(&key.owner, Type::TEXT), (&signed(key.created), Type::INT8)],
            )?;
            if get::<i64>(&row, 0)? >= i64::from(MAX_API_KEYS) {
                return Ok(false);
            }
            insert(change, key)?;
            // Whoever adds and revokes keys all the time must not fill the disk.
            change.execute(
                "DELETE FROM sealgate.api_keys WHERE owner = $1 AND (revoked < $2 OR expires < $2 OR id IN
                     (SELECT id FROM sealgate.api_keys WHERE owner = $1 AND revoked IS NOT NULL
                          ORDER BY revoked DESC OFFSET $3))",
                &[
                    (&key.owner, Type::TEXT),
                    (&signed(key.created.saturating_sub(REMEMBERED)), Type::INT8),
                    (&i64::from(MAX_API_KEYS), Type::INT8),
                ],
            )?;
            count_api_key_change(change)?;
            Ok(true)
        })?;
        self.wake_others();
        Ok(added)
    }

    fn revoke_api_key(&self, id: &str, now: u64) -> Result<bool, Error> {
        let revoked = self.change(|change| {
            let revoked = change.execute(
                "UPDATE sealgate.api_keys SET revoked = coalesce(revoked, $2) WHERE id = $1",
                &[(&&*text(id), Type::TEXT), (&signed(now), Type::INT8)],
            )?;
            if revoked > 0 {
                count_api_key_change(change)?;
            }
            Ok(revoked > 0)
        })?;
        self.wake_others();
        Ok(revoked)
    }

    fn revoke_api_keys_of(&self, owner: &str, now: u64) -> Result<u64, Error> {
        let revoked = self.change(|change| end_api_keys_of(change, owner, now))?;
        self.wake_others();
        Ok(revoked)
    }

    fn note_api_key_uses(&self, uses: &[(&str, u64)]) -> Result<(), Error> {
        let ids: Vec<_> = uses.iter().map(|(id, _)| text(id).into_owned()).collect();
        let times: Vec<_> = uses.iter().map(|(_, used)| signed(*used)).collect();
        self.change(|change| {
            // In order, so that two processes do not wait for each other.
            change
                .execute(
                    "UPDATE sealgate.api_keys AS key SET used = noted.used
                         FROM (SELECT key.id, noted.used FROM unnest($1::text[], $2::bigint[]) AS noted (id, used)
                                   JOIN sealgate.api_keys AS key ON key.id = noted.id
                                   ORDER BY key.id FOR UPDATE OF key) AS noted
                         WHERE key.id = noted.id AND coalesce(key.used, 0) < noted.used",
                    &[(&ids, Type::TEXT_ARRAY), (&times, Type::INT8_ARRAY)],
                )
                .map(drop)
        })
    }
}
