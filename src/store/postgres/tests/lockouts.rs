//! What the tables of wrong passwords hold, and that they stay bounded.

use super::*;
use crate::store::postgres::lockouts::trim;
use crate::store::{Account, LockoutKeys, LockoutName, Moment, Store};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

fn keys(n: u8) -> LockoutKeys<'static> {
    LockoutKeys {
        account: "alice",
        name: [1; 16],
        place: [n; 16],
        network: [100 + n % 100; 16],
        memory: HOUR,
    }
}

#[test]
fn expired_failures_are_removed_and_the_fewest_go_when_there_are_too_many() {
    let place = Place::new();
    let store = place.store();
    store.check_schema().unwrap();
    place.sql(
        "INSERT INTO sealgate.failures SELECT decode(md5(n::text), 'hex'), n % 10, clock_timestamp() - n * interval '1 minute'
             FROM generate_series(1, 600) n",
    );
    store.count_failure(&keys(2)).unwrap();
    let old = "SELECT count(*) FROM sealgate.failures WHERE at < clock_timestamp() - interval '1 hour 5 minutes'";
    assert_eq!(place.sql(old), "0");
    let count = || -> i64 {
        place
            .sql("SELECT count(*) FROM sealgate.failures")
            .parse()
            .unwrap()
    };
    assert!((55..=65).contains(&count()), "{}", count());
    store
        .database
        .change("", |change| trim(change, 20))
        .unwrap();
    assert_eq!(count(), 20);
    let fewest = place.sql("SELECT min(count) FROM sealgate.failures");
    assert!(fewest.parse::<i32>().unwrap() >= 5, "{fewest}");
}

#[test]
fn a_name_has_four_known_places_at_most_and_a_known_place_counts_for_itself_alone() {
    let place = Place::new();
    let store = place.store();
    for n in 2..8 {
        store.learn_place(&keys(n)).unwrap();
    }
    assert_eq!(place.sql("SELECT count(*) FROM sealgate.known_places"), "4");
    assert!(!store.find_failures(&keys(3)).unwrap().known);
    assert!(store.find_failures(&keys(7)).unwrap().known);
    store.count_failure(&keys(7)).unwrap();
    let found = store.find_failures(&keys(7)).unwrap();
    assert_eq!(found.place.unwrap().count, 1);
    assert_eq!((found.network, found.name), (None, None));
    store.learn_place(&keys(7)).unwrap();
    assert_eq!(store.find_failures(&keys(7)).unwrap().place, None);
    // A wait that is running goes on, and failures are not lost to it.
    store.count_failure(&keys(2)).unwrap();
    store.start_waiting(&keys(2)).unwrap();
    assert_eq!(
        store
            .find_failures(&keys(2))
            .unwrap()
            .network
            .unwrap()
            .count,
        1
    );
}

#[test]
fn the_failures_of_many_names_are_found_at_once_wherever_they_came_from() {
    let place = Place::new();
    let store = place.store();
    for account in ["alice", "bob"] {
        assert!(store.add_account(&Account::example(account, "")).unwrap());
    }
    let of = |account: &'static str, name: u8, from: u8| LockoutKeys {
        account,
        name: [name; 16],
        ..keys(from)
    };
    let found = || {
        let names = [("nobody", 3), ("bob", 2), ("alice", 1), ("zero\0", 4)];
        let names = names.map(|(account, name)| LockoutName {
            account,
            key: [name; 16],
        });
        let found = store.find_failures_of_names(&names, HOUR).unwrap();
        let counts = found.into_iter().map(|found| {
            let mut known: Vec<_> = found.known.iter().map(|of| of.count).collect();
            known.sort_unstable();
            (found.name.map(|of| of.count), known)
        });
        counts.collect::<Vec<_>>()
    };
    assert_eq!(found(), vec![(None, vec![]); 4]);
    for from in [20, 21, 22] {
        store.learn_place(&of("alice", 1, from)).unwrap();
    }
    store.learn_place(&of("bob", 2, 30)).unwrap();
    // Each place has a key of its own under each name, so these are 20 once, 22 twice, 30 and places unknown to both.
    for failed in [
        of("alice", 1, 20),
        of("alice", 1, 22),
        of("alice", 1, 22),
        of("bob", 2, 30),
        of("bob", 2, 31),
        of("bob", 2, 32),
        of("zero\0", 4, 40),
    ] {
        store.count_failure(&failed).unwrap();
    }
    let nobody = (None, vec![]);
    let all = [
        nobody.clone(),
        (Some(2), vec![1]),
        (None, vec![1, 2]),
        (Some(1), vec![]),
    ];
    assert_eq!(found(), all);
    let at = Moment {
        now: 1_000,
        forget: 9_000,
    };
    assert!(store.unlock("bob", 1, at).unwrap());
    let [nobody, _, alice, zero] = all;
    assert_eq!(found(), [nobody.clone(), nobody, alice, zero]);
    store.count_failure(&of("bob", 2, 30)).unwrap();
    assert_eq!(found()[1], (None, vec![1]));
    assert_eq!(store.find_failures_of_names(&[], HOUR).unwrap(), []);
}

#[test]
fn concurrent_failures_are_all_counted_and_none_waits_for_ever() {
    let place = Place::new();
    let store = place.store();
    store.check_schema().unwrap();
    std::thread::scope(|threads| {
        for n in 0..8u8 {
            let store = &store;
            threads.spawn(move || {
                for _ in 0..25 {
                    store.count_failure(&keys(2 + n % 4)).unwrap();
                }
            });
        }
    });
    let found = store.find_failures(&keys(2)).unwrap();
    assert_eq!(found.name.unwrap().count, 200);
    assert_eq!(found.place.unwrap().count, 50);
}
