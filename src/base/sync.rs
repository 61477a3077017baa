//! Locks that survive a panic elsewhere. `fork` ensures that a forked child finds them free.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, TryLockError};

/// Locks even if an earlier holder panicked: code in this crate never leaves locked data half-changed.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The same, unless another thread holds it.
pub(crate) fn try_lock<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match mutex.try_lock() {
        Err(TryLockError::Poisoned(held)) => Some(held.into_inner()),
        held => held.ok(),
    }
}

/// A fair lock, granted in order of arrival: a mutex lets its last holder lock it again ahead of waiting threads.
#[derive(Default)]
pub(crate) struct Turns {
    /// How many turns were requested, and how many have ended.
    count: Mutex<(u64, u64)>,
    done: Condvar,
}

/// The holder's turn; ends when dropped.
pub(crate) struct Turn<'t>(&'t Turns);

impl Turns {
    /// Waits until all earlier turns have ended.
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
