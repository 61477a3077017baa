//! What all threads of an engine share: the API, the limits, and the counts that hold for all connections together.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::balance::Balance;
use super::blocking::Pools;
use super::listener::Bell;
use super::mailbox::Mailbox;
use crate::Error;
use crate::address::{Counted, counted};
use crate::api::{App, Method};
use crate::server::head::Limits;
use crate::sync::lock;

/// See the module.
pub(super) struct Shared {
    pub(super) app: App,
    pub(super) limits: Limits,
    pub(super) buffered: Buffered,
    pub(super) addresses: Addresses,
    /// One for each worker.
    pub(super) mailboxes: Vec<Mailbox>,
    pub(super) balance: Balance,
    pub(super) blocking: Pools,
    /// The listener's.
    pub(super) bell: Bell,
    /// What stands in the log for a method that could not be read.
    pub(super) unknown_method: Method,
    /// Connections of all workers, those on their way to a worker included.
    pub(super) connections: AtomicUsize,
    /// Whether no new connections can come any more.
    pub(super) listened: AtomicBool,
    phase: AtomicU8,
    ended: Mutex<Ended>,
    changed: Condvar,
}

/// Threads that have ended, and why if it was before their time.
#[derive(Default)]
struct Ended {
    workers: usize,
    failure: Option<Error>,
}

const RUNNING: u8 = 0;
const STOPPING: u8 = 1;
const ABORTING: u8 = 2;

impl Shared {
    pub(super) fn new(
        app: App,
        limits: Limits,
        max_buffered: usize,
        max_per_address: usize,
        mailboxes: Vec<Mailbox>,
        blocking: Pools,
        bell: Bell,
    ) -> Self {
        Shared {
            app,
            limits,
            buffered: Buffered {
                bytes: AtomicUsize::new(0),
                max: max_buffered,
            },
            addresses: Addresses {
                max: max_per_address,
                counts: Mutex::default(),
            },
            balance: Balance::new(mailboxes.len()),
            mailboxes,
            blocking,
            bell,
            unknown_method: "?".parse().unwrap_or(Method::Get),
            connections: AtomicUsize::new(0),
            listened: AtomicBool::new(false),
            phase: AtomicU8::new(RUNNING),
            ended: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// Whether the engine takes no more connections and requests.
    pub(super) fn is_stopping(&self) -> bool {
        self.phase.load(Ordering::SeqCst) >= STOPPING
    }

    /// Whether what is left has to be dropped.
    pub(super) fn is_aborting(&self) -> bool {
        self.phase.load(Ordering::SeqCst) >= ABORTING
    }

    pub(super) fn stop(&self) {
        self.phase.fetch_max(STOPPING, Ordering::SeqCst);
        self.bell.ring();
        self.wake_all();
    }

    pub(super) fn abort(&self) {
        self.phase.fetch_max(ABORTING, Ordering::SeqCst);
        self.wake_all();
    }

    pub(super) fn wake_all(&self) {
        for mailbox in &self.mailboxes {
            mailbox.wake();
        }
    }

    /// A worker has ended; with a failure, before its time, and then all have to.
    pub(super) fn worker_ended(&self, failure: Option<Error>) {
        let failed = failure.is_some();
        let mut ended = lock(&self.ended);
        ended.workers += 1;
        ended.failure = ended.failure.take().or(failure);
        drop(ended);
        self.changed.notify_all();
        if failed {
            self.stop();
        }
    }

    /// Waits until all workers have ended, or until `deadline`; true where they have.
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

    /// Why a worker ended before its time.
    pub(super) fn failure(&self) -> Option<Error> {
        lock(&self.ended).failure.clone()
    }
}

/// The bytes of all connections' requests and answers on their way.
pub(super) struct Buffered {
    bytes: AtomicUsize,
    max: usize,
}

impl Buffered {
    /// Whether so many bytes more may be kept.
    pub(super) fn has_room(&self, more: usize) -> bool {
        self.bytes.load(Ordering::Relaxed).saturating_add(more) <= self.max
    }

    /// Waits until there is room for something, `patience` at most.
    pub(super) fn wait_for_room(&self, patience: Duration) {
        let begun = Instant::now();
        while !self.has_room(0) && begun.elapsed() < patience {
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Somebody who kept `before` bytes keeps `now`.
    pub(super) fn change(&self, before: usize, now: usize) {
        if now > before {
            self.bytes.fetch_add(now - before, Ordering::Relaxed);
        } else if before > now {
            self.bytes.fetch_sub(before - now, Ordering::Relaxed);
        }
    }
}

/// How many connections each address has.
pub(super) struct Addresses {
    /// Zero: as many as they like.
    max: usize,
    counts: Mutex<HashMap<Counted, usize>>,
}

impl Addresses {
    /// Counts a connection of this address; an error where it has as many as it may.
    pub(super) fn enter(&self, address: Option<IpAddr>) -> Result<Option<Counted>, ()> {
        let Some(ip) = address.filter(|_| self.max > 0) else {
            return Ok(None);
        };
        let key = counted(ip);
        let mut counts = lock(&self.counts);
        let count = counts.entry(key).or_default();
        if *count == self.max {
            return Err(());
        }
        *count += 1;
        Ok(Some(key))
    }

    /// A connection of this address is closed.
    pub(super) fn leave(&self, address: Option<Counted>) {
        let Some(key) = address else {
            return;
        };
        let mut counts = lock(&self.counts);
        if let Some(count) = counts.get_mut(&key) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&key);
            }
        }
    }
}
