//! Failures and known places in the memory of this process, which is bounded.

use std::time::Instant;

use super::memory::{Failures, Found, MEMORY, OfName, Try};

const SETS: usize = 8192;
const KNOWN_SETS: usize = 4096;
/// Entries per set; those with the fewest failures are evicted first.
const WAYS: usize = 8;
/// Known places per name; a set is shared by several names.
const PLACES: usize = 4;

/// Each table is allocated on first use; together they take at most 4 MiB.
#[derive(Default)]
pub(super) struct Remembered {
    failures: Vec<[Option<Entry>; WAYS]>,
    /// Where names have logged in from; the name selects the set.
    known: Vec<[Option<Known>; WAYS]>,
}

#[derive(Clone, Copy)]
pub(super) struct Entry {
    key: u128,
    /// Zero for a network that is only waiting.
    failures: u32,
    /// The last failure, or when the network started waiting.
    pub(super) last: Instant,
}

#[derive(Clone, Copy)]
struct Known {
    name: u64,
    place: u64,
    last: Instant,
}

/// What both tables take.
#[cfg(test)]
pub(super) const BYTES: usize =
    SETS * WAYS * size_of::<Option<Entry>>() + KNOWN_SETS * WAYS * size_of::<Option<Known>>();

impl Remembered {
    pub(super) fn found(&self, tried: Try, now: Instant) -> Found {
        let failures = |key| self.find(key, now).map(|entry| entry.failures(now));
        Found {
            place: failures(tried.place),
            network: failures(tried.network),
            name: failures(tried.name),
            known: self.knows(tried),
        }
    }

    pub(super) fn found_of_name(&self, name: u128, now: Instant) -> OfName {
        let known = self.known.get(name as usize % KNOWN_SETS);
        let known = known.into_iter().flatten().flatten();
        let failures = known
            .filter(|known| known.name == name as u64)
            .filter_map(|known| {
                let set = self.failures.get(set_of(known.place.into()))?;
                let mut entries = set.iter().flatten();
                let entry = entries.find(|entry| entry.key as u64 == known.place)?;
                entry.is_fresh(now).then(|| entry.failures(now))
            });
        OfName {
            name: self.find(name, now).map(|entry| entry.failures(now)),
            known: failures.collect(),
        }
    }

    /// The network waits from now on, unless it does already.
    pub(super) fn start_waiting(&mut self, network: u128, now: Instant) {
        if self.find(network, now).is_none() {
            *self.slot(network, now) = Some(Entry {
                key: network,
                failures: 0,
                last: now,
            });
        }
    }
}

impl Entry {
    fn is_fresh(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.last) < MEMORY
    }

    fn failures(&self, now: Instant) -> Failures {
        Failures {
            count: self.failures,
            age: now.saturating_duration_since(self.last),
        }
    }
}

impl Known {
    fn is(&self, tried: Try) -> bool {
        (self.name, self.place) == (tried.name as u64, tried.place as u64)
    }
}

impl Remembered {
    pub(super) fn find(&self, key: u128, now: Instant) -> Option<Entry> {
        let set = self.failures.get(set_of(key))?;
        let mut entries = set.iter().flatten();
        entries
            .find(|entry| entry.key == key && entry.is_fresh(now))
            .copied()
    }

    /// The key's slot, or the one it may take.
    fn slot(&mut self, key: u128, now: Instant) -> &mut Option<Entry> {
        if self.failures.is_empty() {
            self.failures.resize(SETS, [None; WAYS]);
        }
        let set = &mut self.failures[set_of(key)];
        let at = set
            .iter()
            .position(|entry| entry.is_some_and(|entry| entry.key == key))
            .or_else(|| {
                set.iter()
                    .position(|entry| !entry.is_some_and(|entry| entry.is_fresh(now)))
            })
            .or_else(|| {
                (0..WAYS).min_by_key(|at| set[*at].map(|entry| (entry.failures, entry.last)))
            })
            .unwrap_or(0);
        &mut set[at]
    }

    pub(super) fn count(&mut self, key: u128, now: Instant) {
        let slot = self.slot(key, now);
        let before = slot.filter(|entry| entry.key == key && entry.is_fresh(now));
        *slot = Some(Entry {
            key,
            failures: before.map_or(1, |entry| entry.failures.saturating_add(1)),
            last: now,
        });
    }

    pub(super) fn forget(&mut self, key: u128) {
        for entry in self.failures.get_mut(set_of(key)).into_iter().flatten() {
            if entry.is_some_and(|entry| entry.key == key) {
                *entry = None;
            }
        }
    }

    pub(super) fn knows(&self, tried: Try) -> bool {
        let set = self.known.get(tried.name as usize % KNOWN_SETS);
        let mut places = set.into_iter().flatten().flatten();
        places.any(|known| known.is(tried))
    }

    /// A name uses at most half a set, so a user who logs in from many places evicts only their own.
    pub(super) fn learn(&mut self, tried: Try, now: Instant) {
        if self.known.is_empty() {
            self.known.resize(KNOWN_SETS, [None; WAYS]);
        }
        let set = &mut self.known[tried.name as usize % KNOWN_SETS];
        let of_name =
            |known: &Option<Known>| known.is_some_and(|known| known.name == tried.name as u64);
        let crowded = set.iter().filter(|known| of_name(known)).count() >= PLACES;
        let at = set
            .iter()
            .position(|known| known.is_some_and(|known| known.is(tried)))
            .or_else(|| {
                (0..WAYS)
                    .filter(|at| !crowded || of_name(&set[*at]))
                    // An empty one comes before the oldest.
                    .min_by_key(|at| set[*at].map(|known| known.last))
            })
            .unwrap_or(0);
        set[at] = Some(Known {
            name: tried.name as u64,
            place: tried.place as u64,
            last: now,
        });
    }
}

fn set_of(key: u128) -> usize {
    key as usize % SETS
}
