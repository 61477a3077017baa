//! Limits that several machines count together, in a store that all of them ask: [`Central`].
//!
//! The store keeps entries per key, each with a cost and an end. An entry lives until its end, by the store's clock. The
//! invariant: what lives never costs more than the limit N together.
//!
//! - *Direct*: a request is admitted at the store's time c if it fits; its entry ends at c + W (the window).
//! - *Lease*: a node asks for more than the request costs, for a time L. If it fits, the entry ends at c + L + W. The node may
//!   spend it until L has passed since it *sent* the request, less [`DRIFT`](central::DRIFT) for its clock. If less is left than
//!   it wants, the lease may take the place of entries that end at times e before c + L. The node may spend these parts once
//!   e - c has passed since it *received* the answer, and as much more for its clock.
//! - *Return*: a node reports when it has spent how much. In the entry's place come entries that end a window after these times.
//! - *Refusal*: nothing can fit before the first entry ends, so a node refuses by itself until then.
//!
//! Why no window contains more than N: each admission at time t has its cost in an entry that lives at t and until t + W at
//! least. For a direct one t = c. Under a lease c <= t <= c + L, because the node sent the request before c, and what takes the
//! place of an entry that ends at e is spent after e. So at any time T all admissions of (T - W, T] have entries that live,
//! none has the place of another, and together they cost at most N. Lost answers, crashes and lost returns only leave entries
//! that nobody spends.
//!
//! It assumes that the store's clock does not jump forward (a jump of J shortens a window by J), that a node's clock differs by
//! at most [`DRIFT`](central::DRIFT) from the store's rate and does not stop while a lease is held (a suspended machine), and that
//! entries are not lost: with [`LimiterDown::Closed`] the store refuses for a window after it has lost them. A reset forgets
//! what is counted, but not what a node may still spend of a lease: for at most a second.
//!
//! While the store does not answer, the setting decides. `Closed` keeps the promise throughout; under `Share` each server admits
//! its part of the limit, under `Local` all of it, what it admitted before included. So in windows in which the store is lost or
//! found again, up to as much again may pass.

mod central;
mod lease;
mod outage;
mod returns;
mod slots;

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::rules::Admission;
use super::settings::LimiterDown;
use super::stamps::nanoseconds;
use crate::Error;
use crate::base::sync::try_lock;
pub(crate) use central::{Answer, Central, Named, Return, Whom, Wish};
use lease::Lease;
pub(crate) use outage::KINDS;
use outage::{DIRECT, LEASED, Outage, RETURNED};
use returns::{Keeper, Returns};
use slots::{Refusal, Slot, Slots, locked};

/// How long a refusal is kept at most, so that a reset is felt everywhere.
const KEPT: Duration = Duration::from_secs(5);

/// In how many turns of its thread what no longer counts is removed from the store: once a minute.
const TIDY_EVERY: u32 = 240;
/// How many leases are given back by one call.
const AT_ONCE: usize = 64;

/// The decision about a request, or that there is no limit.
pub(crate) type Decision = Result<Option<Admission>, Error>;

/// Counts requests on this machine alone, at the cost it is given.
pub(crate) type Local<'a> = &'a dyn Fn(u32) -> Option<Admission>;

/// Counts requests in the store, and asks it as rarely as the promise permits.
pub(crate) struct Shared {
    state: Arc<State>,
    keeper: Keeper,
}

struct State {
    central: Arc<dyn Central>,
    down: LimiterDown,
    start: Instant,
    slots: Slots,
    outage: Outage,
    returns: Returns,
}

impl Shared {
    /// `memory`: about how many bytes may be used.
    pub(crate) fn new(
        central: Arc<dyn Central>,
        down: LimiterDown,
        memory: usize,
    ) -> Result<Self, Error> {
        Ok(Shared {
            state: Arc::new(State {
                central,
                down,
                start: Instant::now(),
                slots: Slots::new(memory)?,
                outage: Outage::default(),
                returns: Returns::default(),
            }),
            keeper: Keeper::new(),
        })
    }

    /// How many calls of the store there were of each of [`KINDS`].
    pub(crate) fn calls(&self) -> [u64; KINDS.len()] {
        self.state.outage.calls()
    }

    /// Counts a request. `local` is what decides while the store does not answer, and counts what is admitted before, too.
    pub(crate) fn admit(&self, whom: Whom<'_>, cost: u32, local: Local<'_>) -> Decision {
        self.keeper.start(|| {
            let state = Arc::clone(&self.state);
            // Processes that were started together do not tidy up together.
            let mut turns = std::process::id() % TIDY_EVERY;
            move || state.keep(&mut turns)
        });
        let clock = || self.state.elapsed();
        self.state.admit(whom, cost, &clock, local)
    }

    /// The same, but `None` if the store would have to be asked. Never waits.
    pub(crate) fn admit_at_once(
        &self,
        whom: Whom<'_>,
        cost: u32,
        local: Local<'_>,
    ) -> Option<Decision> {
        let now = self.state.elapsed();
        self.state.admit_at_once(whom, cost, now, local)
    }

    /// Whether a request would be admitted now. Counts nothing, and asks the store unless `at_once` a node's own knowledge
    /// suffices.
    pub(crate) fn peek(
        &self,
        whom: Whom<'_>,
        cost: u32,
        at_once: bool,
        local: Local<'_>,
    ) -> Decision {
        let clock = || self.state.elapsed();
        if at_once
            && let Some(slot) = self.state.slots.found(whom)
            && let Some(seen) = locked(&slot).seen(whom, cost, clock())
        {
            return Ok(Some(seen));
        }
        self.state.peek(whom, cost, &clock, local)
    }

    /// Forgets the requests of a name and returns what they cost.
    ///
    /// # Errors
    /// [`Error::Store`]; nothing is forgotten then.
    pub(crate) fn reset(&self, whom: Whom<'_>) -> Result<u32, Error> {
        self.state.reset(whom)
    }
}

impl State {
    /// Nanoseconds since a fixed moment.
    fn elapsed(&self) -> u64 {
        nanoseconds(self.start.elapsed())
    }

    /// The work of the keeper.
    fn keep(&self, turns: &mut u32) {
        self.return_leases(self.elapsed());
        *turns += 1;
        if *turns >= TIDY_EVERY && !self.outage.lasts(self.elapsed()) {
            *turns = 0;
            if let Err(error) = self.central.tidy() {
                log::debug!("Old counts of rate limits were not removed: {error}");
            }
        }
    }

    /// Gives back the leases that nobody spends any more.
    fn return_leases(&self, now: u64) {
        for some in self.returns.due(now).chunks(AT_ONCE) {
            if self.outage.lasts(now) {
                break;
            }
            let given = self.central.give_back(some);
            // Without it the entries just live longer.
            let _ = self.outage.note(given, self.elapsed(), |()| RETURNED);
        }
    }

    fn admit(
        &self,
        whom: Whom<'_>,
        cost: u32,
        clock: &dyn Fn() -> u64,
        local: Local<'_>,
    ) -> Decision {
        if cost == 0 || cost > whom.limit {
            return self.peek(whom, cost, clock, local);
        }
        let came = clock();
        let found = self.slots.slot(whom, came);
        // Whoever waits here profits from the answer to the one before.
        let mut slot = locked(&found);
        let now = clock();
        if let Some(known) = slot.known(whom, cost, now) {
            drop(slot);
            self.mirror(&known, cost, local);
            return Ok(Some(known));
        }
        let has_failed = slot.failed > 0 && slot.failed >= came;
        if has_failed || !self.outage.permits(now) {
            drop(slot);
            return self.without_store(whom, cost, local);
        }
        // If it is not remembered, it cannot hold a lease.
        let is_kept = Arc::strong_count(&found) > 1;
        let decided = self.ask(whom, cost, is_kept, clock, (&found, &mut slot));
        drop(slot);
        match decided {
            Ok(admission) => {
                self.mirror(&admission, cost, local);
                Ok(Some(admission))
            }
            Err(_) => self.without_store(whom, cost, local),
        }
    }

    fn admit_at_once(
        &self,
        whom: Whom<'_>,
        cost: u32,
        now: u64,
        local: Local<'_>,
    ) -> Option<Decision> {
        if let Some(slot) = self.slots.found(whom)
            && let Some(known) = try_lock(&slot)?.known(whom, cost, now)
        {
            self.mirror(&known, cost, local);
            return Some(Ok(Some(known)));
        }
        let is_down = self.outage.lasts(now);
        is_down.then(|| self.without_store(whom, cost, local))
    }

    /// Asks the store, and remembers its answer.
    fn ask(
        &self,
        whom: Whom<'_>,
        cost: u32,
        is_kept: bool,
        clock: &dyn Fn() -> u64,
        (found, slot): (&Arc<Mutex<Slot>>, &mut Slot),
    ) -> Result<Admission, Error> {
        let hold = if is_kept { whom.hold() } else { Duration::ZERO };
        let now = clock();
        let wish = Wish {
            cost,
            wanted: slot.wanted(whom.limit, cost, hold, now),
            hold,
            patient: self.down == LimiterDown::Closed,
            back: slot.lease.take().and_then(|lease| lease.back(now)),
        };
        let wanted = wish.wanted;
        // Before the request is sent: from here the lease counts.
        let sent = clock();
        let answer = self.central.take(whom, wish);
        let now = clock();
        let answer = self
            .outage
            .note(answer, now, |answer| match answer.lease {
                0 => DIRECT,
                _ => LEASED,
            })
            .inspect_err(|_| slot.failed = now.max(1))?;
        slot.asked(cost, now);
        let lease = Lease::of(&answer, (cost, hold, whom.window), (sent, now));
        let has_got: u32 = answer.granted + answer.later.iter().map(|(_, some)| some).sum::<u32>();
        if has_got < wanted || answer.granted < cost {
            // There is no more, and what others give back meanwhile can wait.
            slot.pause = sent.saturating_add(nanoseconds(hold));
        }
        let rest = lease.as_ref().map_or(0, Lease::rest);
        if let Some(lease) = lease {
            self.returns.add(lease.ends(), found, whom.into());
            slot.lease = Some(Box::new(lease));
        }
        if answer.granted < cost {
            let after = |wait: Duration| now.saturating_add(nanoseconds(wait.min(KEPT)));
            slot.refusal = Some(Refusal {
                left: whom.limit.saturating_sub(answer.counted),
                first: after(answer.first),
                cost,
                fits: after(answer.wait),
                says: now.saturating_add(nanoseconds(answer.wait)),
            });
            return Ok(refused(whom, cost, &answer));
        }
        slot.refusal = None;
        Ok(Admission {
            allowed: true,
            limit: whom.limit,
            remaining: (whom.limit.saturating_sub(answer.counted) + rest)
                .min(whom.limit.saturating_sub(cost)),
            window: whom.window,
            reset: answer.first.min(whom.window),
        })
    }

    fn peek(
        &self,
        whom: Whom<'_>,
        cost: u32,
        clock: &dyn Fn() -> u64,
        local: Local<'_>,
    ) -> Decision {
        if !self.outage.permits(clock()) {
            return self.without_store(whom, cost, local);
        }
        let answer = self.central.counted(whom, cost);
        let now = clock();
        let Ok(answer) = self.outage.note(answer, now, |_| DIRECT) else {
            return self.without_store(whom, cost, local);
        };
        // What this node has leased is left to it.
        let own = self.slots.found(whom).map_or(0, |slot| {
            let slot = locked(&slot);
            let lease = slot.lease.as_ref().filter(|lease| lease.lives(now));
            lease.map_or(0, |lease| lease.rest())
        });
        let counted = answer.counted.saturating_sub(own).min(whom.limit);
        let left = whom.limit - counted;
        Ok(Some(match cost <= left {
            true => Admission {
                allowed: true,
                limit: whom.limit,
                remaining: left,
                window: whom.window,
                reset: answer.first.min(whom.window),
            },
            false => refused(whom, cost, &Answer { counted, ..answer }),
        }))
    }

    fn reset(&self, whom: Whom<'_>) -> Result<u32, Error> {
        let now = self.elapsed();
        let slot = self.slots.slot(whom, now);
        let mut slot = locked(&slot);
        let forgotten = self.central.forget(whom);
        let counted = self.outage.note(forgotten, now, |_| DIRECT)?;
        *slot = Slot::default();
        Ok(counted)
    }

    /// Counts here as well what was admitted, for the time when the store does not answer.
    fn mirror(&self, admission: &Admission, cost: u32, local: Local<'_>) {
        if !admission.allowed || cost == 0 {
            return;
        }
        match self.down {
            LimiterDown::Local => {
                let _ = local(cost);
            }
            LimiterDown::Share => {
                let parts = outage::parts(self.central.nodes(), admission.limit);
                let _ = local(cost.saturating_mul(parts));
            }
            LimiterDown::Open | LimiterDown::Closed => {}
        }
    }

    fn without_store(&self, whom: Whom<'_>, cost: u32, local: Local<'_>) -> Decision {
        outage::decide(self.down, self.central.nodes(), (whom, cost), local)
    }
}

fn refused(whom: Whom<'_>, cost: u32, answer: &Answer) -> Admission {
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
            .field("down", &self.state.down)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
