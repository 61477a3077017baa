//! Where the limiter keeps its callers: an open-addressing table of 32-byte slots, and each caller's times.
//!
//! In a flood most callers appear once, and their only time is stored in the slot. Keys are keyed hashes, so they spread
//! evenly whatever names are sent, and linear probing with deletion by shifting needs no tombstones.

use std::collections::VecDeque;
use std::mem::size_of;

use super::budget::Budget;

/// The most an allocator adds to an allocation, in bytes.
const ALLOCATION: usize = 16;
const FIRST_SLOTS: usize = 16;
const FIRST_RING: usize = 4;

/// Boxed to keep a slot small.
#[allow(clippy::box_collection)]
type Ring = Box<VecDeque<u64>>;

/// The times of a caller's counted requests, oldest first, in nanoseconds.
#[derive(Debug, Default)]
pub(super) enum Stamps {
    #[default]
    None,
    One(u64),
    Many(Ring),
}

impl Stamps {
    pub(super) fn len(&self) -> usize {
        match self {
            Stamps::None => 0,
            Stamps::One(_) => 1,
            Stamps::Many(ring) => ring.len(),
        }
    }

    pub(super) fn oldest(&self) -> Option<u64> {
        match self {
            Stamps::None => None,
            Stamps::One(stamp) => Some(*stamp),
            Stamps::Many(ring) => ring.front().copied(),
        }
    }

    /// Drops the times up to and including `until`; does nothing without `any`, when less than a window has elapsed.
    pub(super) fn forget_until(&mut self, until: u64, any: bool) {
        if !any {
            return;
        }
        match self {
            Stamps::None => {}
            Stamps::One(stamp) => {
                if *stamp <= until {
                    *self = Stamps::None;
                }
            }
            Stamps::Many(ring) => {
                while ring.front().is_some_and(|stamp| *stamp <= until) {
                    ring.pop_front();
                }
            }
        }
    }

    /// Adds a time. One before the newest counts for as long as the newest does, since times leave in their order here.
    /// `false` if the list would have to grow beyond the budget.
    pub(super) fn push(&mut self, now: u64, limit: usize, budget: &Budget) -> bool {
        match self {
            Stamps::None => *self = Stamps::One(now),
            Stamps::One(first) => {
                let first = *first;
                let capacity = FIRST_RING.min(limit);
                if !budget.take(ring_bytes(capacity)) {
                    return false;
                }
                let mut ring = Box::new(VecDeque::new());
                ring.reserve_exact(capacity);
                ring.extend([first, now]);
                *self = Stamps::Many(ring);
            }
            Stamps::Many(ring) => {
                if ring.len() == ring.capacity() {
                    // The old and the new list coexist while the times are moved.
                    let old = ring_bytes(ring.capacity());
                    let capacity = (ring.capacity() * 2).min(limit);
                    if !budget.take(ring_bytes(capacity)) {
                        return false;
                    }
                    ring.reserve_exact(capacity - ring.len());
                    budget.give_back(old);
                }
                ring.push_back(now);
            }
        }
        true
    }

    /// Moves a list that has become short back into its slot.
    fn shrink(&mut self, budget: &Budget) {
        if let Stamps::Many(ring) = self
            && ring.len() <= 1
        {
            budget.give_back(ring_bytes(ring.capacity()));
            *self = ring
                .front()
                .map_or(Stamps::None, |stamp| Stamps::One(*stamp));
        }
    }
}

fn ring_bytes(capacity: usize) -> usize {
    size_of::<VecDeque<u64>>() + capacity * size_of::<u64>() + 2 * ALLOCATION
}

#[derive(Default)]
struct Slot {
    /// Zero: empty.
    key: u128,
    stamps: Stamps,
}

/// Callers by key.
#[derive(Default)]
pub(super) struct Table {
    slots: Vec<Slot>,
    len: usize,
}

impl Table {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// At most four fifths are filled, since probes get long beyond that.
    pub(super) fn has_room(&self) -> bool {
        (self.len + 1) * 5 <= self.slots.len() * 4
    }

    pub(super) fn get_mut(&mut self, key: u128) -> Option<&mut Stamps> {
        if self.slots.is_empty() {
            return None;
        }
        let at = self.find(key);
        (self.slots[at].key == key).then(|| &mut self.slots[at].stamps)
    }

    /// Adds a caller that is not in the table. There must be room.
    pub(super) fn insert(&mut self, key: u128) -> &mut Stamps {
        debug_assert!(self.has_room() && key != 0);
        let at = self.find(key);
        self.slots[at].key = key;
        self.len += 1;
        &mut self.slots[at].stamps
    }

    /// Grows by half, if the budget covers the new slots in addition to the old ones.
    pub(super) fn grow(&mut self, budget: &Budget) -> bool {
        let size = (self.slots.len() * 3 / 2).max(FIRST_SLOTS);
        if !budget.take(slots_bytes(size)) {
            return false;
        }
        let mut new = Vec::new();
        if new.try_reserve_exact(size).is_err() {
            budget.give_back(slots_bytes(size));
            return false;
        }
        new.resize_with(size, Slot::default);
        let old = std::mem::replace(&mut self.slots, new);
        if !old.is_empty() {
            budget.give_back(slots_bytes(old.len()));
        }
        for slot in old.into_iter().filter(|slot| slot.key != 0) {
            let at = self.find(slot.key);
            self.slots[at] = slot;
        }
        true
    }

    /// Removes the callers whose newest time has left the window.
    pub(super) fn sweep(&mut self, until: u64, any: bool, budget: &Budget) {
        let mut at = 0;
        while at < self.slots.len() {
            let slot = &mut self.slots[at];
            if slot.key != 0 {
                slot.stamps.forget_until(until, any);
                slot.stamps.shrink(budget);
                if slot.stamps.len() == 0 {
                    // Whatever shifts into this slot is checked next.
                    self.remove(at);
                    continue;
                }
            }
            at += 1;
        }
    }

    /// Empties a slot and closes the gap, so that every probe still ends at its key.
    fn remove(&mut self, mut gap: usize) {
        let size = self.slots.len();
        let mut at = gap;
        loop {
            at = (at + 1) % size;
            let key = self.slots[at].key;
            if key == 0 {
                break;
            }
            // The slot may move into the gap unless its home lies between the two.
            let from_home = (at + size - home(key, size)) % size;
            let from_gap = (at + size - gap) % size;
            if from_home >= from_gap {
                self.slots.swap(gap, at);
                gap = at;
            }
        }
        self.slots[gap] = Slot::default();
        self.len -= 1;
    }

    /// The key's slot, or the empty slot where it would go.
    fn find(&self, key: u128) -> usize {
        let size = self.slots.len();
        let mut at = home(key, size);
        while self.slots[at].key != 0 && self.slots[at].key != key {
            at = if at + 1 == size { 0 } else { at + 1 };
        }
        at
    }
}

/// A key's home slot: the upper half of the key, scaled to the size, which need not be a power of two.
fn home(key: u128, size: usize) -> usize {
    (((key >> 64) * size as u128) >> 64) as usize
}

fn slots_bytes(size: usize) -> usize {
    size * size_of::<Slot>() + ALLOCATION
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_takes_32_bytes() {
        assert_eq!(size_of::<Slot>(), 32);
    }

    #[test]
    fn keys_are_spread_over_the_whole_table() {
        // What a slot's share of all keys begins and ends with.
        let share = u128::MAX / 24;
        for slot in 0..24 {
            assert_eq!(home(slot * share + (1 << 64), 24), slot as usize);
            assert_eq!(home(slot * share + share - (1 << 64), 24), slot as usize);
        }
    }

    #[test]
    fn swept_callers_are_gone_and_all_others_are_still_found() {
        let budget = Budget::new(1 << 20);
        let mut table = Table::default();
        // Crowded home slots that wrap around the end.
        let keys: Vec<u128> = (1..=400u128)
            .map(|n| (u128::MAX - ((n % 7) << 120)) ^ (n << 8))
            .collect();
        for (n, key) in keys.iter().enumerate() {
            if !table.has_room() {
                assert!(table.grow(&budget));
            }
            table.insert(*key).push(n as u64, 1, &budget);
        }
        table.sweep(199, true, &budget);
        assert_eq!(table.len(), 200);
        for (n, key) in keys.iter().enumerate() {
            assert_eq!(table.get_mut(*key).is_some(), n > 199, "{n}");
        }
        table.sweep(u64::MAX, true, &budget);
        assert_eq!(table.len(), 0);
    }

    /// The bytes allocated, plus what the allocator may add.
    fn bytes_of(table: &Table) -> usize {
        let slots = match table.slots.len() {
            0 => 0,
            slots => slots * 32 + 16,
        };
        let rings = table.slots.iter().map(|slot| match &slot.stamps {
            Stamps::Many(ring) => 32 + ring.capacity() * 8 + 2 * 16,
            _ => 0,
        });
        slots + rings.sum::<usize>()
    }

    #[test]
    fn every_byte_is_counted_and_released() {
        let budget = Budget::new(5_000);
        let mut table = Table::default();
        let used = |budget: &Budget| budget.used();
        let (mut state, mut refused, mut lists) = (1_u64, 0, 0);
        for now in 0..20_000_u64 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let key = ((u128::from(state >> 33).pow(2) % 61) << 120) | 1;
            if table.get_mut(key).is_none() && (table.has_room() || table.grow(&budget)) {
                table.insert(key);
            }
            if let Some(stamps) = table.get_mut(key) {
                let before = stamps.len();
                let limit = 100;
                if before < limit && !stamps.push(now, limit, &budget) {
                    refused += 1;
                    assert_eq!(stamps.len(), before);
                }
                if let Stamps::Many(ring) = stamps {
                    assert!(ring.capacity() <= limit);
                    lists += 1;
                }
            }
            assert_eq!(used(&budget), bytes_of(&table));
            if state >> 55 == 0 {
                table.sweep(now.saturating_sub(state >> 50 & 0xfff), true, &budget);
                assert_eq!(used(&budget), bytes_of(&table));
            }
        }
        assert!(refused > 0 && lists > 0, "{refused} {lists}");
        table.sweep(u64::MAX, true, &budget);
        assert_eq!((table.len(), used(&budget)), (0, bytes_of(&table)));
    }

    #[test]
    fn a_list_of_a_thousand_times_grows_nine_times() {
        let budget = Budget::new(1 << 20);
        let mut stamps = Stamps::default();
        let capacity = |stamps: &Stamps| match stamps {
            Stamps::Many(ring) => ring.capacity(),
            _ => 0,
        };
        let grown = (0..1_000).filter(|at| {
            let before = capacity(&stamps);
            assert!(stamps.push(*at, 1_000, &budget));
            capacity(&stamps) != before
        });
        assert_eq!(grown.count(), 9);
        assert_eq!(capacity(&stamps), 1_000);
    }

    #[test]
    fn times_expire_oldest_first_and_none_within_the_first_window() {
        let budget = Budget::new(1 << 20);
        let mut stamps = Stamps::default();
        for (count, at) in [5, 7, 6].into_iter().enumerate() {
            assert!(stamps.push(at, 3, &budget));
            assert_eq!((stamps.len(), stamps.oldest()), (count + 1, Some(5)));
        }
        stamps.forget_until(u64::MAX, false);
        assert_eq!(stamps.len(), 3);
        stamps.forget_until(4, true);
        assert_eq!(stamps.len(), 3);
        stamps.forget_until(5, true);
        // A time before the newest one leaves with it.
        assert_eq!((stamps.len(), stamps.oldest()), (2, Some(7)));
        stamps.forget_until(6, true);
        assert_eq!(stamps.len(), 2);
        stamps.forget_until(7, true);
        assert_eq!((stamps.len(), stamps.oldest()), (0, None));
        let mut one = Stamps::One(5);
        one.forget_until(4, true);
        assert_eq!(one.oldest(), Some(5));
        one.forget_until(5, true);
        assert_eq!(one.len(), 0);
    }
}
