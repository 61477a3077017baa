//! When rows of lockouts were last removed by this process.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use once_cell::sync::OnceCell;

/// How often the rows of a large table are counted, in seconds.
const COUNT_EVERY: u64 = 60;

/// When this process last removed rows, in seconds since its first removal.
#[derive(Default)]
pub(super) struct Forgotten {
    start: OnceCell<Instant>,
    expired: AtomicU64,
    counted: AtomicU64,
}

impl Forgotten {
    /// Whether expired rows, and whether rows in excess are to be removed now.
    pub(super) fn is_due(&self) -> (bool, bool) {
        let start = self.start.get_or_init(Instant::now);
        let now = start.elapsed().as_secs() + COUNT_EVERY;
        let due = |last: &AtomicU64, every: u64| {
            let before = last.load(Ordering::Relaxed);
            now >= before + every
                && last
                    .compare_exchange(before, now, Ordering::Relaxed, Ordering::Relaxed)
                    .is_ok()
        };
        (due(&self.expired, 1), due(&self.counted, COUNT_EVERY))
    }
}
