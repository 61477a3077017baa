//! Detects a flood of connections that complete nothing. A legitimate burst looks the same at first, but ends once it
//! is answered.

use std::sync::atomic::{AtomicU64, Ordering};

/// How long a flood is assumed to last after it was last detected, in milliseconds.
const LASTS: u64 = 10_000;

/// See the module. Times are milliseconds since the engine started.
#[derive(Default)]
pub(in crate::server::pool) struct Siege {
    until: AtomicU64,
}

impl Siege {
    /// At the connection limit, many connections have been in mid-transfer for too long.
    pub(in crate::server::pool) fn notice(&self, now: u64) {
        self.until.fetch_max(now + LASTS, Ordering::Relaxed);
    }

    pub(in crate::server::pool) fn lasts(&self, now: u64) -> bool {
        now < self.until.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_ends_some_time_after_it_was_last_detected() {
        let siege = Siege::default();
        assert!(!siege.lasts(1));
        siege.notice(1000);
        siege.notice(500);
        assert!(siege.lasts(1000 + LASTS - 1));
        assert!(!siege.lasts(1000 + LASTS));
    }
}
