//! The counts in a store that several machines share: each process adds its own.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use super::file::Fault;
use super::{FlushMode, KeyUsage};
use crate::Error;
use crate::base::clock::coarse_milliseconds;
use crate::store::SharedStore;

/// How often calls that seal write to a shared store, in milliseconds.
const STORE_EVERY: u64 = 5000;

/// A call that seals waits for the store at most every few seconds, and the exit handler not at all: what is not recorded then
/// stays in memory.
pub(super) fn add_to_store(
    store: &dyn SharedStore,
    written: &AtomicU64,
    (id, messages): (&str, u64),
    mode: FlushMode,
) -> Result<(), Fault> {
    let now = coarse_milliseconds();
    let waits = now.saturating_sub(written.load(Ordering::Relaxed)) < STORE_EVERY;
    if mode == FlushMode::Exit || mode == FlushMode::Sealing && waits {
        return Err(Fault::Busy);
    }
    written.store(now, Ordering::Relaxed);
    store
        .add_key_usage(&[(id.to_owned(), messages)])
        .map_err(|error| Fault::Trouble(error.to_string()))
}

impl KeyUsage {
    /// The counts in a shared store.
    pub(in crate::keys) fn of(counts: Result<Vec<(String, u64)>, Error>) -> Self {
        match counts {
            Ok(counts) => KeyUsage {
                messages: counts.into_iter().collect(),
                trouble: None,
            },
            Err(error) => KeyUsage {
                messages: BTreeMap::new(),
                trouble: Some(error.to_string()),
            },
        }
    }
}
