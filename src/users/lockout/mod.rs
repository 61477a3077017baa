//! Wrong passwords delay further attempts, longer each time but never for good: for one name from one place, from the network
//! around it, and from anywhere. Unknown names count like others. Memory is bounded.
//!
//! A place where the name has logged in before is known, and attempts from elsewhere do not delay it. While a name is under
//! attack, an attempt from a new place waits at most a minute however many others try, so the owner can log in from
//! anywhere. An attacker waits twice as long for each further guess from a network, or needs another network.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use siphasher::sip128::{Hasher128, SipHasher13};

use crate::Error;
use crate::base::address::{counted, network, parse};
use crate::base::random::random;
use crate::base::sync::lock;

/// The longest delay for attempts from one place.
const LONGEST: Duration = Duration::from_secs(900);
/// The same if only others have failed, in the network or anywhere.
const LONGEST_FOR_OTHERS: Duration = Duration::from_secs(60);
/// Wrong passwords before a network, and a name, is delayed, as multiples of those for one place.
const NETWORK: u32 = 2;
const NAME: u32 = 4;
/// Failures are forgotten after this long without another.
pub(super) const MEMORY: Duration = Duration::from_secs(3600);
const SETS: usize = 8192;
const KNOWN_SETS: usize = 4096;
/// Entries per set; those with the fewest failures are evicted first.
const WAYS: usize = 8;
/// Known places per name; a set is shared by several names.
const PLACES: usize = 4;

/// See the module.
pub(super) struct Lockouts {
    /// Wrong passwords from one place before attempts are delayed.
    after: u32,
    hash_key: [u8; 16],
    remembered: Mutex<Remembered>,
}

/// Each table is allocated on first use; together they take at most 4 MiB.
#[derive(Default)]
struct Remembered {
    failures: Vec<[Option<Entry>; WAYS]>,
    /// Where names have logged in from; the name selects the set.
    known: Vec<[Option<Known>; WAYS]>,
}

#[derive(Clone, Copy)]
struct Entry {
    key: u128,
    /// Zero for a network that is only waiting.
    failures: u32,
    /// The last failure, or when the network started waiting.
    last: Instant,
}

#[derive(Clone, Copy)]
struct Known {
    name: u64,
    place: u64,
    last: Instant,
}

/// The keys of an attempt: its name, and where it comes from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Try {
    name: u128,
    /// The name, from one address (IPv6: a /64).
    place: u128,
    /// The name, from the surrounding network.
    network: u128,
}

impl Try {
    fn keys(self) -> [u128; 3] {
        [self.place, self.network, self.name]
    }
}

impl Lockouts {
    pub(super) fn new(after: u32) -> Result<Self, Error> {
        let mut hash_key = [0; 16];
        random(&mut hash_key)?;
        Ok(Lockouts {
            after,
            hash_key,
            remembered: Mutex::default(),
        })
    }

    /// `from`: an address, with or without a port; any other text is a separate place without a network.
    pub(super) fn of(&self, name: &str, from: &str) -> Try {
        let (place, around) = match parse(from) {
            Some(address) => (counted(address).to_vec(), network(address).to_vec()),
            None => (from.as_bytes().to_vec(), from.as_bytes().to_vec()),
        };
        Try {
            name: self.key(b"name", b"", name),
            place: self.key(b"place", &place, name),
            network: self.key(b"network", &around, name),
        }
    }

    fn key(&self, what: &[u8], of: &[u8], name: &str) -> u128 {
        use std::hash::Hasher;
        let mut hasher = SipHasher13::new_with_key(&self.hash_key);
        for part in [what, of, name.as_bytes()] {
            hasher.write_usize(part.len());
            hasher.write(part);
        }
        hasher.finish128().as_u128()
    }

    /// # Errors
    /// [`Error::RateLimited`] while attempts are delayed.
    pub(super) fn check(&self, tried: Try) -> Result<(), Error> {
        self.check_at(tried, Instant::now())
    }

    fn check_at(&self, tried: Try, now: Instant) -> Result<(), Error> {
        let mut remembered = lock(&self.remembered);
        let own = remembered.find(tried.place, now);
        let own = own.map_or(Duration::ZERO, |entry| {
            left(delay(entry.failures, self.after, LONGEST), entry, now)
        });
        let wait = match remembered.knows(tried) {
            true => own,
            false => own.max(self.wait_of_others(&mut remembered, tried, now)),
        };
        if wait.is_zero() {
            return Ok(());
        }
        Err(Error::RateLimited { retry_after: wait })
    }

    /// How long an unknown place waits because of others. The first call starts the wait of its network.
    fn wait_of_others(&self, remembered: &mut Remembered, tried: Try, now: Instant) -> Duration {
        let failures_of = |entry: Option<Entry>| entry.map_or(0, |entry| entry.failures);
        let network = remembered.find(tried.network, now);
        let others = |failures: u32, times: u32| {
            delay(
                failures,
                self.after.saturating_mul(times),
                LONGEST_FOR_OTHERS,
            )
        };
        let failures = failures_of(network);
        let name = others(failures_of(remembered.find(tried.name, now)), NAME);
        // While a name is under attack, each further guess from a network doubles its delay.
        let name = name.saturating_mul(1 << failures.min(20)).min(LONGEST);
        let delay = others(failures, NETWORK).max(name);
        match network {
            Some(entry) => left(delay, entry, now),
            None if delay.is_zero() => delay,
            None => {
                *remembered.slot(tried.network, now) = Some(Entry {
                    key: tried.network,
                    failures: 0,
                    last: now,
                });
                delay
            }
        }
    }

    /// Whether failures may delay this attempt.
    pub(super) fn has_failures(&self, tried: Try) -> bool {
        let (remembered, now) = (lock(&self.remembered), Instant::now());
        let mut keys = tried.keys().into_iter();
        keys.any(|key| remembered.find(key, now).is_some())
    }

    /// Forgets the failures that may delay this attempt and are at least this old.
    pub(super) fn forget_older(&self, tried: Try, age: Duration) {
        self.forget_older_at(tried, age, Instant::now());
    }

    fn forget_older_at(&self, tried: Try, age: Duration, now: Instant) {
        let mut remembered = lock(&self.remembered);
        for key in tried.keys() {
            let found = remembered.find(key, now);
            if found.is_some_and(|entry| now.saturating_duration_since(entry.last) >= age) {
                remembered.forget(key);
            }
        }
    }

    pub(super) fn failed(&self, tried: Try) {
        self.failed_at(tried, Instant::now());
    }

    fn failed_at(&self, tried: Try, now: Instant) {
        let mut remembered = lock(&self.remembered);
        remembered.count(tried.place, now);
        if !remembered.knows(tried) {
            remembered.count(tried.network, now);
            remembered.count(tried.name, now);
        }
    }

    pub(super) fn passed(&self, tried: Try) {
        self.passed_at(tried, Instant::now());
    }

    fn passed_at(&self, tried: Try, now: Instant) {
        let mut remembered = lock(&self.remembered);
        remembered.forget(tried.place);
        remembered.learn(tried, now);
    }
}

/// How long after the last of this many failures the next attempt is allowed.
fn delay(failures: u32, after: u32, longest: Duration) -> Duration {
    match failures.checked_sub(after) {
        None => Duration::ZERO,
        Some(beyond) => Duration::from_secs(1 << beyond.min(20)).min(longest),
    }
}

/// What is left of a delay.
fn left(delay: Duration, entry: Entry, now: Instant) -> Duration {
    delay.saturating_sub(now.saturating_duration_since(entry.last))
}

impl Entry {
    fn is_fresh(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.last) < MEMORY
    }
}

impl Known {
    fn is(&self, tried: Try) -> bool {
        (self.name, self.place) == (tried.name as u64, tried.place as u64)
    }
}

impl Remembered {
    fn find(&self, key: u128, now: Instant) -> Option<Entry> {
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

    fn count(&mut self, key: u128, now: Instant) {
        let slot = self.slot(key, now);
        let before = slot.filter(|entry| entry.key == key && entry.is_fresh(now));
        *slot = Some(Entry {
            key,
            failures: before.map_or(1, |entry| entry.failures.saturating_add(1)),
            last: now,
        });
    }

    fn forget(&mut self, key: u128) {
        for entry in self.failures.get_mut(set_of(key)).into_iter().flatten() {
            if entry.is_some_and(|entry| entry.key == key) {
                *entry = None;
            }
        }
    }

    fn knows(&self, tried: Try) -> bool {
        let set = self.known.get(tried.name as usize % KNOWN_SETS);
        let mut places = set.into_iter().flatten().flatten();
        places.any(|known| known.is(tried))
    }

    /// A name uses at most half a set, so a user who logs in from many places evicts only their own.
    fn learn(&mut self, tried: Try, now: Instant) {
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

#[cfg(test)]
mod tests;
