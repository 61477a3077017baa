//! Whether a crowd pushes in that finishes nothing. A good burst looks the same at first: it is over once it is answered.

use std::sync::atomic::{AtomicU64, Ordering};

/// How long it counts after it was noticed last, in milliseconds.
const LASTS: u64 = 10_000;

/// See the module. Times are milliseconds of the engine's time.
#[derive(Default)]
pub(super) struct Siege {
    until: AtomicU64,
}

impl Siege {
    /// Many have been in the middle of something for too long where there is no room.
    pub(super) fn notice(&self, now: u64) {
        self.until.fetch_max(now + LASTS, Ordering::Relaxed);
    }

    pub(super) fn lasts(&self, now: u64) -> bool {
        now < self.until.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_over_some_time_after_it_was_noticed_last() {
        let siege = Siege::default();
        assert!(!siege.lasts(1));
        siege.notice(1000);
        siege.notice(500);
        assert!(siege.lasts(1000 + LASTS - 1));
        assert!(!siege.lasts(1000 + LASTS));
    }
}
