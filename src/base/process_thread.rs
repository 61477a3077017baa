//! A background thread of which each process has one: a forked child, which gets none of its parent's threads, starts its own.

use std::io;
use std::mem;
use std::process;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::thread::JoinHandle;

use super::fork::{forks, outside};
use super::sync::lock;
use super::threads;

const NEVER: u64 = u64::MAX;

/// See the module.
pub(crate) struct ProcessThread {
    thread: Mutex<Option<JoinHandle<()>>>,
    /// The number of forks and the process when it was started.
    started: AtomicU64,
    process: AtomicU32,
}

impl ProcessThread {
    /// Starts nothing yet.
    pub(crate) fn new() -> Self {
        ProcessThread {
            thread: Mutex::default(),
            started: AtomicU64::new(NEVER),
            process: AtomicU32::new(0),
        }
    }

    /// Whether this process has one, as far as forks are reported.
    pub(crate) fn is_started(&self) -> bool {
        self.started.load(Ordering::Acquire) == forks()
    }

    fn is_inherited(&self) -> bool {
        self.process.load(Ordering::Relaxed) != process::id()
    }

    /// Starts it if this process has none. `work` is called if so, and returns what the thread does.
    pub(crate) fn start<W: FnOnce() + Send + 'static>(
        &self,
        name: &str,
        work: impl FnOnce() -> W,
    ) -> io::Result<()> {
        let (before, now) = (self.started.load(Ordering::Acquire), forks());
        if before == now && !self.is_inherited() {
            return Ok(());
        }
        let (order, failed) = (Ordering::AcqRel, Ordering::Acquire);
        let mine = self
            .started
            .compare_exchange(before, now, order, failed)
            .is_ok();
        if !mine {
            return Ok(());
        }
        self.process.store(process::id(), Ordering::Relaxed);
        match threads::spawn(name, work()) {
            // A handle of the parent's thread is of no use, and cannot be dropped safely.
            Ok(new) => mem::forget(lock(&self.thread).replace(new)),
            Err(error) => {
                self.started.store(NEVER, Ordering::Release);
                return Err(error);
            }
        }
        Ok(())
    }

    /// Wakes the thread and waits for its end, if it is one of this process. The caller has already asked it to end.
    pub(crate) fn join(&self) {
        let Some(thread) = lock(&self.thread).take() else {
            return;
        };
        match self.is_started() && !self.is_inherited() {
            true => {
                thread.thread().unpark();
                outside(|| drop(thread.join()));
            }
            false => mem::forget(thread),
        }
    }
}
