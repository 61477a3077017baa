//! Locks that a panic elsewhere does not take away, and whether a process is still the one that it was.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, TryLockError};

/// Locks, whatever happened to an earlier holder: nothing in this crate leaves what it has locked half-changed.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The same, unless somebody holds it just now.
pub(crate) fn try_lock<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match mutex.try_lock() {
        Err(TryLockError::Poisoned(held)) => Some(held.into_inner()),
        held => held.ok(),
    }
}

/// One at a time, in the order in which they came: a mutex lets whoever holds it have it again before those who wait.
#[derive(Default)]
pub(crate) struct Turns {
    /// How many have come, and how many are done.
    count: Mutex<(u64, u64)>,
    done: Condvar,
}

/// The right to be the one; ends when dropped.
pub(crate) struct Turn<'t>(&'t Turns);

impl Turns {
    /// Waits until all who came before are done.
    pub(crate) fn wait(&self) -> Turn<'_> {
        let mut count = lock(&self.count);
        let mine = count.0;
        count.0 += 1;
        while count.1 != mine {
            count = self
                .done
                .wait(count)
                .unwrap_or_else(PoisonError::into_inner);
        }
        Turn(self)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        lock(&self.0.count).1 += 1;
        self.0.done.notify_all();
    }
}

static FORKS: AtomicU64 = AtomicU64::new(0);

/// How often this process and those that it comes from have been forked off, as far as somebody told: what was begun under
/// another number is the parent's.
pub(crate) fn forks() -> u64 {
    FORKS.load(Ordering::Relaxed)
}

/// This process has just been forked off.
pub(crate) fn was_forked() {
    FORKS.fetch_add(1, Ordering::Relaxed);
}
