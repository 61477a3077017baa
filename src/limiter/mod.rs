//! An exact sliding window: what a caller is admitted for costs at most N in any window, to the nanosecond. A request
//! costs 1 unless its caller says otherwise.
//!
//! Each admission's time and cost are kept until it leaves the window, so nothing is estimated. Memory is bounded in bytes:
//! tables and lists grow only within the budget, callers whose window is empty are swept out, and a caller with requests in
//! its window is never evicted. Once the budget is used up, new callers share one overflow window, and a caller whose own
//! list cannot grow is admitted no further. A caller who gets a slot later brings its part of the overflow window along.

mod admission_times;
mod api_key_window;
mod budget;
mod json;
mod overflow;
mod policy;
mod settings;
pub(crate) mod shared;
mod sliding_window;
mod table;

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use siphasher::sip128::SipHasher13;

use crate::Error;
use crate::base::random::random_bytes;
use crate::base::sync::lock;
use admission_times::{Stamps, nanoseconds};
pub(crate) use api_key_window::{Window, Windows};
use budget::Budget;
use overflow::Overflow;
pub(crate) use policy::{DEFAULT, parse};
pub use policy::{Per, Policy};
pub use settings::{LimiterDown, Settings};
pub use sliding_window::Admission;
use sliding_window::Rules;
use table::Table;

/// Many more than there are cores, so that callers rarely contend for a lock.
const SHARDS: usize = 64;

/// Counts requests of callers by name. Shared between threads; a shard's lock is held only while its table is in use.
pub struct Limiter {
    rules: Rules,
    start: Instant,
    hash_key: [u8; 16],
    budget: Budget,
    shards: Box<[Mutex<Shard>]>,
    /// Locked after a shard.
    overflow: Mutex<Overflow>,
    /// How many admissions are in the overflow window. A caller's own are seen here by its later requests, because all of
    /// them hold the lock of one shard.
    overflowing: AtomicUsize,
}

#[derive(Default)]
struct Shard {
    table: Table,
    /// After a sweep that freed too little, no sweep before this time: a flood must not trigger one per request.
    next_sweep: u64,
}

impl Limiter {
    /// The limiter that the settings describe; `None` if they switch it off.
    ///
    /// # Errors
    /// Those of [`new`](Self::new).
    pub fn of(settings: &Settings) -> Result<Option<Self>, Error> {
        match settings.max_requests {
            0 => Ok(None),
            limit => Limiter::new(limit, settings.window, settings.memory).map(Some),
        }
    }

    /// A limiter that admits `limit` requests in any `window`, within `max_bytes` of memory.
    ///
    /// # Errors
    /// [`Error::Setting`] if `limit` or `window` is zero or the window is longer than a century; [`Error::Crypto`] if the
    /// system supplies no random bytes.
    pub fn new(limit: u32, window: Duration, max_bytes: usize) -> Result<Self, Error> {
        if limit == 0 || window.is_zero() || window > Duration::from_secs(100 * 366 * 86_400) {
            return Err(Error::Setting(
                "A rate limit needs at least one request and a window between 1 ns and 100 years."
                    .into(),
            ));
        }
        let hash_key: [u8; 16] = random_bytes()?;
        let budget = Budget::new(max_bytes);
        Ok(Limiter {
            rules: Rules {
                limit,
                window: window.as_nanos() as u64, // a century is 3.2e18 ns, below 2^63
            },
            start: Instant::now(),
            hash_key,
            overflow: Mutex::new(Overflow::new(limit, &budget)),
            overflowing: AtomicUsize::new(0),
            budget,
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
        })
    }

    /// How much requests may cost together in any window.
    pub fn limit(&self) -> u32 {
        self.rules.limit
    }

    /// The window's length.
    pub(crate) fn window(&self) -> Duration {
        Duration::from_nanos(self.rules.window)
    }

    /// Counts a request of `caller` now and returns whether it is admitted.
    pub fn admit(&self, caller: &[u8]) -> Admission {
        let key = self.key_of(caller);
        let mut shard = self.shard_of(key);
        self.admit_key(&mut shard, key, 1, self.now())
    }

    /// The same with the caller's clock: `at` is the time since any fixed moment and must not go backwards.
    pub fn admit_at(&self, caller: &[u8], at: Duration) -> Admission {
        self.admit_cost_at(caller, 1, at)
    }

    /// Counts a request that costs as much as `cost` others. It is admitted as a whole or not at all; one that costs more
    /// than the limit never is. A cost of 0 counts nothing and is always admitted.
    pub fn admit_cost(&self, caller: &[u8], cost: u32) -> Admission {
        let key = self.key_of(caller);
        let mut shard = self.shard_of(key);
        self.admit_key(&mut shard, key, cost, self.now())
    }

    /// The same with the caller's clock, as in [`admit_at`](Self::admit_at).
    pub fn admit_cost_at(&self, caller: &[u8], cost: u32, at: Duration) -> Admission {
        let key = self.key_of(caller);
        let mut shard = self.shard_of(key);
        self.admit_key(&mut shard, key, cost, nanoseconds(at))
    }

    /// Whether a request of this cost would be admitted now, and how much is left. Counts nothing and takes no memory.
    pub fn peek(&self, caller: &[u8], cost: u32) -> Admission {
        let key = self.key_of(caller);
        let mut shard = self.shard_of(key);
        self.peek_key(&mut shard, key, cost, self.now())
    }

    /// Forgets the requests of `caller` and returns what they cost.
    pub fn reset(&self, caller: &[u8]) -> u32 {
        let key = self.key_of(caller);
        let mut shard = self.shard_of(key);
        let now = self.now();
        if let Some(stamps) = shard.table.get_mut(key) {
            self.rules.forget(stamps, now);
        }
        let counted = shard.table.forget(key, &self.budget);
        match self.overflowing.load(Ordering::Relaxed) {
            0 => counted,
            // What was brought along is still there as well.
            _ => self.with_overflow(now, |overflow| counted.max(overflow.remove(key))),
        }
    }

    /// Bytes in use now, never more than the `max_bytes` given to [`new`](Self::new).
    pub fn bytes(&self) -> usize {
        self.budget.used()
    }

    /// Read under a shard's lock, so that a later request never gets an earlier time.
    fn now(&self) -> u64 {
        nanoseconds(self.start.elapsed())
    }

    fn admit_key(&self, shard: &mut Shard, key: u128, cost: u32, now: u64) -> Admission {
        if cost == 0 {
            return self.peek_key(shard, key, cost, now);
        }
        if let Some(stamps) = shard.table.get_mut(key) {
            return self.rules.count(stamps, cost, now, &self.budget);
        }
        if self.make_room(shard, now) {
            let stamps = shard.table.insert(key);
            if self.bring_along(stamps, key, now) {
                return self.rules.count(stamps, cost, now, &self.budget);
            }
            shard.table.forget(key, &self.budget);
        }
        self.with_overflow(now, |overflow| {
            let counted = overflow.units(None);
            let allowed = self.rules.fits(counted, cost) && overflow.push(key, now, cost);
            let leaving = overflow.leaves_with(self.rules.excess(counted, cost), None);
            self.rules.admission((counted, cost, allowed), leaving, now)
        })
    }

    fn peek_key(&self, shard: &mut Shard, key: u128, cost: u32, now: u64) -> Admission {
        let has_room = shard.table.has_room();
        match shard.table.get_mut(key) {
            Some(stamps) => self.rules.peek(stamps, cost, now),
            None if self.overflowing.load(Ordering::Relaxed) == 0 => {
                self.rules.seen(0, cost, None, now)
            }
            None => self.with_overflow(now, |overflow| {
                // With room in the table only its own part counts.
                let whose = has_room.then_some(key);
                let counted = overflow.units(whose);
                let leaving = overflow.leaves_with(self.rules.excess(counted, cost), whose);
                self.rules.seen(counted, cost, leaving, now)
            }),
        }
    }

    /// Works on the overflow window, without what has left it.
    fn with_overflow<T>(&self, now: u64, work: impl FnOnce(&mut Overflow) -> T) -> T {
        let mut overflow = lock(&self.overflow);
        overflow.forget_until(
            now.saturating_sub(self.rules.window),
            now >= self.rules.window,
        );
        let done = work(&mut overflow);
        self.overflowing.store(overflow.len(), Ordering::Relaxed);
        done
    }

    /// Gives a new caller its part of the overflow window. `false` if there is no memory for it.
    fn bring_along(&self, stamps: &mut Stamps, key: u128, now: u64) -> bool {
        if self.overflowing.load(Ordering::Relaxed) == 0 {
            return true;
        }
        self.with_overflow(now, |overflow| {
            let mut own = overflow.of(key);
            own.all(|(at, cost)| stamps.push(at, cost, self.rules.limit as usize, &self.budget))
        })
    }

    /// Makes room in the shard's table for one more caller by sweeping, or else by growing. `false` if neither works.
    fn make_room(&self, shard: &mut Shard, now: u64) -> bool {
        if shard.table.has_room() {
            return true;
        }
        if now >= shard.next_sweep {
            let before = shard.table.len();
            let left_until = now.saturating_sub(self.rules.window);
            shard
                .table
                .sweep(left_until, now >= self.rules.window, &self.budget);
            let freed = before - shard.table.len();
            if freed > before / 4 {
                return true;
            }
            shard.next_sweep = now.saturating_add(self.rules.window / 64);
        }
        shard.table.grow(&self.budget) || shard.table.has_room()
    }

    fn key_of(&self, caller: &[u8]) -> u128 {
        SipHasher13::new_with_key(&self.hash_key)
            .hash(caller)
            .as_u128()
            .max(1) // zero marks an empty slot
    }

    fn shard_of(&self, key: u128) -> MutexGuard<'_, Shard> {
        // The lower half of the key selects the shard, the upper half the slot in its table.
        lock(&self.shards[key as usize % SHARDS])
    }
}

impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limiter")
            .field("limit", &self.rules.limit)
            .field("window", &Duration::from_nanos(self.rules.window))
            .field("bytes", &self.bytes())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod cost_tests;
#[cfg(test)]
mod tests;
