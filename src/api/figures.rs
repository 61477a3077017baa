//! Figures of the last hour for administrators, in slots of ten seconds: the differences between samples of what the metrics
//! count. Requests take no part in it. The upkeep of a server takes the samples, and whoever asks.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::observed::{Observed, Totals};
use crate::Gate;
use crate::base::clock::unix_now;
use crate::base::sync::lock;

/// The length of a slot, in seconds.
const SLOT: u64 = 10;
/// An hour.
const MOST: usize = 360;

/// What was counted within a slot.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Slot {
    requests: u64,
    refused: u64,
    limited: u64,
    errors: u64,
    logins: u64,
    failed_logins: u64,
    /// In milliseconds; `None` without requests.
    p50: Option<f64>,
    p99: Option<f64>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Figures(Mutex<Series>);

#[derive(Debug)]
struct Series {
    slots: VecDeque<Slot>,
    totals: Totals,
    /// When the slot that is not over yet began.
    begun: Instant,
}

impl Figures {
    /// The first slot begins now.
    pub(super) fn new() -> Self {
        Figures(Mutex::new(Series {
            slots: VecDeque::new(),
            totals: Totals::default(),
            begun: Instant::now(),
        }))
    }

    /// Completes the slots that are over.
    pub(super) fn sample(&self, observed: &Observed, gate: &Gate) {
        let mut series = lock(&self.0);
        let over = series.begun.elapsed().as_secs() / SLOT;
        if over == 0 {
            return;
        }
        let mut totals = observed.totals();
        for ((event, result), count) in gate.trail().counts() {
            match (event, result) {
                ("login", "ok") => totals.logins += count,
                ("login", _) => totals.failed_logins += count,
                _ => {}
            }
        }
        series.complete(over, totals);
    }

    pub(super) fn to_json(&self) -> Value {
        let series = lock(&self.0);
        let of =
            |figure: fn(&Slot) -> u64| -> Vec<u64> { series.slots.iter().map(figure).collect() };
        let percentile = |figure: fn(&Slot) -> Option<f64>| -> Vec<Option<f64>> {
            series.slots.iter().map(figure).collect()
        };
        let length = series.slots.len() as u64 * SLOT + series.begun.elapsed().as_secs();
        json!({
            "interval": SLOT,
            "from": unix_now().saturating_sub(length),
            "requests": of(|slot| slot.requests),
            "refused": of(|slot| slot.refused),
            "errors": of(|slot| slot.errors),
            "limited": of(|slot| slot.limited),
            "logins": of(|slot| slot.logins),
            "failed_logins": of(|slot| slot.failed_logins),
            "p50_ms": percentile(|slot| slot.p50),
            "p99_ms": percentile(|slot| slot.p99),
        })
    }
}

impl Series {
    /// `over`: how many slots, at least one. What came in several of them is spread evenly.
    fn complete(&mut self, over: u64, totals: Totals) {
        let before = std::mem::replace(&mut self.totals, totals);
        let mut durations = self.totals.durations.clone();
        durations.subtract(&before.durations);
        let [p50, p99] = [0.5, 0.99].map(|part| {
            let seconds = durations.quantile(part)?;
            Some((seconds * 1e6).round() / 1e3)
        });
        let kept = over.min(MOST as u64);
        for nth in 0..kept {
            let share = |now: u64, before: u64| {
                let more = now.saturating_sub(before);
                more * (nth + 1) / kept - more * nth / kept
            };
            let now = &self.totals;
            let requests = share(now.requests, before.requests);
            let slot = Slot {
                requests,
                refused: share(now.refused, before.refused),
                limited: share(now.limited, before.limited),
                errors: share(now.errors, before.errors),
                logins: share(now.logins, before.logins),
                failed_logins: share(now.failed_logins, before.failed_logins),
                p50: p50.filter(|_| requests > 0),
                p99: p99.filter(|_| requests > 0),
            };
            self.slots.push_back(slot);
        }
        while self.slots.len() > MOST {
            self.slots.pop_front();
        }
        self.begun += Duration::from_secs(over * SLOT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Histogram;

    fn totals(requests: u64, milliseconds: &[u64]) -> Totals {
        let mut durations = Histogram::default();
        for took in milliseconds {
            durations.add(Duration::from_millis(*took));
        }
        Totals {
            requests,
            durations,
            ..Totals::default()
        }
    }

    #[test]
    fn slots_have_the_differences_and_an_hour_is_kept() {
        let figures = Figures::new();
        let mut series = lock(&figures.0);
        series.complete(1, totals(4, &[1, 1, 1, 30]));
        assert_eq!(series.slots[0].requests, 4);
        let (p50, p99) = (series.slots[0].p50.unwrap(), series.slots[0].p99.unwrap());
        assert!(
            p50 > 0.5 && p50 <= 1.0 && p99 > 25.0 && p99 <= 50.0,
            "{p50} {p99}"
        );
        series.complete(1, totals(4, &[1, 1, 1, 30]));
        assert_eq!(series.slots[1], Slot::default());
        // Nobody has taken a sample for half a minute.
        series.complete(3, totals(9, &[1, 1, 1, 30, 1]));
        let requests: Vec<u64> = series.slots.iter().map(|slot| slot.requests).collect();
        assert_eq!(requests.iter().sum::<u64>(), 9);
        assert_eq!(requests.len(), 5);
        series.complete(1_000_000, totals(9 + 720, &[]));
        assert_eq!(series.slots.len(), MOST);
        assert!(series.slots.iter().all(|slot| slot.requests == 2));
    }
}
