//! Where the limiter keeps its callers: an open-addressing table of 32-byte slots, each with the caller's times.
//!
//! In a flood most callers appear once, and their only time is stored in the slot. Keys are keyed hashes, so they spread
//! evenly whatever names are sent, and linear probing with deletion by shifting needs no tombstones.

use std::mem::size_of;

use super::admission_times::Stamps;
use super::budget::{ALLOCATION, Budget};

const FIRST_SLOTS: usize = 16;

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
                if slot.stamps.units() == 0 {
                    // Whatever shifts into this slot is checked next.
                    self.remove(at);
                    continue;
                }
            }
            at += 1;
        }
    }

    /// Removes a caller and returns how many units were counted.
    pub(super) fn forget(&mut self, key: u128, budget: &Budget) -> u32 {
        let Some(stamps) = self.get_mut(key) else {
            return 0;
        };
        let units = stamps.units();
        stamps.clear(budget);
        self.remove(self.find(key));
        units
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
            table.insert(*key).push(n as u64, 1, 1, &budget);
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
            Stamps::Many { ring, .. } => 32 + ring.capacity() * 8 + 2 * 16,
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
                let before = stamps.units();
                let (limit, cost) = (100, 1 + (state >> 40) as u32 % 3);
                if before + cost <= limit && !stamps.push(now, cost, limit as usize, &budget) {
                    refused += 1;
                    assert_eq!(stamps.units(), before);
                }
                assert!(stamps.capacity() <= limit as usize);
                lists += u32::from(stamps.capacity() > 0);
            }
            assert_eq!(used(&budget), bytes_of(&table));
            if state >> 57 == 1 {
                table.forget(key, &budget);
                assert!(table.get_mut(key).is_none());
                assert_eq!(used(&budget), bytes_of(&table));
            }
            if state >> 55 == 0 {
                table.sweep(now.saturating_sub(state >> 50 & 0xfff), true, &budget);
                assert_eq!(used(&budget), bytes_of(&table));
            }
        }
        assert!(refused > 0 && lists > 0, "{refused} {lists}");
        table.sweep(u64::MAX, true, &budget);
        assert_eq!((table.len(), used(&budget)), (0, bytes_of(&table)));
    }
}
