//! The thread that does what no request should wait for: it renews leases before they are over, and gives back those that
//! nobody spends any more.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::central::Named;
use super::slots::Name;
use crate::base::fork::{forks, section};
use crate::base::process_thread::ProcessThread;
use crate::base::sync::lock;
use crate::base::waker::Waker;

/// How often it is looked for leases that are over.
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

/// What the thread does.
pub(super) trait Work: Send {
    fn renew(&mut self);
    /// Now and then.
    fn keep(&mut self);
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

    /// Starts the thread if this process has none.
    pub(super) fn start<W: Work + 'static>(
        &self,
        renewals: &Arc<Renewals>,
        work: impl FnOnce() -> W,
    ) {
        if self.thread.is_started() {
            return;
        }
        let run = || {
            let (mut work, ends, renewals) = (work(), Arc::clone(&self.ends), Arc::clone(renewals));
            move || {
                let mut next = Instant::now() + EVERY;
                while !ends.load(Ordering::Acquire) {
                    let rest = next.saturating_duration_since(Instant::now());
                    renewals.waker.sleep(rest, || renewals.is_waiting());
                    let _section = section();
                    work.renew();
                    if Instant::now() >= next {
                        work.keep();
                        next = Instant::now() + EVERY;
                    }
                }
            }
        };
        if let Err(error) = self.thread.start("sealgate-limits", run) {
            log::error!(
                "The thread that renews leases and gives them back cannot be started: {error}."
            );
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Release);
        self.thread.join();
    }
}
