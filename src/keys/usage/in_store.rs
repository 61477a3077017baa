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

    /// A call that seals waits for the store with its first message, then every few seconds or for many messages, and the exit
    /// handler not at all: what is not recorded then stays in memory.
    pub(super) fn add(&self, id: &str, messages: u64, mode: FlushMode) -> Result<(), Fault> {
        let (now, before) = (coarse_milliseconds(), self.written.load(Ordering::Relaxed));
        let is_early = before != NEVER && now.saturating_sub(before) < EVERY;
        let waits = mode == FlushMode::Sealing && is_early && messages < MANY;
        if mode == FlushMode::Exit || waits {
            return Err(Fault::Busy);
        }
        self.written.store(now, Ordering::Relaxed);
        let added = self.store.add_key_usage(&[(id.to_owned(), messages)]);
        added.map_err(|error| Fault::Trouble(error.to_string()))
    }
}
