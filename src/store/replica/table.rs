//! A compact hash table of small records, found by the first four words, which are a keyed hash. It grows by a fifth, so a
//! record takes at most 1.6 times its own size (and at least 4/3 while the table only grows).

/// Where a record's expiry is; 0 marks a free place.
const EXPIRES: usize = 4;
/// What every table has room for.
const FEWEST: usize = 8;

/// A keyed hash.
pub(super) type Key = [u32; 4];

/// Records of `N` words: the key, the last second in which it is needed, and what belongs to it.
#[derive(Debug)]
pub(super) struct Table<const N: usize> {
    places: Vec<[u32; N]>,
    used: usize,
}

impl<const N: usize> Default for Table<N> {
    fn default() -> Self {
        Table {
            places: Vec::new(),
            used: 0,
        }
    }
}

/// A time as a record has it: a time that does not fit is never over.
pub(super) fn word(seconds: u64) -> u32 {
    u32::try_from(seconds).unwrap_or(u32::MAX).max(1)
}

impl<const N: usize> Table<N> {
    pub(super) fn len(&self) -> usize {
        self.used
    }

    /// What the table takes.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.places.capacity() * size_of::<[u32; N]>()
    }

    pub(super) fn find(&self, key: &Key) -> Option<&[u32; N]> {
        self.position(key).map(|place| &self.places[place])
    }

    pub(super) fn find_mut(&mut self, key: &Key) -> Option<&mut [u32; N]> {
        self.position(key).map(|place| &mut self.places[place])
    }

    /// Adds a record whose key the table does not have.
    pub(super) fn add(&mut self, record: [u32; N]) {
        debug_assert!(record[EXPIRES] > 0, "0 marks a free place");
        if (self.used + 1) * 4 > self.places.len() * 3 {
            self.rebuild(|_| true, 1);
        }
        self.put(record);
        self.used += 1;
    }

    /// Returns whether there was such a record.
    pub(super) fn remove(&mut self, key: &Key) -> bool {
        let Some(mut hole) = self.position(key) else {
            return false;
        };
        // What follows without a gap moves up, unless it would then come before the place where the search for it begins.
        let mut next = self.after(hole);
        while self.places[next][EXPIRES] > 0 {
            let home = self.home(&self.places[next]);
            if self.distance(home, next) >= self.distance(hole, next) {
                self.places[hole] = self.places[next];
                hole = next;
            }
            next = self.after(next);
        }
        self.places[hole] = [0; N];
        self.used -= 1;
        true
    }

    /// Removes all records that are over.
    pub(super) fn forget(&mut self, now: u64) {
        let is_live =
            |record: &[u32; N]| record[EXPIRES] == u32::MAX || u64::from(record[EXPIRES]) >= now;
        if self.records().any(|record| !is_live(record)) {
            self.rebuild(is_live, 0);
        }
    }

    fn records(&self) -> impl Iterator<Item = &[u32; N]> {
        self.places.iter().filter(|place| place[EXPIRES] > 0)
    }

    fn rebuild(&mut self, keep: impl Fn(&[u32; N]) -> bool, more: usize) {
        let kept = self.records().filter(|record| keep(record)).count();
        let size = match kept + more {
            0 => 0,
            records => (records * 8).div_ceil(5).max(FEWEST),
        };
        let old = std::mem::replace(&mut self.places, vec![[0; N]; size]);
        self.used = kept;
        let records = old.into_iter().filter(|place| place[EXPIRES] > 0);
        for record in records.filter(|record| keep(record)) {
            self.put(record);
        }
    }

    /// There is a free place.
    fn put(&mut self, record: [u32; N]) {
        let mut place = self.home(&record);
        while self.places[place][EXPIRES] > 0 {
            place = self.after(place);
        }
        self.places[place] = record;
    }

    fn position(&self, key: &Key) -> Option<usize> {
        if self.used == 0 {
            return None;
        }
        let mut place = self.home(key);
        while self.places[place][EXPIRES] > 0 {
            if self.places[place][..EXPIRES] == *key {
                return Some(place);
            }
            place = self.after(place);
        }
        None
    }

    /// Where the search for a key begins. The table may have any size.
    fn home(&self, key: &[u32]) -> usize {
        ((u64::from(key[0]) * self.places.len() as u64) >> 32) as usize
    }

    fn after(&self, place: usize) -> usize {
        match place + 1 {
            end if end == self.places.len() => 0,
            next => next,
        }
    }

    /// How many steps lead from one place to another.
    fn distance(&self, from: usize, to: usize) -> usize {
        match to >= from {
            true => to - from,
            false => to + self.places.len() - from,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// A generator whose numbers are the same in every run.
    fn random(state: &mut u64) -> u64 {
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed ^ (mixed >> 29)
    }

    #[test]
    fn it_has_what_was_added_and_neither_removed_nor_over() {
        for seed in 0..40 {
            let mut state = seed;
            let mut table = Table::<5>::default();
            let mut model = BTreeMap::new();
            // Few first words, at both ends of their range: long runs, which go on at the table's beginning.
            let key = |number: u64| match seed % 2 {
                0 => [(number % 7) as u32 * 0x2492_4924, number as u32, 0, 1],
                _ => [u32::MAX - (number % 2) as u32, number as u32, 0, 1],
            };
            for _ in 0..2_000 {
                let number = random(&mut state) % 150;
                let (key, expires) = (key(number), 1 + (random(&mut state) % 100) as u32);
                match random(&mut state) % 8 {
                    0..4 => {
                        if model.insert(key, expires).is_some() {
                            table.find_mut(&key).unwrap()[EXPIRES] = expires;
                        } else {
                            let [a, b, c, d] = key;
                            table.add([a, b, c, d, expires]);
                        }
                    }
                    4..7 => assert_eq!(table.remove(&key), model.remove(&key).is_some()),
                    _ => {
                        let now = random(&mut state) % 60;
                        table.forget(now);
                        model.retain(|_, expires| u64::from(*expires) >= now);
                    }
                }
                assert_eq!(table.len(), model.len());
            }
            for number in 0..150 {
                let found = table.find(&key(number)).map(|record| record[EXPIRES]);
                assert_eq!(found, model.get(&key(number)).copied(), "{seed} {number}");
            }
        }
    }

    #[test]
    fn a_record_takes_at_most_1_6_times_its_size() {
        let mut table = Table::<5>::default();
        for number in 0..100_000_u32 {
            let spread = number.wrapping_mul(0x9e37_79b1);
            table.add([spread, number, 0, 0, 1_000 + number % 2]);
            if number > 100 {
                assert!(table.bytes() <= (number as usize + 1) * 32 + 32, "{number}");
            }
        }
        table.forget(1_001);
        assert_eq!(table.len(), 50_000);
        assert!(table.bytes() <= 50_000 * 32 + 32);
        table.forget(1_002);
        assert_eq!((table.len(), table.bytes()), (0, 0));
    }

    #[test]
    fn a_time_too_large_for_a_word_is_never_over() {
        assert_eq!(word(0), 1);
        assert_eq!(word(1_000), 1_000);
        assert_eq!(word(u64::MAX), u32::MAX);
        let mut table = Table::<5>::default();
        table.add([1, 2, 3, 4, word(u64::MAX)]);
        table.forget(u64::MAX);
        assert!(table.find(&[1, 2, 3, 4]).is_some());
        assert!(table.find(&[1, 2, 3, 5]).is_none());
    }
}
