//! Windows of the rate limits in a real PostgreSQL: the functions keep the promise that `limiter::shared` builds on.

use std::thread;
use std::time::{Duration, Instant};

use super::*;
use crate::store::windows::{Ask, Back, Taken, WindowStore};

const LONGEST: Duration = Duration::from_secs(60);

fn ask(limit: u32, window: Duration, cost: u32) -> Ask {
    Ask {
        key: [7; 16],
        limit,
        window,
        cost,
        wanted: cost,
        part: 1,
        hold: Duration::ZERO,
        patient: false,
        back: None,
    }
}

fn take(store: &PostgresStore, ask: &Ask) -> Taken {
    store.take(ask, LONGEST).unwrap()
}

#[test]
fn a_limit_is_exact_and_a_refusal_says_when_it_ends() {
    let place = Place::new();
    let store = place.store();
    let hour = Duration::from_secs(3_600);
    for counted in [2, 4] {
        let taken = take(&store, &ask(5, hour, 2));
        assert_eq!((taken.granted, taken.counted), (2, counted));
    }
    let refused = take(&store, &ask(5, hour, 2));
    assert_eq!((refused.granted, refused.counted), (0, 4));
    for wait in [refused.wait, refused.first] {
        assert!(
            wait <= hour && wait > hour - Duration::from_secs(60),
            "{wait:?}"
        );
    }
    // The second entry ends later than the first.
    assert!(take(&store, &ask(5, hour, 4)).wait > refused.first);
    assert_eq!(take(&store, &ask(5, hour, 1)).granted, 1);
    let seen = store.counted(&ask(5, hour, 1), LONGEST).unwrap();
    assert_eq!((seen.granted, seen.counted), (0, 5));
    assert!(seen.wait > Duration::ZERO && seen.first > Duration::ZERO);
    // Nobody else is counted with it.
    let other = Ask {
        key: [8; 16],
        ..ask(5, hour, 5)
    };
    assert_eq!(take(&store, &other).granted, 5);
    assert_eq!(store.forget_window(&[7; 16], LONGEST), Ok(5));
    assert_eq!(store.forget_window(&[7; 16], LONGEST), Ok(0));
    assert_eq!(store.forget_window(&[9; 16], LONGEST), Ok(0));
    assert_eq!(take(&store, &ask(5, hour, 5)).granted, 5);
}

#[test]
fn entries_end_and_their_rows_go() {
    let place = Place::new();
    let store = place.store();
    let short = Duration::from_millis(50);
    assert_eq!(take(&store, &ask(1, short, 1)).granted, 1);
    let started = Instant::now();
    while take(&store, &ask(1, short, 1)).granted == 0 {
        assert!(started.elapsed() < LONGEST);
    }
    while store.forget_windows(10).unwrap() == 0 {
        assert!(started.elapsed() < LONGEST);
        thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(place.sql("SELECT count(*) FROM sealgate.windows"), "0");
}

#[test]
fn a_lease_is_a_part_of_what_is_left_and_can_be_given_back_once() {
    let place = Place::new();
    let store = place.store();
    let lease = |back| Ask {
        wanted: 400,
        part: 4,
        hold: Duration::from_secs(1),
        back,
        ..ask(1_000, Duration::from_secs(3_600), 1)
    };
    let first = take(&store, &lease(None));
    assert_eq!((first.granted, first.counted), (250, 250));
    let back = Back {
        entry: first.entry,
        granted: 250,
        unused: 200,
        sooner: Duration::from_millis(300),
    };
    let second = take(&store, &lease(Some(back)));
    assert_eq!((second.granted, second.counted), (237, 50 + 237));
    // It is known no more.
    let third = take(&store, &lease(Some(back)));
    assert_eq!(third.counted, 287 + third.granted);
    let all = Back {
        entry: second.entry,
        granted: 237,
        unused: 237,
        sooner: Duration::ZERO,
    };
    let last = take(
        &store,
        &Ask {
            wanted: 1,
            ..lease(Some(all))
        },
    );
    assert_eq!(last.counted, 50 + third.granted + 1);
}

#[test]
fn many_entries_are_merged_and_never_count_too_little() {
    let place = Place::new();
    let store = place.store();
    let ask = ask(2_000, Duration::from_secs(3_600), 1);
    for counted in 1..=700 {
        assert_eq!(take(&store, &ask).counted, counted);
    }
    let entries = place.sql("SELECT cardinality(ends) <= 512 FROM sealgate.windows");
    assert_eq!(entries, "t");
}

#[test]
fn connections_at_once_share_one_limit() {
    let place = Place::new();
    let ask = ask(50, Duration::from_secs(3_600), 1);
    let store = place.store();
    let admitted: usize = thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| (0..25).filter(|_| take(&store, &ask).granted > 0).count()))
            .collect();
        let admitted = threads.into_iter().map(|thread| thread.join().unwrap());
        admitted.sum()
    });
    assert_eq!(admitted, 50);
}

#[test]
fn counts_that_were_lost_are_waited_for_if_asked() {
    let place = Place::new();
    let store = place.store();
    let patient = Ask {
        patient: true,
        ..ask(5, Duration::from_secs(3_600), 1)
    };
    // A new store has lost nothing.
    assert_eq!(take(&store, &patient).granted, 1);
    // As a crash leaves it.
    place.sql("TRUNCATE sealgate.windows, sealgate.windows_since");
    let refused = take(&store, &patient);
    assert_eq!(refused.granted, 0);
    assert!(refused.wait > Duration::from_secs(3_500), "{refused:?}");
    assert_eq!(
        take(&store, &ask(5, Duration::from_secs(3_600), 1)).granted,
        1
    );
}

#[test]
fn processes_that_count_are_counted() {
    let place = Place::new();
    let store = place.store();
    for (id, count) in [("a", 1), ("b", 2), ("a", 2)] {
        assert_eq!(store.counting(id, LONGEST), Ok(count));
    }
    place.sql("UPDATE sealgate.counting SET seen = seen - interval '2 minutes' WHERE id = 'a'");
    assert_eq!(store.counting("b", LONGEST), Ok(1));
}
