//! What a worker knows of its load, and what it gives to others.

use std::time::{Duration, Instant};

/// Which connections a worker gives away when they have been served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Giving {
    Nothing,
    /// All of them: it does not take part any more.
    All,
    /// Every second one, by chance, of those served until then.
    Half {
        to: usize,
        until: Instant,
        salt: u32,
    },
}

/// A worker's looks at its load.
pub(super) struct Look {
    /// The last one.
    pub(super) at: Instant,
    /// The time since then in which it waited for something to do.
    pub(super) asleep: Duration,
    /// For how many looks it has been loaded.
    pub(super) loaded: u32,
    /// What it knows of the balance.
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
