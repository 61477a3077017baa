//! What a node decides without asking, and when it asks. The store is simulated (`store`); `histories` tests faults and clocks.

mod histories;
mod store;

use std::sync::atomic::Ordering;
use std::thread;

use super::*;
use store::Store;

const MILLISECOND: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MILLISECOND;

fn whom(limit: u32, window: u64) -> Whom<'static> {
    Whom {
        policy: "default",
        name: b"alice",
        limit,
        window: Duration::from_nanos(window),
    }
}

fn store(nodes: u32) -> Arc<Store> {
    let store = Store::default();
    store.nodes.store(nodes, Ordering::Relaxed);
    store.now.store(1_000 * SECOND, Ordering::Relaxed);
    Arc::new(store)
}

fn node(store: &Arc<Store>, down: LimiterDown) -> Shared {
    let central = Arc::clone(store) as Arc<dyn Central>;
    Shared::new(central, down, 1 << 20).unwrap()
}

fn nowhere(_: u32) -> Option<Admission> {
    None
}

#[test]
fn small_limits_are_exact_and_a_caller_over_the_limit_costs_one_call() {
    let store = store(3);
    let nodes = [(); 3].map(|()| node(&store, LimiterDown::Share));
    let whom = whom(5, 60 * SECOND);
    let ask = |n: usize| {
        let admission = nodes[n].state.admit(whom, 1, &|| store.now(), &nowhere);
        admission.unwrap().unwrap()
    };
    let left: Vec<(bool, u32)> = (0..7)
        .map(|n| ask(n % 3))
        .map(|admission| (admission.allowed, admission.remaining))
        .collect();
    let expected = [4, 3, 2, 1, 0].map(|left| (true, left));
    assert_eq!(left[..5], expected);
    assert_eq!(left[5..], [(false, 0), (false, 0)]);
    assert_eq!(store.calls(), 7);
    for _ in 0..1_000 {
        let refusal = ask(0);
        assert!(!refusal.allowed);
        let rest = Duration::from_secs(60) - refusal.reset;
        assert!(rest < Duration::from_micros(1), "{rest:?}");
    }
    // The node knows this from the answer to its last call.
    assert_eq!(store.calls(), 7);
    store.now.fetch_add(60 * SECOND, Ordering::Relaxed);
    assert!(ask(0).allowed);
}

#[test]
fn a_busy_user_costs_few_calls() {
    let store = store(1);
    let node = node(&store, LimiterDown::Share);
    let whom = whom(10_000, SECOND);
    let (mut allowed, mut calls) = (0, 0);
    for request in 0..30_000_u64 {
        // 5,000 a second; the first second is for getting to know the rate.
        store.now.fetch_add(SECOND / 5_000, Ordering::Relaxed);
        if request == 5_000 {
            calls = store.calls();
        }
        let admission = node.state.admit(whom, 1, &|| store.now(), &nowhere);
        allowed += u32::from(admission.unwrap().unwrap().allowed);
    }
    assert_eq!(allowed, 30_000);
    let calls = store.calls() - calls;
    assert!(calls <= 5 * 5, "{calls} calls in 5 seconds");
}

#[test]
fn the_lease_of_a_busy_user_is_renewed_before_it_is_over_and_no_request_waits_for_it() {
    for delay in [0, MILLISECOND, 20 * MILLISECOND] {
        let store = store(1);
        let node = node(&store, LimiterDown::Share);
        let whom = whom(10_000, SECOND);
        let (mut waited, mut due) = (0, u64::MAX);
        for request in 0..30_000_u64 {
            store.now.fetch_add(SECOND / 5_000, Ordering::Relaxed);
            let calls = store.calls();
            let admission = node.state.admit(whom, 1, &|| store.now(), &nowhere);
            assert!(admission.unwrap().unwrap().allowed);
            if request >= 5_000 {
                waited += store.calls() - calls;
            }
            if node.state.renewals.is_waiting() {
                due = due.min(store.now() + delay);
            }
            if store.now() >= due {
                node.state.renew(&|| store.now());
                due = u64::MAX;
            }
        }
        assert_eq!(waited, 0, "{delay}");
        // All that was not spent has been given back, but for the last two.
        let worth = store.live(b"alice");
        assert!(worth <= 5_000 + 2_500, "{worth}");
    }
}

#[test]
fn the_setting_decides_while_the_store_is_down() {
    for (down, nodes, expected) in [
        (LimiterDown::Share, 2, 3),
        (LimiterDown::Share, 100, 1),
        (LimiterDown::Local, 2, 6),
        (LimiterDown::Open, 2, 50),
        (LimiterDown::Closed, 2, 0),
    ] {
        let store = store(nodes);
        let node = node(&store, down);
        let local = super::super::Limiter::new(6, Duration::from_secs(60), 1 << 20).unwrap();
        store.is_down.store(true, Ordering::Relaxed);
        let ask = || {
            let count = |cost| Some(local.admit_cost(b"alice", cost));
            let clock = || store.now.fetch_add(1, Ordering::Relaxed);
            node.state.admit(whom(6, 60 * SECOND), 1, &clock, &count)
        };
        let allows = || match ask() {
            Ok(admission) => admission.unwrap().allowed,
            Err(error) => {
                assert!(matches!(error, Error::Store(_)) && down == LimiterDown::Closed);
                false
            }
        };
        let allowed = (0..50).filter(|_| allows()).count();
        assert_eq!(allowed, expected, "{down:?}");
        // From then on the store is asked once a second.
        assert_eq!(node.calls(), [0, 0, 0, 3], "{down:?}");
        store.now.fetch_add(SECOND, Ordering::Relaxed);
        allows();
        assert_eq!(node.calls(), [0, 0, 0, 4], "{down:?}");
        store.is_down.store(false, Ordering::Relaxed);
        store.now.fetch_add(SECOND, Ordering::Relaxed);
        assert!(allows() && node.calls() == [1, 0, 0, 4], "{down:?}");
    }
}

#[test]
fn what_the_store_admitted_counts_while_it_is_down() {
    for (down, left) in [(LimiterDown::Share, 2), (LimiterDown::Local, 5)] {
        let store = store(2);
        let node = node(&store, down);
        let local = super::super::Limiter::new(6, Duration::from_secs(60), 1 << 20).unwrap();
        let ask = || {
            let count = |cost| Some(local.admit_cost(b"alice", cost));
            let decided = node
                .state
                .admit(whom(6, 60 * SECOND), 1, &|| store.now(), &count);
            decided.unwrap().unwrap().allowed
        };
        assert!(ask());
        store.is_down.store(true, Ordering::Relaxed);
        assert_eq!((0..20).filter(|_| ask()).count(), left, "{down:?}");
    }
}

/// What a node knows of a name that has two leases: it is asked 5,000 times a second, and has just renewed a lease.
fn with_two_leases(whom: Whom<'_>) -> (Arc<Store>, Shared, Arc<Name>) {
    let store = store(1);
    let node = node(&store, LimiterDown::Share);
    for _ in 0..20_000 {
        store.now.fetch_add(SECOND / 5_000, Ordering::Relaxed);
        let admission = node.state.admit(whom, 1, &|| store.now(), &nowhere);
        assert!(admission.unwrap().unwrap().allowed);
        if node.state.renewals.is_waiting() {
            let calls = store.calls();
            node.state.renew(&|| store.now());
            if store.calls() > calls && store.now() > 1_003 * SECOND {
                let found = node.state.slots.found(whom).unwrap();
                return (store, node, found);
            }
        }
    }
    panic!("no lease is renewed");
}

#[test]
fn time_never_goes_back_for_a_lease() {
    let whom = whom(10_000, SECOND);
    let (store, _node, found) = with_two_leases(whom);
    let mut slot = found.slot();
    let (late, early) = (store.now() + 20 * MILLISECOND, store.now());
    assert!(slot.known(whom, 50, late).unwrap().allowed);
    assert!(slot.known(whom, 1, early).unwrap().allowed);
    assert!(slot.end_leases(true, late));
    // What was spent late is reported as late, at most a thousandth of the lease sooner.
    let back = slot.backs.front().unwrap();
    let latest = back.spent.iter().map(|(sooner, _)| *sooner).min().unwrap();
    assert!(latest < Duration::from_millis(31 - 20 + 1), "{latest:?}");
}

#[test]
fn a_costly_request_is_paid_from_two_leases() {
    let whom = whom(10_000, SECOND);
    let (store, _node, found) = with_two_leases(whom);
    let mut slot = found.slot();
    let now = store.now();
    let rest = slot.rest(now);
    assert!(slot.seen(whom, rest, now).unwrap().allowed);
    assert!(slot.known(whom, rest, now).unwrap().allowed);
    assert_eq!(slot.rest(now), 0);
}

#[test]
fn a_lease_is_not_renewed_beyond_a_limit_that_has_been_lowered() {
    let (store, node, found) = with_two_leases(whom(10_000, SECOND));
    let lowered = whom(100, SECOND);
    let wish = Wish {
        cost: 0,
        wanted: 50,
        hold: lowered.hold(),
        patient: false,
        back: None,
    };
    let before = found.slot().rest(store.now());
    let taken = node
        .state
        .take(lowered, wish, &|| store.now(), &found)
        .unwrap();
    assert!(taken.0.counted > 100);
    let slot = found.slot();
    assert!(slot.rest(store.now()) <= before && slot.pause > store.now());
}

#[test]
fn leases_that_nobody_spends_are_given_back() {
    let store = store(1);
    let node = node(&store, LimiterDown::Share);
    let whom = whom(1_000, 60 * SECOND);
    let ask = || {
        let decided = node.state.admit(whom, 1, &|| store.now(), &nowhere);
        assert!(decided.unwrap().unwrap().allowed);
    };
    (0..20).for_each(|_| ask());
    assert!(store.live(b"alice") > 20);
    let calls = store.calls();
    node.state.return_leases(&|| store.now());
    assert_eq!(store.calls(), calls);
    store.now.fetch_add(2 * SECOND, Ordering::Relaxed);
    node.state.return_leases(&|| store.now());
    assert_eq!((store.live(b"alice"), store.calls()), (20, calls + 1));
    node.state.return_leases(&|| store.now());
    assert_eq!(store.calls(), calls + 1);
    let [direct, leased, returned, failed] = node.calls();
    assert!(direct >= 1 && leased >= 1, "{direct} {leased}");
    assert_eq!((returned, failed), (1, 0));
}

#[test]
fn what_is_known_needs_no_call_and_no_waiting() {
    let store = store(1);
    let node = node(&store, LimiterDown::Closed);
    let whom = whom(2, 3_600 * SECOND);
    let at_once = || node.admit_at_once(whom, 1, &nowhere);
    assert!(at_once().is_none());
    for expected in [true, true, false] {
        let decided = node.admit(whom, 1, &nowhere).unwrap().unwrap();
        assert_eq!(decided.allowed, expected);
    }
    assert!(!at_once().unwrap().unwrap().unwrap().allowed);
    // Somebody else is asking.
    let found = node.state.slots.found(whom).unwrap();
    let turn = found.turn();
    assert!(!at_once().unwrap().unwrap().unwrap().allowed);
    drop(turn);
    store.is_down.store(true, Ordering::Relaxed);
    for number in 0..3_u8 {
        let whom = Whom {
            name: &[number],
            ..whom
        };
        assert!(node.admit_at_once(whom, 1, &nowhere).is_none());
        assert!(node.admit(whom, 1, &nowhere).is_err());
    }
    let bob = Whom {
        name: b"bob",
        ..whom
    };
    assert!(node.admit_at_once(bob, 1, &nowhere).unwrap().is_err());
}

#[test]
fn a_reset_gives_the_whole_limit_back() {
    let store = store(1);
    let node = node(&store, LimiterDown::Share);
    let whom = whom(2, 3_600 * SECOND);
    let ask = || node.admit(whom, 1, &nowhere).unwrap().unwrap();
    assert!(ask().allowed && ask().allowed && !ask().allowed);
    let seen = node.peek(whom, 1, false, &nowhere).unwrap().unwrap();
    assert!(!seen.allowed && seen.remaining == 0);
    assert_eq!(node.reset(whom), Ok(2));
    assert_eq!(
        node.peek(whom, 2, false, &nowhere)
            .unwrap()
            .unwrap()
            .remaining,
        2
    );
    assert!(ask().allowed && ask().allowed && !ask().allowed);
    store.is_down.store(true, Ordering::Relaxed);
    assert!(node.reset(whom).is_err());
}

#[test]
fn threads_that_wait_for_one_name_share_the_answer() {
    let store = store(1);
    let node = node(&store, LimiterDown::Share);
    let whom = whom(4, 3_600 * SECOND);
    let allowed: usize = thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    let ask = || node.admit(whom, 1, &nowhere).unwrap().unwrap().allowed;
                    (0..100).filter(|_| ask()).count()
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum()
    });
    assert_eq!((allowed, store.calls()), (4, 5));
}

#[test]
fn a_flood_of_names_takes_bounded_memory() {
    let store = store(1);
    let node = node(&store, LimiterDown::Share);
    for number in 0..20_000_u32 {
        let name = number.to_be_bytes();
        let whom = Whom {
            name: &name,
            ..whom(1, 3_600 * SECOND)
        };
        assert!(node.admit(whom, 1, &nowhere).unwrap().unwrap().allowed);
        assert!(!node.admit(whom, 1, &nowhere).unwrap().unwrap().allowed);
    }
    assert!(
        node.state.slots.len() <= (1 << 20) / 256,
        "{}",
        node.state.slots.len()
    );
}
