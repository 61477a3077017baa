//! What a node knows of each name by itself: a lease, or a refusal.

use std::collections::HashMap;
use std::process;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use siphasher::sip128::SipHasher13;

use super::central::{DRIFT, LEASED, Return, Whom};
use crate::Error;
use crate::base::fork;
use crate::base::random::random;
use crate::base::sync::{lock, try_lock};
use crate::limiter::rules::Admission;
use crate::limiter::stamps::nanoseconds;

const SHARDS: usize = 64;
/// About what one takes in memory.
const SLOT: usize = 256;
/// How long a name without a lease or a refusal is remembered, in nanoseconds.
const IDLE: u64 = 2_000_000_000;

/// In a forked child, slots that were locked stay locked, so it starts with none.
#[derive(Default)]
struct Shard {
    forks: u64,
    slots: HashMap<u128, Arc<Mutex<Slot>>>,
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
    pub(super) lease: Option<Lease>,
    pub(super) refusal: Option<Refusal>,
    /// After a grant that was much less than wanted: the store is not asked before this time.
    pub(super) pause: u64,
    /// When the store was last asked, and what requests have cost since.
    asked: u64,
    spent: u32,
}

#[derive(Debug)]
pub(super) struct Lease {
    pub(super) entry: i64,
    pub(super) granted: u32,
    pub(super) left: u32,
    pub(super) sent: u64,
    /// When it was last spent, since it was sent.
    pub(super) used: u64,
    /// How long it may be spent since it was sent.
    pub(super) lasts: u64,
    /// What else counted when it was granted.
    pub(super) others: u32,
    pub(super) first: u64,
    /// A child of a fork must not spend its parent's.
    pub(super) forks: u64,
    pub(super) process: u32,
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

impl Lease {
    fn is_ours(&self) -> bool {
        self.forks == fork::forks() && self.process == process::id()
    }

    fn lives(&self, now: u64) -> bool {
        now >= self.sent && now - self.sent < self.lasts && self.is_ours()
    }

    /// What to tell the store once the lease is no longer spent. `None`: there is nothing to give back.
    pub(super) fn back(self) -> Option<Return> {
        // Rounded up, by twice what the clocks may differ, and by a microsecond.
        let used = self.used + self.used / 500 + 1_000;
        let lasts = self.lasts + self.lasts / DRIFT;
        let sooner = Duration::from_nanos(lasts.saturating_sub(used));
        let is_worth_it = self.left > 0 || !sooner.is_zero();
        (is_worth_it && self.is_ours()).then_some(Return {
            entry: self.entry,
            granted: self.granted,
            unused: self.left,
            sooner,
        })
    }
}

impl Slot {
    /// The decision, if this node can make it by itself.
    pub(super) fn known(&mut self, whom: Whom<'_>, cost: u32, now: u64) -> Option<Admission> {
        let until = |time: u64| Duration::from_nanos(time.saturating_sub(now));
        if let Some(lease) = &mut self.lease
            && lease.lives(now)
            && lease.left >= cost
        {
            lease.left -= cost;
            lease.used = now - lease.sent;
            self.spent = self.spent.saturating_add(cost);
            let counted = lease.others.saturating_add(lease.granted - lease.left);
            return Some(Admission {
                allowed: true,
                limit: whom.limit,
                remaining: whom.limit.saturating_sub(counted),
                window: whom.window,
                reset: until(lease.first).min(whom.window),
            });
        }
        let refused = |remaining: u32, wait: Duration| Admission {
            allowed: false,
            limit: whom.limit,
            remaining,
            window: whom.window,
            reset: wait.max(Duration::from_millis(1)),
        };
        if now < self.pause {
            return Some(refused(0, until(self.pause)));
        }
        let refusal = self.refusal.as_ref()?;
        if cost >= refusal.cost && now < refusal.fits {
            return Some(refused(refusal.left, until(refusal.says)));
        }
        (cost > refusal.left && now < refusal.first)
            .then(|| refused(refusal.left, until(refusal.first)))
    }

    /// How much to ask for: what this node needs while a lease lasts, going by what it has needed since it last asked.
    pub(super) fn wanted(&self, limit: u32, cost: u32, hold: Duration, now: u64) -> u32 {
        if limit < LEASED || self.asked == 0 {
            return cost;
        }
        let elapsed = now.saturating_sub(self.asked).max(1);
        let spent = u64::from(self.spent.max(1));
        let needed =
            u128::from(spent) * u128::from(nanoseconds(hold)) * 5 / (u128::from(elapsed) * 4);
        // Two requests at once are not a rate yet.
        let most = spent * 4;
        let wanted = u64::try_from(needed).map_or(most, |needed| needed.min(most));
        let wanted = u32::try_from(wanted).unwrap_or(limit);
        wanted.clamp(cost, limit)
    }

    /// The store was asked for a request of this cost.
    pub(super) fn asked(&mut self, cost: u32, now: u64) {
        self.asked = now.max(1);
        self.spent = cost;
    }

    fn is_idle(&self, now: u64) -> bool {
        let leased = self.lease.as_ref().is_some_and(|lease| lease.lives(now));
        let refused = self
            .refusal
            .as_ref()
            .is_some_and(|refusal| now < refusal.first.max(refusal.fits));
        !leased && !refused && now >= self.pause && now.saturating_sub(self.asked) > IDLE
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
        if shard.slots.len() >= self.most {
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

    /// What is left of the lease for a name.
    pub(super) fn leased(&self, whom: Whom<'_>, now: u64) -> u32 {
        let (key, shard) = self.shard(whom);
        let slot = shard.slots.get(&key).cloned();
        drop(shard);
        slot.map_or(0, |slot| {
            let slot = locked(&slot);
            let lease = slot.lease.as_ref().filter(|lease| lease.lives(now));
            lease.map_or(0, |lease| lease.left)
        })
    }

    fn shard(&self, whom: Whom<'_>) -> (u128, MutexGuard<'_, Shard>) {
        let mut bytes = Vec::with_capacity(whom.policy.len() + 1 + whom.name.len());
        bytes.extend_from_slice(whom.policy.as_bytes());
        bytes.push(0);
        bytes.extend_from_slice(whom.name);
        let key = SipHasher13::new_with_key(&self.hash_key)
            .hash(&bytes)
            .as_u128();
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
