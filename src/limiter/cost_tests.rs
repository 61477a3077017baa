//! Requests that cost more than one unit, and what a caller could gain by memory running out.

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;

use super::*;

const BYTES: usize = 64 << 20;
const MINUTE: Duration = Duration::from_secs(60);

fn limiter(limit: u32) -> Limiter {
    Limiter::new(limit, MINUTE, BYTES).unwrap()
}

/// The same numbers on every run.
fn numbers() -> impl FnMut() -> u64 {
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// As `peek`, with the caller's clock.
fn peek_at(limiter: &Limiter, caller: &[u8], cost: u32, at: Duration) -> Admission {
    let key = limiter.key_of(caller);
    let mut shard = limiter.shard_of(key);
    limiter.peek_key(&mut shard, key, cost, nanoseconds(at))
}

#[test]
fn a_request_is_admitted_as_a_whole_or_not_at_all() {
    let limiter = limiter(10);
    let ask = |cost, at| limiter.admit_cost_at(b"alice", cost, seconds(at));
    for (cost, at, allowed, remaining, reset) in [
        (4, 0, true, 6, 60),
        (3, 10, true, 3, 50),
        (4, 20, false, 3, 40),
        // Refused requests count nothing.
        (4, 20, false, 3, 40),
        (3, 20, true, 0, 40),
        // Both older requests have to leave.
        (5, 30, false, 0, 40),
        (10, 30, false, 0, 50),
        (4, 60, true, 0, 10),
        (1, 60, false, 0, 10),
        (3, 70, true, 0, 10),
    ] {
        let admission = ask(cost, at);
        let found = (admission.allowed, admission.remaining, admission.reset);
        assert_eq!(
            found,
            (allowed, remaining, seconds(reset)),
            "{cost} at {at}"
        );
    }
}

#[test]
fn a_request_above_the_limit_is_never_admitted_and_one_of_no_cost_always() {
    let limiter = limiter(10);
    for cost in [11, u32::MAX] {
        let refused = limiter.admit_cost(b"alice", cost);
        assert!(!refused.allowed);
        assert_eq!((refused.remaining, refused.reset), (10, MINUTE));
    }
    assert!(limiter.admit_cost(b"alice", 10).allowed);
    let before = limiter.bytes();
    for caller in 0..1_000_u32 {
        let nothing = limiter.admit_cost(&caller.to_le_bytes(), 0);
        assert!(nothing.allowed && nothing.remaining == 10);
    }
    let nothing = limiter.admit_cost(b"alice", 0);
    assert!(nothing.allowed && nothing.remaining == 0 && nothing.reset <= MINUTE);
    assert_eq!(limiter.bytes(), before);
    assert!(!limiter.admit_cost(b"alice", 1).allowed);
}

#[test]
fn costs_agree_with_the_naive_list_of_admissions() {
    let mut random = numbers();
    for limit in [1_u32, 2, 5, 17, 300] {
        let window = Duration::from_nanos(1000);
        let limiter = Limiter::new(limit, window, BYTES).unwrap();
        let mut naive: HashMap<u64, Vec<(Duration, u32)>> = HashMap::new();
        let mut now = Duration::ZERO;
        for _ in 0..40_000 {
            now += Duration::from_nanos(random() % 60);
            let caller = random() % 20;
            let cost = 1 + (random() % u64::from(limit + 1)) as u32 / (1 + (random() % 4) as u32);
            let list = naive.entry(caller).or_default();
            list.retain(|(at, _)| now - *at < window);
            let counted: u32 = list.iter().map(|(_, cost)| cost).sum();
            let expected = counted + cost <= limit;
            let peeked = peek_at(&limiter, &caller.to_le_bytes(), cost, now);
            assert_eq!(
                (peeked.allowed, peeked.remaining),
                (expected, limit - counted)
            );
            let admission = limiter.admit_cost_at(&caller.to_le_bytes(), cost, now);
            assert_eq!(admission.allowed, expected);
            match expected {
                true => list.push((now, cost)),
                // When it says that there will be room, there is, and not a nanosecond earlier.
                false if cost <= limit => {
                    let left = |at: Duration| -> u32 {
                        let in_it = list.iter().filter(|(then, _)| at - *then < window);
                        limit - in_it.map(|(_, cost)| cost).sum::<u32>()
                    };
                    let then = now + admission.reset;
                    assert!(left(then) >= cost && left(then - Duration::from_nanos(1)) < cost);
                    assert_eq!(peeked.reset, admission.reset);
                }
                false => {}
            }
            let counted: u32 = list.iter().map(|(_, cost)| cost).sum();
            assert_eq!(admission.remaining, limit - counted);
        }
    }
}

#[test]
fn threads_with_costs_get_no_more_than_the_limit_through() {
    let limiter = Limiter::new(1_000, Duration::from_secs(3600), BYTES).unwrap();
    let admitted = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for cost in [1, 2, 3, 7, 11, 13, 50, 100] {
            let (limiter, admitted) = (&limiter, &admitted);
            scope.spawn(move || {
                for _ in 0..500 {
                    if limiter.admit_cost(b"one name", cost).allowed {
                        admitted.fetch_add(cost.into(), Ordering::Relaxed);
                    }
                }
            });
        }
    });
    // The thread of cost 2 goes on until there is less room than that.
    assert!((999..=1_000).contains(&admitted.into_inner()));
}

#[test]
fn peeking_counts_nothing_and_takes_no_memory() {
    let limiter = limiter(5);
    let before = limiter.bytes();
    for caller in 0..10_000_u32 {
        let peeked = limiter.peek(&caller.to_le_bytes(), 5);
        assert!(peeked.allowed);
        assert_eq!((peeked.remaining, peeked.reset), (5, Duration::ZERO));
    }
    assert_eq!(limiter.bytes(), before);
    assert!(limiter.admit_cost(b"alice", 3).allowed);
    for _ in 0..10 {
        assert!(limiter.peek(b"alice", 2).allowed);
        let refused = limiter.peek(b"alice", 3);
        assert!(!refused.allowed && refused.remaining == 2 && !refused.reset.is_zero());
    }
    assert!(!limiter.peek(b"alice", 6).allowed);
    assert!(limiter.admit_cost(b"alice", 2).allowed);
}

#[test]
fn a_reset_forgets_one_caller_and_frees_its_memory() {
    let limiter = limiter(100);
    for caller in [&b"alice"[..], b"bob"] {
        assert!(limiter.admit_cost(caller, 60).allowed);
    }
    let before = limiter.bytes();
    for cost in [1, 39] {
        assert!(limiter.admit_cost(b"alice", cost).allowed);
    }
    assert!(limiter.bytes() > before);
    assert_eq!(limiter.reset(b"alice"), 100);
    assert_eq!(limiter.bytes(), before);
    assert_eq!((limiter.reset(b"alice"), limiter.reset(b"carol")), (0, 0));
    assert_eq!(limiter.peek(b"alice", 1).remaining, 100);
    assert_eq!(limiter.peek(b"bob", 1).remaining, 40);
}

const SMALL: usize = 1 << 16;

/// Fills every table of a limiter with `SMALL` bytes, and takes the rest of its memory: new callers then share the overflow
/// window. Returns what it took.
fn crowd(limiter: &Limiter, at: Duration) -> usize {
    for caller in 0..20_000_u64 {
        let key = limiter.key_of(&caller.to_le_bytes());
        let shard = limiter.shard_of(key);
        let has_room = shard.table.has_room() || shard.table.len() == 0;
        drop(shard);
        if has_room {
            assert!(limiter.admit_at(&caller.to_le_bytes(), at).allowed);
        }
    }
    let rest = SMALL - limiter.bytes();
    assert!(limiter.budget.take(rest) && !limiter.budget.take(1));
    assert_eq!(limiter.overflowing.load(Ordering::Relaxed), 0);
    rest
}

/// The attack: callers use up a part of their limits while they share the overflow window, have room made for themselves,
/// and would be admitted for more than the limit if they then began with empty windows.
#[test]
fn being_crowded_out_and_coming_back_starts_no_new_window() {
    let limiter = Limiter::new(8, MINUTE, SMALL).unwrap();
    let rest = crowd(&limiter, seconds(0));
    let attackers = [1_u64, 2, 3, 4].map(|n| (n | 1 << 40).to_le_bytes());
    // Nearly a window later, so that the crowd leaves long before what is spent now.
    for attacker in &attackers {
        for _ in 0..2 {
            assert!(limiter.admit_at(attacker, seconds(55)).allowed);
        }
    }
    // The others share that window.
    let other = limiter.admit_at(b"another", seconds(56));
    assert!(!other.allowed && other.remaining == 0);
    assert_eq!(limiter.overflowing.load(Ordering::Relaxed), 8);
    limiter.budget.give_back(rest);
    for at in [61, 80, 114] {
        for attacker in &attackers {
            let ask = |cost| limiter.admit_cost_at(attacker, cost, seconds(at));
            let peeked = peek_at(&limiter, attacker, 7, seconds(at));
            assert!(!peeked.allowed, "{at}");
            assert!(!ask(8).allowed && !ask(7).allowed, "{at}");
            // What was not spent is there, once.
            assert_eq!(ask(6).allowed, at == 61, "{at}");
            assert!(!ask(1).allowed, "{at}");
        }
        assert!(limiter.admit_at(b"another", seconds(at)).allowed);
    }
    // Two units leave at 115, the rest at 121.
    for (at, most) in [(115, 2), (121, 6)] {
        for attacker in &attackers {
            let ask = |cost| limiter.admit_cost_at(attacker, cost, seconds(at));
            assert!(!ask(most + 1).allowed && ask(most).allowed, "{at}");
        }
    }
}

/// The same with so little memory that the callers' lists cannot be kept: they stay in the overflow window.
#[test]
fn a_caller_that_cannot_bring_its_part_along_gets_no_window_of_its_own() {
    let limiter = Limiter::new(8, MINUTE, SMALL).unwrap();
    crowd(&limiter, seconds(0));
    for cost in [1, 2, 3] {
        assert!(
            limiter
                .admit_cost_at(b"attacker", cost, seconds(55))
                .allowed
        );
    }
    for at in [61, 90, 114] {
        assert!(!limiter.admit_cost_at(b"attacker", 3, seconds(at)).allowed);
    }
    assert!(limiter.admit_cost_at(b"attacker", 2, seconds(114)).allowed);
    assert!(limiter.bytes() <= SMALL);
}

#[test]
fn no_caller_gains_by_any_order_of_floods_sweeps_and_costs() {
    const LIMIT: u32 = 6;
    let window = Duration::from_nanos(50_000);
    let mut random = numbers();
    // So small that tables fill, lists cannot grow and callers overflow all the time.
    for memory in [1_000, 3_000, 9_000, 20_000] {
        let limiter = Limiter::new(LIMIT, window, memory).unwrap();
        let mut admitted: HashMap<u64, Vec<(Duration, u32)>> = HashMap::new();
        let mut now = Duration::ZERO;
        let mut overflowed = 0;
        for round in 0..60_000_u64 {
            now += Duration::from_nanos(random() % 120);
            // A few callers come again and again, among many that come once.
            let caller = match random() % 3 {
                0 => 1_000_000 + round,
                _ => random() % 40,
            };
            let cost = 1 + (random() % 4) as u32;
            let admission = limiter.admit_cost_at(&caller.to_le_bytes(), cost, now);
            assert!(limiter.bytes() <= memory);
            overflowed += u32::from(limiter.overflowing.load(Ordering::Relaxed) > 0);
            if admission.allowed {
                let list = admitted.entry(caller).or_default();
                list.retain(|(at, _)| now - *at < window);
                list.push((now, cost));
                let units: u32 = list.iter().map(|(_, cost)| cost).sum();
                assert!(units <= LIMIT, "{caller}: {list:?}");
                assert!(admission.remaining <= LIMIT - units);
            }
        }
        assert!(overflowed > 0, "{memory}");
    }
}

#[test]
fn a_reset_reaches_what_was_counted_in_the_overflow_window() {
    let limiter = Limiter::new(8, MINUTE, SMALL).unwrap();
    crowd(&limiter, seconds(0));
    let ask = |caller: &[u8], cost| limiter.admit_cost_at(caller, cost, seconds(1)).allowed;
    assert!(ask(b"alice", 5) && ask(b"bob", 2));
    assert!(!ask(b"alice", 2) && !ask(b"carol", 2));
    assert_eq!(peek_at(&limiter, b"carol", 1, seconds(1)).remaining, 1);
    assert_eq!(limiter.reset(b"alice"), 5);
    assert_eq!(peek_at(&limiter, b"carol", 1, seconds(1)).remaining, 6);
    assert!(ask(b"alice", 6) && !ask(b"alice", 1));
    assert_eq!(limiter.reset(b"bob"), 2);
}

#[test]
fn without_any_memory_nobody_is_admitted() {
    let limiter = Limiter::new(8, MINUTE, 0).unwrap();
    let refused = limiter.admit(b"alice");
    assert!(!refused.allowed && limiter.bytes() == 0);
    assert_eq!((refused.remaining, refused.reset), (0, MINUTE));
}
