//! What a worker could evict, as other threads see it.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::choice::Spare;

/// A [`Spare`] whose values are read and written one by one: they may be out of step with each other for a moment.
#[derive(Default)]
pub(in crate::server::pool) struct Published {
    slow: AtomicU64,
    idle: AtomicU64,
    slow_ones: AtomicUsize,
    connections: AtomicUsize,
}

impl Published {
    pub(in crate::server::pool) fn publish(&self, spare: Spare) {
        self.slow.store(spare.slow, Ordering::Release);
        self.idle.store(spare.idle, Ordering::Release);
        self.slow_ones.store(spare.slow_ones, Ordering::Release);
        self.connections.store(spare.connections, Ordering::Release);
    }

    pub(in crate::server::pool) fn read(&self) -> Spare {
        Spare {
            slow: self.slow.load(Ordering::Acquire),
            idle: self.idle.load(Ordering::Acquire),
            slow_ones: self.slow_ones.load(Ordering::Acquire),
            connections: self.connections.load(Ordering::Acquire),
        }
    }
}
