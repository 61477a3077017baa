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
//! - *Renewal*: shortly before a busy name's lease is over, a thread asks for the next one, so that requests do not wait for the
//!   store. Both are spent, each within its own time.
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
mod keeper;
mod lease;
mod outage;
mod returns;
mod slots;
mod state;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::admission_times::nanoseconds;
use super::settings::LimiterDown;
use super::sliding_window::Admission;
use crate::Error;
use crate::base::fork::settle;
pub(crate) use central::{Answer, Central, Named, Return, Whom, Wish};
use keeper::Keeper;
use outage::DIRECT;
pub(crate) use outage::KINDS;
use slots::{Name, Refusal};
use state::{State, Upkeep};

/// How long a refusal is kept at most, so that a reset is felt everywhere.
const KEPT: Duration = Duration::from_secs(5);

/// The decision about a request, or that there is no limit.
pub(crate) type Decision = Result<Option<Admission>, Error>;

/// Counts requests on this machine alone, at the cost it is given.
pub(crate) type Local<'a> = &'a dyn Fn(u32) -> Option<Admission>;

/// Counts requests in the store, and asks it as rarely as the promise permits.
pub(crate) struct Shared {
    state: Arc<State>,
    keeper: Keeper,
}

impl Shared {
    /// `memory`: about how many bytes may be used.
    pub(crate) fn new(
        central: Arc<dyn Central>,
        down: LimiterDown,
        memory: usize,
    ) -> Result<Self, Error> {
        Ok(Shared {
            state: Arc::new(State::new(central, down, memory)?),
            keeper: Keeper::new(),
        })
    }

    /// How many calls of the store there were of each of [`KINDS`].
    pub(crate) fn calls(&self) -> [u64; KINDS.len()] {
        self.state.outage.calls()
    }

    /// Counts a request. `local` is what decides while the store does not answer, and counts what is admitted before, too.
    pub(crate) fn admit(&self, whom: Whom<'_>, cost: u32, local: Local<'_>) -> Decision {
        let renewing = || {
            let state = Arc::clone(&self.state);
            move || state.renew(&|| state.elapsed())
        };
        let keeping = || {
            let mut upkeep = Upkeep::of(&self.state);
            move || upkeep.turn()
        };
        let renewals = &self.state.renewals;
        self.keeper.start(renewals, renewing, keeping);
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
        let clock = || self.state.elapsed();
        self.state.admit_at_once(whom, cost, &clock, local)
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
            && let Some(seen) = {
                let slot = slot.slot();
                slot.seen(whom, cost, clock())
            }
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
        if let Some(known) = self.known((whom, cost), &found, clock, local) {
            return Ok(Some(known));
        }
        // As in `renew`.
        settle();
        // Whoever waits here profits from the answer to the one before.
        let turn = found.turn();
        if let Some(known) = self.known((whom, cost), &found, clock, local) {
            return Ok(Some(known));
        }
        let failed = found.slot().failed;
        if (failed > 0 && failed >= came) || !self.outage.permits(clock()) {
            drop(turn);
            return self.without_store(whom, cost, local);
        }
        let decided = self.ask(whom, cost, clock, &found);
        drop(turn);
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
        clock: &dyn Fn() -> u64,
        local: Local<'_>,
    ) -> Option<Decision> {
        if let Some(found) = self.slots.found(whom)
            && let Some(known) = self.known((whom, cost), &found, clock, local)
        {
            return Some(Ok(Some(known)));
        }
        let is_down = self.outage.lasts(clock());
        is_down.then(|| self.without_store(whom, cost, local))
    }

    /// Counts a request if what this node knows suffices to decide about it.
    fn known(
        &self,
        (whom, cost): (Whom<'_>, u32),
        found: &Arc<Name>,
        clock: &dyn Fn() -> u64,
        local: Local<'_>,
    ) -> Option<Admission> {
        let mut slot = found.slot();
        // Read while the slot is locked, so that for a lease time only goes on.
        let now = clock();
        let known = slot.known(whom, cost, now)?;
        let is_to_renew = slot.is_to_renew(whom.hold(), now);
        drop(slot);
        if is_to_renew {
            self.renewals.add(Arc::clone(found), whom.into());
        }
        self.mirror(&known, cost, local);
        Some(known)
    }

    /// Asks the store, and remembers its answer. The caller has the turn to ask.
    fn ask(
        &self,
        whom: Whom<'_>,
        cost: u32,
        clock: &dyn Fn() -> u64,
        found: &Arc<Name>,
    ) -> Result<Admission, Error> {
        // If it is not remembered, it cannot hold a lease.
        let is_kept = Arc::strong_count(found) > 1;
        let hold = if is_kept { whom.hold() } else { Duration::ZERO };
        let wish = {
            let mut slot = found.slot();
            let now = clock();
            slot.end_leases(true, now);
            self.wish(&mut slot, (whom, cost), hold, now)
        };
        let (answer, rest, now) = self.take(whom, wish, clock, found)?;
        let mut slot = found.slot();
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
        let found = self.slots.found(whom);
        let own = found.map_or(0, |found| found.slot().rest(now));
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
        let found = self.slots.slot(whom, now);
        let _turn = found.turn();
        let forgotten = self.central.forget(whom);
        let counted = self.outage.note(forgotten, now, |_| DIRECT)?;
        found.slot().forget();
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
