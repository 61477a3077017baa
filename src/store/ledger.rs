//! A gate's store: opened only when needed, and watched for changes by other processes.
//!
//! A gate whose data directory has no store works without one, at the cost of checking the directory a few times a
//! second.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use once_cell::sync::OnceCell;

use super::following::{Following, Health};
use super::{Entry, Presented, Settings, SharedSettings, Store, backend, open_shared, postgres};
use crate::base::clock::{coarse_milliseconds, stands_still, unix_now};
use crate::base::replacement::{self, InUse};
use crate::{Error, TokenError};

/// How stale the knowledge of other processes' changes may be: well under the promised second.
const LOOK_AFTER_MS: u64 = 250;
/// The same for whether there are accounts, if a login depends on it: hardly a time in which a program can add one and log in,
/// but long compared with a login. In microseconds.
const ACCOUNTS_AFTER: u64 = 1000;
/// Minimum time between checks whether the store can be written.
const ASK_AFTER_MS: u64 = 1000;
/// No epoch: the store cannot be read, and results verified before have to be verified again.
const UNKNOWN: u64 = u64::MAX;
/// Not checked yet.
const NEVER: u64 = u64::MAX;

/// See the module.
pub(crate) struct Ledger {
    place: Place,
    /// Keeps a restore from replacing the directory's files; empty while there is no directory.
    in_use: OnceCell<InUse>,
    store: OnceCell<Box<dyn Store>>,
    open_login: bool,
    /// A result verified in one epoch has to be verified again in another; 0 while there is no store.
    epoch: AtomicU64,
    /// When the store was last checked, in milliseconds of [`coarse_milliseconds`].
    looked: AtomicU64,
    accounts: AtomicBool,
    /// When a login last looked for accounts, in microseconds since some moment; 0: never.
    searched: AtomicU64,
    start: Instant,
    /// How often API keys have changed; 0 while there is no store.
    api_key_changes: AtomicU64,
    /// When it was last checked whether it can be written, in the same milliseconds.
    asked: AtomicU64,
    writable: AtomicBool,
}

enum Place {
    /// Shared with other machines. The error: why it cannot be used at all.
    Shared(Result<Following, Error>),
    Folder(PathBuf),
    /// The gate's keys are lost with it, and so are all revocations.
    Memory,
    Nowhere,
}

impl Ledger {
    /// Opens nothing yet.
    pub(crate) fn new(settings: &Settings) -> Self {
        let place = match &settings.data_dir {
            _ if settings.shared.url.is_some() => Place::Shared(follow(&settings.shared)),
            // A directory that cannot be read is not used: nothing is read from it and nothing is written to it.
            Some(folder) if settings.ephemeral => match backend::is_there(folder) {
                Ok(true) => Place::Folder(folder.clone()),
                Ok(false) => Place::Memory,
                Err(error) => {
                    log::warn!("{error} With ephemeral keys the gate runs without the store.");
                    Place::Memory
                }
            },
            None if settings.ephemeral => Place::Memory,
            Some(folder) => Place::Folder(folder.clone()),
            None => Place::Nowhere,
        };
        Ledger {
            place,
            in_use: OnceCell::new(),
            store: OnceCell::new(),
            open_login: settings.open_login,
            epoch: AtomicU64::new(0),
            looked: AtomicU64::new(NEVER),
            accounts: AtomicBool::new(false),
            searched: AtomicU64::new(0),
            start: Instant::now(),
            api_key_changes: AtomicU64::new(0),
            asked: AtomicU64::new(NEVER),
            writable: AtomicBool::new(true),
        }
    }

    /// Uses the directory, if there is one, for as long as this exists.
    pub(crate) fn enter(&self) -> Result<(), Error> {
        let Place::Folder(folder) = &self.place else {
            return Ok(());
        };
        if self.in_use.get().is_none()
            && let Some(in_use) = replacement::enter(folder).map_err(Error::Store)?
        {
            // Another thread may have been faster.
            let _ = self.in_use.set(in_use);
        }
        // By now an interrupted restore is complete.
        backend::check_build(folder)
    }

    /// The epoch, refreshed if the last check is too old. `None`: there is a store, and it cannot be used.
    pub(crate) fn epoch(&self) -> Option<u64> {
        match &self.place {
            Place::Shared(Ok(following)) => return following.epoch(),
            Place::Shared(Err(_)) => return None,
            Place::Folder(_) => self.look_now_and_then(),
            Place::Memory | Place::Nowhere => {}
        }
        Some(self.epoch.load(Ordering::Acquire)).filter(|epoch| *epoch != UNKNOWN)
    }

    /// The same for results that depend on accounts, but not on what is revoked.
    pub(crate) fn account_epoch(&self) -> Option<u64> {
        match self.following() {
            Some(following) => following.account_epoch(),
            None => self.epoch(),
        }
    }

    /// No other process can change a store in memory: only a directory has to be checked.
    fn look_now_and_then(&self) {
        if is_due(&self.looked, LOOK_AFTER_MS) {
            self.look();
        }
    }

    /// Whether changes can be written to the store, if there is one; checked at most once a second, otherwise the last
    /// result.
    pub(crate) fn is_writable(&self) -> bool {
        if let Some(following) = self.following() {
            return following.is_writable();
        }
        if is_due(&self.asked, ASK_AFTER_MS) {
            let found = match self.reading() {
                Ok(Some(store)) => store.check_writable(),
                Ok(None) => Ok(()),
                Err(error) => Err(error),
            };
            let before = self.writable.swap(found.is_ok(), Ordering::Relaxed);
            if let (true, Err(error)) = (before, &found) {
                log::error!("{error} Logins and revocations fail until it can.");
            }
        }
        self.was_writable()
    }

    /// The last result of [`is_writable`](Self::is_writable).
    pub(crate) fn was_writable(&self) -> bool {
        if let Some(following) = self.following() {
            return following.is_writable();
        }
        self.writable.load(Ordering::Relaxed)
    }

    /// Checks at once, after changes that this process made. These count whether or not the store can be read again.
    pub(crate) fn look_after(&self, own: &[Entry]) {
        if let Some(following) = self.following() {
            following.apply(own);
        }
        self.look();
    }

    /// Checks at once.
    ///
    /// # Errors
    /// [`Error::Store`] if there is a store that cannot be used. Tokens are refused until it can be.
    pub(crate) fn look(&self) -> Option<Error> {
        match &self.place {
            Place::Shared(Ok(following)) => return following.look().err(),
            Place::Shared(Err(error)) => return Some(error.clone()),
            _ => {}
        }
        let seen = || -> Result<(u64, bool, u64), Error> {
            let Some(store) = self.opened()? else {
                return Ok((0, false, 0));
            };
            // The generation first: a change after it is seen at the next check.
            let generation = store.generation()?;
            Ok((
                generation,
                store.has_had_accounts()?,
                store.api_key_changes()?,
            ))
        };
        match seen() {
            Ok((epoch, accounts, api_key_changes)) => {
                // An account that has existed is never forgotten, and a slower look may have begun earlier.
                self.accounts.fetch_or(accounts, Ordering::Relaxed);
                self.api_key_changes
                    .fetch_max(api_key_changes, Ordering::Relaxed);
                self.epoch.store(epoch, Ordering::Release);
                None
            }
            Err(error) => {
                if self.epoch.swap(UNKNOWN, Ordering::AcqRel) != UNKNOWN {
                    log::error!("{error} Tokens are refused until it can be used.");
                }
                Some(error)
            }
        }
    }

    /// Whether logins require a password: an account has existed, and open login is not configured.
    pub(crate) fn wants_passwords(&self) -> bool {
        let accounts = match self.following() {
            Some(following) => following.has_had_accounts(),
            None => self.accounts.load(Ordering::Relaxed),
        };
        !self.open_login && accounts
    }

    /// The same, but what another process has just added counts.
    pub(crate) fn wants_passwords_now(&self) -> bool {
        if !self.open_login && matches!(self.place, Place::Shared(_) | Place::Folder(_)) {
            let now = self.start.elapsed().as_micros() as u64 + ACCOUNTS_AFTER;
            if now.saturating_sub(self.searched.load(Ordering::Acquire)) >= ACCOUNTS_AFTER {
                self.look();
                // Whoever comes meanwhile looks too.
                self.searched.fetch_max(now, Ordering::AcqRel);
            }
        }
        self.wants_passwords()
    }

    /// The store that several machines share, if this is one.
    pub(crate) fn following(&self) -> Option<&Following> {
        match &self.place {
            Place::Shared(following) => following.as_ref().ok(),
            _ => None,
        }
    }

    /// How a shared store is; `None`: this is none, or it cannot be used at all.
    pub(crate) fn health(&self) -> Option<Health> {
        self.following().map(Following::health)
    }

    /// How often API keys have changed, as of the last check; 0 while there is no store.
    pub(crate) fn api_key_changes(&self) -> u64 {
        match self.following() {
            Some(following) => following.api_key_changes(),
            None => self.api_key_changes.load(Ordering::Relaxed),
        }
    }

    /// The store, if there is one.
    pub(crate) fn reading(&self) -> Result<Option<&dyn Store>, Error> {
        self.opened()
    }

    /// The store, created if there is none.
    pub(crate) fn writing(&self) -> Result<&dyn Store, Error> {
        if let Place::Shared(_) = self.place {
            return self.opened()?.ok_or_else(backend::nowhere);
        }
        let store = self.store.get_or_try_init(|| match &self.place {
            Place::Shared(_) => Err(backend::nowhere()),
            Place::Folder(folder) => {
                let made = backend::open_or_make(folder);
                self.enter().and(made)
            }
            Place::Memory => backend::in_memory(),
            Place::Nowhere => Err(backend::nowhere()),
        })?;
        Ok(&**store)
    }

    fn opened(&self) -> Result<Option<&dyn Store>, Error> {
        if let Some(store) = self.store.get() {
            return Ok(Some(&**store));
        }
        let folder = match &self.place {
            Place::Shared(Ok(following)) => return Ok(Some(&**following.store())),
            Place::Shared(Err(error)) => return Err(error.clone()),
            Place::Folder(folder) => folder,
            Place::Memory | Place::Nowhere => return Ok(None),
        };
        self.enter()?;
        if !backend::is_there(folder)? {
            return Ok(None);
        }
        let opened = self
            .store
            .get_or_try_init(|| match backend::open(folder)? {
                Some(store) => Ok(store),
                None => Err(Error::Store(
                    "The store disappeared while it was being opened. Try again.".to_owned(),
                )),
            })?;
        Ok(Some(&**opened))
    }

    /// Refuses a token that was revoked, or whose user has no enabled account once accounts exist.
    pub(crate) fn check(&self, presented: Presented<'_>) -> Result<(), TokenError> {
        if let Some(following) = self.following() {
            return following.check(presented, !self.open_login);
        }
        let standing = match self.reading() {
            Ok(None) => return Ok(()),
            Ok(Some(store)) => store.standing(presented),
            Err(error) => Err(error),
        };
        let standing = standing.map_err(|error| {
            log::error!(code = error.code(); "{error}");
            TokenError::Unchecked
        })?;
        if standing.is_revoked(presented.issued_at) {
            return Err(TokenError::Revoked);
        }
        if standing.accounts && !self.open_login && standing.disabled.is_none() {
            return Err(TokenError::NoAccount);
        }
        Ok(())
    }

    /// The issue time for a new token of this user: a second later than the last revocation; waits until then.
    pub(crate) fn issue_time(&self, user: &str) -> Result<u64, Error> {
        let before = match self.epoch() {
            None => {
                return Err(Error::Store(
                    "No tokens are issued while the store cannot be used.".to_owned(),
                ));
            }
            Some(0) => None,
            Some(_) => match self.following() {
                Some(following) => following.revoked_before(user)?,
                None => match self.reading()? {
                    Some(store) => store.revoked_before(user)?,
                    None => None,
                },
            },
        };
        let mut now = unix_now();
        if let Some(next) = before.and_then(|before| next_of_a_stopped_clock(now, before)) {
            return Ok(next);
        }
        // But no longer, in case the clock was set back: such a token is refused until the clock has caught up.
        let most = Instant::now() + Duration::from_millis(1100);
        while before.is_some_and(|before| now <= before) && Instant::now() < most {
            thread::sleep(Duration::from_millis(5));
            now = unix_now();
        }
        Ok(now)
    }
}

/// Creates or updates the tables of a shared store, and returns their version from before (0: there were none) and now. `None`:
/// the store is not shared.
pub(crate) fn migrate(settings: &Settings) -> Result<Option<(i64, i64)>, Error> {
    let url = settings.shared.url.as_ref();
    url.map(|url| postgres::migrate(url, &settings.shared))
        .transpose()
}

fn follow(settings: &SharedSettings) -> Result<Following, Error> {
    let store = open_shared(settings)?.ok_or_else(backend::nowhere)?;
    Following::new(store, settings)
}

/// With a stopped clock only the order counts: the time after a revocation that is not over yet.
fn next_of_a_stopped_clock(now: u64, before: u64) -> Option<u64> {
    (stands_still(now) && now <= before).then(|| before.saturating_add(1))
}

/// Whether `last` is at least this many milliseconds old; if so, sets it to now. Only one thread gets `true`; the
/// others continue with the last result.
fn is_due(last: &AtomicU64, after: u64) -> bool {
    let now = coarse_milliseconds();
    let before = last.load(Ordering::Relaxed);
    (before == NEVER || now.saturating_sub(before) >= after)
        && last
            .compare_exchange(before, now, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
}

#[cfg(test)]
#[cfg(feature = "store")]
#[path = "ledger_tests.rs"]
mod tests;
