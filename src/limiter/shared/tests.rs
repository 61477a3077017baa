//! Many nodes with clocks that drift, and a store that loses answers: no window may contain more than the limit.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::AtomicU64 as Clock;
use std::thread;

use super::*;

const MILLISECOND: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MILLISECOND;

/// Ends and costs.
type Entries = Vec<(u64, u32)>;

/// What the functions in `schema/windows.sql` do, over a clock of the test's.
#[derive(Default)]
struct Store {
    now: Clock,
    entries: Mutex<HashMap<Vec<u8>, Entries>>,
    is_down: std::sync::atomic::AtomicBool,
    /// The next answer is lost, the one after is not.
    loses: std::sync::atomic::AtomicBool,
    calls: Clock,
    nodes: std::sync::atomic::AtomicU32,
    /// When entries were lost, plus one.
    lost: Clock,
    /// When the last request was admitted by the store itself.
    granted_at: Clock,
}

fn down() -> Error {
    Error::Store("down".to_owned())
}

impl Store {
    fn now(&self) -> u64 {
        self.now.load(Ordering::Relaxed)
    }

    fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    fn empty(&self) {
        lock(&self.entries).clear();
        self.lost.store(self.now() + 1, Ordering::Relaxed);
    }

    fn answer(&self, entries: &mut [(u64, u32)], limit: u32, cost: u32) -> Answer {
        let now = self.now();
        entries.sort_unstable();
        let counted: u32 = entries.iter().map(|(_, cost)| cost).sum();
        let until = |end: u64| Duration::from_nanos(end - now);
        let mut freed = 0;
        let fits = entries.iter().find(|(_, its)| {
            freed += its;
            counted - freed + cost <= limit
        });
        Answer {
            granted: 0,
            entry: 0,
            counted,
            wait: fits.map_or(Duration::ZERO, |(end, _)| until(*end)),
            first: entries
                .first()
                .map_or(Duration::ZERO, |(end, _)| until(*end)),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    crate::base::sync::lock(mutex)
}

impl Central for Store {
    fn take(&self, whom: Whom<'_>, ask: Wish) -> Result<Answer, Error> {
        if self.is_down.load(Ordering::Relaxed) {
            return Err(down());
        }
        self.calls.fetch_add(1, Ordering::Relaxed);
        let mut all = lock(&self.entries);
        let entries = all.entry(whom.name.to_vec()).or_default();
        if let Some(back) = ask.back
            && let Some(at) = entries
                .iter()
                .position(|entry| *entry == (back.entry as u64, back.granted))
        {
            let (end, cost) = entries.swap_remove(at);
            if back.unused < cost {
                entries.push((end - nanoseconds(back.sooner), cost - back.unused));
            }
        }
        let now = self.now();
        entries.retain(|(end, _)| *end > now);
        let mut answer = self.answer(entries, whom.limit, ask.cost);
        let lost = self.lost.load(Ordering::Relaxed);
        if ask.patient && lost > 0 && now < lost + nanoseconds(whom.window) + SECOND {
            return Ok(Answer {
                counted: whom.limit,
                ..answer
            });
        }
        if answer.counted + ask.cost <= whom.limit {
            let part = (whom.limit - answer.counted) / ask.part;
            answer.granted = ask.cost.max(ask.wanted.min(part));
            let hold = match answer.granted > ask.cost {
                true => nanoseconds(ask.hold),
                false => 0,
            };
            let mut end = now + nanoseconds(whom.window) + hold;
            while entries.iter().any(|(other, _)| *other == end) {
                end += 1;
            }
            entries.push((end, answer.granted));
            answer.entry = end as i64;
            answer.counted += answer.granted;
            self.granted_at.store(now, Ordering::Relaxed);
        }
        if self.loses.swap(false, Ordering::Relaxed) {
            return Err(down());
        }
        Ok(answer)
    }

    fn counted(&self, whom: Whom<'_>, cost: u32) -> Result<Answer, Error> {
        if self.is_down.load(Ordering::Relaxed) {
            return Err(down());
        }
        self.calls.fetch_add(1, Ordering::Relaxed);
        let mut all = lock(&self.entries);
        let entries = all.entry(whom.name.to_vec()).or_default();
        let now = self.now();
        entries.retain(|(end, _)| *end > now);
        Ok(self.answer(entries, whom.limit, cost))
    }

    fn forget(&self, whom: Whom<'_>) -> Result<u32, Error> {
        if self.is_down.load(Ordering::Relaxed) {
            return Err(down());
        }
        let gone = lock(&self.entries).remove(whom.name).unwrap_or_default();
        Ok(gone.iter().map(|(_, cost)| cost).sum())
    }

    fn nodes(&self, _may_ask: bool) -> u32 {
        self.nodes.load(Ordering::Relaxed)
    }
}

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
    panic!("the store is up, or nothing is counted here")
}

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

/// Runs nodes against one name and returns what was admitted, by the true time, and how many answers were lost.
fn history(seed: u64, limit: u32, window: u64, steps: u64, pace: u64) -> (Vec<(u64, u32)>, u64) {
    let mut random = Random(seed);
    let store = store(3);
    let mut nodes: Vec<Shared> = (0..3).map(|_| node(&store, LimiterDown::Closed)).collect();
    // Skewed, and slow or fast by up to one in two thousand.
    let clocks: Vec<(u64, u64)> = (0..3)
        .map(|_| (random.below(1 << 40), 9_995 + random.below(11)))
        .collect();
    let (mut admitted, mut lost) = (Vec::new(), 0);
    let start = store.now();
    for _ in 0..steps {
        store.now.fetch_add(random.below(pace), Ordering::Relaxed);
        let which = random.below(3) as usize;
        match random.below(2_000) {
            0 => {
                store.loses.store(true, Ordering::Relaxed);
                lost += 1;
            }
            // It crashes, and starts with nothing.
            1 => nodes[which] = node(&store, LimiterDown::Closed),
            2 => store.empty(),
            _ => {}
        }
        let (skew, rate) = clocks[which];
        let cost = match random.below(10) {
            0 => 1 + random.below(u64::from(limit.min(7))) as u32,
            _ => 1,
        };
        // The clock stands while a decision is made by the node; an answer of the store takes time.
        let reads = Cell::new(0);
        let asked = store.calls();
        let clock = || {
            reads.set(reads.get() + 1);
            if store.calls() > asked && reads.get() > 3 {
                store.now.fetch_add(pace / 7, Ordering::Relaxed);
            }
            skew + (store.now() - start) * rate / 10_000
        };
        let node = &nodes[which];
        let admission = node.admit_by(whom(limit, window), cost, &clock, nowhere);
        if admission.is_some_and(|admission| admission.allowed) {
            let at = match store.calls() > asked {
                true => store.granted_at.load(Ordering::Relaxed),
                false => store.now(),
            };
            admitted.push((at, cost));
        }
    }
    (admitted, lost)
}

#[test]
fn no_window_contains_more_than_the_limit_whatever_happens() {
    for seed in 0..60 {
        for (limit, window, pace) in [
            (5, 60 * SECOND, 4 * SECOND),
            (100, SECOND, 5 * MILLISECOND),
            (1_000, 2 * SECOND, 2 * MILLISECOND),
            (300, 60 * SECOND, 100 * MILLISECOND),
        ] {
            let (admitted, _) = history(seed, limit, window, 6_000, pace);
            let most = most(&admitted, window);
            assert!(most <= limit, "{most} of {limit}, seed {seed}");
            assert!(admitted.len() > 50, "{} in {seed}", admitted.len());
        }
    }
}

#[test]
fn small_limits_are_exact_and_a_caller_over_the_limit_costs_one_call() {
    let store = store(3);
    let nodes = [(); 3].map(|()| node(&store, LimiterDown::Share));
    let whom = whom(5, 60 * SECOND);
    let ask = |n: usize| {
        let admission = nodes[n].admit_by(whom, 1, &|| store.now(), nowhere);
        admission.unwrap()
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
        assert!(!refusal.allowed && refusal.reset == Duration::from_secs(60));
    }
    // The node had been told by its last call.
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
        let admission = node.admit_by(whom, 1, &|| store.now(), nowhere);
        allowed += u32::from(admission.is_some_and(|admission| admission.allowed));
    }
    assert_eq!(allowed, 30_000);
    let calls = store.calls() - calls;
    assert!(calls <= 5 * 5, "{calls} calls in 5 seconds");
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
            let whom = whom(6, 60 * SECOND);
            node.admit_by(whom, 1, &|| store.now(), count).unwrap()
        };
        let allowed = (0..50).filter(|_| ask().allowed).count();
        assert_eq!(allowed, expected, "{down:?}");
        assert_eq!(node.calls(), (0, 1), "{down:?}");
        // It is asked again a second later.
        store.is_down.store(false, Ordering::Relaxed);
        store.now.fetch_add(SECOND, Ordering::Relaxed);
        assert!(ask().allowed && node.calls() == (1, 1), "{down:?}");
    }
}

#[test]
fn a_reset_gives_the_whole_limit_back() {
    let store = store(1);
    let node = node(&store, LimiterDown::Share);
    let whom = whom(2, 3_600 * SECOND);
    let ask = || node.admit(whom, 1, nowhere).unwrap();
    assert!(ask().allowed && ask().allowed && !ask().allowed);
    let seen = node.peek(whom, 1, nowhere).unwrap();
    assert!(!seen.allowed && seen.remaining == 0);
    assert_eq!(node.reset(whom), Ok(2));
    assert_eq!(node.peek(whom, 2, nowhere).unwrap().remaining, 2);
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
                    let ask = || node.admit(whom, 1, nowhere).unwrap().allowed;
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
        assert!(node.admit(whom, 1, nowhere).unwrap().allowed);
        assert!(!node.admit(whom, 1, nowhere).unwrap().allowed);
    }
    assert!(node.slots.len() <= (1 << 20) / 256, "{}", node.slots.len());
}
