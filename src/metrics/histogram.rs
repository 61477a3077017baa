//! How long something took, as a Prometheus histogram.

use std::time::Duration;

/// The upper bounds of the buckets, in seconds: those that OpenTelemetry advises for HTTP, and smaller ones, because most
/// responses take less than a millisecond.
/// <https://opentelemetry.io/docs/specs/semconv/http/http-metrics/#metric-httpserverrequestduration>
const BOUNDS: [f64; 19] = [
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75,
    1.0, 2.5, 5.0, 7.5, 10.0,
];

/// The same in nanoseconds.
const NANOSECONDS: [u128; BOUNDS.len()] = {
    let mut all = [0; BOUNDS.len()];
    let mut at = 0;
    while at < all.len() {
        all[at] = (BOUNDS[at] * 1e9 + 0.5) as u128;
        at += 1;
    }
    all
};

/// See the module.
#[derive(Debug, Clone, Default)]
pub(crate) struct Histogram {
    /// Per bucket, not cumulative; the last is for all that took longer.
    counts: [u64; BOUNDS.len() + 1],
    nanoseconds: u128,
}

impl Histogram {
    pub(crate) fn add(&mut self, took: Duration) {
        let took = took.as_nanos();
        // Most take less than the first few bounds.
        let bucket = NANOSECONDS.iter().position(|bound| took <= *bound);
        self.counts[bucket.unwrap_or(BOUNDS.len())] += 1;
        self.nanoseconds += took;
    }

    pub(crate) fn merge(&mut self, other: &Histogram) {
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count += more;
        }
        self.nanoseconds += other.nanoseconds;
    }

    /// Removes what was counted until an earlier time.
    pub(crate) fn subtract(&mut self, earlier: &Histogram) {
        for (count, less) in self.counts.iter_mut().zip(earlier.counts) {
            *count = count.saturating_sub(less);
        }
        self.nanoseconds = self.nanoseconds.saturating_sub(earlier.nanoseconds);
    }

    /// The time within which this part of what was counted fell, in seconds, as far as the buckets tell: within one, it is taken
    /// to be spread evenly. `None` if nothing was counted.
    pub(crate) fn quantile(&self, part: f64) -> Option<f64> {
        let rank = (self.count() as f64 * part).max(1.0);
        let mut below = 0;
        for (at, count) in self.counts.iter().enumerate() {
            let until = below + count;
            if *count > 0 && until as f64 >= rank {
                let from = at.checked_sub(1).map_or(0.0, |at| BOUNDS[at]);
                let to = BOUNDS.get(at).copied().unwrap_or(from);
                let share = (rank - below as f64) / *count as f64;
                return Some(from + (to - from) * share);
            }
            below = until;
        }
        None
    }

    pub(super) fn seconds(&self) -> f64 {
        self.nanoseconds as f64 / 1e9
    }

    /// How many were counted.
    pub(crate) fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Upper bounds and how many fell into each bucket alone.
    pub(super) fn buckets(&self) -> Vec<(f64, u64)> {
        let bounds = BOUNDS.into_iter().chain([f64::INFINITY]);
        bounds.zip(self.counts).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_its_own_bucket() {
        let mut durations = Histogram::default();
        for micros in [0, 100, 101, 10_000_000, 10_000_001] {
            durations.add(Duration::from_micros(micros));
        }
        assert_eq!(durations.counts[..2], [2, 1]);
        assert_eq!(durations.counts[18..], [1, 1]);
        let mut both = durations.clone();
        both.merge(&durations);
        assert_eq!(
            (both.count(), both.seconds()),
            (10, 2.0 * durations.seconds())
        );
    }
}
