//! Remembers checked tokens, so that the next request with the same one costs only a lookup.
//!
//! A token replaces another that is still valid only when it comes a second time soon enough: before a few times as many
//! others as the cache has room for. Otherwise tokens that are used in turn, but do not all fit, would replace each other,
//! and to replace one takes several times as long as to check one.
//!
//! A token is found by a keyed hash of the whole token and then compared in full; its times and the ring's generation are
//! checked on every lookup. Memory is bounded by a fixed number of slots and a maximum token size. Nothing blocks here: if
//! another thread holds a set's lock (or held it when the process forked), the cache is skipped and the token is checked in
//! full.

use std::hash::BuildHasher;
use std::sync::RwLock;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use foldhash::SharedSeed;
use foldhash::quality::SeedableRandomState;
use once_cell::sync::Lazy;
use zeroize::Zeroizing;

use super::claims::{Checked, Claims};
use crate::Error;
use crate::base::clock::now;
use crate::base::random::{random, random_bytes};

/// Longer tokens are checked each time. With it a cache of 4096 tokens takes at most 22 MiB.
const MAX_REMEMBERED: usize = 2048;

/// How many tokens one set holds. A token can be only in its set, and each set has one lock.
const WAYS: usize = 4;

/// Remembers checked tokens.
pub(super) struct TokenCache {
    hash: SeedableRandomState,
    /// Their number is a power of two.
    sets: Box<[RwLock<Set>]>,
    /// Half of the hash of the last token that found its set full, in the place that the other half chooses.
    turned_away: Box<[AtomicU32]>,
}

type Set = [Option<Entry>; WAYS];

struct Entry {
    hash: u64,
    generation: u64,
    /// The store's epoch when it was last known not to be revoked.
    epoch: AtomicU64,
    token: Zeroizing<Box<str>>,
    checked: Checked,
    /// Whether it was looked up since the set's flags were last cleared.
    used: AtomicBool,
}

/// A token's position in the cache.
pub(super) struct Place {
    hash: u64,
}

impl TokenCache {
    /// A cache for about `tokens` tokens; the number of sets is rounded up to a power of two.
    pub(super) fn new(tokens: usize) -> Result<Self, Error> {
        let seed: [u8; 8] = random_bytes()?;
        let sets = tokens.div_ceil(WAYS).next_power_of_two();
        Ok(TokenCache {
            hash: SeedableRandomState::with_seed(u64::from_le_bytes(seed), process_seed()),
            sets: (0..sets).map(|_| RwLock::default()).collect(),
            turned_away: (0..sets * WAYS * 4).map(|_| AtomicU32::new(0)).collect(),
        })
    }

    pub(super) fn place(&self, token: &str) -> Place {
        Place {
            hash: self.hash.hash_one(token.as_bytes()),
        }
    }

    /// The claims of a token that was checked under this generation and is still valid, and the store's epoch when it was
    /// last known not to be revoked.
    pub(super) fn find(
        &self,
        place: &Place,
        token: &str,
        generation: u64,
        leeway: Duration,
    ) -> Option<(Claims, u64)> {
        let set = self.set(place).try_read().ok()?;
        let entry = entry_of(&set, place, token)?;
        if entry.generation != generation || !entry.checked.is_good_at(now(), leeway) {
            return None;
        }
        if !entry.used.load(Ordering::Relaxed) {
            entry.used.store(true, Ordering::Relaxed);
        }
        let epoch = entry.epoch.load(Ordering::Relaxed);
        Some((entry.checked.claims.clone(), epoch))
    }

    /// Records that a token was not revoked as of this epoch.
    pub(super) fn confirm(&self, place: &Place, token: &str, epoch: u64) {
        if let Ok(set) = self.set(place).try_read()
            && let Some(entry) = entry_of(&set, place, token)
        {
            entry.epoch.store(epoch, Ordering::Relaxed);
        }
    }

    /// Keeps a token just checked under this generation and epoch, if there is room for it or it comes often enough to
    /// replace another.
    pub(super) fn remember(
        &self,
        place: &Place,
        token: &str,
        (generation, epoch): (u64, u64),
        checked: Checked,
    ) {
        if token.len() > MAX_REMEMBERED {
            return;
        }
        let Ok(mut set) = self.set(place).try_write() else {
            return;
        };
        let slot = match vacant(&set, place.hash, token, generation, now()) {
            Some(slot) => slot,
            None if self.was_turned_away(place) => least_useful(&mut set, place.hash),
            None => return,
        };
        set[slot] = Some(Entry {
            hash: place.hash,
            generation,
            epoch: AtomicU64::new(epoch),
            token: Zeroizing::new(token.into()),
            checked,
            used: AtomicBool::new(false),
        });
    }

    /// Whether this token was turned away not long ago; from now on it was.
    fn was_turned_away(&self, place: &Place) -> bool {
        let at = (place.hash >> 32) as usize & (self.turned_away.len() - 1);
        let half = place.hash as u32;
        self.turned_away[at].swap(half, Ordering::Relaxed) == half
    }

    fn set(&self, place: &Place) -> &RwLock<Set> {
        &self.sets[place.hash as usize & (self.sets.len() - 1)]
    }
}

fn entry_of<'s>(set: &'s Set, place: &Place, token: &str) -> Option<&'s Entry> {
    set.iter()
        .flatten()
        .find(|entry| entry.hash == place.hash && **entry.token == *token)
}

/// The slot that a token can take without replacing another that is valid: its own, or an empty or outdated one.
fn vacant(set: &Set, hash: u64, token: &str, generation: u64, now: Duration) -> Option<usize> {
    let own = |slot: &Option<Entry>| {
        slot.as_ref()
            .is_some_and(|old| old.hash == hash && **old.token == *token)
    };
    let outdated = |slot: &Option<Entry>| {
        slot.as_ref()
            .is_none_or(|old| old.generation != generation || old.checked.times.expires_at < now)
    };
    set.iter()
        .position(own)
        .or_else(|| set.iter().position(outdated))
}

/// In a full set, a slot not looked up since the set's flags were last cleared.
fn least_useful(set: &mut Set, hash: u64) -> usize {
    let unused = |slot: &Option<Entry>| {
        slot.as_ref()
            .is_some_and(|old| !old.used.load(Ordering::Relaxed))
    };
    set.iter().position(unused).unwrap_or_else(|| {
        for old in set.iter().flatten() {
            old.used.store(false, Ordering::Relaxed);
        }
        // Any slot will do; the hash varies the choice.
        (hash >> 62) as usize % WAYS
    })
}

impl Checked {
    /// Checks the times exactly as a full check would.
    fn is_good_at(&self, now: Duration, leeway: Duration) -> bool {
        self.times.check(now, leeway).is_ok() && self.key.accepts_at(now.as_secs())
    }
}

/// The other half of the hash key, which has to live as long as the process.
fn process_seed() -> &'static SharedSeed {
    static SEED: Lazy<SharedSeed> = Lazy::new(|| {
        let mut seed = [0; 8];
        // Each cache has its own random seed as well, and creating it reports errors.
        let _ = random(&mut seed);
        SharedSeed::from_u64(u64::from_le_bytes(seed))
    });
    &SEED
}

#[cfg(test)]
mod tests;
