//! Locks that a panic elsewhere does not take away. `fork` sees to it that a forked child finds them free.

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
