//! Of all keys in use: when the messages that they have sealed are recorded.

use std::sync::Arc;

use super::usage::FlushMode;
use super::watch::{Keys, Source};
use crate::base::sync::lock;
use crate::base::waker::Waker;

impl Keys {
    /// Whether message counts are recorded.
    pub(crate) fn keeps_usage(&self) -> bool {
        self.source.is_some()
    }

    /// Records the message counts not yet recorded.
    pub(crate) fn write_usage(&self) {
        self.write_down(FlushMode::Last);
    }

    pub(super) fn write_down(&self, mode: FlushMode) {
        self.ring.load().write_usage(mode);
        if let Some(source) = &self.source {
            source.write_unwritten(mode);
        }
    }

    /// Whether any message counts are not yet recorded.
    pub(crate) fn has_unwritten_usage(&self) -> bool {
        self.ring.load().has_unwritten_usage()
            || self.source.as_ref().is_some_and(|source| {
                let unwritten = lock(&source.unwritten);
                unwritten.iter().any(|tally| tally.has_unwritten())
            })
    }

    /// Woken when there are counts to record.
    pub(crate) fn waker(&self) -> Arc<Waker> {
        let journal = self.source.as_ref().map(|source| &source.journal);
        journal.map_or_else(Arc::default, |journal| journal.waker.clone())
    }
}

impl Source {
    /// Records the messages sealed by previous rings, and drops the tallies that are no longer in use.
    pub(super) fn write_unwritten(&self, mode: FlushMode) {
        let tallies = lock(&self.unwritten).clone();
        if tallies.is_empty() {
            return;
        }
        for tally in &tallies {
            tally.write(mode);
        }
        drop(tallies);
        lock(&self.unwritten).retain(|tally| Arc::strong_count(tally) > 1 || tally.has_unwritten());
    }
}
