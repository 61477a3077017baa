//! Asking the store once for many threads that want to know the same.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use crate::base::fork::{forks, outside};

/// Lets one thread ask at a time: the others wait for its answer, which may be the one that they need. A forked child does not
/// wait for a thread of its parent.
#[derive(Default)]
pub(super) struct Asking(AtomicU64);

/// Ends with the answer, or a panic.
pub(super) struct Turn<'a>(&'a AtomicU64);

impl Asking {
    /// `None`: another thread has asked meanwhile.
    pub(super) fn begin(&self) -> Option<Turn<'_>> {
        let own = forks() + 1;
        let before = self.0.load(Ordering::Acquire);
        let (order, failed) = (Ordering::AcqRel, Ordering::Acquire);
        if before != own
            && (self.0)
                .compare_exchange(before, own, order, failed)
                .is_ok()
        {
            return Some(Turn(&self.0));
        }
        // Each call has a deadline.
        while self.0.load(Ordering::Acquire) == own {
            outside(|| thread::sleep(Duration::from_millis(1)));
        }
        None
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.store(0, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_wait_for_the_one_that_asks() {
        let asking = Asking::default();
        let turn = asking.begin().expect("nobody asks");
        thread::scope(|scope| {
            let waits = scope.spawn(|| asking.begin().is_none());
            thread::sleep(Duration::from_millis(50));
            assert!(!waits.is_finished());
            drop(turn);
            assert!(waits.join().expect("no panic"), "it has been asked");
        });
        assert!(asking.begin().is_some());
        // As in a child that was forked while its parent asked.
        asking.0.store(forks() + 2, Ordering::Release);
        assert!(asking.begin().is_some());
    }
}
