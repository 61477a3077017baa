//! The counts in a store that machines share: each process adds its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::file::Fault;
use super::flush_mode::FlushMode;
use crate::base::clock::coarse_milliseconds;
use crate::store::SharedStore;

/// How often calls that seal write to it, in milliseconds, unless many messages wait.
const EVERY: u64 = 5000;
/// So many messages do not wait. Each thread checks this with every 4,096th message, so with 16 threads a killed process loses
/// 98,304 at most. A server's thread records them every second.
const MANY: u64 = 32_768;
/// Not written to yet.
const NEVER: u64 = u64::MAX;

/// See the module.
pub(super) struct InStore {
    store: Arc<dyn SharedStore>,
    /// When it was last written to, in milliseconds of [`coarse_milliseconds`].
    written: AtomicU64,
}

impl InStore {
    pub(super) fn new(store: Arc<dyn SharedStore>) -> Self {
        InStore {
            store,
            written: AtomicU64::new(NEVER),
        }
    }

    /// Adds messages of a key, unless their count [`can_wait`]; what is not recorded then stays in memory.
    pub(super) fn add(&self, id: &str, messages: u64, mode: FlushMode) -> Result<(), Fault> {
        let (now, before) = (coarse_milliseconds(), self.written.load(Ordering::Relaxed));
        let since = (before != NEVER).then(|| now.saturating_sub(before));
        if can_wait(mode, since, messages) {
            return Err(Fault::Busy);
        }
        self.written.store(now, Ordering::Relaxed);
        let added = self.store.add_key_usage(&[(id.to_owned(), messages)]);
        added.map_err(|error| Fault::Trouble(error.to_string()))
    }
}

/// Whether a count is recorded later: a call that seals writes its first message to the store, then every few seconds or for many
/// messages, and the exit handler nothing. `since` is how long ago the store was written to, in milliseconds, if it was.
fn can_wait(mode: FlushMode, since: Option<u64>, messages: u64) -> bool {
    match mode {
        FlushMode::Sealing => since.is_some_and(|since| since < EVERY) && messages < MANY,
        FlushMode::Last => false,
        FlushMode::Exit => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_seals_writes_first_then_seldom_or_for_many() {
        let sealing = |since, messages| can_wait(FlushMode::Sealing, since, messages);
        assert!(!sealing(None, 1));
        assert!(sealing(Some(0), 1));
        assert!(sealing(Some(EVERY - 1), MANY - 1));
        assert!(!sealing(Some(EVERY), 1));
        assert!(!sealing(Some(0), MANY));
    }

    #[test]
    fn the_last_count_never_waits_and_at_the_exit_none_is_written() {
        for since in [None, Some(0), Some(EVERY)] {
            for messages in [1, MANY] {
                assert!(!can_wait(FlushMode::Last, since, messages));
                assert!(can_wait(FlushMode::Exit, since, messages));
            }
        }
    }
}
