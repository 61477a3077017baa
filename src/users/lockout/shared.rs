//! Failures and known places in the store that several machines share. Its clock counts.
//!
//! Names and places are stored as keyed hashes. The key is derived from the oldest token key, which all machines have: when that
//! is retired, what was remembered under it no longer counts.

use std::sync::Arc;
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use super::memory::{Found, Hash, MEMORY, Memory, OfName, Try};
use crate::Error;
use crate::base::hkdf::hkdf_sha256;
use crate::base::hmac::HmacSha256;
use crate::keys::Keys;
use crate::store::{Ledger, LockoutKeys, LockoutName, SharedStore};

const KEY_INFO: &[u8] = b"sealgate/lockouts/v1";

pub(super) struct Shared {
    ledger: Arc<Ledger>,
    keys: Arc<Keys>,
}

impl Shared {
    pub(super) fn new(ledger: Arc<Ledger>, keys: Arc<Keys>) -> Self {
        Shared { ledger, keys }
    }

    fn store(&self) -> Result<&dyn SharedStore, Error> {
        match self.ledger.following() {
            Some(following) => Ok(&**following.store()),
            None => Err(Error::Store("There is no shared store.".to_owned())),
        }
    }
}

/// `name` is the account whose unlocking ends its failures.
fn keys<'a>(tried: Try, name: &'a str) -> LockoutKeys<'a> {
    LockoutKeys {
        account: name,
        name: tried.name.to_be_bytes(),
        place: tried.place.to_be_bytes(),
        network: tried.network.to_be_bytes(),
        memory: MEMORY,
    }
}

impl Memory for Shared {
    fn hash(&self) -> Result<Hash, Error> {
        let mut key = Zeroizing::new([0; 32]);
        {
            let ring = self.keys.current();
            let oldest = ring.token_keys().next();
            let oldest = oldest.ok_or_else(|| {
                Error::Store("Lockouts need a token key, and the key ring has none.".to_owned())
            })?;
            hkdf_sha256(&oldest.bytes(), KEY_INFO, &mut *key)?;
        }
        let hmac = HmacSha256::new(&*key);
        Ok(Box::new(move |parts| {
            let [a, b, c] = parts.map(|part| (part.len() as u64).to_be_bytes());
            let tag = hmac.tag(&[&a, parts[0], &b, parts[1], &c, parts[2]]);
            let mut half = [0; 16];
            half.copy_from_slice(&tag[..16]);
            Ok(u128::from_be_bytes(half))
        }))
    }

    fn find(&self, tried: Try, name: &str, _: Instant) -> Result<Found, Error> {
        self.store()?.failures(&keys(tried, name))
    }

    fn find_names(&self, names: &[(u128, &str)], _: Instant) -> Result<Vec<OfName>, Error> {
        let names = names.iter().map(|(key, account)| LockoutName {
            account,
            key: key.to_be_bytes(),
        });
        let names: Vec<_> = names.collect();
        self.store()?.failures_of_names(&names, MEMORY)
    }

    fn start_waiting(&self, tried: Try, _: Instant) -> Result<(), Error> {
        self.store()?.start_waiting(&keys(tried, ""))
    }

    fn failed(&self, tried: Try, name: &str, _: Instant) -> Result<(), Error> {
        self.store()?.failed(&keys(tried, name))
    }

    fn passed(&self, tried: Try, _: Instant) -> Result<(), Error> {
        self.store()?.passed(&keys(tried, ""))
    }

    /// The store does that.
    fn forget_older(&self, _: Try, _: Duration, _: Instant) {}

    fn applies_unlocking(&self) -> bool {
        true
    }
}
