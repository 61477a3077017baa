//! Limits that several machines count together, in a store that all of them ask: [`Central`].
//!
//! The store keeps entries per key, each with a cost and an end. An entry lives until its end, by the store's clock. The
//! invariant: what lives never costs more than the limit N together.
//!
//! - *Direct*: a request is admitted at the store's time c if it fits; its entry ends at c + W (the window).
//! - *Lease*: a node asks for more than the request costs, for a time L. If it fits, the entry ends at c + L + W. The node may
//!   spend it until L has passed since it *sent* the request, less [`DRIFT`] for its clock.
//! - *Return*: a node says what it has not spent, and how long before the end of L it last spent. The entry then costs, and
//!   lives, that much less.
//! - *Refusal*: nothing can fit before the first entry ends, so a node refuses by itself until then.
//!
//! Why no window contains more than N: an admission at time t under a grant at c has c <= t <= c + L, because the node sent the
//! request before c. Its entry therefore lives until t + W at least. At any time T all admissions of (T - W, T] have entries that
//! live, and these cost at most N. Lost answers, crashes and lost returns only leave entries that nobody spends.
//!
//! It assumes that the store's clock does not jump forward (a jump of J shortens a window by J), that a node's clock runs slow by
//! at most [`DRIFT`] and does not stop while a lease is held (a suspended machine), and that entries are not lost: with
//! [`LimiterDown::Closed`] the store refuses for a window after it has lost them. A reset forgets what is counted, but not
//! what another node may still spend of a lease: for at most a second.
//!
//! While the store does not answer, the setting decides. `Closed` keeps the promise throughout; under `Share` each server admits
//! its part of the limit, under `Local` all of it, counted from nothing: in the windows in which the store is lost and found
//! again, up to as much again may pass.

mod central;
mod slots;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::rules::Admission;
use super::settings::LimiterDown;
use super::stamps::nanoseconds;
use crate::Error;
use crate::base::fork;
pub(crate) use central::{Answer, Central, Whom, Wish};
use central::{DRIFT, LEASED};
use slots::{Lease, Refusal, Slot, Slots, locked};

/// How long a refusal is kept at most, so that a reset is felt everywhere.
const KEPT: Duration = Duration::from_secs(5);
/// How long the store is not asked after it has not answered.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_HOLD: Duration = Duration::from_secs(1);

/// Counts requests in the store, and asks it as rarely as the promise permits.
pub(crate) struct Shared {
    central: Arc<dyn Central>,
    down: LimiterDown,
    start: Instant,
    slots: Slots,
    /// The store is not asked before this time.
    asks_from: AtomicU64,
    asked: AtomicU64,
    failed: AtomicU64,
}

/// How long a lease of a limit lasts: long enough that a busy node asks some times a second.
fn hold(window: Duration) -> Duration {
    let least = (window / 4).min(Duration::from_millis(250));
    (window / 50).clamp(least, LONGEST_HOLD)
}

impl Shared {
    /// `memory`: about how many bytes may be used.
    pub(crate) fn new(
        central: Arc<dyn Central>,
        down: LimiterDown,
        memory: usize,
    ) -> Result<Self, Error> {
        Ok(Shared {
            central,
            down,
            start: Instant::now(),
            slots: Slots::new(memory)?,
            asks_from: AtomicU64::new(0),
            asked: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        })
    }

    /// How many calls were answered, and how many were not.
    pub(crate) fn calls(&self) -> (u64, u64) {
        let failed = self.failed.load(Ordering::Relaxed);
        (
            self.asked.load(Ordering::Relaxed).saturating_sub(failed),
            failed,
        )
    }

    /// Counts a request. `local` counts it on this machine alone, at the cost it is given, and is called only while the
    /// store does not answer.
    pub(crate) fn admit(
        &self,
        whom: Whom<'_>,
        cost: u32,
        local: impl FnOnce(u32) -> Option<Admission>,
    ) -> Option<Admission> {
        self.admit_by(whom, cost, &|| nanoseconds(self.start.elapsed()), local)
    }

    fn admit_by(
        &self,
        whom: Whom<'_>,
        cost: u32,
        clock: &dyn Fn() -> u64,
        local: impl FnOnce(u32) -> Option<Admission>,
    ) -> Option<Admission> {
        if cost == 0 || cost > whom.limit {
            return self.peek_by(whom, cost, clock, local);
        }
        let slot = self.slots.slot(whom, clock());
        // Whoever waits here profits from the answer to the one before.
        let mut slot = locked(&slot);
        let now = clock();
        let known = slot.known(whom, cost, now);
        if known.is_some() {
            return known;
        }
        if now < self.asks_from.load(Ordering::Relaxed) {
            drop(slot);
            return self.without_store(whom, cost, local);
        }
        let hold = hold(whom.window);
        let wanted = slot.wanted(whom.limit, cost, hold, now);
        let wish = Wish {
            cost,
            wanted,
            part: self.central.nodes(true).max(1).saturating_mul(2),
            hold,
            patient: self.down == LimiterDown::Closed,
            back: slot.lease.take().and_then(|lease| lease.back()),
        };
        self.asked.fetch_add(1, Ordering::Relaxed);
        // Before the request is sent: from here the lease counts.
        let sent = clock();
        let Ok(answer) = self.central.take(whom, wish) else {
            self.failed.fetch_add(1, Ordering::Relaxed);
            let until = clock().saturating_add(nanoseconds(PAUSE));
            self.asks_from.fetch_max(until, Ordering::Relaxed);
            drop(slot);
            return self.without_store(whom, cost, local);
        };
        let now = clock();
        slot.asked(cost, now);
        if answer.granted < cost {
            let least = if whom.limit >= LEASED {
                hold / 5
            } else {
                Duration::ZERO
            };
            let after = |wait: Duration| now.saturating_add(nanoseconds(wait.max(least).min(KEPT)));
            slot.refusal = Some(Refusal {
                left: whom.limit.saturating_sub(answer.counted),
                first: after(answer.first),
                cost,
                fits: after(answer.wait),
                says: now.saturating_add(nanoseconds(answer.wait)),
            });
            return Some(refused(whom, cost, answer));
        }
        slot.refusal = None;
        if answer.granted > cost {
            let lasts = nanoseconds(hold);
            slot.lease = Some(Lease {
                entry: answer.entry,
                granted: answer.granted,
                left: answer.granted - cost,
                sent,
                // At least the store's time of the grant: the request's own admission.
                used: now.saturating_sub(sent),
                lasts: lasts - lasts / DRIFT,
                others: answer.counted - answer.granted,
                first: now.saturating_add(nanoseconds(answer.first)),
                forks: fork::forks(),
                process: std::process::id(),
            });
        }
        if wanted > cost && answer.granted < wanted / 2 {
            slot.pause = now.saturating_add(nanoseconds(hold / 5));
        }
        let unspent = answer.granted - cost;
        Some(Admission {
            allowed: true,
            limit: whom.limit,
            remaining: whom.limit.saturating_sub(answer.counted) + unspent,
            window: whom.window,
            reset: answer.first.min(whom.window),
        })
    }

    /// Whether a request would be admitted now. Counts nothing.
    pub(crate) fn peek(
        &self,
        whom: Whom<'_>,
        cost: u32,
        local: impl FnOnce(u32) -> Option<Admission>,
    ) -> Option<Admission> {
        self.peek_by(whom, cost, &|| nanoseconds(self.start.elapsed()), local)
    }

    fn peek_by(
        &self,
        whom: Whom<'_>,
        cost: u32,
        clock: &dyn Fn() -> u64,
        local: impl FnOnce(u32) -> Option<Admission>,
    ) -> Option<Admission> {
        let now = clock();
        if now < self.asks_from.load(Ordering::Relaxed) {
            return self.without_store(whom, cost, local);
        }
        self.asked.fetch_add(1, Ordering::Relaxed);
        let Ok(answer) = self.central.counted(whom, cost) else {
            self.failed.fetch_add(1, Ordering::Relaxed);
            let until = clock().saturating_add(nanoseconds(PAUSE));
            self.asks_from.fetch_max(until, Ordering::Relaxed);
            return self.without_store(whom, cost, local);
        };
        // What this node has leased is left to it.
        let own = self.slots.leased(whom, clock());
        let counted = answer.counted.saturating_sub(own).min(whom.limit);
        let left = whom.limit - counted;
        Some(match cost <= left {
            true => Admission {
                allowed: true,
                limit: whom.limit,
                remaining: left,
                window: whom.window,
                reset: answer.first.min(whom.window),
            },
            false => refused(whom, cost, Answer { counted, ..answer }),
        })
    }

    /// Forgets the requests of a name and returns what they cost.
    ///
    /// # Errors
    /// [`Error::Store`]; nothing is forgotten then.
    pub(crate) fn reset(&self, whom: Whom<'_>) -> Result<u32, Error> {
        let slot = self.slots.slot(whom, nanoseconds(self.start.elapsed()));
        let mut slot = locked(&slot);
        self.asked.fetch_add(1, Ordering::Relaxed);
        let counted = self.central.forget(whom).inspect_err(|_| {
            self.failed.fetch_add(1, Ordering::Relaxed);
        })?;
        *slot = Slot::default();
        Ok(counted)
    }

    fn without_store(
        &self,
        whom: Whom<'_>,
        cost: u32,
        local: impl FnOnce(u32) -> Option<Admission>,
    ) -> Option<Admission> {
        let fixed = |allowed, remaining| Admission {
            allowed,
            limit: whom.limit,
            remaining,
            window: whom.window,
            reset: PAUSE.min(whom.window),
        };
        match self.down {
            LimiterDown::Open => Some(fixed(cost <= whom.limit, whom.limit)),
            LimiterDown::Closed => Some(fixed(cost == 0, 0)),
            LimiterDown::Local => local(cost),
            LimiterDown::Share => {
                // With N nodes everything costs N times as much: each admits at most its part.
                let nodes = self.central.nodes(false).clamp(1, whom.limit);
                let admission = local(cost.saturating_mul(nodes))?;
                Some(Admission {
                    remaining: admission.remaining / nodes,
                    ..admission
                })
            }
        }
    }
}

fn refused(whom: Whom<'_>, cost: u32, answer: Answer) -> Admission {
    Admission {
        allowed: false,
        limit: whom.limit,
        remaining: whom.limit.saturating_sub(answer.counted),
        window: whom.window,
        reset: match cost > whom.limit {
            true => whom.window,
            false => answer.wait.max(Duration::from_millis(1)),
        },
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("down", &self.down)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
