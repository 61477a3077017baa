use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

const BYTES: usize = 64 << 20;

fn limiter(limit: u32, window: Duration) -> Limiter {
    Limiter::new(limit, window, BYTES).unwrap()
}

#[test]
fn five_in_sixty_seconds_and_the_sixth_waits_for_the_first_to_leave() {
    let limiter = limiter(5, Duration::from_secs(60));
    for (second, remaining) in (0..5).zip([4, 3, 2, 1, 0]) {
        let admission = limiter.admit_at(b"alice", Duration::from_secs(second));
        assert!(admission.allowed);
        assert_eq!(admission.remaining, remaining);
        assert_eq!(admission.reset, Duration::from_secs(60 - second));
    }
    let refused = limiter.admit_at(b"alice", Duration::from_millis(59_999));
    assert!(!refused.allowed);
    assert_eq!(refused.reset, Duration::from_millis(1));
    assert!(
        limiter
            .admit_at(b"bob", Duration::from_millis(59_999))
            .allowed
    );
    assert!(limiter.admit_at(b"alice", Duration::from_secs(60)).allowed);
    assert!(!limiter.admit_at(b"alice", Duration::from_secs(60)).allowed);
    assert!(limiter.admit_at(b"alice", Duration::from_secs(61)).allowed);
}

#[test]
fn agrees_with_the_naive_list_of_timestamps() {
    let mut seed = 0x9e37_79b9_7f4a_7c15u64;
    let mut random = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    for limit in [1u32, 2, 5, 17] {
        let window = Duration::from_nanos(1000);
        let limiter = limiter(limit, window);
        let mut naive: HashMap<u64, Vec<Duration>> = HashMap::new();
        let mut now = Duration::ZERO;
        for _ in 0..40_000 {
            now += Duration::from_nanos(random() % 60);
            let caller = random() % 50;
            let list = naive.entry(caller).or_default();
            list.retain(|at| now - *at < window);
            let expected = list.len() < limit as usize;
            if expected {
                list.push(now);
            }
            let admission = limiter.admit_at(&caller.to_le_bytes(), now);
            assert_eq!(admission.allowed, expected);
            assert_eq!(admission.remaining as usize, limit as usize - list.len());
        }
    }
}

#[test]
fn sixty_four_threads_on_one_name_get_exactly_n_through() {
    let limiter = Arc::new(limiter(100, Duration::from_secs(3600)));
    let admitted = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..64 {
            scope.spawn(|| {
                for _ in 0..50 {
                    if limiter.admit(b"one name").allowed {
                        admitted.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    assert_eq!(admitted.into_inner(), 100);
}

#[test]
fn a_flood_of_names_stays_within_the_budget_and_evicts_no_active_caller() {
    let max = 1 << 20;
    let limiter = Limiter::new(2, Duration::from_secs(60), max).unwrap();
    let now = Duration::from_secs(100);
    assert!(limiter.admit_at(b"limited", now).allowed);
    assert!(limiter.admit_at(b"limited", now).allowed);
    let mut refused = 0;
    for name in 0..100_000u32 {
        refused += u32::from(!limiter.admit_at(&name.to_le_bytes(), now).allowed);
        assert!(limiter.bytes() <= max);
    }
    // Beyond the budget new callers share one window of two.
    assert!(refused > 50_000, "{refused}");
    assert!(!limiter.admit_at(b"limited", now).allowed);
    // Once the flood has left the window, its memory is free again.
    let later = now + Duration::from_secs(61);
    let admitted = (0..10_000u32)
        .filter(|name| {
            limiter
                .admit_at(&(name + 1_000_000).to_le_bytes(), later)
                .allowed
        })
        .count();
    assert_eq!(admitted, 10_000);
}

#[test]
fn a_caller_whose_list_cannot_grow_is_refused() {
    let limiter = Limiter::new(1_000_000, Duration::from_secs(60), 64 << 10).unwrap();
    let at = Duration::from_secs(1);
    let admitted = (0..100_000)
        .filter(|_| limiter.admit_at(b"a", at).allowed)
        .count();
    assert!((1000..10_000).contains(&admitted), "{admitted}");
    assert!(limiter.bytes() <= 64 << 10);
    assert!(limiter.admit_at(b"a", Duration::from_secs(62)).allowed);
}

#[test]
fn a_refusal_is_an_error_with_the_time_to_wait() {
    let limiter = limiter(1, Duration::from_secs(60));
    let at = Duration::from_secs(1);
    assert_eq!(limiter.admit_at(b"a", at).into_result(), Ok(()));
    let refused = limiter.admit_at(b"a", at + Duration::from_secs(20));
    let retry_after = Duration::from_secs(40);
    assert_eq!(
        refused.into_result(),
        Err(Error::RateLimited { retry_after })
    );
}

#[test]
fn invalid_limits_are_refused() {
    for (limit, window) in [(0, 60), (5, 0), (5, u64::MAX / 2_000_000_000)] {
        assert!(Limiter::new(limit, Duration::from_secs(window), BYTES).is_err());
    }
}

#[test]
fn the_settings_describe_the_limiter_and_zero_requests_switch_it_off() {
    let mut settings = Settings {
        max_requests: 2,
        window: Duration::from_secs(7),
        memory: 12_345,
        ..Settings::default()
    };
    let limiter = Limiter::of(&settings).unwrap().unwrap();
    let admission = limiter.admit_at(b"a", Duration::ZERO);
    assert_eq!((admission.limit, admission.window), (2, settings.window));
    assert!(limiter.budget.take(12_345 - limiter.bytes()) && !limiter.budget.take(1));
    settings.max_requests = 0;
    assert!(Limiter::of(&settings).unwrap().is_none());
}

const WINDOW: Duration = Duration::from_secs(64);

/// A shard whose first table is full: 12 callers in 16 slots, of whom `stale` have left the window at its end.
fn full(limiter: &Limiter, stale: u64) -> Shard {
    let mut shard = Shard::default();
    for caller in 0..12 {
        assert!(limiter.make_room(&mut shard, 1));
        let at = if caller < stale { 1 } else { 2 };
        let stamps = shard.table.insert(u128::from(caller) << 124 | 1);
        assert!(stamps.push(at, 1, 1, &limiter.budget));
    }
    assert!(!shard.table.has_room());
    shard.next_sweep = 0;
    shard
}

#[test]
fn a_full_table_is_swept_and_grows_only_if_that_frees_a_quarter_or_less() {
    let limiter = Limiter::new(1, WINDOW, BYTES).unwrap();
    let now = WINDOW.as_nanos() as u64 + 1;
    for stale in 0..=12 {
        let mut shard = full(&limiter, stale);
        let before = limiter.bytes();
        assert!(limiter.make_room(&mut shard, now));
        assert_eq!(shard.table.len() as u64, 12 - stale);
        assert_eq!(limiter.bytes() > before, stale <= 3, "{stale} of 12 left");
        // A sweep that freed little is not repeated for a while: a flood must not trigger one per request.
        let wait = if stale <= 3 { now + 1_000_000_000 } else { 0 };
        assert_eq!(shard.next_sweep, wait, "{stale}");
    }
}

#[test]
fn a_table_is_not_swept_before_its_time() {
    let limiter = Limiter::new(1, WINDOW, BYTES).unwrap();
    let now = WINDOW.as_nanos() as u64 + 2;
    for (next_sweep, left) in [(now - 1, 0), (now, 0), (now + 1, 12)] {
        let mut shard = full(&limiter, 12);
        shard.next_sweep = next_sweep;
        assert!(limiter.make_room(&mut shard, now));
        assert_eq!(shard.table.len(), left);
    }
}

#[test]
fn without_memory_to_grow_the_little_that_a_sweep_frees_is_used() {
    let limiter = Limiter::new(1, WINDOW, BYTES).unwrap();
    let now = WINDOW.as_nanos() as u64 + 1;
    for (stale, room) in [(0, false), (1, true)] {
        let mut shard = full(&limiter, stale);
        let rest = BYTES - limiter.bytes();
        assert!(limiter.budget.take(rest) && !limiter.budget.take(1));
        assert_eq!(limiter.make_room(&mut shard, now), room);
        assert_eq!(limiter.bytes(), BYTES);
        limiter.budget.give_back(rest);
    }
}

#[test]
fn a_window_may_be_a_century_long() {
    let century = Duration::from_secs(100 * 366 * 86_400);
    let limiter = limiter(1, century);
    assert!(limiter.admit(b"a").allowed && !limiter.admit(b"a").allowed);
    assert!(Limiter::new(1, century + Duration::from_nanos(1), BYTES).is_err());
    assert!(format!("{limiter:?}").contains("limit: 1"));
}
