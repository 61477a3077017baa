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
use crate::base::random::random;
use crate::base::sync::lock;
use crate::keys::Keys;
use crate::store::Ledger;
use memory::{Failures, Found, Memory};
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
        let mut hash_key = [0; 16];
        random(&mut hash_key)?;
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
        let key = |what: &[u8], of: &[u8]| self.memory.key([what, of, name.as_bytes()]);
        Ok(Try {
            name: key(b"name", b"")?,
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
        let others = |failures: u32, times: u32| {
            delay(
                failures,
                self.after.saturating_mul(times),
                LONGEST_FOR_OTHERS,
            )
        };
        let failures = count_of(found.network);
        let name = others(count_of(found.name), NAME);
        // While a name is under attack, each further guess from a network doubles its delay.
        let name = name.saturating_mul(1 << failures.min(20)).min(LONGEST);
        let delay = others(failures, NETWORK).max(name);
        match found.network {
            Some(network) => Ok(left(delay, network)),
            None if delay.is_zero() => Ok(delay),
            None => {
                self.memory.start_waiting(tried, now)?;
                Ok(delay)
            }
        }
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

    /// How long ago the last wrong password for this name was, and for how much longer attempts from some place may have to wait.
    /// `None`: for none.
    pub(super) fn wait_of_name(&self, name: &str) -> Result<Option<(Duration, Duration)>, Error> {
        let tried = self.of(name, "")?;
        let found = self.memory.find(tried, name, Instant::now())?;
        Ok(found.name.and_then(|failures| {
            // As if all of them had come from one place.
            let wait = left(delay(failures.count, self.after, LONGEST), failures);
            (!wait.is_zero()).then_some((failures.age, wait))
        }))
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
    fn key(&self, parts: [&[u8]; 3]) -> Result<u128, Error> {
        use std::hash::Hasher;
        let mut hasher = SipHasher13::new_with_key(&self.hash_key);
        for part in parts {
            hasher.write_usize(part.len());
            hasher.write(part);
        }
        Ok(hasher.finish128().as_u128())
    }

    fn find(&self, tried: Try, _: &str, now: Instant) -> Result<Found, Error> {
        Ok(lock(&self.remembered).found(tried, now))
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
