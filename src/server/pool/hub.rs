//! How the threads of an engine communicate, and how they end.

use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::acceptor::Acceptor;
use super::blocking::Pools;
use super::heartbeat::Heartbeat;
use super::mailbox::Mailbox;
use super::shared::Shared;
use super::waker::Waker;
use crate::Error;
use crate::base::sync::lock;

/// See the module.
pub(super) struct Hub {
    pub(super) shared: Arc<Shared>,
    /// One for each worker.
    pub(super) mailboxes: Arc<[Mailbox]>,
    pub(super) blocking: Pools,
    pub(super) acceptor: Acceptor,
    /// The listener's.
    pub(super) waker: Waker,
    pub(super) heartbeat: Heartbeat,
    ended: Mutex<Ended>,
    changed: Condvar,
}

/// The number of workers that have ended, and the error if one failed.
#[derive(Default)]
struct Ended {
    workers: usize,
    failure: Option<Error>,
}

impl Hub {
    pub(super) fn new(
        shared: Arc<Shared>,
        mailboxes: Arc<[Mailbox]>,
        blocking: Pools,
        acceptor: Acceptor,
    ) -> Result<Self, Error> {
        Ok(Hub {
            shared,
            heartbeat: Heartbeat::new(mailboxes.len()),
            mailboxes,
            blocking,
            acceptor,
            waker: Waker::new()?,
            ended: Mutex::default(),
            changed: Condvar::new(),
        })
    }

    /// `farewell`: how long idle connections stay open, so that a client's last request is answered with `Connection:
    /// close`.
    pub(super) fn stop(&self, farewell: Duration) {
        self.shared.set_stopping(farewell);
        self.waker.ring();
        self.wake_all();
    }

    pub(super) fn abort(&self) {
        self.shared.set_aborting();
        self.wake_all();
    }

    pub(super) fn wake_all(&self) {
        for mailbox in &*self.mailboxes {
            mailbox.wake();
        }
    }

    /// Whether every thread, when woken, goes on within this time.
    pub(super) fn is_alive(&self, within: Duration) -> bool {
        let before = self.heartbeat.rounds();
        self.waker.ring();
        self.wake_all();
        let deadline = Instant::now() + within;
        loop {
            let now = self.heartbeat.rounds();
            if before.iter().zip(&now).all(|(before, now)| before != now) {
                return true;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            thread::sleep(left.min(Duration::from_millis(5)));
        }
    }

    /// Records that a worker has ended. If it failed, the whole engine stops.
    pub(super) fn worker_ended(&self, failure: Option<Error>) {
        let failed = failure.is_some();
        let mut ended = lock(&self.ended);
        ended.workers += 1;
        ended.failure = ended.failure.take().or(failure);
        drop(ended);
        self.changed.notify_all();
        if failed {
            self.stop(Duration::ZERO);
        }
    }

    /// Waits until all workers have ended or `deadline` passes; true if they have ended.
    pub(super) fn wait_for_workers(&self, deadline: Option<Instant>) -> bool {
        let mut ended = lock(&self.ended);
        while ended.workers < self.mailboxes.len() {
            let left = match deadline {
                None => Duration::from_secs(3600),
                Some(deadline) => deadline.saturating_duration_since(Instant::now()),
            };
            if left.is_zero() {
                return false;
            }
            ended = self
                .changed
                .wait_timeout(ended, left)
                .unwrap_or_else(std::sync::PoisonError::into_inner)
                .0;
        }
        true
    }

    /// Why a worker failed.
    pub(super) fn failure(&self) -> Option<Error> {
        lock(&self.ended).failure.clone()
    }
}
