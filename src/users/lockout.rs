//! Wrong passwords slow down further tries: for one name from one place, longer and longer, never for good. Names that nobody
//! has count like others. Memory is bounded.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use siphasher::sip128::{Hasher128, SipHasher13};

use crate::Error;
use crate::cipher::random;
use crate::sync::lock;

/// The longest time that tries are put off.
const LONGEST: Duration = Duration::from_secs(900);
/// After so long without a wrong password all is forgotten.
const MEMORY: Duration = Duration::from_secs(3600);
const SETS: usize = 4096;
/// How many are remembered in one set; of more, those with the fewest failures are forgotten.
const WAYS: usize = 8;

/// See the module.
pub(super) struct Lockouts {
    /// Wrong passwords before anything is put off.
    after: u32,
    hash_key: [u8; 16],
    /// Made when there is something to remember: 2 MiB at most.
    sets: Mutex<Vec<[Option<Entry>; WAYS]>>,
}

#[derive(Clone, Copy)]
struct Entry {
    key: u128,
    failures: u32,
    last: Instant,
}

impl Lockouts {
    pub(super) fn new(after: u32) -> Result<Self, Error> {
        let mut hash_key = [0; 16];
        random(&mut hash_key)?;
        Ok(Lockouts {
            after,
            hash_key,
            sets: Mutex::default(),
        })
    }

    /// What stands for this name at this place.
    pub(super) fn key(&self, name: &str, from: &str) -> u128 {
        use std::hash::Hasher;
        let mut hasher = SipHasher13::new_with_key(&self.hash_key);
        hasher.write_usize(from.len());
        hasher.write(from.as_bytes());
        hasher.write(name.as_bytes());
        hasher.finish128().as_u128()
    }

    /// # Errors
    /// [`Error::RateLimited`] while tries are put off.
    pub(super) fn check(&self, key: u128) -> Result<(), Error> {
        self.check_at(key, Instant::now())
    }

    fn check_at(&self, key: u128, now: Instant) -> Result<(), Error> {
        let sets = lock(&self.sets);
        let entry = sets
            .get(set_of(key))
            .and_then(|set| set.iter().flatten().find(|entry| entry.key == key));
        let wait = entry.map_or(Duration::ZERO, |entry| {
            let over = self.delay(entry.failures);
            over.saturating_sub(now.saturating_duration_since(entry.last))
        });
        if wait.is_zero() {
            return Ok(());
        }
        Err(Error::RateLimited { retry_after: wait })
    }

    pub(super) fn failed(&self, key: u128) {
        self.failed_at(key, Instant::now());
    }

    fn failed_at(&self, key: u128, now: Instant) {
        let mut sets = lock(&self.sets);
        if sets.is_empty() {
            sets.resize(SETS, [None; WAYS]);
        }
        let set = &mut sets[set_of(key)];
        let fresh = |entry: &Entry| now.saturating_duration_since(entry.last) < MEMORY;
        let at = set
            .iter()
            .position(|entry| entry.is_some_and(|entry| entry.key == key))
            .or_else(|| {
                set.iter()
                    .position(|entry| !entry.is_some_and(|entry| fresh(&entry)))
            })
            .or_else(|| {
                (0..WAYS).min_by_key(|at| set[*at].map(|entry| (entry.failures, entry.last)))
            })
            .unwrap_or(0);
        let before = set[at].filter(|entry| entry.key == key && fresh(entry));
        set[at] = Some(Entry {
            key,
            failures: before.map_or(1, |entry| entry.failures.saturating_add(1)),
            last: now,
        });
    }

    pub(super) fn passed(&self, key: u128) {
        let mut sets = lock(&self.sets);
        for entry in sets.get_mut(set_of(key)).into_iter().flatten() {
            if entry.is_some_and(|entry| entry.key == key) {
                *entry = None;
            }
        }
    }

    /// How long after the last of so many failures the next try may come.
    fn delay(&self, failures: u32) -> Duration {
        match failures.checked_sub(self.after) {
            None => Duration::ZERO,
            Some(beyond) => Duration::from_secs(1 << beyond.min(20)).min(LONGEST),
        }
    }
}

fn set_of(key: u128) -> usize {
    key as usize % SETS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(lockouts: &Lockouts, key: u128, now: Instant) -> u64 {
        match lockouts.check_at(key, now) {
            Ok(()) => 0,
            Err(Error::RateLimited { retry_after }) => crate::whole_seconds(retry_after),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn waits_grow_to_a_quarter_of_an_hour_and_end() {
        let lockouts = Lockouts::new(5).unwrap();
        let key = lockouts.key("alice", "192.0.2.1");
        let mut now = Instant::now();
        let mut waits = Vec::new();
        for _ in 0..18 {
            lockouts.failed_at(key, now);
            let next = wait(&lockouts, key, now);
            waits.push(next);
            now += Duration::from_secs(next);
            assert_eq!(wait(&lockouts, key, now), 0);
        }
        assert_eq!(
            waits,
            [
                0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900, 900
            ]
        );
        now += MEMORY;
        lockouts.failed_at(key, now);
        assert_eq!(
            wait(&lockouts, key, now),
            0,
            "an hour later all is forgotten"
        );
    }

    #[test]
    fn another_name_or_another_place_is_not_put_off_and_success_forgives() {
        let lockouts = Lockouts::new(1).unwrap();
        let now = Instant::now();
        let key = lockouts.key("alice", "192.0.2.1");
        lockouts.failed_at(key, now);
        assert_eq!(wait(&lockouts, key, now), 1);
        for other in [
            lockouts.key("alice", "192.0.2.2"),
            lockouts.key("alicf", "192.0.2.1"),
            lockouts.key("1alice", "192.0.2."),
        ] {
            assert_eq!(wait(&lockouts, other, now), 0);
        }
        lockouts.passed(key);
        assert_eq!(wait(&lockouts, key, now), 0);
    }

    #[test]
    fn a_flood_of_names_takes_no_more_memory_and_leaves_the_worst_in_place() {
        let lockouts = Lockouts::new(2).unwrap();
        let now = Instant::now();
        let worst = lockouts.key("alice", "192.0.2.1");
        for _ in 0..4 {
            lockouts.failed_at(worst, now);
        }
        for n in 0..200_000 {
            lockouts.failed_at(lockouts.key(&n.to_string(), "192.0.2.1"), now);
        }
        assert_eq!(wait(&lockouts, worst, now), 4);
        assert_eq!(lock(&lockouts.sets).len(), SETS);
    }
}
