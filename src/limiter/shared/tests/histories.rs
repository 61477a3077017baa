//! Many nodes with clocks that drift, and a store that loses answers: no window may contain more than the limit.

use std::sync::Mutex;

use super::store::lock;
use super::*;

/// The most that any window contains. `admitted`: times and costs.
fn most(admitted: &[(u64, u32)], window: u64) -> u32 {
    let mut admitted = admitted.to_vec();
    admitted.sort_unstable();
    let (mut most, mut sum, mut first) = (0, 0, 0);
    for (at, cost) in &admitted {
        sum += cost;
        while admitted[first].0 + window <= *at {
            sum -= admitted[first].1;
            first += 1;
        }
        most = most.max(sum);
    }
    most
}

struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// A node with a clock of its own, and what it counts itself while the store is down.
struct Machine {
    shared: Shared,
    number: u64,
    skew: u64,
    /// In ten thousandths of the true one.
    rate: u64,
    local: Mutex<Vec<(u64, u32)>>,
}

impl Machine {
    fn new(store: &Arc<Store>, down: LimiterDown, number: u64, random: &mut Random) -> Self {
        Machine {
            shared: node(store, down),
            number,
            skew: random.below(1 << 40),
            // As much as the clocks may differ.
            rate: 9_990 + random.below(21),
            local: Mutex::default(),
        }
    }

    fn clock(&self, store: &Store) -> u64 {
        self.skew + (store.now() - 1_000 * SECOND) * self.rate / 10_000
    }

    /// Returns when the request was admitted, by the true time.
    fn ask(&self, store: &Store, whom: Whom<'_>, cost: u32, pace: u64) -> Option<u64> {
        let limit = whom.limit;
        let local = |cost: u32| {
            let (mut counted, now) = (lock(&self.local), store.now());
            counted.retain(|(at, _)| at + nanoseconds(whom.window) > now);
            let sum: u32 = counted.iter().map(|(_, cost)| cost).sum();
            let allowed = sum.saturating_add(cost) <= limit;
            if allowed {
                counted.push((now, cost));
            }
            Some(Admission {
                allowed,
                limit,
                remaining: 0,
                window: whom.window,
                reset: whom.window,
            })
        };
        store.asker.store(self.number, Ordering::Relaxed);
        // Time passes before the clock is read.
        let clock = || {
            store.now.fetch_add(pace / 50, Ordering::Relaxed);
            self.clock(store)
        };
        let state = &self.shared.state;
        store.granted_at.store(0, Ordering::Relaxed);
        let decision = state
            .admit_at_once(whom, cost, &clock, &local)
            .unwrap_or_else(|| state.admit(whom, cost, &clock, &local));
        let allowed = decision.is_ok_and(|admission| admission.is_some_and(|found| found.allowed));
        let by_store = store.granted_at.load(Ordering::Relaxed);
        let at = if by_store > 0 { by_store } else { store.now() };
        // Some time later, or so much later that requests come first.
        if self.number.is_multiple_of(2) || store.now().is_multiple_of(3) {
            state.renew(&clock);
        }
        allowed.then_some(at)
    }
}

/// Runs nodes against one name, with everything that may go wrong, and returns what was admitted, by the true time.
fn history(
    (seed, down): (u64, LimiterDown),
    (limit, window): (u32, u64),
    (steps, pace): (u64, u64),
) -> Vec<(u64, u32)> {
    let mut random = Random(seed);
    let store = store(3);
    let mut machines: Vec<Machine> = (0..3)
        .map(|number| Machine::new(&store, down, number, &mut random))
        .collect();
    let mut admitted = Vec::new();
    for _ in 0..steps {
        store.now.fetch_add(random.below(pace), Ordering::Relaxed);
        // At most the deadline of a call.
        let travels = random.below(25 * MILLISECOND);
        store.travels.store(travels, Ordering::Relaxed);
        let which = random.below(3) as usize;
        let is_down = store.is_down.load(Ordering::Relaxed);
        match random.below(2_000) {
            0..5 => store.loses.store(true, Ordering::Relaxed),
            // It crashes, and starts with nothing.
            5 if !is_down => {
                machines[which] = Machine::new(&store, down, random.below(1_000), &mut random);
            }
            6 if down == LimiterDown::Closed => store.empty(),
            7 => store.is_down.store(true, Ordering::Relaxed),
            8..20 => store.is_down.store(false, Ordering::Relaxed),
            20..200 => {
                let machine = &machines[which];
                machine
                    .shared
                    .state
                    .return_leases(&|| machine.clock(&store));
            }
            _ => {}
        }
        let cost = match random.below(10) {
            0 => 1 + random.below(u64::from(limit.min(7))) as u32,
            _ => 1,
        };
        let machine = &machines[which];
        let at = machine.ask(&store, whom(limit, window), cost, pace);
        admitted.extend(at.map(|at| (at, cost)));
    }
    admitted
}

const LIMITS: [(u32, u64, u64); 4] = [
    (5, 60 * SECOND, 4 * SECOND),
    (100, SECOND, 5 * MILLISECOND),
    (1_000, 2 * SECOND, 2 * MILLISECOND),
    (300, 60 * SECOND, 100 * MILLISECOND),
];

#[test]
fn no_window_contains_more_than_the_setting_permits_whatever_happens() {
    for (down, times) in [
        (LimiterDown::Closed, 1),
        // What was counted in the store, and again as much by all nodes together, or by each of them.
        (LimiterDown::Share, 2),
        (LimiterDown::Local, 4),
    ] {
        for seed in 0..8 {
            for (limit, window, pace) in LIMITS {
                let admitted = history((seed, down), (limit, window), (6_000, pace));
                let most = most(&admitted, window);
                assert!(
                    most <= limit * times,
                    "{most} of {limit}, {down:?}, seed {seed}"
                );
                assert!(admitted.len() > 50, "{} in {seed}", admitted.len());
            }
        }
    }
}

/// Requests at a rate of all nodes together, as a multiple of the limit, for ten windows after one that is not counted: which
/// part of the limit is admitted, and how often a node asks the store in a second.
fn load(nodes: u64, limit: u32, window: u64, times: f64) -> (f64, f64) {
    let mut random = Random(nodes);
    let store = store(nodes as u32);
    store.travels.store(MILLISECOND / 2, Ordering::Relaxed);
    let machines: Vec<Machine> = (0..nodes)
        .map(|number| Machine::new(&store, LimiterDown::Closed, number, &mut random))
        .collect();
    let gap = (window as f64 / f64::from(limit) / times) as u64;
    let start = store.now();
    let (mut next, mut admitted, mut calls, mut returned) = (start, 0_u32, 0, start);
    while next < start + 11 * window {
        // On the average.
        next += random.below(2 * gap) + 1;
        store.now.fetch_max(next, Ordering::Relaxed);
        if calls == 0 && store.now() >= start + window {
            calls = store.calls();
        }
        if store.now() > returned + SECOND / 4 {
            returned = store.now();
            for machine in &machines {
                machine
                    .shared
                    .state
                    .return_leases(&|| machine.clock(&store));
            }
        }
        let machine = &machines[random.below(nodes) as usize];
        let at = machine.ask(&store, whom(limit, window), 1, 0);
        admitted += u32::from(at.is_some_and(|at| at >= start + window));
    }
    let asked = store.calls() - calls;
    let seconds = 10.0 * window as f64 / SECOND as f64;
    (
        f64::from(admitted) / f64::from(limit) / 10.0,
        asked as f64 / seconds / nodes as f64,
    )
}

#[test]
fn a_user_gets_nearly_the_whole_limit_wherever_the_requests_arrive() {
    for (limit, window) in [
        (10_000, SECOND),
        (1_000, SECOND),
        (500, 10 * SECOND),
        (300, 60 * SECOND),
    ] {
        for nodes in [1, 3, 10] {
            for (times, least) in [(0.5, 0.48), (0.9, 0.8), (3.0, 0.8)] {
                let (admitted, calls) = load(nodes, limit, window, times);
                println!("{limit} per {window}, {nodes} nodes, {times}: {admitted:.3}, {calls:.2}");
                assert!(
                    admitted >= least,
                    "{admitted} of {limit}, {nodes} nodes, {times} times"
                );
                assert!(
                    calls <= 5.0,
                    "{calls} calls, {limit}, {nodes} nodes, {times} times"
                );
            }
        }
    }
}
