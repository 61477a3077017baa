//! Gives back leases that are over and that no further request takes along, on a thread of their own.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use super::central::{Named, Return};
use super::slots::{Slot, locked};
use crate::base::fork::section;
use crate::base::process_thread::ProcessThread;
use crate::base::sync::lock;

/// How often it is looked for leases that are over.
const EVERY: Duration = Duration::from_millis(250);
/// Leases beyond this number are not remembered, and so given back only by a further request.
const MOST: usize = 100_000;
/// How long a lease must have been over, in nanoseconds: a busy name's goes with its next request.
const AFTER: u64 = 100_000_000;

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

/// The thread.
pub(super) struct Keeper {
    ends: Arc<AtomicBool>,
    thread: ProcessThread,
}

impl Keeper {
    pub(super) fn new() -> Self {
        Keeper {
            ends: Arc::default(),
            thread: ProcessThread::new(),
        }
    }

    /// Starts the thread if this process has none. It does the `work` again and again.
    pub(super) fn start<W: FnMut() + Send + 'static>(&self, work: impl FnOnce() -> W) {
        if self.thread.is_started() {
            return;
        }
        let run = || {
            let (mut work, ends) = (work(), Arc::clone(&self.ends));
            move || {
                while !ends.load(Ordering::Acquire) {
                    std::thread::park_timeout(EVERY);
                    let _section = section();
                    work();
                }
            }
        };
        if let Err(error) = self.thread.start("sealgate-limits", run) {
            log::error!("The thread that gives back leases cannot be started: {error}.");
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Release);
        self.thread.join();
    }
}
