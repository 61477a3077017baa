//! The times of a caller's admissions, and what each of them cost.

use std::collections::VecDeque;
use std::mem::size_of;
use std::time::Duration;

use super::budget::{ALLOCATION, Budget};

const FIRST_RING: usize = 4;

/// Marks an entry of a list as the cost of the time before it; a time without one cost 1.
const COST: u64 = 1 << 63;

/// The latest time that can be kept, in nanoseconds: 292 years.
pub(super) const LATEST: u64 = COST - 1;

/// A time as it is kept.
pub(super) fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).map_or(LATEST, |time| time.min(LATEST))
}

/// Boxed to keep a slot small.
#[allow(clippy::box_collection)]
type Ring = Box<VecDeque<u64>>;

/// The times of a caller's admissions, oldest first, in nanoseconds, each with its cost.
#[derive(Debug, Default)]
pub(super) enum Stamps {
    #[default]
    None,
    One {
        at: u64,
        cost: u32,
    },
    Many {
        /// The sum of all costs.
        units: u32,
        ring: Ring,
    },
}

impl Stamps {
    /// What all admissions cost together.
    pub(super) fn units(&self) -> u32 {
        match self {
            Stamps::None => 0,
            Stamps::One { cost, .. } => *cost,
            Stamps::Many { units, .. } => *units,
        }
    }

    fn oldest(&self) -> Option<u64> {
        match self {
            Stamps::None => None,
            Stamps::One { at, .. } => Some(*at),
            Stamps::Many { ring, .. } => ring.front().copied(),
        }
    }

    /// The time of the admission with which at least this many units have left; `None` if there are fewer.
    pub(super) fn leaves_with(&self, units: u32) -> Option<u64> {
        if units <= 1 {
            return self.oldest();
        }
        match self {
            Stamps::None => None,
            Stamps::One { at, cost } => (units <= *cost).then_some(*at),
            Stamps::Many { ring, .. } => {
                let (mut left, mut at) = (0, 0);
                for (place, entry) in ring.iter().enumerate() {
                    if entry & COST == 0 {
                        at = *entry;
                        let next = ring.get(place + 1).copied().unwrap_or_default();
                        left += if next & COST == 0 { 1 } else { next & !COST };
                    }
                    if left >= u64::from(units) {
                        return Some(at);
                    }
                }
                None
            }
        }
    }

    /// Drops the times up to and including `until`; does nothing without `any`, when less than a window has elapsed.
    pub(super) fn forget_until(&mut self, until: u64, any: bool) {
        if !any {
            return;
        }
        match self {
            Stamps::None => {}
            Stamps::One { at, .. } => {
                if *at <= until {
                    *self = Stamps::None;
                }
            }
            Stamps::Many { units, ring } => {
                while ring.front().is_some_and(|at| *at <= until) {
                    ring.pop_front();
                    *units -= match ring.front() {
                        Some(entry) if entry & COST != 0 => {
                            let cost = (entry & !COST) as u32; // it was put there as one
                            ring.pop_front();
                            cost
                        }
                        _ => 1,
                    };
                }
            }
        }
    }

    /// Adds an admission. Together they must not cost more than `limit`, and this one at least 1. A time before the newest
    /// counts for as long as the newest does, since times leave in their order here. `false` if the list would have to grow
    /// beyond the budget.
    pub(super) fn push(&mut self, at: u64, cost: u32, limit: usize, budget: &Budget) -> bool {
        debug_assert!(cost > 0 && at <= LATEST);
        match self {
            Stamps::None => *self = Stamps::One { at, cost },
            Stamps::One {
                at: first,
                cost: its_cost,
            } => {
                let (first, its_cost) = (*first, *its_cost);
                // Two admissions have at most four entries, and never more than they cost.
                let capacity = FIRST_RING.min(limit);
                if !budget.take(ring_bytes(capacity)) {
                    return false;
                }
                let mut ring = Box::new(VecDeque::new());
                ring.reserve_exact(capacity);
                put(&mut ring, first, its_cost);
                put(&mut ring, at, cost);
                let units = its_cost + cost;
                *self = Stamps::Many { units, ring };
            }
            Stamps::Many { units, ring } => {
                let needed = ring.len() + if cost > 1 { 2 } else { 1 };
                if needed > ring.capacity() {
                    // The old and the new list coexist while the times are moved.
                    let old = ring_bytes(ring.capacity());
                    let capacity = (ring.capacity() * 2).min(limit);
                    debug_assert!(capacity >= needed);
                    if !budget.take(ring_bytes(capacity)) {
                        return false;
                    }
                    ring.reserve_exact(capacity - ring.len());
                    budget.give_back(old);
                }
                put(ring, at, cost);
                *units += cost;
            }
        }
        true
    }

    /// Moves a list that has become short back into its slot.
    pub(super) fn shrink(&mut self, budget: &Budget) {
        if let Stamps::Many { units, ring } = self {
            let is_short = match ring.len() {
                0 | 1 => true,
                2 => ring[1] & COST != 0,
                _ => false,
            };
            if is_short {
                budget.give_back(ring_bytes(ring.capacity()));
                let cost = *units;
                *self = ring
                    .front()
                    .map_or(Stamps::None, |at| Stamps::One { at: *at, cost });
            }
        }
    }

    /// Drops all times.
    pub(super) fn clear(&mut self, budget: &Budget) {
        if let Stamps::Many { ring, .. } = self {
            budget.give_back(ring_bytes(ring.capacity()));
        }
        *self = Stamps::None;
    }

    /// The capacity of the list; 0 if there is none.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        match self {
            Stamps::Many { ring, .. } => ring.capacity(),
            _ => 0,
        }
    }
}

fn put(ring: &mut VecDeque<u64>, at: u64, cost: u32) {
    ring.push_back(at);
    if cost > 1 {
        ring.push_back(COST | u64::from(cost));
    }
}

fn ring_bytes(capacity: usize) -> usize {
    size_of::<VecDeque<u64>>() + capacity * size_of::<u64>() + 2 * ALLOCATION
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENOUGH: usize = 1 << 20;

    #[test]
    fn a_list_of_a_thousand_times_grows_nine_times() {
        let budget = Budget::new(ENOUGH);
        let mut stamps = Stamps::default();
        let grown = (0..1_000).filter(|at| {
            let before = stamps.capacity();
            assert!(stamps.push(*at, 1, 1_000, &budget));
            stamps.capacity() != before
        });
        assert_eq!(grown.count(), 9);
        assert_eq!(stamps.capacity(), 1_000);
    }

    #[test]
    fn costs_take_no_more_entries_than_units() {
        let budget = Budget::new(ENOUGH);
        for limit in 2..40_u32 {
            for first in 1..limit {
                let mut stamps = Stamps::default();
                assert!(stamps.push(0, first, limit as usize, &budget));
                for (at, cost) in (1..).zip([1, 2, 3].into_iter().cycle()) {
                    if stamps.units() + cost > limit {
                        break;
                    }
                    assert!(stamps.push(at, cost, limit as usize, &budget));
                    assert!(stamps.capacity() <= limit as usize);
                }
                stamps.clear(&budget);
                assert_eq!((stamps.units(), budget.used()), (0, 0));
            }
        }
    }

    #[test]
    fn times_expire_oldest_first_and_none_within_the_first_window() {
        let budget = Budget::new(ENOUGH);
        let mut stamps = Stamps::default();
        for (count, at) in [5, 7, 6].into_iter().enumerate() {
            assert!(stamps.push(at, 1, 3, &budget));
            assert_eq!(
                (stamps.units(), stamps.oldest()),
                (count as u32 + 1, Some(5))
            );
        }
        stamps.forget_until(u64::MAX, false);
        assert_eq!(stamps.units(), 3);
        stamps.forget_until(4, true);
        assert_eq!(stamps.units(), 3);
        stamps.forget_until(5, true);
        // A time before the newest one leaves with it.
        assert_eq!((stamps.units(), stamps.oldest()), (2, Some(7)));
        stamps.forget_until(6, true);
        assert_eq!(stamps.units(), 2);
        stamps.forget_until(7, true);
        assert_eq!((stamps.units(), stamps.oldest()), (0, None));
        let mut one = Stamps::One { at: 5, cost: 3 };
        one.forget_until(4, true);
        assert_eq!((one.oldest(), one.units()), (Some(5), 3));
        one.forget_until(5, true);
        assert_eq!(one.units(), 0);
    }

    #[test]
    fn each_cost_leaves_with_its_time() {
        let budget = Budget::new(ENOUGH);
        let mut stamps = Stamps::default();
        for (at, cost) in [(1, 4), (2, 1), (3, 1), (4, 6)] {
            assert!(stamps.push(at, cost, 12, &budget));
        }
        let leaves = |stamps: &Stamps| -> Vec<Option<u64>> {
            [1, 4, 5, 6, 7, 12, 13]
                .map(|units| stamps.leaves_with(units))
                .into()
        };
        let all = [1, 1, 2, 3, 4, 4].map(Some).into_iter();
        assert_eq!(leaves(&stamps), all.chain([None]).collect::<Vec<_>>());
        for (until, units) in [(1, 8), (2, 7), (3, 6)] {
            stamps.forget_until(until, true);
            assert_eq!(stamps.units(), units);
        }
        // One admission is left, with two entries.
        stamps.shrink(&budget);
        assert!(matches!(stamps, Stamps::One { at: 4, cost: 6 }));
        assert_eq!(budget.used(), 0);
        assert_eq!(stamps.leaves_with(6), Some(4));
        assert_eq!(stamps.leaves_with(7), None);
    }
}
