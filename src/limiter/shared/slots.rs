//! What a node knows about each name without asking the store: its leases, or a refusal.

use std::collections::{HashMap, VecDeque};
use std::hash::Hasher;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use siphasher::sip128::{Hasher128, SipHasher13};

use super::central::{Return, Whom};
use super::lease::Lease;
use crate::Error;
use crate::base::fork;
use crate::base::random::random_bytes;
use crate::base::sync::{lock, try_lock};
use crate::limiter::admission_times::nanoseconds;
use crate::limiter::sliding_window::Admission;

const SHARDS: usize = 64;
/// About what one takes in memory, without a lease.
const SLOT: usize = 256;
/// How long a name without a lease or a refusal is remembered, in nanoseconds.
const IDLE: u64 = 2_000_000_000;
/// A lease is renewed when one in so many parts of its time is left, or less of it than that part needs, if at least [`BUSY`]
/// requests are expected in that part.
const AHEAD: u64 = 8;
/// Fewer requests vary too much.
const BUSY: u64 = 4;
/// How fast what a node asks for may grow: a few requests at once are not a rate yet.
const GROWTH: u64 = 8;
/// How often a full table is searched for slots that are no longer needed, in nanoseconds.
const SEARCH_EVERY: u64 = 100_000_000;

/// In a forked child, slots that were locked stay locked, so it starts with none.
#[derive(Default)]
struct Shard {
    forks: u64,
    slots: HashMap<u128, Arc<Name>>,
    /// When it was full and idle slots were looked for.
    searched: u64,
}

/// By keyed hashes of names.
pub(super) struct Slots {
    hash_key: [u8; 16],
    most: usize,
    shards: Box<[Mutex<Shard>]>,
}

/// A name.
#[derive(Debug, Default)]
pub(super) struct Name {
    /// Never held while the store is asked.
    slot: Mutex<Slot>,
    /// Held by whoever asks the store.
    asking: Mutex<()>,
}

impl Name {
    pub(super) fn slot(&self) -> MutexGuard<'_, Slot> {
        lock(&self.slot)
    }

    /// The turn to ask the store. Waits, outside sections, for whoever asks now.
    pub(super) fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn_at_once()
            .unwrap_or_else(|| fork::outside(|| lock(&self.asking)))
    }

    /// The same if nobody asks.
    pub(super) fn turn_at_once(&self) -> Option<MutexGuard<'_, ()>> {
        try_lock(&self.asking)
    }
}

/// Times are nanoseconds since any moment.
#[derive(Debug, Default)]
pub(super) struct Slot {
    /// The oldest first, which is spent first: rarely more than one, and the one that follows it.
    leases: Vec<Lease>,
    /// What is still to be reported of earlier ones, the oldest first.
    pub(super) backs: VecDeque<Return>,
    pub(super) refusal: Option<Refusal>,
    /// The store is not asked before this time: there is no more.
    pub(super) pause: u64,
    /// When a call of the store last failed.
    pub(super) failed: u64,
    /// No lease is renewed ahead before this time.
    renewed: u64,
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

impl Slot {
    /// Counts a request and decides about it, if what this node knows suffices for that.
    pub(super) fn known(&mut self, whom: Whom<'_>, cost: u32, now: u64) -> Option<Admission> {
        if self.ready(now) < cost {
            let refused = self.refused(whom, cost, now)?;
            self.wished = self.wished.saturating_add(cost);
            return Some(refused);
        }
        self.wished = self.wished.saturating_add(cost);
        let mut rest = cost;
        let mut last = None;
        for lease in &mut self.leases {
            let some = lease.ready(now).min(rest);
            if some > 0 {
                lease.spend(some, now);
                rest -= some;
                last = Some(admitted(whom, lease, now));
            }
        }
        last
    }

    /// The same without counting.
    pub(super) fn seen(&self, whom: Whom<'_>, cost: u32, now: u64) -> Option<Admission> {
        match self.leases.last() {
            Some(last) if self.ready(now) >= cost => Some(admitted(whom, last, now)),
            _ => self.refused(whom, cost, now),
        }
    }

    fn ready(&self, now: u64) -> u32 {
        self.leases.iter().map(|lease| lease.ready(now)).sum()
    }

    /// What the living leases may spend now and later.
    pub(super) fn rest(&self, now: u64) -> u32 {
        let living = self.leases.iter().filter(|lease| lease.lives(now));
        living.map(Lease::rest).sum()
    }

    /// Forgets what is known.
    pub(super) fn forget(&mut self) {
        *self = Slot::default();
    }

    pub(super) fn add(&mut self, lease: Lease) {
        self.leases.push(lease);
    }

    /// Ends the leases that are over, or all of them. Whether none is left.
    pub(super) fn end_leases(&mut self, all: bool, now: u64) -> bool {
        let Slot { leases, backs, .. } = self;
        leases.retain(|lease| {
            let stays = !all && lease.lives(now);
            if !stays {
                backs.extend(lease.back(now));
            }
            stays
        });
        leases.is_empty()
    }

    /// Whether the last lease ends soon, by its time or by what is left of it, and will be missed: then it is time to ask for
    /// the next one.
    pub(super) fn ends_soon(&self, hold: Duration, now: u64) -> bool {
        let Some(lease) = self.leases.last() else {
            return false;
        };
        let ahead = nanoseconds(hold) / AHEAD;
        let needed = self.needed(ahead, now);
        now >= self.pause
            // Until then the rate is a guess.
            && now.saturating_sub(self.asked) >= 2 * ahead
            && needed >= BUSY
            && (lease.ends() <= now.saturating_add(ahead) || u64::from(lease.rest()) < needed)
            && lease.lives(now)
    }

    /// The same, once in a while.
    pub(super) fn is_to_renew(&mut self, hold: Duration, now: u64) -> bool {
        let is_so = now >= self.renewed && self.ends_soon(hold, now);
        if is_so {
            self.renewed = now.saturating_add(nanoseconds(hold) / 2);
        }
        is_so
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
        let leases = self.leases.iter();
        if let Some(from) = leases.filter_map(|lease| lease.has(cost, now)).min() {
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

    /// What is needed in a time, going by what was needed since the store was last asked.
    fn needed(&self, time: u64, now: u64) -> u64 {
        let elapsed = now.saturating_sub(self.asked).max(1);
        let needed = u128::from(self.wished.max(1)) * u128::from(time) / u128::from(elapsed);
        u64::try_from(needed).unwrap_or(u64::MAX)
    }

    /// How much to ask for: what this node will need while a lease lasts, and a little more, less what it has.
    pub(super) fn wanted(&self, limit: u32, cost: u32, hold: Duration, now: u64) -> u32 {
        if hold.is_zero() || self.asked == 0 {
            return cost;
        }
        let needed = self.needed(nanoseconds(hold), now);
        // Chance makes the need vary by its root.
        let more = if needed < 2 {
            0
        } else {
            needed / 16 + needed.isqrt()
        };
        let most = u64::from(self.wished.max(1)) * GROWTH;
        let wanted = needed.saturating_add(more).min(most);
        let wanted = wanted.saturating_sub(self.has_for(now));
        let wanted = u32::try_from(wanted).unwrap_or(limit);
        wanted.clamp(cost, limit)
    }

    /// What will be spent of the leases that there are.
    fn has_for(&self, now: u64) -> u64 {
        let leases = self.leases.iter().filter(|lease| lease.lives(now));
        let spent = leases.map(|lease| {
            let needed = self.needed(lease.ends().saturating_sub(now), now);
            needed.min(u64::from(lease.rest()))
        });
        spent.sum()
    }

    /// The store is asked for a request of this cost.
    pub(super) fn asked(&mut self, cost: u32, now: u64) {
        self.asked = now.max(1);
        self.wished = cost;
    }

    fn is_idle(&self, now: u64) -> bool {
        let refused = self
            .refusal
            .as_ref()
            .is_some_and(|refusal| now < refusal.first.max(refusal.fits));
        self.leases.is_empty()
            && self.backs.is_empty()
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
        let hash_key: [u8; 16] = random_bytes()?;
        Ok(Slots {
            hash_key,
            most: (memory / SLOT / SHARDS).max(1),
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
        })
    }

    /// What is known of a name. If there is no memory for it, nothing is remembered: then each request asks the store.
    pub(super) fn slot(&self, whom: Whom<'_>, now: u64) -> Arc<Name> {
        let (key, mut shard) = self.shard(whom);
        if let Some(slot) = shard.slots.get(&key) {
            return Arc::clone(slot);
        }
        let is_due = shard.searched == 0 || now.saturating_sub(shard.searched) >= SEARCH_EVERY;
        if shard.slots.len() >= self.most && is_due {
            shard.searched = now.max(1);
            shard.slots.retain(|_, slot| {
                // Whoever uses it now must not find another one next time.
                Arc::strong_count(slot) > 1 || !slot.slot().is_idle(now)
            });
        }
        let slot = Arc::<Name>::default();
        if shard.slots.len() < self.most {
            shard.slots.insert(key, Arc::clone(&slot));
        }
        slot
    }

    /// The same, if anything is known.
    pub(super) fn found(&self, whom: Whom<'_>) -> Option<Arc<Name>> {
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
