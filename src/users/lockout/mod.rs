//! Wrong passwords delay further attempts, longer each time but never for good: for one name from one place, from the network
//! around it, and from anywhere. Unknown names count like others. Failures are remembered in the memory of this process (`own`) or
//! in the store that several machines share (`shared`); either way it is bounded.
//!
//! A place where the name has logged in before is known, and attempts from elsewhere do not delay it. While a name is under
//! attack, an attempt from a new place waits at most a minute however many others try, so the owner can log in from
//! anywhere. An attacker waits twice as long for each further guess from a network, or needs another network.

mod memory;
mod own;
mod shared;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use siphasher::sip128::{Hasher128, SipHasher13};

use crate::Error;
use crate::base::address::{counted, network, parse};
use crate::base::random::random_bytes;
use crate::base::sync::lock;
use crate::keys::Keys;
use crate::store::Ledger;
use memory::{Failures, Found, Hash, Memory, OfName};
pub(super) use memory::{MEMORY, Try};
use own::Remembered;
use shared::Shared;

/// The longest delay for attempts from one place.
const LONGEST: Duration = Duration::from_secs(900);
/// The same if only others have failed, in the network or anywhere.
const LONGEST_FOR_OTHERS: Duration = Duration::from_secs(60);
/// Wrong passwords before a network, and a name, is delayed, as multiples of those for one place.
const NETWORK: u32 = 2;
const NAME: u32 = 4;

/// See the module.
pub(super) struct Lockouts {
    /// Wrong passwords from one place before attempts are delayed.
    after: u32,
    memory: Box<dyn Memory>,
}

/// The memory of this process.
struct Own {
    hash_key: [u8; 16],
    remembered: Mutex<Remembered>,
}

impl Lockouts {
    /// In the memory of this process.
    pub(super) fn new(after: u32) -> Result<Self, Error> {
        let hash_key: [u8; 16] = random_bytes()?;
        let remembered = Mutex::default();
        Ok(Lockouts {
            after,
            memory: Box::new(Own {
                hash_key,
                remembered,
            }),
        })
    }

    /// In the store that several machines share, under a key of the ring that they share too.
    pub(super) fn shared(after: u32, ledger: Arc<Ledger>, keys: Arc<Keys>) -> Self {
        Lockouts {
            after,
            memory: Box::new(Shared::new(ledger, keys)),
        }
    }

    /// `from`: an address, with or without a port; any other text is a separate place without a network.
    pub(super) fn of(&self, name: &str, from: &str) -> Result<Try, Error> {
        let (place, around) = match parse(from) {
            Some(address) => (counted(address).to_vec(), network(address).to_vec()),
            None => (from.as_bytes().to_vec(), from.as_bytes().to_vec()),
        };
        let hash = self.memory.hash()?;
        let key = |what: &[u8], of: &[u8]| hash([what, of, name.as_bytes()]);
        Ok(Try {
            name: key_of_name(&hash, name)?,
            place: key(b"place", &place)?,
            network: key(b"network", &around)?,
        })
    }

    /// # Errors
    /// [`Error::RateLimited`] while attempts are delayed.
    pub(super) fn check(&self, tried: Try, name: &str) -> Result<(), Error> {
        self.check_at(tried, name, Instant::now())
    }

    fn check_at(&self, tried: Try, name: &str, now: Instant) -> Result<(), Error> {
        let found = self.memory.find(tried, name, now)?;
        let own = found.place.map_or(Duration::ZERO, |place| {
            left(delay(place.count, self.after, LONGEST), place)
        });
        let wait = match found.known {
            true => own,
            false => own.max(self.wait_of_others(found, tried, now)?),
        };
        if wait.is_zero() {
            return Ok(());
        }
        Err(Error::RateLimited { retry_after: wait })
    }

    /// How long an unknown place waits because of others. The first call starts the wait of its network.
    fn wait_of_others(&self, found: Found, tried: Try, now: Instant) -> Result<Duration, Error> {
        let count_of = |failures: Option<Failures>| failures.map_or(0, |failures| failures.count);
        let failures = count_of(found.network);
        let name = self.delay_under_attack(count_of(found.name), failures);
        let delay = self.delay_of_others(failures, NETWORK).max(name);
        match found.network {
            Some(network) => Ok(left(delay, network)),
            None if delay.is_zero() => Ok(delay),
            None => {
                self.memory.start_waiting(tried, now)?;
                Ok(delay)
            }
        }
    }

    fn delay_of_others(&self, failures: u32, times: u32) -> Duration {
        let after = self.after.saturating_mul(times);
        delay(failures, after, LONGEST_FOR_OTHERS)
    }

    /// How long all these failures for a name delay a network that so many of them came from.
    fn delay_under_attack(&self, of_name: u32, of_network: u32) -> Duration {
        let delay = self.delay_of_others(of_name, NAME);
        // While a name is under attack, each further guess from a network doubles its delay.
        delay.saturating_mul(1 << of_network.min(20)).min(LONGEST)
    }

    /// Whether failures may delay this attempt that the account's unlocking may have ended.
    pub(super) fn has_failures(&self, tried: Try, name: &str) -> Result<bool, Error> {
        if self.memory.applies_unlocking() {
            return Ok(false);
        }
        let found = self.memory.find(tried, name, Instant::now())?;
        Ok([found.place, found.network, found.name]
            .iter()
            .any(Option::is_some))
    }

    /// Forgets the failures that may delay this attempt and are at least this old.
    pub(super) fn forget_older(&self, tried: Try, age: Duration) {
        self.memory.forget_older(tried, age, Instant::now());
    }

    /// How long an attempt now may have to wait under each of these names: from the place that is delayed the longest, of those
    /// known for the name and all others. Failures that are at least as old as `forgiven` for the name do not count.
    pub(super) fn longest_waits(
        &self,
        names: &[&str],
        forgiven: impl Fn(&str) -> Option<Duration>,
    ) -> Result<Vec<Duration>, Error> {
        self.longest_waits_at(names, forgiven, Instant::now())
    }

    fn longest_waits_at(
        &self,
        names: &[&str],
        forgiven: impl Fn(&str) -> Option<Duration>,
        now: Instant,
    ) -> Result<Vec<Duration>, Error> {
        let hash = self.memory.hash()?;
        let key = |name| Ok((key_of_name(&hash, name)?, name));
        let keys = names.iter().copied().map(key);
        let keys = keys.collect::<Result<Vec<_>, Error>>()?;
        let found = self.memory.find_names(&keys, now)?.into_iter();
        let waits = found.zip(names).map(|(found, name)| {
            let forgiven = forgiven(name);
            self.longest_wait(&found, |failures| {
                forgiven.is_none_or(|age| failures.age < age)
            })
        });
        Ok(waits.collect())
    }

    fn longest_wait(&self, found: &OfName, counts: impl Fn(&Failures) -> bool) -> Duration {
        let of_place = |of: Failures| left(delay(of.count, self.after, LONGEST), of);
        let known = found.known.iter().copied().filter(&counts).map(of_place);
        let unknown = found.name.filter(&counts).map(|of| {
            // Where they came from is not kept. It is taken to be one place, which then waits the longest.
            let attacker = left(self.delay_under_attack(of.count, of.count), of);
            // A network that nobody has tried from yet waits from its first attempt on.
            let newcomer = self.delay_under_attack(of.count, 0);
            of_place(of).max(attacker).max(newcomer)
        });
        known.chain(unknown).max().unwrap_or_default()
    }

    /// Whether other machines share the memory.
    pub(super) fn is_shared(&self) -> bool {
        self.memory.applies_unlocking()
    }

    pub(super) fn failed(&self, tried: Try, name: &str) -> Result<(), Error> {
        self.memory.failed(tried, name, Instant::now())
    }

    pub(super) fn passed(&self, tried: Try) -> Result<(), Error> {
        self.memory.passed(tried, Instant::now())
    }
}

impl Memory for Own {
    fn hash(&self) -> Result<Hash, Error> {
        use std::hash::Hasher;
        let keyed = SipHasher13::new_with_key(&self.hash_key);
        Ok(Box::new(move |parts| {
            let mut hasher = keyed;
            for part in parts {
                hasher.write_usize(part.len());
                hasher.write(part);
            }
            Ok(hasher.finish128().as_u128())
        }))
    }

    fn find(&self, tried: Try, _: &str, now: Instant) -> Result<Found, Error> {
        Ok(lock(&self.remembered).found(tried, now))
    }

    fn find_names(&self, names: &[(u128, &str)], now: Instant) -> Result<Vec<OfName>, Error> {
        let remembered = lock(&self.remembered);
        let of = |(key, _): &(u128, _)| remembered.found_of_name(*key, now);
        Ok(names.iter().map(of).collect())
    }

    fn start_waiting(&self, tried: Try, now: Instant) -> Result<(), Error> {
        lock(&self.remembered).start_waiting(tried.network, now);
        Ok(())
    }

    fn failed(&self, tried: Try, _: &str, now: Instant) -> Result<(), Error> {
        let mut remembered = lock(&self.remembered);
        remembered.count(tried.place, now);
        if !remembered.knows(tried) {
            remembered.count(tried.network, now);
            remembered.count(tried.name, now);
        }
        Ok(())
    }

    fn passed(&self, tried: Try, now: Instant) -> Result<(), Error> {
        let mut remembered = lock(&self.remembered);
        remembered.forget(tried.place);
        remembered.learn(tried, now);
        Ok(())
    }

    fn forget_older(&self, tried: Try, age: Duration, now: Instant) {
        let mut remembered = lock(&self.remembered);
        for key in tried.keys() {
            let found = remembered.find(key, now);
            if found.is_some_and(|entry| now.saturating_duration_since(entry.last) >= age) {
                remembered.forget(key);
            }
        }
    }

    fn applies_unlocking(&self) -> bool {
        false
    }
}

fn key_of_name(hash: &Hash, name: &str) -> Result<u128, Error> {
    hash([b"name", b"", name.as_bytes()])
}

/// How long after the last of this many failures the next attempt is allowed.
fn delay(failures: u32, after: u32, longest: Duration) -> Duration {
    match failures.checked_sub(after) {
        None => Duration::ZERO,
        Some(beyond) => Duration::from_secs(1 << beyond.min(20)).min(longest),
    }
}

/// What is left of a delay.
fn left(delay: Duration, failures: Failures) -> Duration {
    delay.saturating_sub(failures.age)
}

#[cfg(test)]
mod tests;
