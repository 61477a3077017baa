//! What the audit trail identifies users by: a keyed hash of the name, the same for the same user.

use std::fmt;

use zeroize::Zeroizing;

use crate::Error;
use crate::base::encoding::encode_hex;
use crate::base::hkdf::{FirstBlock, hkdf_sha256};
use crate::keys::{self, KeyRing};
use crate::signing::TokenKey;

const KEY_INFO: &[u8] = b"sealgate/audit-pseudonym/v1";

/// Derives the pseudonyms that join a user's events: a name keeps its pseudonym while the oldest token key stays.
#[derive(Default)]
pub struct Pseudonyms {
    /// `None` if there is no token key to derive it from.
    key: Option<FirstBlock>,
}

impl Pseudonyms {
    /// Those of the gates with these keys. Creates no keys.
    ///
    /// # Errors
    /// [`Error::KeyRing`] if there is a key ring that cannot be read.
    pub fn of(settings: &keys::Settings) -> Result<Self, Error> {
        Pseudonyms::from_ring(&KeyRing::as_it_is(settings)?)
    }

    pub(crate) fn from_ring(ring: &KeyRing) -> Result<Self, Error> {
        match ring.token_keys().next() {
            Some(oldest) => Pseudonyms::under(oldest),
            None => Ok(Pseudonyms::default()),
        }
    }

    /// One for each token key, oldest first. The first is in use; the others were or will be, when their key is the oldest.
    /// Creates no keys.
    ///
    /// # Errors
    /// Those of [`of`](Self::of).
    pub fn under_every_key(settings: &keys::Settings) -> Result<Vec<Self>, Error> {
        let ring = KeyRing::as_it_is(settings)?;
        ring.token_keys().map(Pseudonyms::under).collect()
    }

    fn under(token_key: &TokenKey) -> Result<Self, Error> {
        let mut key = Zeroizing::new([0; 32]);
        hkdf_sha256(&token_key.bytes(), KEY_INFO, &mut *key)?;
        let key = Some(FirstBlock::under(&*key));
        Ok(Pseudonyms { key })
    }

    /// 16 hexadecimal digits; `-` if there is no key.
    pub fn pseudonym(&self, user: &str) -> String {
        match &self.key {
            Some(key) => encode_hex(&key.of(user.as_bytes())[..8]),
            None => "-".to_owned(),
        }
    }
}

impl fmt::Debug for Pseudonyms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pseudonyms").finish_non_exhaustive()
    }
}
