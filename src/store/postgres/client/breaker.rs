//! Keeps callers from waiting for a store that does not answer: after some failures in a row, calls fail at once, but for
//! one a second.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::base::sync::lock;

const AFTER: u32 = 3;
const PROBE_EVERY: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(super) struct Breaker(Mutex<State>);

#[derive(Default)]
struct State {
    /// In a row.
    failures: u32,
    next_probe: Option<Instant>,
}

impl Breaker {
    /// Whether a call may be tried now.
    pub(super) fn permits(&self) -> bool {
        self.permits_at(Instant::now())
    }

    fn permits_at(&self, now: Instant) -> bool {
        let mut state = lock(&self.0);
        match state.next_probe {
            Some(next) if now < next => false,
            Some(_) => {
                state.next_probe = Some(now + PROBE_EVERY);
                true
            }
            None => true,
        }
    }

    /// Whether calls are being refused.
    pub(super) fn is_open(&self) -> bool {
        lock(&self.0).next_probe.is_some()
    }

    pub(super) fn succeeded(&self) {
        *lock(&self.0) = State::default();
    }

    pub(super) fn failed(&self) {
        self.failed_at(Instant::now());
    }

    fn failed_at(&self, now: Instant) {
        let mut state = lock(&self.0);
        state.failures = state.failures.saturating_add(1);
        if state.failures >= AFTER {
            state.next_probe = Some(now + PROBE_EVERY);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_three_failures_one_call_a_second_is_tried_until_one_succeeds() {
        let (breaker, start) = (Breaker::default(), Instant::now());
        let at = |ms: u64| start + Duration::from_millis(ms);
        for failure in 0..3 {
            assert!(breaker.permits_at(start), "{failure}");
            assert!(!breaker.is_open());
            breaker.failed_at(start);
        }
        assert!(breaker.is_open());
        assert!(!breaker.permits_at(at(999)));
        assert!(breaker.permits_at(at(1000)));
        assert!(!breaker.permits_at(at(1000)), "one probe at a time");
        breaker.failed_at(at(1001));
        assert!(!breaker.permits_at(at(2000)));
        assert!(breaker.permits_at(at(2001)));
        breaker.succeeded();
        assert!(breaker.permits_at(at(2001)) && breaker.permits_at(at(2001)));
        assert!(!breaker.is_open());
    }

    #[test]
    fn failures_in_between_successes_do_not_add_up() {
        let breaker = Breaker::default();
        for _ in 0..10 {
            breaker.failed();
            breaker.failed();
            breaker.succeeded();
        }
        assert!(breaker.permits() && !breaker.is_open());
    }
}
