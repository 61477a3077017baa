//! What a node may spend without asking, and what it later reports of it. Times are nanoseconds since any moment.

use std::collections::VecDeque;
use std::process;
use std::time::Duration;

use super::central::{Answer, DRIFT, Return};
use crate::base::fork;
use crate::limiter::admission_times::nanoseconds;

/// Into so many parts of its time a lease is divided at most when it is given back.
const PARTS: usize = 16;

#[derive(Debug)]
pub(super) struct Lease {
    number: i64,
    left: u32,
    /// What may be spent from a time on.
    later: VecDeque<(u64, u32)>,
    /// When the store was asked: it decided later.
    sent: u64,
    hold: u64,
    /// When it was last spent, since it was sent.
    used: u64,
    /// What was spent in each part of its time.
    spent: [u32; PARTS],
    /// How long such a part is.
    part: u64,
    /// What else counted when it was granted.
    others: u32,
    granted: u32,
    /// When the first entry of the window ends.
    first: u64,
    /// A child of a fork must not spend its parent's.
    forks: u64,
    process: u32,
}

impl Lease {
    /// The lease in an answer, if there is one, from which `cost` is spent already. `own`: what this node has of other leases.
    pub(super) fn of(
        answer: &Answer,
        (cost, hold, window): (u32, Duration, Duration),
        (sent, now): (u64, u64),
        own: u32,
    ) -> Option<Self> {
        if answer.lease == 0 {
            return None;
        }
        let hold = nanoseconds(hold);
        let later = answer.later.iter().map(|(after, amount)| {
            // The store's clock may be slower than this one.
            let after = nanoseconds(*after);
            (now + after + after / DRIFT + 1_000, *amount)
        });
        let later: VecDeque<_> = later.collect();
        let all_later: u32 = later.iter().map(|(_, amount)| amount).sum();
        let mut lease = Lease {
            number: answer.lease,
            left: answer.granted.saturating_sub(cost),
            later,
            sent,
            hold,
            used: 0,
            spent: [0; PARTS],
            part: hold
                .div_ceil(PARTS as u64)
                .max(nanoseconds(window) / 256)
                .max(1),
            others: answer
                .counted
                .saturating_sub(answer.granted + all_later + own),
            granted: answer.granted + all_later,
            first: now.saturating_add(nanoseconds(answer.first)),
            forks: fork::forks(),
            process: process::id(),
        };
        if answer.granted > 0 {
            // The store admitted it between these times.
            lease.note(cost, now);
        }
        Some(lease)
    }

    fn is_ours(&self) -> bool {
        self.forks == fork::forks() && self.process == process::id()
    }

    pub(super) fn lives(&self, now: u64) -> bool {
        let lasts = self.hold - self.hold / DRIFT;
        now >= self.sent && now - self.sent < lasts && self.is_ours()
    }

    /// When it is over.
    pub(super) fn ends(&self) -> u64 {
        self.sent.saturating_add(self.hold)
    }

    fn note(&mut self, cost: u32, now: u64) {
        self.used = self.used.max(now.saturating_sub(self.sent));
        let part = usize::try_from(self.used / self.part).unwrap_or(usize::MAX);
        self.spent[part.min(PARTS - 1)] += cost;
    }

    /// What may be spent now.
    pub(super) fn ready(&self, now: u64) -> u32 {
        if !self.lives(now) {
            return 0;
        }
        let ready = self.later.iter().take_while(|(from, _)| *from <= now);
        self.left + ready.map(|(_, amount)| amount).sum::<u32>()
    }

    /// Spends this much now, of what is [`ready`](Self::ready).
    pub(super) fn spend(&mut self, cost: u32, now: u64) {
        while let Some((from, amount)) = self.later.front().copied()
            && from <= now
        {
            self.left += amount;
            self.later.pop_front();
        }
        self.left -= cost;
        self.note(cost, now);
    }

    /// When there will be this much to spend, if the lease lives that long.
    pub(super) fn has(&self, cost: u32, now: u64) -> Option<u64> {
        let mut left = self.left;
        let mut later = self.later.iter();
        let (from, _) = later.find(|(_, amount)| {
            left += amount;
            left >= cost
        })?;
        (self.lives(now) && self.lives(*from)).then_some(*from)
    }

    /// What counts, as far as this node knows: without what it may still spend.
    pub(super) fn counted(&self) -> u32 {
        self.others + self.spent.iter().sum::<u32>()
    }

    /// What it may spend now and later.
    pub(super) fn rest(&self) -> u32 {
        self.left + self.later.iter().map(|(_, amount)| amount).sum::<u32>()
    }

    pub(super) fn first(&self) -> u64 {
        self.first
    }

    /// What to report to the store once the lease is no longer spent. `None`: nothing is gained by it.
    pub(super) fn back(&self, now: u64) -> Option<Return> {
        if !self.is_ours() {
            return None;
        }
        // All rounded up, by twice what the clocks may differ, and by a microsecond.
        let sooner = |used: u64| {
            let used = used + used / (DRIFT / 2) + 1_000;
            Duration::from_nanos(self.hold.saturating_sub(used))
        };
        let parts = (1..).zip(self.spent).filter(|(_, spent)| *spent > 0);
        let parts = parts.map(|(number, spent)| (sooner(self.used.min(number * self.part)), spent));
        let mut spent: Vec<_> = parts.collect();
        // What it could not spend yet took the places of entries that may not have ended.
        let later = self.later.iter().filter(|(from, _)| now < *from);
        let kept: u32 = later.map(|(_, amount)| amount).sum();
        if kept > 0 {
            spent.push((Duration::ZERO, kept));
        }
        let is_same = spent.iter().all(|(sooner, _)| sooner.is_zero());
        let is_whole = spent.iter().map(|(_, spent)| spent).sum::<u32>() == self.granted;
        (!(is_same && is_whole)).then_some(Return {
            lease: self.number,
            spent,
        })
    }
}
