//! A thread that sleeps until there is work. Waking takes no lock, so that a forked child, which has no such thread, can do it too.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, Thread};
use std::time::Duration;

use arc_swap::ArcSwapOption;

/// See the module. It wakes one thread: the one that slept last.
#[derive(Default)]
pub(crate) struct Waker {
    asleep: AtomicBool,
    thread: ArcSwapOption<Thread>,
}

impl Waker {
    /// Wakes the thread if it sleeps. Whoever calls this has recorded the work with [`Ordering::SeqCst`] before, so that either
    /// the thread sees the work or this sees that it sleeps.
    pub(crate) fn wake(&self) {
        if self.asleep.load(Ordering::SeqCst)
            && self.asleep.swap(false, Ordering::SeqCst)
            && let Some(thread) = &*self.thread.load()
        {
            thread.unpark();
        }
    }

    /// Sleeps until there is work or the thread is unparked, but not longer than `most`; whether there is work. It may also return
    /// early for no reason.
    pub(crate) fn sleep(&self, most: Duration, is_work: impl Fn() -> bool) -> bool {
        self.thread.store(Some(Arc::new(thread::current())));
        self.asleep.store(true, Ordering::SeqCst);
        if !is_work() {
            thread::park_timeout(most);
        }
        self.asleep.store(false, Ordering::SeqCst);
        is_work()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;
    use std::time::Instant;

    use super::*;

    #[test]
    fn no_work_is_slept_through() {
        const ROUNDS: u64 = 20_000;
        let waker = Arc::new(Waker::default());
        let (given, taken) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let worker = thread::spawn({
            let (waker, given, taken) = (waker.clone(), given.clone(), taken.clone());
            move || {
                let mut done = 0;
                while done < ROUNDS {
                    waker.sleep(Duration::from_secs(600), || {
                        given.load(Ordering::SeqCst) > done
                    });
                    done = given.load(Ordering::SeqCst);
                    taken.store(done, Ordering::SeqCst);
                }
            }
        });
        let start = Instant::now();
        for round in 1..=ROUNDS {
            given.store(round, Ordering::SeqCst);
            waker.wake();
            while taken.load(Ordering::SeqCst) < round {
                assert!(
                    start.elapsed() < Duration::from_secs(120),
                    "round {round} is slept through"
                );
                thread::yield_now();
            }
        }
        worker.join().unwrap();
    }

    #[test]
    fn nobody_needs_to_sleep() {
        let waker = Waker::default();
        waker.wake();
        waker.sleep(Duration::from_millis(1), || false);
        waker.wake();
    }
}
