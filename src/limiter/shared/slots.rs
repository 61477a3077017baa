//! What a node knows of each name by itself: a lease, or a refusal.

use std::collections::HashMap;
use std::hash::Hasher;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use siphasher::sip128::{Hasher128, SipHasher13};

use super::central::Whom;
use super::lease::Lease;
use crate::Error;
use crate::base::fork;
use crate::base::random::random;
use crate::base::sync::{lock, try_lock};
use crate::limiter::rules::Admission;
use crate::limiter::stamps::nanoseconds;

const SHARDS: usize = 64;
/// About what one takes in memory, without a lease.
const SLOT: usize = 256;
/// How long a name without a lease or a refusal is remembered, in nanoseconds.
const IDLE: u64 = 2_000_000_000;
/// How fast what a node asks for may grow: a few requests at once are not a rate yet.
const GROWTH: u64 = 8;
/// How often a full table is searched for slots that are no longer needed, in nanoseconds.
const SEARCH_EVERY: u64 = 100_000_000;

/// In a forked child, slots that were locked stay locked, so it starts with none.
#[derive(Default)]
struct Shard {
    forks: u64,
    slots: HashMap<u128, Arc<Mutex<Slot>>>,
    /// When it was full and idle slots were looked for.
    searched: u64,
}

/// By keyed hashes of names.
pub(super) struct Slots {
    hash_key: [u8; 16],
    most: usize,
    shards: Box<[Mutex<Shard>]>,
}

/// Times are nanoseconds since any moment.
#[derive(Debug, Default)]
pub(super) struct Slot {
    pub(super) lease: Option<Box<Lease>>,
    pub(super) refusal: Option<Refusal>,
    /// The store is not asked before this time: there is no more.
    pub(super) pause: u64,
    /// When a call of the store last failed.
    pub(super) failed: u64,
    /// When the store was last asked, and what requests have cost since, whether they were admitted or not.
    asked: u64,
    wished: u32,
}

#[derive(Debug)]
pub(super) struct Refusal {
    /// What was left.
    pub(super) left: u32,
    /// Costs above what was left are refused until this time.
    pub(super) first: u64,
    /// What was refused, and until when that much is.
    pub(super) cost: u32,
    pub(super) fits: u64,
    /// When the request would fit, as the store said.
    pub(super) says: u64,
}

/// Whoever holds the lock may be waiting for the store, outside sections.
pub(super) fn locked(slot: &Mutex<Slot>) -> MutexGuard<'_, Slot> {
    try_lock(slot).unwrap_or_else(|| fork::outside(|| lock(slot)))
}

impl Slot {
    /// Counts a request and decides about it, if what this node knows suffices for that.
    pub(super) fn known(&mut self, whom: Whom<'_>, cost: u32, now: u64) -> Option<Admission> {
        let mut known = None;
        if let Some(lease) = &mut self.lease
            && lease.spend(cost, now)
        {
            known = Some(admitted(whom, lease, now));
        }
        let known = known.or_else(|| self.refused(whom, cost, now));
        if known.is_some() {
            self.wished = self.wished.saturating_add(cost);
        }
        known
    }

    /// The same without counting.
    pub(super) fn seen(&self, whom: Whom<'_>, cost: u32, now: u64) -> Option<Admission> {
        match &self.lease {
            Some(lease) if lease.lives(now) && lease.left() >= cost => {
                Some(admitted(whom, lease, now))
            }
            _ => self.refused(whom, cost, now),
        }
    }

    fn refused(&self, whom: Whom<'_>, cost: u32, now: u64) -> Option<Admission> {
        let refused = |remaining: u32, until: u64| Admission {
            allowed: false,
            limit: whom.limit,
            remaining,
            window: whom.window,
            reset: Duration::from_nanos(until.saturating_sub(now))
                .max(Duration::from_millis(1))
                .min(whom.window),
        };
        if let Some(from) = self.lease.as_ref().and_then(|lease| lease.has(cost, now)) {
            return Some(refused(0, from));
        }
        if now < self.pause {
            return Some(refused(0, self.pause));
        }
        let refusal = self.refusal.as_ref()?;
        if cost >= refusal.cost && now < refusal.fits {
            return Some(refused(refusal.left, refusal.says));
        }
        (cost > refusal.left && now < refusal.first).then(|| refused(refusal.left, refusal.first))
    }

    /// How much to ask for: what this node will need while a lease lasts, going by what it has needed since it last asked,
    /// and a little more.
    pub(super) fn wanted(&self, limit: u32, cost: u32, hold: Duration, now: u64) -> u32 {
        if hold.is_zero() || self.asked == 0 {
            return cost;
        }
        let elapsed = now.saturating_sub(self.asked).max(1);
        let wished = u64::from(self.wished.max(1));
        let needed = u128::from(wished) * u128::from(nanoseconds(hold)) / u128::from(elapsed);
        let needed = u64::try_from(needed).unwrap_or(u64::MAX);
        // Chance makes the need vary by its root.
        let more = if needed < 2 {
            0
        } else {
            needed / 16 + needed.isqrt()
        };
        let wanted = needed.saturating_add(more).min(wished * GROWTH);
        let wanted = u32::try_from(wanted).unwrap_or(limit);
        wanted.clamp(cost, limit)
    }

    /// The store was asked for a request of this cost.
    pub(super) fn asked(&mut self, cost: u32, now: u64) {
        self.asked = now.max(1);
        self.wished = cost;
    }

    fn is_idle(&self, now: u64) -> bool {
        let refused = self
            .refusal
            .as_ref()
            .is_some_and(|refusal| now < refusal.first.max(refusal.fits));
        self.lease.is_none()
            && !refused
            && now >= self.pause
            && now.saturating_sub(self.asked) > IDLE
    }
}

fn admitted(whom: Whom<'_>, lease: &Lease, now: u64) -> Admission {
    Admission {
        allowed: true,
        limit: whom.limit,
        remaining: whom.limit.saturating_sub(lease.counted()),
        window: whom.window,
        reset: Duration::from_nanos(lease.first().saturating_sub(now)).min(whom.window),
    }
}

impl Slots {
    pub(super) fn new(memory: usize) -> Result<Self, Error> {
        let mut hash_key = [0; 16];
        random(&mut hash_key)?;
        Ok(Slots {
            hash_key,
            most: (memory / SLOT / SHARDS).max(1),
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
        })
    }

    /// What is known of a name. If there is no memory for it, nothing is remembered: then each request asks the store.
    pub(super) fn slot(&self, whom: Whom<'_>, now: u64) -> Arc<Mutex<Slot>> {
        let (key, mut shard) = self.shard(whom);
        if let Some(slot) = shard.slots.get(&key) {
            return Arc::clone(slot);
        }
        let is_due = shard.searched == 0 || now.saturating_sub(shard.searched) >= SEARCH_EVERY;
        if shard.slots.len() >= self.most && is_due {
            shard.searched = now.max(1);
            shard.slots.retain(|_, slot| {
                // Whoever uses it now must not find another one next time.
                Arc::strong_count(slot) > 1 || try_lock(slot).is_none_or(|slot| !slot.is_idle(now))
            });
        }
        let slot = Arc::<Mutex<Slot>>::default();
        if shard.slots.len() < self.most {
            shard.slots.insert(key, Arc::clone(&slot));
        }
        slot
    }

    /// The same, if anything is known.
    pub(super) fn found(&self, whom: Whom<'_>) -> Option<Arc<Mutex<Slot>>> {
        let (key, shard) = self.shard(whom);
        shard.slots.get(&key).cloned()
    }

    fn shard(&self, whom: Whom<'_>) -> (u128, MutexGuard<'_, Shard>) {
        let mut hasher = SipHasher13::new_with_key(&self.hash_key);
        hasher.write(whom.policy.as_bytes());
        // No policy's name has this byte.
        hasher.write_u8(0);
        hasher.write(whom.name);
        let key = hasher.finish128().as_u128();
        let mut shard = lock(&self.shards[key as usize % SHARDS]);
        if shard.forks != fork::forks() {
            shard.forks = fork::forks();
            shard.slots.clear();
        }
        (key, shard)
    }
}

#[cfg(test)]
impl Slots {
    pub(super) fn len(&self) -> usize {
        let shards = self.shards.iter();
        shards.map(|shard| lock(shard).slots.len()).sum()
    }
}
