//! What a worker knows about its load, and which connections it gives to others.

use std::time::{Duration, Instant};

/// Which connections a worker gives away after serving them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Giving {
    Nothing,
    /// All of them: it is no longer active.
    All,
    /// A random half of those served until then.
    Half {
        to: usize,
        until: Instant,
        salt: u32,
    },
}

/// A worker's load samples.
pub(super) struct Look {
    /// The time of the last sample.
    pub(super) at: Instant,
    /// How long it has waited for events since then.
    pub(super) asleep: Duration,
    /// For how many samples in a row it has been loaded.
    pub(super) loaded: u32,
    /// What it last read from the balance.
    pub(super) version: u64,
    pub(super) active: usize,
}

impl Look {
    pub(super) fn new(now: Instant) -> Self {
        Look {
            at: now,
            asleep: Duration::ZERO,
            loaded: 0,
            version: 0,
            active: 1,
        }
    }
}
