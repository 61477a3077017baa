//! Gives back leases that are over and that no further request takes along, on a thread of their own.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use super::central::{Named, Return};
use super::slots::{Slot, locked};
use crate::base::fork::{Owner, forks, outside, section};
use crate::base::sync::lock;
use crate::base::threads;

/// How often it is looked for leases that are over.
const EVERY: Duration = Duration::from_millis(250);
/// Leases beyond this number are not remembered, and so given back only by a further request.
const MOST: usize = 100_000;
/// How long a lease must have been over, in nanoseconds: a busy name's goes with its next request.
const AFTER: u64 = 100_000_000;
const NEVER: u64 = u64::MAX;

struct Due {
    ends: u64,
    slot: Weak<Mutex<Slot>>,
    name: Named,
}

/// Leases that will have to be given back.
#[derive(Default)]
pub(super) struct Returns(Mutex<Vec<Due>>);

impl Returns {
    pub(super) fn add(&self, ends: u64, slot: &Arc<Mutex<Slot>>, name: Named) {
        let mut all = lock(&self.0);
        if all.len() < MOST {
            all.push(Due {
                ends,
                slot: Arc::downgrade(slot),
                name,
            });
        }
    }

    /// Takes those that have been over for a while, and returns what to report of them.
    pub(super) fn due(&self, now: u64) -> Vec<(Named, Return)> {
        let mut all = lock(&self.0);
        let is_due = |due: &Due| due.ends.saturating_add(AFTER) <= now;
        // Leases last at most a second, so there are never many.
        let (due, rest): (Vec<_>, _) = all.drain(..).partition(is_due);
        *all = rest;
        drop(all);
        let reports = due.into_iter().filter_map(|due| {
            let slot = due.slot.upgrade()?;
            let mut slot = locked(&slot);
            // It may have gone already, or there is another one, which has an entry of its own.
            let is_over = slot.lease.as_ref().is_some_and(|lease| !lease.lives(now));
            let lease = slot.lease.take_if(|_| is_over)?;
            Some((due.name, lease.back(now)?))
        });
        reports.collect()
    }
}

/// The thread. A forked child starts its own.
pub(super) struct Keeper {
    ends: Arc<AtomicBool>,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// The number of forks when it was started.
    started: AtomicU64,
    owner: Owner,
}

impl Keeper {
    pub(super) fn new() -> Self {
        Keeper {
            ends: Arc::default(),
            thread: Mutex::default(),
            started: AtomicU64::new(NEVER),
            owner: Owner::this(),
        }
    }

    /// Starts the thread if this process has none. It does the `work` again and again.
    pub(super) fn start<W: FnMut() + Send + 'static>(&self, work: impl FnOnce() -> W) {
        let (before, now) = (self.started.load(Ordering::Acquire), forks());
        let (order, failed) = (Ordering::AcqRel, Ordering::Acquire);
        if before == now
            || (self.started)
                .compare_exchange(before, now, order, failed)
                .is_err()
        {
            return;
        }
        let (mut work, ends) = (work(), Arc::clone(&self.ends));
        let run = move || {
            while !ends.load(Ordering::Acquire) {
                std::thread::park_timeout(EVERY);
                let _section = section();
                work();
            }
        };
        match threads::spawn("sealgate-limits", run) {
            // A handle of the parent's thread is of no use.
            Ok(new) => std::mem::forget(lock(&self.thread).replace(new)),
            Err(error) => {
                self.started.store(NEVER, Ordering::Release);
                log::error!("The thread that gives back leases cannot be started: {error}.");
            }
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Release);
        let Some(thread) = lock(&self.thread).take() else {
            return;
        };
        match self.owner.changed() {
            true => std::mem::forget(thread),
            false => {
                thread.thread().unpark();
                outside(|| drop(thread.join()));
            }
        }
    }
}
