//! Remembers checked tokens, so that the next request with the same one costs only a lookup.
//!
//! A token replaces another that is still valid only when it comes a second time within about as many new tokens as the
//! cache has room for. Otherwise more tokens than that, used in turn, would replace each other, and replacing one takes
//! several times as long as checking one.
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
use crate::base::random::random;

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
        let mut seed = [0; 8];
        random(&mut seed)?;
        let sets = tokens.div_ceil(WAYS).next_power_of_two();
        Ok(TokenCache {
            hash: SeedableRandomState::with_seed(u64::from_le_bytes(seed), process_seed()),
            sets: (0..sets).map(|_| RwLock::default()).collect(),
            turned_away: (0..sets * WAYS).map(|_| AtomicU32::new(0)).collect(),
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
    fn a_token_is_found_only_by_its_full_text_and_under_its_ring() {
        let cache = TokenCache::new(64).unwrap();
        remember(&cache, "a.b.c", 1, checked("alice", -10, 10));
        assert_eq!(find(&cache, "a.b.c", 1).as_deref(), Some("alice"));
        assert_eq!(find(&cache, "a.b.d", 1), None);
        assert_eq!(find(&cache, "a.b.c", 2), None);
        // The same position, as after a hash collision, is not enough.
        let place = cache.place("a.b.c");
        assert!(cache.find(&place, "a.b.d", 1, NO_LEEWAY).is_none());
        assert!(cache.find(&place, "a.b.cc", 1, NO_LEEWAY).is_none());
    }

    #[test]
    fn the_epoch_is_the_last_one_confirmed() {
        let cache = TokenCache::new(64).unwrap();
        let epoch = || {
            let found = cache.find(&cache.place("a"), "a", 1, NO_LEEWAY);
            found.map(|(_, epoch)| epoch)
        };
        cache.confirm(&cache.place("a"), "a", 5);
        assert_eq!(epoch(), None, "confirming adds no entry");
        cache.remember(&cache.place("a"), "a", (1, 7), checked("alice", -10, 10));
        assert_eq!(epoch(), Some(7));
        cache.confirm(&cache.place("a"), "a", 8);
        assert_eq!(epoch(), Some(8));
    }

    #[test]
    fn times_are_checked_on_every_lookup() {
        let leeway = Duration::from_secs(5);
        for (from, to) in [(-10, -2), (2, 10)] {
            // A separate cache each: an expired token may be replaced by the next.
            let cache = TokenCache::new(64).unwrap();
            remember(&cache, "a", 1, checked("alice", from, to));
            assert_eq!(find(&cache, "a", 1), None);
            assert!(cache.find(&cache.place("a"), "a", 1, leeway).is_some());
        }
    }

    #[test]
    fn a_flood_of_tokens_takes_no_more_slots_and_keeps_those_in_use() {
        let cache = TokenCache::new(64).unwrap();
        remember(&cache, "busy", 1, checked("busy", -10, 10));
        for n in 0..10_000 {
            assert!(find(&cache, "busy", 1).is_some(), "after {n}");
            for _ in 0..2 {
                remember(&cache, &format!("token {n}"), 1, checked("x", -10, 10));
            }
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
    fn more_tokens_than_fit_do_not_replace_each_other_in_turn() {
        let cache = TokenCache::new(64).unwrap();
        let found = |n: usize| find(&cache, &format!("token {n}"), 1).is_some();
        let mut replaced = 0;
        for _ in 0..5 {
            for n in 0..2000 {
                let token = format!("token {n}");
                if find(&cache, &token, 1).is_none() {
                    remember(&cache, &token, 1, checked("x", -10, 10));
                    replaced += usize::from(found(n));
                }
            }
        }
        // The first 64 are not replacements, and two hashes may agree in half of their bits.
        assert!(replaced < 70, "{replaced}");
        // As soon as few are in use, the cache is theirs.
        for _ in 0..3 {
            for n in 0..16 {
                let token = format!("another {n}");
                if find(&cache, &token, 1).is_none() {
                    remember(&cache, &token, 1, checked("x", -10, 10));
                }
            }
        }
        let kept = (0..16).filter(|n| find(&cache, &format!("another {n}"), 1).is_some());
        assert!(kept.count() >= 12);
    }

    #[test]
    fn a_token_of_the_longest_length_is_remembered() {
        let cache = TokenCache::new(1).unwrap();
        let longest = "x".repeat(MAX_REMEMBERED);
        remember(&cache, &longest, 1, checked("alice", -10, 10));
        assert_eq!(find(&cache, &longest, 1).as_deref(), Some("alice"));
    }

    fn entry(hash: u64, token: &str, used: bool) -> Entry {
        Entry {
            hash,
            generation: 1,
            epoch: AtomicU64::new(0),
            token: Zeroizing::new(token.into()),
            checked: checked("alice", -10, 100),
            used: AtomicBool::new(used),
        }
    }

    /// The number of the slot that the entry would take.
    fn chosen(set: &mut Set, new: &Entry, at: Duration) -> usize {
        vacant(set, new.hash, &new.token, new.generation, at)
            .unwrap_or_else(|| least_useful(set, new.hash))
    }

    #[test]
    fn a_token_takes_the_slot_that_costs_least() {
        let full = || ["a", "b", "c", "d"].map(|token| Some(entry(7, token, true)));
        let at = |set: &mut Set, new: &Entry| chosen(set, new, now());
        // Its own, although another is free. With the same hash, or the same text only, it is another token.
        let mut set = full();
        set[0] = None;
        assert_eq!(at(&mut set, &entry(7, "c", false)), 2);
        assert_eq!(at(&mut set, &entry(8, "c", false)), 0);
        assert_eq!(at(&mut set, &entry(7, "e", false)), 0);
        // An outdated one, although another is unused.
        let mut set = full();
        set[1].as_mut().unwrap().used = AtomicBool::new(false);
        assert_eq!(at(&mut set, &entry(9, "e", false)), 1);
        set[2].as_mut().unwrap().generation = 2;
        assert_eq!(at(&mut set, &entry(9, "e", false)), 2);
        let mut set = full();
        set[3].as_mut().unwrap().checked.times.expires_at = Duration::from_secs(1000);
        let new = entry(1 << 62, "e", false);
        let moment = Duration::from_nanos(1);
        assert_eq!(
            chosen(&mut set, &new, Duration::from_secs(1000) + moment),
            3
        );
        // Until it has expired, it is as good as the others.
        assert_eq!(chosen(&mut set, &new, Duration::from_secs(1000)), 1);
    }

    #[test]
    fn among_tokens_in_use_the_hash_decides_and_all_have_to_be_used_again() {
        for slot in 0..WAYS {
            let mut set = ["a", "b", "c", "d"].map(|token| Some(entry(7, token, true)));
            let new = entry((slot as u64) << 62, "e", false);
            assert_eq!(chosen(&mut set, &new, now()), slot);
            let used = |slot: &Option<Entry>| slot.as_ref().unwrap().used.load(Ordering::Relaxed);
            assert!(!set.iter().any(used));
        }
    }

    #[test]
    fn a_locked_set_is_skipped_without_waiting() {
        let cache = TokenCache::new(1).unwrap();
        remember(&cache, "a", 1, checked("alice", -10, 10));
        // As in a child forked while the parent was writing.
        let held = cache.sets[0].write().unwrap();
        assert_eq!(find(&cache, "a", 1), None);
        remember(&cache, "b", 1, checked("bob", -10, 10));
        drop(held);
        assert_eq!(find(&cache, "a", 1).as_deref(), Some("alice"));
        assert_eq!(find(&cache, "b", 1), None);
    }
}
