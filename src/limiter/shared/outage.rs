//! While the store does not answer: how often it is asked, and what the setting decides meanwhile.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use super::central::Whom;
use crate::Error;
use crate::limiter::admission_times::nanoseconds;
use crate::limiter::settings::LimiterDown;
use crate::limiter::sliding_window::Admission;

/// After so many calls in a row that failed, the store is asked only now and then.
const AFTER: u32 = 3;
const PROBE_EVERY: Duration = Duration::from_secs(1);

/// Times are nanoseconds since any moment.
#[derive(Debug, Default)]
pub(super) struct Outage {
    failures: AtomicU32,
    next_probe: AtomicU64,
    calls: [AtomicU64; KINDS.len()],
}

/// The kinds of calls: those that got no lease, those that did, returns of leases alone, and calls that failed.
pub(crate) const KINDS: [&str; 4] = ["direct", "leased", "returned", "failed"];
pub(super) const DIRECT: usize = 0;
pub(super) const LEASED: usize = 1;
pub(super) const RETURNED: usize = 2;
const FAILED: usize = 3;

impl Outage {
    /// Whether the store is not to be asked now.
    pub(super) fn lasts(&self, now: u64) -> bool {
        self.failures.load(Ordering::Acquire) >= AFTER
            && now < self.next_probe.load(Ordering::Acquire)
    }

    /// Whether the caller may ask now. During an outage one may, once a second.
    pub(super) fn permits(&self, now: u64) -> bool {
        if self.failures.load(Ordering::Acquire) < AFTER {
            return true;
        }
        let probe = self.next_probe.load(Ordering::Acquire);
        let next = now.saturating_add(nanoseconds(PROBE_EVERY));
        let (order, failed) = (Ordering::AcqRel, Ordering::Acquire);
        now >= probe
            && self
                .next_probe
                .compare_exchange(probe, next, order, failed)
                .is_ok()
    }

    /// Notes how a call of the store ended. `kind`: of an answer.
    pub(super) fn note<T>(
        &self,
        result: Result<T, Error>,
        now: u64,
        kind: impl FnOnce(&T) -> usize,
    ) -> Result<T, Error> {
        let kind = result.as_ref().map_or(FAILED, kind);
        self.calls[kind].fetch_add(1, Ordering::Relaxed);
        match &result {
            Ok(_) => {
                if self.failures.swap(0, Ordering::AcqRel) >= AFTER {
                    log::info!("The rate limits are counted in the store again.");
                }
            }
            Err(error) => {
                let next = now.saturating_add(nanoseconds(PROBE_EVERY));
                self.next_probe.fetch_max(next, Ordering::AcqRel);
                let before =
                    self.failures
                        .fetch_update(Ordering::AcqRel, Ordering::Acquire, |failures| {
                            Some(failures.saturating_add(1))
                        });
                if before == Ok(AFTER - 1) {
                    log::error!(
                        "{error} Until it answers, requests are limited as limiter_down says."
                    );
                }
            }
        }
        result
    }

    /// How many calls there were of each of [`KINDS`].
    pub(super) fn calls(&self) -> [u64; KINDS.len()] {
        self.calls
            .each_ref()
            .map(|count| count.load(Ordering::Relaxed))
    }
}

/// Decides without the store. `local` counts on this machine alone, at the cost that it is given.
///
/// # Errors
/// [`Error::Store`] if nothing is admitted meanwhile.
pub(super) fn decide(
    down: LimiterDown,
    nodes: u32,
    (whom, cost): (Whom<'_>, u32),
    local: impl FnOnce(u32) -> Option<Admission>,
) -> Result<Option<Admission>, Error> {
    match down {
        LimiterDown::Open => Ok(Some(Admission {
            allowed: cost <= whom.limit,
            limit: whom.limit,
            remaining: whom.limit,
            window: whom.window,
            reset: PROBE_EVERY.min(whom.window),
        })),
        LimiterDown::Closed => Err(Error::Store(
            "The store that counts requests does not answer, so none is admitted.".to_owned(),
        )),
        LimiterDown::Local => Ok(local(cost)),
        LimiterDown::Share => {
            let parts = parts(nodes, whom.limit);
            let admission = local(cost.saturating_mul(parts));
            Ok(admission.map(|admission| Admission {
                remaining: admission.remaining / parts,
                ..admission
            }))
        }
    }
}

/// With so many nodes everything costs so many times as much on each of them: each admits at most its part.
pub(super) fn parts(nodes: u32, limit: u32) -> u32 {
    nodes.clamp(1, limit.max(1))
}
