//! How long a key of the ring is accepted.

use crate::base::clock::unix_now;

/// Whether what a key made is accepted still.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// It is, without an end.
    Accepted,
    /// Until this time, in seconds since 1970-01-01 UTC.
    AcceptedUntil(u64),
    /// Not any more.
    Retired,
}

impl KeyState {
    /// Whether what the key made is accepted at this time, in seconds since 1970-01-01 UTC.
    pub fn accepts_at(self, now: u64) -> bool {
        match self {
            KeyState::Accepted => true,
            KeyState::AcceptedUntil(time) => now < time,
            KeyState::Retired => false,
        }
    }
}

/// A key of the ring that may be used.
pub(crate) struct Held<K> {
    pub(crate) key: K,
    pub(crate) state: KeyState,
    /// Of a token key: when it begins to sign; `None` where it always could.
    pub(super) signs_from: Option<u64>,
}

impl<K> Held<K> {
    /// The key, unless its time is over.
    pub(crate) fn accepted(&self) -> Result<&K, Unusable> {
        // The clock is read only where it matters.
        match self.state {
            KeyState::Accepted => Ok(&self.key),
            state if state.accepts_at(unix_now()) => Ok(&self.key),
            _ => Err(Unusable::Retired),
        }
    }
}

/// Why there is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unusable {
    /// The ring has none of this id.
    Unknown,
    /// It has one, which is not accepted any more.
    Retired,
}
