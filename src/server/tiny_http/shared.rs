//! What the threads of an engine share.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant};

use super::exchange::Exchange;
use crate::Error;
use crate::base::sync::lock;

/// See the module.
pub(super) struct Shared {
    pub(super) exchange: Exchange,
    pub(super) workers: usize,
    /// An unguessable path: requests for it come from the keeper, which checks that its server still accepts.
    pub(super) probe: String,
    pub(super) stopping: AtomicBool,
    /// Until when to wait for last requests, once it stops.
    pub(super) farewell_ends: OnceLock<Instant>,
    /// Requests being answered.
    pub(super) running: AtomicUsize,
    /// Workers still running: each ends when the engine stops and the queue of its generation is empty.
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

    /// Begins the stop. Without farewell no more requests are taken. `failure`: why the engine cannot continue.
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

    /// How long to wait for last requests.
    pub(super) fn farewell_left(&self) -> Duration {
        let ends = self.farewell_ends.get();
        ends.map_or(Duration::ZERO, |ends| {
            ends.saturating_duration_since(Instant::now())
        })
    }
}
