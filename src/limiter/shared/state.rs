//! What is asked of the store and what becomes of its answer, for requests and ahead of them, and the work of the keeper.

use std::process;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::central::{Answer, Central, Whom, Wish};
use super::keeper::Renewals;
use super::lease::Lease;
use super::outage::{DIRECT, LEASED, Outage, RETURNED};
use super::returns::Returns;
use super::slots::{Name, Slot, Slots};
use crate::Error;
use crate::base::fork::settle;
use crate::limiter::admission_times::nanoseconds;
use crate::limiter::settings::LimiterDown;

/// In how many turns what no longer counts is removed from the store: once a minute.
const TIDY_EVERY: u32 = 240;
/// How many leases are given back by one call.
const AT_ONCE: usize = 64;

/// What a process knows.
pub(super) struct State {
    pub(super) central: Arc<dyn Central>,
    pub(super) down: LimiterDown,
    pub(super) start: Instant,
    pub(super) slots: Slots,
    pub(super) outage: Outage,
    pub(super) returns: Returns,
    pub(super) renewals: Arc<Renewals>,
}

/// What the keeper does now and then.
pub(super) struct Upkeep {
    state: Arc<State>,
    turns: u32,
}

impl Upkeep {
    pub(super) fn of(state: &Arc<State>) -> Self {
        Upkeep {
            state: Arc::clone(state),
            // Processes that were started together do not tidy up together.
            turns: process::id() % TIDY_EVERY,
        }
    }

    pub(super) fn turn(&mut self) {
        let state = &self.state;
        state.return_leases(&|| state.elapsed());
        self.turns += 1;
        if self.turns >= TIDY_EVERY && !state.outage.lasts(state.elapsed()) {
            self.turns = 0;
            if let Err(error) = state.central.tidy() {
                log::debug!("Old counts of rate limits were not removed: {error}");
            }
        }
    }
}

impl State {
    pub(super) fn new(
        central: Arc<dyn Central>,
        down: LimiterDown,
        memory: usize,
    ) -> Result<Self, Error> {
        Ok(State {
            central,
            down,
            start: Instant::now(),
            slots: Slots::new(memory)?,
            outage: Outage::default(),
            returns: Returns::default(),
            renewals: Arc::default(),
        })
    }

    /// Nanoseconds since a fixed moment.
    pub(super) fn elapsed(&self) -> u64 {
        nanoseconds(self.start.elapsed())
    }

    /// Gives back the leases that nobody spends any more.
    pub(super) fn return_leases(&self, clock: &dyn Fn() -> u64) {
        for some in self.returns.due(clock).chunks(AT_ONCE) {
            if self.outage.lasts(clock()) {
                break;
            }
            let given = self.central.give_back(some);
            // Without it the entries just live longer.
            let _ = self.outage.note(given, clock(), |()| RETURNED);
        }
    }

    /// Asks for the leases that follow those that end soon.
    pub(super) fn renew(&self, clock: &dyn Fn() -> u64) {
        for (found, name) in self.renewals.take() {
            let whom = name.whom();
            // What is to be logged may run a host's code, which must not find the turn taken.
            settle();
            // If a request asks, it asks for a lease.
            let Some(_turn) = found.turn_at_once() else {
                continue;
            };
            let wish = {
                let mut slot = found.slot();
                let now = clock();
                // Meanwhile it may have run out, or there may be another one.
                if !slot.ends_soon(whom.hold(), now) || self.outage.lasts(now) {
                    continue;
                }
                slot.end_leases(false, now);
                self.wish(&mut slot, (whom, 0), whom.hold(), now)
            };
            // Requests ask the store when the lease is over, and find out what is wrong.
            let _ = self.take(whom, wish, clock, &found);
        }
    }

    /// What to ask for; the slot is left as after asking. Of what is to be reported, the call takes the latest along, of which
    /// most may be left.
    pub(super) fn wish(
        &self,
        slot: &mut Slot,
        (whom, cost): (Whom<'_>, u32),
        hold: Duration,
        now: u64,
    ) -> Wish {
        let wish = Wish {
            cost,
            wanted: slot.wanted(whom.limit, cost, hold, now),
            hold,
            patient: self.down == LimiterDown::Closed,
            back: slot.backs.pop_back(),
        };
        slot.asked(cost, now);
        wish
    }

    /// Asks the store. Remembers the lease that it grants, and returns how much of it is left and the time.
    pub(super) fn take(
        &self,
        whom: Whom<'_>,
        wish: Wish,
        clock: &dyn Fn() -> u64,
        found: &Arc<Name>,
    ) -> Result<(Answer, u32, u64), Error> {
        let (cost, wanted, hold) = (wish.cost, wish.wanted, wish.hold);
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
            .inspect_err(|_| found.slot().failed = now.max(1))?;
        let has_got: u32 = answer.granted + answer.later.iter().map(|(_, some)| some).sum::<u32>();
        let mut slot = found.slot();
        let times = (sent, now);
        let lease = Lease::of(&answer, (cost, hold, whom.window), times, slot.rest(now));
        // The limit has been lowered: nothing is admitted until less counts.
        let is_over = cost == 0 && answer.counted.saturating_sub(answer.granted) > whom.limit;
        if has_got < wanted || answer.granted < cost || is_over {
            // There is no more, and what others give back meanwhile can wait.
            slot.pause = sent.saturating_add(nanoseconds(hold));
        }
        let rest = lease.as_ref().map_or(0, Lease::rest);
        if let Some(lease) = lease {
            self.returns.add(lease.ends(), found, whom.into());
            match is_over {
                true => slot.backs.extend(lease.back(now)),
                false => slot.add(lease),
            }
        }
        Ok((answer, rest, now))
    }
}
