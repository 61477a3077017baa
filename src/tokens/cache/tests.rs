//! Which tokens are remembered, for how long, and which give way.

use super::*;
use crate::keys::KeyState;
use crate::tokens::claims::Times;

const NO_LEEWAY: Duration = Duration::from_secs(0);

fn checked(subject: &str, from: i64, to: i64) -> Checked {
    let at =
        |offset: i64| Duration::from_secs((now().as_secs() as i64 + offset).try_into().unwrap());
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
    for _ in 0..3 {
        for n in 0..10_000 {
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
    // Two that share a place among those turned away keep each other out.
    assert!(kept.count() >= 8);
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
