//! Sliding windows with limits of their own: one for each API key that has one. The windows share a memory budget.

use std::collections::VecDeque;
use std::fmt;
use std::mem::size_of;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::Admission;
use super::budget::Budget;
use crate::base::sync::lock;

/// Creates windows that share one budget.
pub(crate) struct Windows {
    budget: Arc<Budget>,
    start: Instant,
}

/// One caller's exact sliding window. It is never evicted: it counts as long as it exists.
pub(crate) struct Window {
    limit: u32,
    /// In nanoseconds, like all times here.
    length: u64,
    start: Instant,
    budget: Arc<Budget>,
    times: Mutex<Times>,
}

/// The times of the counted requests.
#[derive(Default)]
struct Times {
    /// Oldest first.
    list: VecDeque<u64>,
    /// How many the budget covers.
    covered: usize,
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
            limit,
            length: u64::try_from(length.as_nanos()).unwrap_or(u64::MAX),
            start: self.start,
            budget: Arc::clone(&self.budget),
            times: Mutex::default(),
        }
    }
}

impl Window {
    /// Counts a request now and returns whether it is admitted.
    pub(crate) fn admit(&self) -> Admission {
        let mut times = lock(&self.times);
        // The clock is read under the lock, so that a later request never gets an earlier time.
        let now = self.start.elapsed().as_nanos() as u64;
        self.admit_at(&mut times, now)
    }

    fn admit_at(&self, times: &mut Times, now: u64) -> Admission {
        let list = &mut times.list;
        if let Some(until) = now.checked_sub(self.length) {
            while list.front().is_some_and(|time| *time <= until) {
                list.pop_front();
            }
        }
        let counted = list.len();
        let allowed = counted < self.limit as usize && self.make_room(times);
        let mut remaining = 0;
        if allowed {
            times.list.push_back(now);
            remaining = self.limit - counted as u32 - 1;
        }
        let oldest = times.list.front();
        let reset = oldest.map_or(0, |oldest| {
            oldest.saturating_add(self.length).saturating_sub(now)
        });
        Admission {
            allowed,
            limit: self.limit,
            remaining,
            window: Duration::from_nanos(self.length),
            reset: Duration::from_nanos(reset),
        }
    }

    /// Whether the list has room for one more time, or could grow. As with the other limits, a caller whose list cannot
    /// grow is admitted no further.
    fn make_room(&self, times: &mut Times) -> bool {
        let Times { list, covered } = times;
        if list.len() < *covered {
            return true;
        }
        let wanted = (*covered * 2).clamp(4, (self.limit as usize).max(4));
        // The old and the new list coexist while the times are moved.
        if !self.budget.take(bytes(wanted)) {
            return false;
        }
        if list.try_reserve_exact(wanted - list.len()).is_err() {
            self.budget.give_back(bytes(wanted));
            return false;
        }
        self.budget.give_back(bytes(*covered));
        *covered = wanted;
        true
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        self.budget.give_back(bytes(lock(&self.times).covered));
    }
}

fn bytes(times: usize) -> usize {
    times * size_of::<u64>()
}

impl fmt::Debug for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = Duration::from_nanos(self.length);
        write!(f, "{} in {length:?}", self.limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn ask(window: &Window, at: u64) -> Admission {
        window.admit_at(&mut lock(&window.times), at)
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
        let admitted = |window: &Window| window.admit().allowed;
        assert!(admitted(&one) && !admitted(&one) && !admitted(&one));
        assert!(admitted(&other) && admitted(&other) && !admitted(&other));
    }

    #[test]
    fn memory_is_bounded_and_released() {
        let windows = Windows::new(bytes(100));
        let window = windows.window(1_000_000, Duration::from_secs(10));
        let admitted = (0..1_000).filter(|at| ask(&window, *at).allowed).count();
        // The next list would need another 128.
        assert_eq!(admitted, 64);
        assert!(windows.budget.used() <= bytes(100));
        let other = windows.window(4, Duration::from_secs(10));
        drop(window);
        assert_eq!(windows.budget.used(), 0);
        assert!(ask(&other, 0).allowed);
        assert!(windows.budget.used() >= bytes(4));
        drop(other);
        assert_eq!(windows.budget.used(), 0);
    }

    #[test]
    fn a_list_takes_no_more_than_its_limit_needs() {
        let windows = Windows::new(1 << 20);
        let window = windows.window(100, Duration::from_nanos(50));
        for at in 0..10_000 {
            assert!(ask(&window, at).allowed);
        }
        let times = lock(&window.times);
        assert_eq!((times.list.len(), times.covered), (50, 64));
        assert_eq!(windows.budget.used(), bytes(64));
    }
}
