//! Windows of the rate limits in a real PostgreSQL: the functions keep the promise that `limiter::shared` builds on.

use std::net::TcpListener;
use std::sync::mpsc;
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
        hold: Duration::ZERO,
        asker: 1,
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
    let both = take(&store, &ask(5, hour, 4));
    assert!(both.wait > both.first, "{both:?}");
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

/// Asks for a lease of what a limit of 1,000 has.
fn lease(window: Duration, wanted: u32, asker: i32, back: Option<Back>) -> Ask {
    Ask {
        wanted,
        hold: Duration::from_secs(1),
        asker,
        back,
        ..ask(1_000, window, 1)
    }
}

#[test]
fn a_lease_can_be_given_back_once() {
    let place = Place::new();
    let store = place.store();
    let hour = Duration::from_secs(3_600);
    let first = take(&store, &lease(hour, 250, 1, None));
    assert_eq!((first.granted, first.counted), (250, 250));
    assert!(first.lease > 0 && first.later.is_empty());
    let spent = [(Duration::from_millis(300), 20), (Duration::ZERO, 30)];
    let back = Back {
        lease: first.lease,
        spent: spent.to_vec(),
    };
    let second = take(&store, &lease(hour, 100, 1, Some(back.clone())));
    assert_eq!((second.granted, second.counted), (100, 50 + 100));
    // It is known no more.
    store.give_back(&[([7; 16], back)], LONGEST).unwrap();
    assert_eq!(take(&store, &ask(1_000, hour, 1)).counted, 151);
    // Nothing of it was spent.
    let unspent = Back {
        lease: second.lease,
        spent: Vec::new(),
    };
    store.give_back(&[([7; 16], unspent)], LONGEST).unwrap();
    assert_eq!(take(&store, &ask(1_000, hour, 1)).counted, 52);
    // More than was granted is not believed.
    let third = take(&store, &lease(hour, 10, 1, None));
    let wrong = Back {
        lease: third.lease,
        spent: vec![(Duration::from_secs(1), 11)],
    };
    store.give_back(&[([7; 16], wrong)], LONGEST).unwrap();
    assert_eq!(
        store
            .counted(&ask(1_000, hour, 1), LONGEST)
            .unwrap()
            .counted,
        62
    );
}

#[test]
fn nodes_that_want_more_than_there_is_get_a_part_each() {
    let place = Place::new();
    let store = place.store();
    let hour = Duration::from_secs(3_600);
    assert_eq!(take(&store, &lease(hour, 600, 1, None)).granted, 600);
    // 400 are left, and the other wanted as much a moment ago.
    assert_eq!(take(&store, &lease(hour, 600, 2, None)).granted, 200);
    assert_eq!(take(&store, &lease(hour, 1, 3, None)).granted, 1);
    // One request is admitted while there is room for it.
    assert_eq!(take(&store, &ask(1_000, hour, 199)).granted, 199);
    let refused = take(&store, &lease(hour, 600, 1, None));
    assert_eq!((refused.granted, refused.lease), (0, 0));
}

#[test]
fn a_lease_takes_the_place_of_what_ends_soon() {
    let place = Place::new();
    let store = place.store();
    let window = Duration::from_millis(900);
    let deadline = Instant::now() + LONGEST;
    loop {
        store.forget_window(&[7; 16], LONGEST).unwrap();
        assert_eq!(take(&store, &ask(1_000, window, 700)).granted, 700);
        assert_eq!(take(&store, &ask(1_000, window, 250)).granted, 250);
        let taken = take(&store, &lease(window, 500, 1, None));
        // On a machine that is this busy the first may have ended.
        if taken.granted == 50 {
            let later: u32 = taken.later.iter().map(|(_, amount)| *amount).sum();
            assert_eq!((later, taken.counted), (450, 1_000));
            assert!(taken.later[0].0 <= window);
            assert_eq!(take(&store, &ask(1_000, window, 1)).granted, 0);
            // It counts once the first has ended: 250 of that are free.
            std::thread::sleep(window);
            let seen = store.counted(&ask(1_000, window, 1), LONGEST).unwrap();
            assert!(seen.counted <= 500, "{seen:?}");
            return;
        }
        assert!(Instant::now() < deadline, "{taken:?}");
    }
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
fn a_call_ends_by_its_deadline_though_the_store_is_stalled() {
    let place = Place::new();
    let (store, other) = (place.store(), place.store());
    assert_eq!(take(&store, &ask(5, Duration::from_secs(60), 1)).granted, 1);
    let (locked, is_locked) = mpsc::channel();
    let (asked, is_asked) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(move || {
            let held = other.database.change("", |change| {
                change.batch("LOCK TABLE sealgate.windows")?;
                locked.send(()).unwrap();
                is_asked.recv_timeout(LONGEST).unwrap();
                Ok(())
            });
            held.unwrap();
        });
        is_locked.recv_timeout(LONGEST).unwrap();
        let started = Instant::now();
        let refused = store.take(
            &ask(5, Duration::from_secs(60), 1),
            Duration::from_millis(50),
        );
        let took = started.elapsed();
        asked.send(()).unwrap();
        assert!(matches!(refused, Err(Error::Store(_))), "{refused:?}");
        // The usual deadline is a minute here.
        assert!(took >= Duration::from_millis(50) && took < LONGEST / 4);
    });
}

#[test]
fn the_first_call_ends_by_its_deadline_though_the_store_never_answers() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let store = store(&format!(
        "postgres://nobody@{address}/nothing?sslmode=disable"
    ));
    let started = Instant::now();
    let refused = store.take(
        &ask(5, Duration::from_secs(60), 1),
        Duration::from_millis(50),
    );
    assert!(matches!(refused, Err(Error::Store(_))), "{refused:?}");
    assert!(started.elapsed() < LONGEST / 4);
}
