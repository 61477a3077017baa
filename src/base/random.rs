//! Random bytes from the system. Keys and nonces are never buffered: a fork would duplicate them.

use std::cell::RefCell;

use zeroize::Zeroizing;

use crate::Error;
use crate::base::fork;

/// How many identifiers one call of the system provides for.
const AHEAD: usize = 32;

/// 128 random bits.
type Id = [u8; 16];

/// Identifiers fetched ahead, in a process that had been forked so often.
struct Ahead {
    forks: u64,
    ids: [Id; AHEAD],
    left: usize,
}

thread_local! {
    static IDS: RefCell<Ahead> = const {
        RefCell::new(Ahead {
            forks: 0,
            ids: [[0; 16]; AHEAD],
            left: 0,
        })
    };
}

/// Fills `out` from the system's random generator with one call per use.
pub(crate) fn random(out: &mut [u8]) -> Result<(), Error> {
    getrandom::fill(out).map_err(|_| Error::Crypto("the system's random generator failed"))
}

/// So many random bytes. Secrets are filled in place by [`random`], so that no copy of them stays behind.
pub(crate) fn random_bytes<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    random(&mut bytes)?;
    Ok(bytes)
}

/// A fresh 256-bit key.
pub(crate) fn random_key() -> Result<Zeroizing<[u8; 32]>, Error> {
    let mut key = Zeroizing::new([0; 32]);
    random(&mut *key)?;
    Ok(key)
}

/// 128 random bits for a name that has to be unique but need not be secret. Where forks are reported, each thread fetches
/// some ahead, since the call takes a third of the time of a signature; a child does not use those of its parent.
pub(crate) fn random_id() -> Result<Id, Error> {
    let next = |ahead: &RefCell<Ahead>| {
        let ahead = &mut *ahead.borrow_mut();
        let forks = fork::forks();
        if ahead.left == 0 || ahead.forks != forks {
            ahead.left = 0;
            random(ahead.ids.as_flattened_mut())?;
            (ahead.left, ahead.forks) = (AHEAD, forks);
        }
        ahead.left -= 1;
        Ok(ahead.ids[ahead.left])
    };
    if fork::is_watched()
        // A thread that is exiting has no storage for it.
        && let Ok(id) = IDS.try_with(next)
    {
        return id;
    }
    random_bytes()
}
