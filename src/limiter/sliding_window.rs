//! The arithmetic of one limit: so many units in any window.

use std::time::Duration;

use super::admission_times::Stamps;
use super::budget::Budget;
use crate::Error;

/// Whether a request is admitted, and what to report to the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admission {
    /// Whether the request is admitted. If so, it has been counted.
    pub allowed: bool,
    /// How many requests are admitted per window, or what they may cost together.
    pub limit: u32,
    /// How many more are admitted before the oldest one leaves the window.
    pub remaining: u32,
    /// The window's length.
    pub window: Duration,
    /// How long until the oldest counted request leaves the window. After a refusal: how long to wait until this one is
    /// admitted.
    pub reset: Duration,
}

impl Admission {
    /// Turns a refusal into an error.
    ///
    /// # Errors
    /// [`Error::RateLimited`] if the request was refused.
    pub fn into_result(self) -> Result<(), Error> {
        if self.allowed {
            return Ok(());
        }
        Err(Error::RateLimited {
            retry_after: self.reset,
        })
    }
}

/// A limit and its window. Times are nanoseconds since any fixed moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    pub(super) limit: u32,
    pub(super) window: u64,
}

impl Rules {
    /// Drops the times that have left the window, then admits if there is room.
    pub(super) fn count(
        self,
        stamps: &mut Stamps,
        cost: u32,
        now: u64,
        budget: &Budget,
    ) -> Admission {
        self.forget(stamps, now);
        let counted = stamps.units();
        let allowed =
            self.fits(counted, cost) && stamps.push(now, cost, self.limit as usize, budget);
        let leaving = stamps.leaves_with(self.excess(counted, cost));
        self.admission((counted, cost, allowed), leaving, now)
    }

    /// The same without counting.
    pub(super) fn peek(self, stamps: &mut Stamps, cost: u32, now: u64) -> Admission {
        self.forget(stamps, now);
        let counted = stamps.units();
        let leaving = stamps.leaves_with(self.excess(counted, cost));
        self.seen(counted, cost, leaving, now)
    }

    /// What [`peek`](Self::peek) returns, with the units that are counted and the time that has to leave the window next.
    pub(super) fn seen(self, counted: u32, cost: u32, leaving: Option<u64>, now: u64) -> Admission {
        self.admission((counted, 0, self.fits(counted, cost)), leaving, now)
    }

    pub(super) fn forget(self, stamps: &mut Stamps, now: u64) {
        stamps.forget_until(now.saturating_sub(self.window), now >= self.window);
    }

    pub(super) fn fits(self, counted: u32, cost: u32) -> bool {
        // Never more than the limit is counted.
        cost <= self.limit - counted
    }

    /// How many units have to leave the window before there is room for this cost; 1 if there is room.
    pub(super) fn excess(self, counted: u32, cost: u32) -> u32 {
        cost.saturating_sub(self.limit - counted).max(1)
    }

    /// The result for a request of this cost, with the units that were counted before it and whether it is admitted.
    /// `leaving`: the time that has to leave the window next.
    pub(super) fn admission(
        self,
        (counted, cost, allowed): (u32, u32, bool),
        leaving: Option<u64>,
        now: u64,
    ) -> Admission {
        let left = self.limit - counted;
        let remaining = match allowed {
            true => left - cost,
            // Refused for lack of memory: nothing more is admitted.
            false if cost > 0 && cost <= left => 0,
            false => left,
        };
        let reset = match leaving {
            Some(at) => (at + self.window).saturating_sub(now),
            None if allowed => 0,
            // It costs more than the limit, or there is no memory at all.
            None => self.window,
        };
        Admission {
            allowed,
            limit: self.limit,
            remaining,
            window: Duration::from_nanos(self.window),
            reset: Duration::from_nanos(reset),
        }
    }
}
