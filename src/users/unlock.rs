//! Unlocking an account: wrong passwords until then no longer delay logins, in any process that uses the store. The store records
//! when an account was unlocked. A process that counts wrong passwords in its own memory applies that to its counts; if they are
//! in the store too, the store does.

use std::time::Duration;

use super::Users;
use super::lockout::{Lockouts, MEMORY, Try};
use crate::Error;
use crate::base::clock::{exact_now, unix_now};
use crate::store::Moment;

/// Both times of a comparison are in whole milliseconds.
const ROUNDING: Duration = Duration::from_millis(2);

impl Users {
    /// Forgets the wrong passwords for a user's account. `false`: there is no such account.
    pub(crate) fn unlock(&self, name: &str) -> Result<bool, Error> {
        // Without a store there are no accounts, so there is no need to create one.
        let Some(store) = self.ledger.reading()? else {
            return Ok(false);
        };
        if self.find_user(name)?.is_none() {
            return Ok(false);
        }
        let now = unix_now();
        let kept = Moment {
            now,
            // By then every process has forgotten them anyway.
            forget: now.saturating_add(MEMORY.as_secs()),
        };
        store.unlock(name, milliseconds(), kept)
    }

    /// Until when wrong passwords may delay logins under this name from some place, in seconds since 1970-01-01 UTC. `None`: they
    /// delay none, as far as is known.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn locked_until(&self, name: &str) -> Result<Option<u64>, Error> {
        let Some(lockouts) = &self.lockouts else {
            return Ok(None);
        };
        let Some((age, wait)) = lockouts.wait_of_name(name)? else {
            return Ok(None);
        };
        if !lockouts.is_shared()
            && let Some(store) = self.ledger.reading()?
            && let Some(at) = store.unlocked(name)?
            && milliseconds().saturating_sub(at) <= age.as_millis() as u64
        {
            return Ok(None);
        }
        Ok(Some(unix_now().saturating_add(wait.as_secs().max(1))))
    }

    /// Whether [`locked_until`](Self::locked_until) asks nobody, so that it can be asked for many names.
    pub(crate) fn knows_locks(&self) -> bool {
        self.lockouts
            .as_ref()
            .is_none_or(|lockouts| !lockouts.is_shared())
    }

    /// Forgets the wrong passwords that count against an attempt, if the account has been unlocked since.
    pub(super) fn apply_unlocking(
        &self,
        lockouts: &Lockouts,
        tried: Try,
        name: &str,
    ) -> Result<(), Error> {
        // Most logins need not read the store for this.
        if !lockouts.has_failures(tried, name)? {
            return Ok(());
        }
        let Some(store) = self.ledger.reading()? else {
            return Ok(());
        };
        let unlocked = store.unlocked(name)?;
        // In the future: the clock has been set back.
        let age = unlocked.and_then(|at| milliseconds().checked_sub(at));
        if let Some(age) = age.map(Duration::from_millis) {
            lockouts.forget_older(tried, age.saturating_sub(ROUNDING));
        }
        Ok(())
    }
}

/// Since 1970-01-01 UTC.
fn milliseconds() -> u64 {
    u64::try_from(exact_now().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[cfg(feature = "store")]
mod tests {
    use super::*;
    use crate::users::tests::{PASSWORD, is_delayed, users};

    #[test]
    fn an_unlocked_account_is_not_delayed_by_earlier_failures_in_any_process() {
        let folder = tempfile::tempdir().unwrap();
        let settings = &[("lockout_after", "1")];
        let (here, elsewhere) = (
            users(folder.path(), settings),
            users(folder.path(), settings),
        );
        here.add("alice", &PASSWORD.into(), "").unwrap();
        assert!(!here.unlock("bob").unwrap());
        // Long delays, so that this test cannot be too slow for them.
        let lockouts = here.lockouts.as_ref().unwrap();
        let tried = lockouts.of("alice", "192.0.2.1").unwrap();
        (0..12).for_each(|_| lockouts.failed(tried, "alice").unwrap());
        assert!(is_delayed(&here, "192.0.2.1"));
        std::thread::sleep(Duration::from_millis(10));
        assert!(elsewhere.unlock("alice").unwrap());
        assert!(!is_delayed(&here, "192.0.2.1"));
        here.check("alice", &PASSWORD.into(), "192.0.2.1").unwrap();
        std::thread::sleep(Duration::from_millis(10));
        (0..12).for_each(|_| lockouts.failed(tried, "alice").unwrap());
        assert!(is_delayed(&here, "192.0.2.1"), "of failures since then");
        // Names without an account have nothing to unlock, and are delayed as before.
        let nobody = lockouts.of("bob", "192.0.2.1").unwrap();
        (0..12).for_each(|_| lockouts.failed(nobody, "bob").unwrap());
        let refused = here.check("bob", &PASSWORD.into(), "192.0.2.1");
        assert!(matches!(refused, Err(Error::RateLimited { .. })));
    }

    #[test]
    fn unlocking_without_a_store_creates_none() {
        let folder = tempfile::tempdir().unwrap();
        let users = users(folder.path(), &[]);
        assert!(!users.unlock("alice").unwrap());
        assert_eq!(users.sessions("alice").unwrap(), None);
        assert_eq!(users.end_session("x").unwrap(), None);
        assert!(!folder.path().join("state").exists());
    }
}
