//! An exact sliding window: a caller is admitted at most N times in any window, to the nanosecond.
//!
//! Each admission's time is kept until it leaves the window, so nothing is estimated. Memory is bounded in bytes: tables
//! and lists grow only within the budget, callers whose window is empty are swept out, and a caller with requests in its
//! window is never evicted. Once the budget is used up, new callers share one overflow window, and a caller whose own list
//! cannot grow is admitted no further.

mod budget;
mod settings;
mod table;
mod window;

use std::fmt;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use siphasher::sip128::SipHasher13;

use crate::Error;
use crate::base::random::random;
use crate::base::sync::lock;
use budget::Budget;
pub use settings::Settings;
use table::{Stamps, Table};
pub(crate) use window::{Window, Windows};

/// Many more than there are cores, so that callers rarely contend for a lock.
const SHARDS: usize = 64;

/// Whether a request is admitted, and what to report to the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admission {
    /// Whether the request is admitted. If so, it has been counted.
    pub allowed: bool,
    /// How many requests are admitted per window.
    pub limit: u32,
    /// How many more are admitted before the oldest one leaves the window.
    pub remaining: u32,
    /// The window's length.
    pub window: Duration,
    /// How long until the oldest counted request leaves the window. After a refusal: how long to wait.
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

/// Counts requests of callers by name. Shared between threads; a shard's lock is held only while its table is in use.
pub struct Limiter {
    limit: u32,
    window: u64,
    start: Instant,
    hash_key: [u8; 16],
    budget: Budget,
    shards: Box<[Mutex<Shard>]>,
    overflow: Mutex<Stamps>,
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
        let mut hash_key = [0; 16];
        random(&mut hash_key)?;
        Ok(Limiter {
            limit,
            window: window.as_nanos() as u64, // a century is 3.2e18 ns, below 2^64
            start: Instant::now(),
            hash_key,
            budget: Budget::new(max_bytes),
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            overflow: Mutex::new(Stamps::default()),
        })
    }

    /// Counts a request of `caller` now and returns whether it is admitted.
    pub fn admit(&self, caller: &[u8]) -> Admission {
        let key = self.key_of(caller);
        let mut shard = self.shard_of(key);
        // The clock is read under the lock, so that a later request never gets an earlier time.
        let now = self.start.elapsed().as_nanos() as u64;
        self.admit_key(&mut shard, key, now)
    }

    /// The same with the caller's clock: `at` is the time since any fixed moment and must not go backwards.
    pub fn admit_at(&self, caller: &[u8], at: Duration) -> Admission {
        let key = self.key_of(caller);
        let mut shard = self.shard_of(key);
        self.admit_key(&mut shard, key, at.as_nanos() as u64)
    }

    /// Bytes in use now, never more than the `max_bytes` given to [`new`](Self::new).
    pub fn bytes(&self) -> usize {
        self.budget.used()
    }

    fn admit_key(&self, shard: &mut Shard, key: u128, now: u64) -> Admission {
        if let Some(stamps) = shard.table.get_mut(key) {
            return self.count(stamps, now);
        }
        if self.make_room(shard, now) {
            let stamps = shard.table.insert(key);
            return self.count(stamps, now);
        }
        self.count(&mut lock(&self.overflow), now)
    }

    /// The window itself: drops times that have left it, then admits if there is room.
    fn count(&self, stamps: &mut Stamps, now: u64) -> Admission {
        stamps.forget_until(now.saturating_sub(self.window), now >= self.window);
        let counted = stamps.len();
        let allowed =
            counted < self.limit as usize && stamps.push(now, self.limit as usize, &self.budget);
        let remaining = if allowed {
            self.limit - counted as u32 - 1
        } else {
            0
        };
        let reset = stamps
            .oldest()
            .map_or(0, |oldest| (oldest + self.window).saturating_sub(now));
        Admission {
            allowed,
            limit: self.limit,
            remaining,
            window: Duration::from_nanos(self.window),
            reset: Duration::from_nanos(reset),
        }
    }

    /// Makes room in the shard's table for one more caller by sweeping, or else by growing. `false` if neither works.
    fn make_room(&self, shard: &mut Shard, now: u64) -> bool {
        if shard.table.has_room() {
            return true;
        }
        if now >= shard.next_sweep {
            let before = shard.table.len();
            let left_until = now.saturating_sub(self.window);
            shard
                .table
                .sweep(left_until, now >= self.window, &self.budget);
            let freed = before - shard.table.len();
            if freed > before / 4 {
                return true;
            }
            shard.next_sweep = now.saturating_add(self.window / 64);
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
            .field("limit", &self.limit)
            .field("window", &Duration::from_nanos(self.window))
            .field("bytes", &self.bytes())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
