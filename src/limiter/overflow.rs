//! The window that callers share for whom the table has no room.
//!
//! Each admission is kept with its caller, so that one who gets a slot later brings it along: being crowded out and coming
//! back must not start a new window.

use std::collections::VecDeque;
use std::mem::size_of;

use super::budget::{ALLOCATION, Budget};

/// The most admissions that are kept at a time; further ones are refused. A new caller's are searched for among them.
const MOST: usize = 256;

/// One admission.
struct Shared {
    key: u128,
    at: u64,
    cost: u32,
}

/// See the module.
pub(super) struct Overflow {
    /// Oldest first.
    shared: VecDeque<Shared>,
    /// How many there is room for; the list never grows.
    room: usize,
    units: u32,
}

impl Overflow {
    /// For at most `limit` units; its memory is taken now, because there is none left once it is needed.
    pub(super) fn new(limit: u32, budget: &Budget) -> Self {
        let wanted = MOST.min(limit as usize);
        let room = match budget.take(wanted * size_of::<Shared>() + ALLOCATION) {
            true => wanted,
            false => 0,
        };
        Overflow {
            shared: VecDeque::with_capacity(room),
            room,
            units: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.shared.len()
    }

    /// What the admissions cost together; with `whose`, only this caller's.
    pub(super) fn units(&self, whose: Option<u128>) -> u32 {
        match whose {
            None => self.units,
            Some(key) => self.of(key).map(|(_, cost)| cost).sum(),
        }
    }

    /// The time of the admission with which at least this many units have left; `None` if there are fewer. With `whose`,
    /// only this caller's count.
    pub(super) fn leaves_with(&self, units: u32, whose: Option<u128>) -> Option<u64> {
        let mut left = 0_u64;
        let mut counting = self
            .shared
            .iter()
            .filter(|admission| whose.is_none_or(|key| admission.key == key));
        let leaving = counting.find(|admission| {
            left += u64::from(admission.cost);
            left >= u64::from(units)
        });
        leaving.map(|admission| admission.at)
    }

    /// Drops the times up to and including `until`; does nothing without `any`, when less than a window has elapsed.
    pub(super) fn forget_until(&mut self, until: u64, any: bool) {
        while any && self.shared.front().is_some_and(|oldest| oldest.at <= until) {
            if let Some(left) = self.shared.pop_front() {
                self.units -= left.cost;
            }
        }
    }

    /// Adds an admission. `false` if there are as many as there is room for.
    pub(super) fn push(&mut self, key: u128, at: u64, cost: u32) -> bool {
        if self.shared.len() >= self.room {
            return false;
        }
        self.shared.push_back(Shared { key, at, cost });
        self.units += cost;
        true
    }

    /// The times and costs of this caller's admissions, in their order.
    pub(super) fn of(&self, key: u128) -> impl Iterator<Item = (u64, u32)> {
        let own = self
            .shared
            .iter()
            .filter(move |admission| admission.key == key);
        own.map(|admission| (admission.at, admission.cost))
    }

    /// Drops this caller's admissions and returns what they cost.
    pub(super) fn remove(&mut self, key: u128) -> u32 {
        let own = self.units(Some(key));
        self.shared.retain(|admission| admission.key != key);
        self.units -= own;
        own
    }
}
