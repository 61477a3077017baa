//! When a change of an account happens: what is issued until it is committed is revoked with it.

use crate::Error;
use crate::base::clock::unix_now;
use crate::store::{Moment, Store};

/// After a change at a time: if it has revoked the account's tokens, and a second has ended meanwhile, revokes those too that were
/// issued before it was committed, and returns that time.
pub(super) fn revoke_late(store: &dyn Store, name: &str, at: Moment) -> Result<Moment, Error> {
    let now = from_now();
    let has_revoked = || Ok::<_, Error>(store.revoked_before(name)? >= Some(at.now));
    if now.now == at.now || !has_revoked()? {
        return Ok(at);
    }
    store.revoke_user(name, now)?;
    Ok(now)
}

/// Now, and when every token issued so far will have expired.
pub(crate) fn from_now() -> Moment {
    let now = unix_now();
    Moment {
        now,
        forget: now.saturating_add(LONGEST_LIFE),
    }
}

/// How long revocations are remembered, in seconds: earlier versions issued tokens with lifetimes up to this.
const LONGEST_LIFE: u64 = u32::MAX as u64;
