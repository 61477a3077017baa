//! Proof that each thread of the engine responds: it counts its rounds, and a thread that is woken has to make one.

use std::sync::atomic::{AtomicU64, Ordering};

/// The rounds of each worker, and of the listener after them.
pub(super) struct Heartbeat(Box<[Rounds]>);

/// On a cache line of its own, because it is written with each round.
#[repr(align(64))]
#[derive(Default)]
struct Rounds(AtomicU64);

impl Heartbeat {
    pub(super) fn new(workers: usize) -> Self {
        Heartbeat((0..=workers).map(|_| Rounds::default()).collect())
    }

    /// Counts a round of this worker, once it has taken note of being woken: if it were counted before that, a wake in between
    /// would be taken for the earlier one, and no further round would follow. Only its thread may call this.
    pub(super) fn count(&self, worker: usize) {
        let Rounds(rounds) = &self.0[worker];
        rounds.store(rounds.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    /// The same for the listener.
    pub(super) fn count_listener(&self) {
        self.count(self.0.len() - 1);
    }

    pub(super) fn rounds(&self) -> Vec<u64> {
        let rounds = self.0.iter();
        rounds
            .map(|rounds| rounds.0.load(Ordering::Relaxed))
            .collect()
    }
}
