//! The threads that do what no request should wait for: one renews leases before they are over, the other gives back those that
//! nobody spends any more.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::central::Named;
use super::slots::Name;
use crate::base::fork::{forks, section};
use crate::base::process_thread::ProcessThread;
use crate::base::sync::lock;
use crate::base::waker::Waker;

/// How often to look for leases that are over.
const EVERY: Duration = Duration::from_millis(250);
/// So many may wait to be renewed. Beyond that, requests ask for their leases themselves.
const MOST: usize = 1_024;

/// Names whose leases end soon.
#[derive(Default)]
pub(super) struct Renewals {
    all: Mutex<Vec<Renewal>>,
    waiting: AtomicUsize,
    waker: Waker,
}

struct Renewal {
    slot: Arc<Name>,
    name: Named,
    /// A child of a fork has no use for its parent's.
    forks: u64,
}

impl Renewals {
    pub(super) fn add(&self, slot: Arc<Name>, name: Named) {
        let mut all = lock(&self.all);
        if all.len() >= MOST {
            return;
        }
        all.push(Renewal {
            slot,
            name,
            forks: forks(),
        });
        self.waiting.store(all.len(), Ordering::SeqCst);
        drop(all);
        self.waker.wake();
    }

    /// Takes those that wait.
    pub(super) fn take(&self) -> impl Iterator<Item = (Arc<Name>, Named)> + use<> {
        let mut all = lock(&self.all);
        self.waiting.store(0, Ordering::SeqCst);
        let all = std::mem::take(&mut *all).into_iter();
        all.filter(|one| one.forks == forks())
            .map(|one| (one.slot, one.name))
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.waiting.load(Ordering::SeqCst) > 0
    }
}

/// The threads.
pub(super) struct Keeper {
    ends: Arc<AtomicBool>,
    renewing: ProcessThread,
    returning: ProcessThread,
}

impl Keeper {
    pub(super) fn new() -> Self {
        Keeper {
            ends: Arc::default(),
            renewing: ProcessThread::new(),
            returning: ProcessThread::new(),
        }
    }

    /// Starts the threads if this process has none.
    pub(super) fn start<R: FnMut() + Send + 'static, K: FnMut() + Send + 'static>(
        &self,
        renewals: &Arc<Renewals>,
        renew: impl FnOnce() -> R,
        keep: impl FnOnce() -> K,
    ) {
        if self.renewing.is_started() && self.returning.is_started() {
            return;
        }
        let waits = Arc::clone(renewals);
        let renewing = self.renewing.start("sealgate-leases", || {
            self.repeat(renew(), move || {
                waits.waker.sleep(Duration::MAX, || waits.is_waiting());
            })
        });
        let returning = self.returning.start("sealgate-limits", || {
            self.repeat(keep(), || thread::park_timeout(EVERY))
        });
        if let Err(error) = renewing.and(returning) {
            log::error!(
                "A thread that renews leases or gives them back cannot be started: {error}."
            );
        }
    }

    fn repeat<W: FnMut() + Send + 'static>(
        &self,
        mut work: W,
        wait: impl Fn() + Send + 'static,
    ) -> impl FnOnce() + Send + 'static {
        let ends = Arc::clone(&self.ends);
        move || {
            while !ends.load(Ordering::Acquire) {
                wait();
                let _section = section();
                work();
            }
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Release);
        self.renewing.join();
        self.returning.join();
    }
}
