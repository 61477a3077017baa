//! API keys as they are stored. What they permit is left to `tokens`.

use crate::Error;

/// Maximum number of API keys of one owner that are not revoked.
pub(crate) const MAX_API_KEYS: u32 = 1_000;

/// How long revoked keys are remembered, so that their use is refused with the reason; seconds.
#[cfg(feature = "store")]
pub(super) const REMEMBERED: u64 = 90 * 86_400;

/// An API key. Except for its last use and its revocation it never changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredApiKey {
    pub(crate) id: String,
    /// SHA-256 of its secret.
    pub(crate) hash: [u8; 32],
    pub(crate) owner: String,
    /// Scope names separated by single spaces.
    pub(crate) scope: String,
    /// Seconds since 1970-01-01 UTC, like all times here.
    pub(crate) created: u64,
    pub(crate) expires: Option<u64>,
    /// A limit of its own: the number of requests in a window, and the window in seconds.
    pub(crate) limit: Option<(u32, u64)>,
    /// When it was last used, to the hour.
    pub(crate) used: Option<u64>,
    pub(crate) revoked: Option<u64>,
}

/// The part of a storage backend that has API keys.
pub(crate) trait ApiKeyStore {
    /// A number that grows with each change of API keys except of their last use.
    fn api_key_changes(&self) -> Result<u64, Error>;
    /// All API keys, and the number of changes after which they are so.
    fn all_api_keys(&self) -> Result<(u64, Vec<StoredApiKey>), Error>;
    /// At most `most` API keys in order of their ids, starting after `after`; only those of `owner`, if given.
    fn api_keys(
        &self,
        owner: Option<&str>,
        after: &str,
        most: u32,
    ) -> Result<Vec<StoredApiKey>, Error>;
    fn api_key(&self, id: &str) -> Result<Option<StoredApiKey>, Error>;
    /// `false`: the owner already has [`MAX_API_KEYS`].
    fn add_api_key(&self, key: &StoredApiKey) -> Result<bool, Error>;
    /// Revokes an API key; one that is revoked already keeps its time. `false`: there is no such key.
    fn revoke_api_key(&self, id: &str, now: u64) -> Result<bool, Error>;
    /// Revokes all API keys of an owner and returns how many there were.
    fn revoke_api_keys_of(&self, owner: &str, now: u64) -> Result<u64, Error>;
    /// Records when API keys were last used, in one change.
    fn note_api_key_uses(&self, uses: &[(&str, u64)]) -> Result<(), Error>;
}

#[cfg(test)]
impl StoredApiKey {
    /// A key for tests.
    pub(crate) fn example(id: &str, owner: &str) -> Self {
        StoredApiKey {
            id: id.to_owned(),
            hash: [7; 32],
            owner: owner.to_owned(),
            scope: "encrypt decrypt".to_owned(),
            created: 900,
            expires: None,
            limit: None,
            used: None,
            revoked: None,
        }
    }
}
