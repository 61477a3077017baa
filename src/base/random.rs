//! Random bytes from the system; none are buffered, since a fork would duplicate them.

use zeroize::Zeroizing;

use crate::Error;

/// Fills `out` from the system's random generator with one call per use.
pub(crate) fn random(out: &mut [u8]) -> Result<(), Error> {
    getrandom::fill(out).map_err(|_| Error::Crypto("the system's random generator failed"))
}

/// A fresh 256-bit key.
pub(crate) fn random_key() -> Result<Zeroizing<[u8; 32]>, Error> {
    let mut key = Zeroizing::new([0; 32]);
    random(&mut *key)?;
    Ok(key)
}
