//! What a memory of failures has to do: that of this process and the shared one.

use std::time::{Duration, Instant};

use crate::Error;
pub(super) use crate::store::{
    LockoutFailures as Failures, LockoutsFound as Found, LockoutsOfName as OfName,
};

/// Failures are forgotten after this long without another.
pub(in crate::users) const MEMORY: Duration = Duration::from_secs(3600);

/// The keys of an attempt: its name, and where it comes from.
#[derive(Debug, Clone, Copy)]
pub(in crate::users) struct Try {
    pub(super) name: u128,
    /// The name, from one address (IPv6: a /64).
    pub(super) place: u128,
    /// The name, from the surrounding network.
    pub(super) network: u128,
}

impl Try {
    pub(super) fn keys(self) -> [u128; 3] {
        [self.place, self.network, self.name]
    }
}

/// Makes a key of these parts, and of whatever else the memory is of, under a secret key.
pub(super) type Hash = Box<dyn Fn([&[u8]; 3]) -> Result<u128, Error>>;

/// Where failures and known places are remembered.
pub(super) trait Memory: Send + Sync {
    /// What hashes names and places.
    fn hash(&self) -> Result<Hash, Error>;
    /// What counts for or against an attempt.
    fn find(&self, tried: Try, name: &str, now: Instant) -> Result<Found, Error>;
    /// What counts against attempts under each of these names, with their keys, wherever they come from; in their order.
    fn find_names(&self, names: &[(u128, &str)], now: Instant) -> Result<Vec<OfName>, Error>;
    /// The network waits from now on, unless it does already.
    fn start_waiting(&self, tried: Try, now: Instant) -> Result<(), Error>;
    /// Counts a failure for the place and, unless it is known, for the network and the name.
    fn failed(&self, tried: Try, name: &str, now: Instant) -> Result<(), Error>;
    /// Forgets the failures of the place, which is known from now on.
    fn passed(&self, tried: Try, now: Instant) -> Result<(), Error>;
    /// Forgets the failures that may delay this attempt and are at least this old.
    fn forget_older(&self, tried: Try, age: Duration, now: Instant);
    /// Whether it knows on its own when an account was unlocked.
    fn applies_unlocking(&self) -> bool;
}
