//! Tokens that have been checked, so that the next request with the same one costs a look.
//!
//! A token is found by a keyed hash of all of it and then compared whole; its time and the ring's generation are looked
//! at each time. Memory is bounded: a fixed number of places, and no token above a size. Nobody waits here: a place that
//! is in use by another thread (or was, when a process forked) is passed by, and the token is checked as if unknown.

use std::hash::BuildHasher;
use std::sync::RwLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use foldhash::SharedSeed;
use foldhash::quality::SeedableRandomState;
use once_cell::sync::Lazy;
use zeroize::Zeroizing;

use super::claims::{Checked, Claims};
use crate::Error;
use crate::base::clock::now;
use crate::base::random::random;

/// Longer tokens are checked each time. With it a cache of 4096 tokens takes at most 22 MiB.
const MAX_REMEMBERED: usize = 2048;

/// How many tokens one set holds: where a token may be, and what one lock covers.
const WAYS: usize = 4;

/// Remembers checked tokens.
pub(super) struct TokenCache {
    hash: SeedableRandomState,
    /// A power of two of them.
    sets: Box<[RwLock<Set>]>,
}

type Set = [Option<Entry>; WAYS];

struct Entry {
    hash: u64,
    generation: u64,
    /// The store's epoch under which it was last known not to be taken back.
    epoch: AtomicU64,
    token: Zeroizing<Box<str>>,
    checked: Checked,
    /// Whether it was asked for since the set was last full.
    used: AtomicBool,
}

/// Where a token may be.
pub(super) struct Place {
    hash: u64,
}

impl TokenCache {
    /// A cache for about `tokens` tokens: as many as fill a power of two of sets.
    pub(super) fn new(tokens: usize) -> Result<Self, Error> {
        let mut seed = [0; 8];
        random(&mut seed)?;
        let sets = tokens.div_ceil(WAYS).next_power_of_two();
        Ok(TokenCache {
            hash: SeedableRandomState::with_seed(u64::from_le_bytes(seed), process_seed()),
            sets: (0..sets).map(|_| RwLock::default()).collect(),
        })
    }

    pub(super) fn place(&self, token: &str) -> Place {
        Place {
            hash: self.hash.hash_one(token.as_bytes()),
        }
    }

    /// The claims of a token that was checked under this generation and is still good now, and the store's epoch under which
    /// it was last known not to be taken back.
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

    /// Notes that a token was not taken back as of this epoch.
    pub(super) fn confirm(&self, place: &Place, token: &str, epoch: u64) {
        if let Ok(set) = self.set(place).try_read()
            && let Some(entry) = entry_of(&set, place, token)
        {
            entry.epoch.store(epoch, Ordering::Relaxed);
        }
    }

    /// Keeps a token that has just been checked under this generation and epoch, in the place of one that is of less use.
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
        let entry = Entry {
            hash: place.hash,
            generation,
            epoch: AtomicU64::new(epoch),
            token: Zeroizing::new(token.into()),
            checked,
            used: AtomicBool::new(false),
        };
        let slot = victim(&mut set, &entry);
        *slot = Some(entry);
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

/// The place that `new` takes: its own, an empty or outdated one, else one that nobody has asked for since the set was
/// last full of such as somebody had.
fn victim<'s>(set: &'s mut Set, new: &Entry) -> &'s mut Option<Entry> {
    let now = now();
    let own = |slot: &Option<Entry>| {
        slot.as_ref()
            .is_some_and(|old| old.hash == new.hash && old.token == new.token)
    };
    let outdated = |slot: &Option<Entry>| {
        slot.as_ref().is_none_or(|old| {
            old.generation != new.generation || old.checked.times.expires_at < now
        })
    };
    let unused = |slot: &Option<Entry>| {
        slot.as_ref()
            .is_some_and(|old| !old.used.load(Ordering::Relaxed))
    };
    let at = set
        .iter()
        .position(own)
        .or_else(|| set.iter().position(outdated))
        .or_else(|| set.iter().position(unused))
        .unwrap_or_else(|| {
            for old in set.iter().flatten() {
                old.used.store(false, Ordering::Relaxed);
            }
            // The hash decides: as good as any, and not the same one for all.
            (new.hash >> 62) as usize % WAYS
        });
    &mut set[at]
}

impl Checked {
    /// The same judgement of time as a full check would give.
    fn is_good_at(&self, now: Duration, leeway: Duration) -> bool {
        self.times.check(now, leeway).is_ok() && self.key.accepts_at(now.as_secs())
    }
}

/// The hash's other half of its key, which has to live as long as the process.
fn process_seed() -> &'static SharedSeed {
    static SEED: Lazy<SharedSeed> = Lazy::new(|| {
        let mut seed = [0; 8];
        // The caches' own seeds are random too, and their making reports what goes wrong.
        let _ = random(&mut seed);
        SharedSeed::from_u64(u64::from_le_bytes(seed))
    });
    &SEED
}

#[cfg(test)]
mod tests {
    use super::super::claims::Times;
    use super::*;
    use crate::keys::KeyState;

    const NO_LEEWAY: Duration = Duration::from_secs(0);

    fn checked(subject: &str, from: i64, to: i64) -> Checked {
        let at = |offset: i64| {
            Duration::from_secs((now().as_secs() as i64 + offset).try_into().unwrap())
        };
        Checked {
            claims: Claims::of(subject, at(to).as_secs()),
            times: Times {
                not_before: Some(at(from)),
                expires_at: at(to),
            },
            key: KeyState::Accepted,
        }
    }

    fn find(cache: &TokenCache, token: &str, generation: u64) -> Option<String> {
        cache
            .find(&cache.place(token), token, generation, NO_LEEWAY)
            .map(|(claims, _)| claims.subject().to_owned())
    }

    fn remember(cache: &TokenCache, token: &str, generation: u64, checked: Checked) {
        cache.remember(&cache.place(token), token, (generation, 0), checked);
    }

    #[test]
    fn what_was_remembered_is_found_whole_and_under_its_ring_only() {
        let cache = TokenCache::new(64).unwrap();
        remember(&cache, "a.b.c", 1, checked("alice", -10, 10));
        assert_eq!(find(&cache, "a.b.c", 1).as_deref(), Some("alice"));
        assert_eq!(find(&cache, "a.b.d", 1), None);
        assert_eq!(find(&cache, "a.b.c", 2), None);
        // The same place, as after a collision, is not enough.
        let place = cache.place("a.b.c");
        assert!(cache.find(&place, "a.b.d", 1, NO_LEEWAY).is_none());
        assert!(cache.find(&place, "a.b.cc", 1, NO_LEEWAY).is_none());
    }

    #[test]
    fn the_epoch_is_the_one_that_was_confirmed_last() {
        let cache = TokenCache::new(64).unwrap();
        let epoch = || {
            let found = cache.find(&cache.place("a"), "a", 1, NO_LEEWAY);
            found.map(|(_, epoch)| epoch)
        };
        cache.confirm(&cache.place("a"), "a", 5);
        assert_eq!(epoch(), None, "confirming makes nothing known");
        cache.remember(&cache.place("a"), "a", (1, 7), checked("alice", -10, 10));
        assert_eq!(epoch(), Some(7));
        cache.confirm(&cache.place("a"), "a", 8);
        assert_eq!(epoch(), Some(8));
    }

    #[test]
    fn time_is_looked_at_each_time() {
        let leeway = Duration::from_secs(5);
        for (from, to) in [(-10, -2), (2, 10)] {
            // A cache each: what is over makes room for others.
            let cache = TokenCache::new(64).unwrap();
            remember(&cache, "a", 1, checked("alice", from, to));
            assert_eq!(find(&cache, "a", 1), None);
            assert!(cache.find(&cache.place("a"), "a", 1, leeway).is_some());
        }
    }

    #[test]
    fn a_flood_of_tokens_takes_no_more_places_and_leaves_those_in_use() {
        let cache = TokenCache::new(64).unwrap();
        remember(&cache, "busy", 1, checked("busy", -10, 10));
        for n in 0..10_000 {
            assert!(find(&cache, "busy", 1).is_some(), "after {n}");
            remember(&cache, &format!("token {n}"), 1, checked("x", -10, 10));
        }
        assert!(find(&cache, "token 9999", 1).is_some());
        let held: usize = cache
            .sets
            .iter()
            .map(|set| set.read().unwrap().iter().flatten().count())
            .sum();
        assert_eq!(held, 64);
        let long = "x".repeat(MAX_REMEMBERED + 1);
        remember(&cache, &long, 1, checked("x", -10, 10));
        assert_eq!(find(&cache, &long, 1), None);
    }

    #[test]
    fn a_place_in_use_is_passed_by_and_not_waited_for() {
        let cache = TokenCache::new(1).unwrap();
        remember(&cache, "a", 1, checked("alice", -10, 10));
        // As a forked child finds it whose parent was just writing.
        let held = cache.sets[0].write().unwrap();
        assert_eq!(find(&cache, "a", 1), None);
        remember(&cache, "b", 1, checked("bob", -10, 10));
        drop(held);
        assert_eq!(find(&cache, "a", 1).as_deref(), Some("alice"));
        assert_eq!(find(&cache, "b", 1), None);
    }
}
