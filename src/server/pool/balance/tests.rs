use super::*;

/// Workers that sample their load every [`LOOK`].
struct Simulated {
    balance: Balance,
    now: Duration,
    done: u64,
    looks: u32,
    most_active: usize,
    /// How often the number of active workers grew.
    grew: u32,
}

const SECOND: Duration = Duration::from_secs(1);

impl Simulated {
    fn new(workers: usize) -> Self {
        Simulated {
            balance: Balance::new(workers),
            now: Duration::ZERO,
            done: 0,
            looks: 0,
            most_active: 1,
            grew: 0,
        }
    }

    /// Lets time pass with this demand per second, where `capacity` gives what a number of workers can do per second.
    fn passes(
        &mut self,
        time: Duration,
        demand: impl Fn(Duration) -> f64,
        capacity: impl Fn(usize) -> f64,
    ) {
        let end = self.now + time;
        while self.now < end {
            self.now += LOOK;
            let active = self.balance.active();
            let demand = demand(self.now);
            let rate = demand.min(capacity(active));
            let busy = rate / capacity(active);
            self.done += (rate * LOOK.as_secs_f64()) as u64;
            self.looks = if Balance::is_loaded(busy) {
                self.looks + 1
            } else {
                0
            };
            for number in 0..active {
                let given = self.balance.look(&View {
                    number,
                    now: self.now,
                    busy,
                    loaded_looks: self.looks,
                    done: self.done,
                    load: &|_| busy,
                });
                assert_eq!(given, None, "they are equally loaded");
            }
            self.grew += u32::from(self.balance.active() > active);
            self.most_active = self.most_active.max(self.balance.active());
        }
    }
}

fn free_cores(active: usize) -> f64 {
    80_000.0 * active as f64
}

#[test]
fn workers_are_added_while_throughput_rises() {
    let mut simulated = Simulated::new(6);
    simulated.passes(SECOND, |_| 50_000.0, free_cores);
    assert_eq!(simulated.most_active, 1, "one is enough");
    simulated.passes(2 * SECOND, |_| 1e9, free_cores);
    assert_eq!(simulated.balance.active(), 6);
    simulated.passes(60 * SECOND, |_| 400_000.0, free_cores);
    assert_eq!(simulated.balance.active(), 6, "fewer cannot do it");
    simulated.passes(10 * SECOND, |_| 20_000.0, free_cores);
    assert_eq!(simulated.balance.active(), 1);
}

#[test]
fn failed_trials_are_undone_and_repeated_less_and_less_often() {
    let mut simulated = Simulated::new(4);
    simulated.passes(
        120 * SECOND,
        |_| 1e9,
        |active| 90_000.0 / (active as f64).sqrt(),
    );
    assert_eq!(simulated.balance.active(), 1);
    assert_eq!(simulated.most_active, 2, "a failed trial is not extended");
    // After 0, 2, 6, 14, 30 and 62 s.
    assert_eq!(simulated.grew, 6, "in two minutes");
}

#[test]
fn a_growing_load_is_not_mistaken_for_an_effect() {
    let mut simulated = Simulated::new(2);
    let one_core = |_| 1e9;
    simulated.passes(SECOND, |now| 10_000.0 * (1.0 + now.as_secs_f64()), one_core);
    // Always loaded, although throughput equals demand.
    let mut done = 0;
    for step in 1..100u32 {
        let now = SECOND + step * LOOK;
        done += u64::from(step) * 20;
        simulated.balance.look(&View {
            number: 0,
            now,
            busy: 1.0,
            loaded_looks: 9,
            done,
            load: &|_| 1.0,
        });
    }
    assert_eq!(simulated.balance.active(), 1);
}

#[test]
fn half_become_inactive_when_other_programs_need_the_cores() {
    let mut simulated = Simulated::new(2);
    simulated.passes(SECOND, |_| 120_000.0, free_cores);
    assert_eq!(simulated.balance.active(), 2);
    let contended = |active| if active == 1 { 95_000.0 } else { 70_000.0 };
    // They have idle time: the client is what gets less done.
    simulated.passes(5 * SECOND, |_| 55_000.0, contended);
    assert_eq!(simulated.balance.active(), 1);
}

#[test]
fn a_loaded_worker_gives_to_one_with_time() {
    let balance = Balance::new(4);
    balance.set_active(3);
    let view = View {
        number: 1,
        now: SECOND,
        busy: 1.0,
        loaded_looks: 9,
        done: 9,
        load: &|number| [0.4, 1.0, 0.2, 0.0][number],
    };
    assert_eq!(balance.look(&view), Some(2), "and not to one that left");
    let load: &dyn Fn(usize) -> f64 = &|number| [0.7, 1.0, 0.95, 0.0][number];
    assert_eq!(balance.look(&View { load, ..view }), None);
    assert!(balance.plan.lock().unwrap().trial.is_none(), "one has rest");
    let number = 3;
    assert_eq!(balance.look(&View { number, ..view }), None);
}

#[test]
fn any_worker_can_end_a_trial() {
    let balance = Balance::new(2);
    let view = View {
        number: 0,
        now: SECOND,
        busy: 1.0,
        loaded_looks: LOADED_LOOKS,
        done: 0,
        load: &|_| 1.0,
    };
    balance.look(&view);
    let mut active = Vec::new();
    for seconds in 2..=8 {
        balance.look(&View {
            number: 1,
            now: seconds * SECOND,
            busy: 0.0,
            loaded_looks: 0,
            ..view
        });
        active.push(balance.active());
    }
    assert_eq!(active, [2, 2, 1, 1, 1, 1, 1]);
}
