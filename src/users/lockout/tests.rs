//! Who waits after wrong passwords, and for how long.

use super::*;

/// No account has this name, so it is never unlocked.
const ACCOUNT: &str = "-";

fn of(lockouts: &Lockouts, name: &str, from: &str) -> Try {
    lockouts.of(name, from).unwrap()
}

fn failed(lockouts: &Lockouts, tried: Try, now: Instant) {
    lockouts.memory.failed(tried, ACCOUNT, now).unwrap();
}

fn passed(lockouts: &Lockouts, tried: Try, now: Instant) {
    lockouts.memory.passed(tried, now).unwrap();
}

fn knows(lockouts: &Lockouts, tried: Try) -> bool {
    let found = lockouts.memory.find(tried, ACCOUNT, Instant::now());
    found.unwrap().known
}

fn wait(lockouts: &Lockouts, tried: Try, now: Instant) -> u64 {
    match lockouts.check_at(tried, ACCOUNT, now) {
        Ok(()) => 0,
        Err(Error::RateLimited { retry_after }) => crate::whole_seconds(retry_after),
        Err(other) => panic!("{other}"),
    }
}

/// How many of these attempts, each with a wrong password, are let through, one every 10 ms from `now` on.
fn guesses(lockouts: &Lockouts, tries: impl Iterator<Item = Try>, now: Instant) -> usize {
    let mut let_through = 0;
    for (n, tried) in (0..).zip(tries) {
        let now = now + Duration::from_millis(10 * n);
        if wait(lockouts, tried, now) == 0 {
            let_through += 1;
            failed(lockouts, tried, now);
        }
    }
    let_through
}

/// Tests that hold for every memory.
macro_rules! of_every_memory {
    ($made:expr) => {
        of_every_memory! { $made;
            waits_grow_to_a_quarter_of_an_hour_and_end,
            another_name_or_place_is_not_delayed_and_success_resets_the_count,
            a_new_network_waits_from_its_first_delayed_attempt,
            wrong_passwords_are_remembered_for_an_hour_and_no_longer,
            the_longest_wait_is_that_of_the_place_delayed_most,
            a_name_under_attack_has_the_wait_of_a_place_that_has_not_tried_yet,
            the_longest_waits_of_many_names_are_found_at_once
        }
    };
    ($made:expr; $($name:ident),*) => {
        $(
            #[test]
            fn $name() {
                super::$name(&$made);
            }
        )*
    };
}

mod of_this_process {
    use super::*;

    of_every_memory!(|after| Lockouts::new(after).unwrap());
}

#[cfg(feature = "postgres")]
#[path = "shared_tests.rs"]
mod in_the_store;

fn waits_grow_to_a_quarter_of_an_hour_and_end(made: &dyn Fn(u32) -> Lockouts) {
    let lockouts = made(5);
    let alice = of(&lockouts, "alice", "192.0.2.1");
    let mut now = Instant::now();
    passed(&lockouts, alice, now);
    let mut waits = Vec::new();
    for _ in 0..18 {
        failed(&lockouts, alice, now);
        let next = wait(&lockouts, alice, now);
        waits.push(next);
        now += Duration::from_secs(next);
        assert_eq!(wait(&lockouts, alice, now), 0);
    }
    assert_eq!(
        waits,
        [
            0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900, 900
        ]
    );
    now += MEMORY;
    failed(&lockouts, alice, now);
    assert_eq!(wait(&lockouts, alice, now), 0, "forgotten an hour later");
}

fn another_name_or_place_is_not_delayed_and_success_resets_the_count(
    made: &dyn Fn(u32) -> Lockouts,
) {
    let lockouts = made(1);
    let now = Instant::now();
    let alice = of(&lockouts, "alice", "192.0.2.1");
    failed(&lockouts, alice, now);
    assert_eq!(wait(&lockouts, alice, now), 1);
    for (name, from) in [
        ("alice", "192.0.2.2"),
        ("alicf", "192.0.2.1"),
        ("1alice", "192.0.2."),
    ] {
        assert_eq!(wait(&lockouts, of(&lockouts, name, from), now), 0, "{name}");
    }
    for same in ["192.0.2.1:4711", "::ffff:192.0.2.1"] {
        assert_eq!(wait(&lockouts, of(&lockouts, "alice", same), now), 1);
    }
    passed(&lockouts, alice, now);
    assert_eq!(wait(&lockouts, alice, now), 0);
}

#[test]
fn a_site_gets_no_more_guesses_than_a_network_and_others_wait_a_minute_at_most() {
    let lockouts = Lockouts::new(5).unwrap();
    let of = |from: &str| self::of(&lockouts, "alice", from);
    let now = Instant::now();
    passed(&lockouts, of("2001:db8:0:ffff::1"), now);
    let sites = (0..1000).map(|n| of(&format!("2001:db8:0:{n:x}::1")));
    assert_eq!(
        guesses(&lockouts, sites, now),
        13,
        "10, and after 1, 2 and 4 s more"
    );
    let now = now + Duration::from_secs(10);
    assert_eq!(
        wait(&lockouts, of("2001:db8:0:ffff::2"), now),
        0,
        "a known place"
    );
    assert!(wait(&lockouts, of("2001:db8:0:aaaa::1"), now) <= 16);
    assert_eq!(wait(&lockouts, of("2001:db8:1::1"), now), 0, "another site");
    for n in 0..6 {
        failed(&lockouts, of(&format!("2001:db8:0:{n:x}::1")), now);
    }
    assert_eq!(wait(&lockouts, of("2001:db8:0:aaaa::1"), now), 60);
    failed(&lockouts, of("2001:db8:0:6::1"), now);
    let of_site = wait(&lockouts, of("2001:db8:0:aaaa::1"), now);
    assert_eq!(of_site, 900, "its own attack on the name");
    assert_eq!(wait(&lockouts, of("2001:db8:1::1"), now), 1, "another site");
    assert_eq!(wait(&lockouts, of("2001:db8:0:ffff::2"), now), 0, "known");
    assert_eq!(
        wait(
            &lockouts,
            self::of(&lockouts, "bob", "2001:db8:0:1::1"),
            now
        ),
        0
    );
}

#[test]
fn a_name_attacked_from_everywhere_waits_at_most_a_minute() {
    for (name, network) in [("alice", 48), ("nobody", 48), ("alice", 24)] {
        let lockouts = Lockouts::new(5).unwrap();
        let from = |n: u32| match network {
            48 => of(
                &lockouts,
                name,
                &format!("2001:{:x}:{:x}::1", n >> 16, n & 0xffff),
            ),
            _ => of(
                &lockouts,
                name,
                &format!("10.{}.{}.1", n >> 8 & 255, n & 255),
            ),
        };
        let mut now = Instant::now();
        passed(&lockouts, of(&lockouts, name, "192.0.2.1"), now);
        assert_eq!(guesses(&lockouts, (0..1000).map(from), now), 20, "{name}");
        // The same ones return for a quarter of an hour: after 1, 2, 4 and 8 minutes.
        let mut again = 0;
        for _ in 0..15 {
            now += Duration::from_secs(61);
            again += guesses(&lockouts, (0..1000).chain(0..1000).map(from), now);
        }
        assert!(again <= 4000, "{again}");
        let known = of(&lockouts, name, "192.0.2.1");
        assert_eq!(wait(&lockouts, known, now), 0, "a known place");
        // From a new place, while guessing goes on.
        let new = of(&lockouts, name, "198.51.100.1");
        let wait_for = wait(&lockouts, new, now);
        assert!((1..=60).contains(&wait_for), "{wait_for}");
        guesses(&lockouts, (0..1000).map(from), now);
        now += Duration::from_secs(wait_for);
        assert_eq!(wait(&lockouts, new, now), 0, "{name}");
        let other = of(&lockouts, "bob", "2001:0:1::1");
        assert_eq!(wait(&lockouts, other, now), 0);
        now += MEMORY;
        assert_eq!(wait(&lockouts, from(2000), now), 0, "an hour later");
    }
}

fn a_new_network_waits_from_its_first_delayed_attempt(made: &dyn Fn(u32) -> Lockouts) {
    let lockouts = made(1);
    let now = Instant::now();
    let new = of(&lockouts, "alice", "198.51.100.1");
    assert_eq!(wait(&lockouts, new, now), 0);
    let now = now + Duration::from_secs(100);
    for n in 0..12 {
        failed(
            &lockouts,
            of(&lockouts, "alice", &format!("10.{n}.0.1")),
            now,
        );
    }
    for (later, waits) in [(0, 60), (59, 1), (60, 0)] {
        assert_eq!(
            wait(&lockouts, new, now + Duration::from_secs(later)),
            waits
        );
    }
}

fn wrong_passwords_are_remembered_for_an_hour_and_no_longer(made: &dyn Fn(u32) -> Lockouts) {
    for (later, waits) in [(MEMORY - Duration::from_micros(1), 1), (MEMORY, 0)] {
        let lockouts = made(2);
        let alice = of(&lockouts, "alice", "192.0.2.1");
        let now = Instant::now();
        failed(&lockouts, alice, now);
        failed(&lockouts, alice, now + later);
        assert_eq!(wait(&lockouts, alice, now + later), waits, "{later:?}");
    }
}

fn longest(lockouts: &Lockouts, now: Instant) -> u64 {
    let waits = lockouts.longest_waits_at(&["alice"], |_| None, now);
    match waits.unwrap()[0] {
        Duration::ZERO => 0,
        wait => crate::whole_seconds(wait),
    }
}

fn the_longest_wait_is_that_of_the_place_delayed_most(made: &dyn Fn(u32) -> Lockouts) {
    let lockouts = made(2);
    let mut now = Instant::now();
    let [home, office, stranger] = ["192.0.2.1", "198.51.100.1", "203.0.113.1"];
    let tries = [home, office, stranger].map(|from| of(&lockouts, "alice", from));
    passed(&lockouts, tries[0], now);
    passed(&lockouts, tries[1], now);
    assert_eq!(longest(&lockouts, now), 0);
    let mut seen = Vec::new();
    for (place, failures) in [(0, 2), (2, 3), (1, 5), (2, 4), (0, 6)] {
        for _ in 0..failures {
            failed(&lockouts, tries[place], now);
        }
        for later in [0, 1, 3, 20] {
            let now = now + Duration::from_secs(later);
            let waits = tries.map(|tried| wait(&lockouts, tried, now));
            assert_eq!(
                Some(longest(&lockouts, now)),
                waits.into_iter().max(),
                "{waits:?}"
            );
        }
        seen.push(longest(&lockouts, now));
        now += Duration::from_secs(1);
    }
    assert_eq!(seen, [1, 2, 8, 32, 64]);
    passed(&lockouts, tries[0], now);
    assert_eq!(longest(&lockouts, now), 30, "that of the stranger is left");
    assert_eq!(longest(&lockouts, now + MEMORY), 0);
}

fn a_name_under_attack_has_the_wait_of_a_place_that_has_not_tried_yet(
    made: &dyn Fn(u32) -> Lockouts,
) {
    // The attacker's own network waits the longest, although there are fewer failures than make a place wait that long.
    let lockouts = made(1);
    let now = Instant::now();
    let attacker = of(&lockouts, "alice", "203.0.113.1");
    for _ in 0..4 {
        failed(&lockouts, attacker, now);
    }
    assert_eq!(wait(&lockouts, attacker, now), 16);
    assert_eq!(longest(&lockouts, now), 16);
    // Once that is over, networks that have not tried yet still wait.
    for n in 0..4 {
        failed(
            &lockouts,
            of(&lockouts, "alice", &format!("10.{n}.0.1")),
            now,
        );
    }
    let now = now + Duration::from_secs(1800);
    let new = of(&lockouts, "alice", "198.51.100.1");
    assert_eq!(longest(&lockouts, now), 16);
    assert_eq!(wait(&lockouts, new, now), 16);
    assert_eq!(longest(&lockouts, now + MEMORY / 2), 0);
}

fn the_longest_waits_of_many_names_are_found_at_once(made: &dyn Fn(u32) -> Lockouts) {
    let lockouts = made(1);
    let now = Instant::now();
    let names: Vec<String> = (0..1000).map(|n| format!("user {n}")).collect();
    let names: Vec<&str> = names.iter().map(|name| &**name).collect();
    let known = of(&lockouts, names[3], "192.0.2.1");
    passed(&lockouts, known, now);
    for tried in [known, known, of(&lockouts, names[998], "192.0.2.1")] {
        failed(&lockouts, tried, now);
    }
    let seconds = |at: usize| match at {
        3 => 2,
        998 => 1,
        _ => 0,
    };
    let forgiven = |name: &str| (name == names[998]).then_some(Duration::ZERO);
    let waits = lockouts.longest_waits_at(&names, |_| None, now).unwrap();
    let expected = (0..1000).map(|at| Duration::from_secs(seconds(at)));
    assert!(waits.into_iter().eq(expected));
    let waits = lockouts.longest_waits_at(&names, forgiven, now).unwrap();
    assert_eq!((waits[3].as_secs(), waits[998].as_secs()), (2, 0));
    let waits = lockouts.longest_waits(&[], |_| None);
    assert!(waits.unwrap().is_empty());
}

#[test]
fn other_names_cannot_evict_a_names_known_places() {
    let lockouts = Lockouts::new(5).unwrap();
    let mut now = Instant::now();
    let home = of(&lockouts, "alice", "192.0.2.1");
    passed(&lockouts, home, now);
    for n in 0..10_000u32 {
        now += Duration::from_secs(1);
        let from = format!("10.0.{}.{}", n >> 8, n & 255);
        passed(&lockouts, of(&lockouts, "mallory", &from), now);
    }
    assert!(knows(&lockouts, home));
    for n in 0..3 {
        passed(
            &lockouts,
            of(&lockouts, "alice", &format!("192.0.2.{}", n + 2)),
            now,
        );
    }
    assert!(knows(&lockouts, home));
    passed(&lockouts, of(&lockouts, "alice", "192.0.2.9"), now);
    assert!(!knows(&lockouts, home), "the oldest of five");
}

#[test]
fn a_flood_of_names_takes_no_more_memory_and_keeps_the_worst_offenders() {
    let lockouts = Lockouts::new(2).unwrap();
    let now = Instant::now();
    let worst = of(&lockouts, "alice", "192.0.2.1");
    for _ in 0..4 {
        failed(&lockouts, worst, now);
    }
    for n in 0..200_000u32 {
        failed(&lockouts, of(&lockouts, &n.to_string(), "192.0.2.1"), now);
    }
    assert_eq!(wait(&lockouts, worst, now), 4);
    const { assert!(own::BYTES <= 4 << 20) };
}

#[test]
fn unlocking_forgets_older_failures_of_one_name_and_later_ones_count_again() {
    let lockouts = Lockouts::new(1).unwrap();
    let now = Instant::now();
    let places = ["192.0.2.1", "192.0.2.2", "198.51.100.1", "unix"];
    let tries = places.map(|from| of(&lockouts, "alice", from));
    let bob = of(&lockouts, "bob", "192.0.2.1");
    for tried in tries.into_iter().chain([bob]) {
        failed(&lockouts, tried, now);
    }
    let later = now + Duration::from_millis(500);
    assert!(tries.iter().all(|tried| wait(&lockouts, *tried, later) > 0));
    // The account was unlocked before these failures.
    for tried in tries {
        lockouts
            .memory
            .forget_older(tried, Duration::from_millis(501), later);
        assert!(wait(&lockouts, tried, later) > 0);
    }
    for tried in tries {
        lockouts
            .memory
            .forget_older(tried, Duration::from_millis(500), later);
        assert_eq!(wait(&lockouts, tried, later), 0);
    }
    assert!(wait(&lockouts, bob, later) > 0);
    failed(&lockouts, tries[0], later);
    lockouts
        .memory
        .forget_older(tries[0], Duration::from_millis(500), later);
    assert!(wait(&lockouts, tries[0], later) > 0);
}
