//! How long a key of the ring is accepted.

use crate::base::clock::unix_now;

/// Whether tokens or data of a key are still accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// Accepted indefinitely.
    Accepted,
    /// Accepted until this time, in seconds since 1970-01-01 UTC.
    AcceptedUntil(u64),
    /// No longer accepted.
    Retired,
}

impl KeyState {
    /// Whether the key is accepted at this time, in seconds since 1970-01-01 UTC.
    pub fn accepts_at(self, now: u64) -> bool {
        match self {
            KeyState::Accepted => true,
            KeyState::AcceptedUntil(time) => now < time,
            KeyState::Retired => false,
        }
    }
}

/// A key of the ring with its state.
pub(crate) struct Held<K> {
    pub(crate) key: K,
    pub(crate) state: KeyState,
    /// For a token key: when it starts signing; `None` if it always could.
    pub(super) signs_from: Option<u64>,
}

impl<K> Held<K> {
    /// The key, unless it is no longer accepted.
    pub(crate) fn accepted(&self) -> Result<&K, Unusable> {
        // The clock is read only when it matters.
        match self.state {
            KeyState::Accepted => Ok(&self.key),
            state if state.accepts_at(unix_now()) => Ok(&self.key),
            _ => Err(Unusable::Retired),
        }
    }
}

/// Why a key cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unusable {
    /// The ring has no key with this id.
    Unknown,
    /// The key exists but is no longer accepted.
    Retired,
}
