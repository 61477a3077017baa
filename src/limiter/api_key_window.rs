//! Sliding windows with limits of their own: one for each API key that has one. The windows share a memory budget.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::admission_times::{Stamps, nanoseconds};
use super::budget::Budget;
use super::sliding_window::{Admission, Rules};
use crate::base::sync::lock;

/// Creates windows that share one budget.
pub(crate) struct Windows {
    budget: Arc<Budget>,
    start: Instant,
}

/// One caller's exact sliding window. It is never evicted: it counts as long as it exists.
pub(crate) struct Window {
    rules: Rules,
    start: Instant,
    budget: Arc<Budget>,
    stamps: Mutex<Stamps>,
}

impl Windows {
    /// `max_bytes`: what all lists of times may take together.
    pub(crate) fn new(max_bytes: usize) -> Self {
        Windows {
            budget: Arc::new(Budget::new(max_bytes)),
            start: Instant::now(),
        }
    }

    /// A window that admits `limit` requests in any `length`.
    pub(crate) fn window(&self, limit: u32, length: Duration) -> Window {
        Window {
            rules: Rules {
                limit,
                window: nanoseconds(length),
            },
            start: self.start,
            budget: Arc::clone(&self.budget),
            stamps: Mutex::default(),
        }
    }
}

impl Window {
    /// How much requests may cost together in any window.
    pub(crate) fn limit(&self) -> u32 {
        self.rules.limit
    }

    /// Its length.
    pub(crate) fn length(&self) -> Duration {
        Duration::from_nanos(self.rules.window)
    }

    /// Counts a request now and returns whether it is admitted, as [`Limiter::admit_cost`](super::Limiter::admit_cost) does.
    pub(crate) fn admit(&self, cost: u32) -> Admission {
        let mut stamps = lock(&self.stamps);
        // The clock is read under the lock, so that a later request never gets an earlier time.
        let now = nanoseconds(self.start.elapsed());
        self.release(&mut stamps, now);
        match cost {
            0 => self.rules.peek(&mut stamps, cost, now),
            _ => self.rules.count(&mut stamps, cost, now, &self.budget),
        }
    }

    /// Whether a request of this cost would be admitted now. Counts nothing.
    pub(crate) fn peek(&self, cost: u32) -> Admission {
        let mut stamps = lock(&self.stamps);
        let now = nanoseconds(self.start.elapsed());
        self.release(&mut stamps, now);
        self.rules.peek(&mut stamps, cost, now)
    }

    /// Forgets the requests and returns what they cost.
    pub(crate) fn reset(&self) -> u32 {
        let mut stamps = lock(&self.stamps);
        self.rules
            .forget(&mut stamps, nanoseconds(self.start.elapsed()));
        let counted = stamps.units();
        stamps.clear(&self.budget);
        counted
    }

    /// Gives back the memory of a list that has become short: all windows share the budget.
    fn release(&self, stamps: &mut Stamps, now: u64) {
        self.rules.forget(stamps, now);
        stamps.shrink(&self.budget);
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        lock(&self.stamps).clear(&self.budget);
    }
}

impl fmt::Debug for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = Duration::from_nanos(self.rules.window);
        write!(f, "{} in {length:?}", self.rules.limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn ask(window: &Window, at: u64) -> Admission {
        let mut stamps = lock(&window.stamps);
        window.rules.count(&mut stamps, 1, at, &window.budget)
    }

    #[test]
    fn no_window_ever_contains_more_than_the_limit() {
        let windows = Windows::new(1 << 20);
        let window = windows.window(3, Duration::from_secs(10));
        for (at, allowed, remaining, reset) in [
            (0, true, 2, 10),
            (4, true, 1, 6),
            (5, true, 0, 5),
            (6, false, 0, 4),
            (9, false, 0, 1),
            (10, true, 0, 4),
            (13, false, 0, 1),
            (100, true, 2, 10),
        ] {
            let got = ask(&window, at * SECOND);
            let reset = Duration::from_secs(reset);
            assert_eq!((got.allowed, got.remaining), (allowed, remaining), "{at}");
            assert_eq!((got.limit, got.reset), (3, reset), "{at}");
        }
    }

    #[test]
    fn windows_count_apart_and_by_the_real_clock() {
        let windows = Windows::new(1 << 20);
        let [one, other] = [1, 2].map(|limit| windows.window(limit, Duration::from_secs(3_600)));
        let admitted = |window: &Window| window.admit(1).allowed;
        assert!(admitted(&one) && !admitted(&one) && !admitted(&one));
        assert!(admitted(&other) && admitted(&other) && !admitted(&other));
    }

    #[test]
    fn a_batch_is_admitted_as_a_whole_or_not_at_all() {
        let windows = Windows::new(1 << 20);
        let window = windows.window(5, Duration::from_secs(3_600));
        let state = |admission: Admission| (admission.allowed, admission.remaining);
        assert_eq!(state(window.admit(3)), (true, 2));
        assert_eq!(state(window.peek(3)), (false, 2));
        assert_eq!(state(window.admit(3)), (false, 2));
        assert_eq!(state(window.admit(0)), (true, 2));
        assert_eq!(state(window.admit(2)), (true, 0));
        assert_eq!(window.limit(), 5);
    }

    #[test]
    fn a_window_that_is_empty_again_leaves_the_memory_to_others() {
        let windows = Windows::new(1_000);
        let window = windows.window(1_000_000, Duration::from_millis(1));
        while window.admit(1).remaining > 0 {}
        let other = windows.window(10, Duration::from_secs(3_600));
        std::thread::sleep(Duration::from_millis(5));
        assert!(window.peek(1).allowed);
        assert_eq!(windows.budget.used(), 0);
        assert!(other.admit(1).allowed && other.admit(1).allowed);
    }

    #[test]
    fn memory_is_bounded_and_released() {
        let windows = Windows::new(1_000);
        let window = windows.window(1_000_000, Duration::from_secs(10));
        let admitted = (0..1_000).filter(|at| ask(&window, *at).allowed).count();
        // The list doubles, and the old one exists beside the new one while it does.
        assert_eq!(admitted, 64);
        assert!(windows.budget.used() <= 1_000);
        let other = windows.window(4, Duration::from_secs(10));
        drop(window);
        assert_eq!(windows.budget.used(), 0);
        assert!(ask(&other, 0).allowed && ask(&other, 1).allowed);
        assert!(windows.budget.used() > 0);
        drop(other);
        assert_eq!(windows.budget.used(), 0);
    }
}
