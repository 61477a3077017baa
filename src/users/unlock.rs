//! Unlocking an account: wrong passwords until then no longer delay logins, in any process that uses the store. The store records
//! when an account was unlocked. A process that counts wrong passwords in its own memory applies that to its counts; if they are
//! in the store too, the store does.

use std::collections::HashMap;
use std::time::Duration;

use super::Users;
use super::lockout::{Lockouts, MEMORY, Try};
use crate::Error;
use crate::base::clock::{exact_now, unix_now};
use crate::store::Moment;
use crate::whole_seconds;

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

    /// Until when wrong passwords may delay logins under this name from some place: one that the user has logged in from, or any
    /// other. In seconds since 1970-01-01 UTC, rounded up. `None`: they delay none, as far as is known.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn locked_until(&self, name: &str) -> Result<Option<u64>, Error> {
        let until = self.all_locked_until(&[name])?;
        Ok(until.into_iter().next().flatten())
    }

    /// The same for each of these names in their order. Asks the store at most once, however many they are.
    pub(crate) fn all_locked_until(&self, names: &[&str]) -> Result<Vec<Option<u64>>, Error> {
        let Some(lockouts) = &self.lockouts else {
            return Ok(vec![None; names.len()]);
        };
        let mut waits = lockouts.longest_waits(names, |_| None)?;
        if !lockouts.is_shared() {
            let delayed = names.iter().zip(&waits).filter(|(_, wait)| !wait.is_zero());
            let unlocked = self.unlocked(delayed.map(|(name, _)| *name).collect())?;
            // Found again, because a failure and the unlocking that ended it may have come in between.
            if !unlocked.is_empty() {
                waits = lockouts.longest_waits(names, |name| forgiven(*unlocked.get(name)?))?;
            }
        }
        let until = |wait: Duration| {
            (!wait.is_zero()).then(|| whole_seconds(exact_now().saturating_add(wait)))
        };
        Ok(waits.into_iter().map(until).collect())
    }

    /// Those of these names whose accounts were unlocked, and when.
    fn unlocked<'a>(&self, names: Vec<&'a str>) -> Result<HashMap<&'a str, u64>, Error> {
        // Most of the time no name is delayed, and the store need not be read.
        if names.is_empty() {
            return Ok(HashMap::new());
        }
        let Some(store) = self.ledger.reading()? else {
            return Ok(HashMap::new());
        };
        let unlocked = names.iter().copied().zip(store.unlocked(&names)?);
        Ok(unlocked
            .filter_map(|(name, at)| Some((name, at?)))
            .collect())
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
        let unlocked = self.unlocked(vec![name])?;
        if let Some(age) = unlocked.get(name).and_then(|at| forgiven(*at)) {
            lockouts.forget_older(tried, age);
        }
        Ok(())
    }
}

/// How old failures are at least that no longer count, if the account was unlocked at this time.
fn forgiven(unlocked: u64) -> Option<Duration> {
    // In the future: the clock has been set back.
    let age = milliseconds().checked_sub(unlocked)?;
    Some(Duration::from_millis(age).saturating_sub(ROUNDING))
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
    fn a_delay_at_a_known_place_is_reported_until_the_account_is_unlocked_in_any_process() {
        let folder = tempfile::tempdir().unwrap();
        let settings = &[("lockout_after", "2")];
        let (here, elsewhere) = (
            users(folder.path(), settings),
            users(folder.path(), settings),
        );
        here.add("alice", &PASSWORD.into(), "").unwrap();
        here.check("alice", &PASSWORD.into(), "192.0.2.1").unwrap();
        assert_eq!(here.locked_until("alice").unwrap(), None);
        let lockouts = here.lockouts.as_ref().unwrap();
        let tried = lockouts.of("alice", "192.0.2.1").unwrap();
        (0..12).for_each(|_| lockouts.failed(tried, "alice").unwrap());
        let until = here.locked_until("alice").unwrap().expect("a delay");
        // 900 s, the longest.
        let left = until - unix_now();
        assert!((890..=901).contains(&left), "{left}");
        std::thread::sleep(Duration::from_millis(10));
        assert!(elsewhere.unlock("alice").unwrap());
        assert_eq!(here.locked_until("alice").unwrap(), None);
        assert!(!is_delayed(&here, "192.0.2.1"));
        std::thread::sleep(Duration::from_millis(10));
        (0..12).for_each(|_| lockouts.failed(tried, "alice").unwrap());
        assert!(here.locked_until("alice").unwrap().is_some(), "since then");
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
