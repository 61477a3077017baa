//! What the threads of an engine share.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant};

use super::exchange::Exchange;
use crate::Error;
use crate::base::sync::lock;

/// What the threads of an engine share.
pub(super) struct Shared {
    pub(super) exchange: Exchange,
    pub(super) workers: usize,
    /// A path nobody can guess: requests for it come from the keeper, which looks whether its server still accepts.
    pub(super) probe: String,
    pub(super) stopping: AtomicBool,
    /// Once it stops: until when requests are still waited for.
    pub(super) farewell_ends: OnceLock<Instant>,
    /// Requests being answered.
    pub(super) running: AtomicUsize,
    /// Workers that have not ended: each ends when the queue of its generation is empty and the engine stops.
    pub(super) workers_alive: AtomicUsize,
    pub(super) state: Mutex<State>,
    pub(super) changed: Condvar,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) stopped: bool,
    pub(super) failure: Option<Error>,
}

impl Shared {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Takes no more requests, unless there is to be a farewell; with a failure, because it cannot.
    pub(super) fn begin_stop(&self, failure: Option<Error>) {
        self.farewell_ends.get_or_init(Instant::now);
        self.stopping.store(true, Ordering::SeqCst);
        let mut state = self.state();
        state.stopped = true;
        state.failure = state.failure.take().or(failure);
        drop(state);
        self.changed.notify_all();
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// How long a last request is waited for.
    pub(super) fn farewell_left(&self) -> Duration {
        let ends = self.farewell_ends.get();
        ends.map_or(Duration::ZERO, |ends| {
            ends.saturating_duration_since(Instant::now())
        })
    }
}
