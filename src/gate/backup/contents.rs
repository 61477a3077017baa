//! What a backup contains, in numbers.

use crate::store::StoreContents;

/// What a backup contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackupContents {
    /// When it was made, in seconds since 1970-01-01 UTC.
    pub created: u64,
    /// `None`: there is no store.
    pub store: Option<StoreContents>,
    /// `None`: there is no key ring.
    pub ring: Option<RingContents>,
}

/// The key ring of a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RingContents {
    /// Whether the ring's file is sealed. The backup then does not contain the secret that opens it.
    pub sealed: bool,
    /// How many token keys and data keys it has. `None`: it is sealed, and the settings name no secret to open it.
    pub keys: Option<(usize, usize)>,
}
