//! People with passwords: who there is, what they may do, and whether somebody is who they say.
//!
//! `password` hashes, and says which passwords will do; `lockout` slows those down who guess. Where accounts are kept is the
//! store's business, and what a token of theirs may do the token's.

mod lockout;
mod password;
mod settings;

#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

use crate::base::clock::unix_now;
use crate::base::names::{check_subject, valid_scope};
use crate::store::{self, Account, Change, Ledger, Moment, SqliteStore};
use crate::{Error, Secret};

use lockout::Lockouts;
use password::Hasher;

pub(crate) use password::DEAREST;
pub use password::{LONGEST_PASSWORD, SHORTEST_PASSWORD};
pub use settings::Settings;

/// The accounts of a data directory. `Send` and `Sync`; what is changed here takes effect within a second in every process
/// that uses the same directory.
///
/// ```
/// # fn main() -> Result<(), sealgate::Error> {
/// use sealgate::{Config, users::Users};
///
/// let folder = tempfile::tempdir().unwrap();
/// let mut config = Config::new();
/// config.set("data_dir", folder.path().join("state").to_str().unwrap())?;
/// let gate = config.settings()?.gate;
/// let users = Users::new(&gate.users, &gate.store)?;
/// users.add("alice", &"correct horse".into(), "encrypt decrypt")?;
/// assert_eq!(users.check("alice", &"correct horse".into(), "192.0.2.1")?.scope(), "encrypt decrypt");
/// assert!(users.check("alice", &"battery staple".into(), "192.0.2.1").is_err());
/// # Ok(())
/// # }
/// ```
pub struct Users {
    ledger: Arc<Ledger>,
    hasher: Hasher,
    lockouts: Option<Lockouts>,
}

/// An account, without its password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The name that is logged in with.
    pub name: String,
    /// Scope names with single spaces between: the most that tokens of this user may have.
    pub scope: String,
    /// Whether nobody may log in under it.
    pub disabled: bool,
    /// When it was made, in seconds since 1970-01-01 UTC.
    pub created: u64,
}

/// Somebody who has shown to be who they say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    name: String,
    scope: String,
    /// The account's, when the password was checked.
    version: i64,
}

impl Login {
    /// The user.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The most that tokens of this user may have.
    pub fn scope(&self) -> &str {
        &self.scope
    }

    pub(crate) fn version(&self) -> i64 {
        self.version
    }
}

impl Users {
    /// The accounts in the store's data directory. Opens and makes nothing yet.
    ///
    /// # Errors
    /// [`Error::Crypto`] where the system has no random bytes.
    pub fn new(settings: &Settings, store: &store::Settings) -> Result<Self, Error> {
        Users::with_ledger(settings, Arc::new(Ledger::new(store)))
    }

    pub(crate) fn with_ledger(settings: &Settings, ledger: Arc<Ledger>) -> Result<Self, Error> {
        Ok(Users {
            ledger,
            hasher: Hasher::new(settings),
            lockouts: match settings.lockout_after {
                0 => None,
                after => Some(Lockouts::new(after)?),
            },
        })
    }

    /// Makes an account.
    ///
    /// # Errors
    /// [`Error::UserExists`], [`Error::InvalidName`], [`Error::WeakPassword`]; [`Error::InvalidInput`] where the scope is
    /// malformed; [`Error::Store`].
    pub fn add(&self, name: &str, password: &Secret, scope: &str) -> Result<(), Error> {
        check_subject(name).map_err(|error| Error::InvalidName(error.to_string()))?;
        check_scope(scope)?;
        password::check(name, password)?;
        let account = Account {
            name: name.to_owned(),
            scope: scope.to_owned(),
            disabled: false,
            created: unix_now(),
            version: 1,
            password: self.hasher.hash(password)?,
        };
        let added = self.ledger.writing()?.add_account(&account)?;
        self.ledger.look();
        added.then_some(()).ok_or(Error::UserExists)
    }

    /// At most `most` accounts in the order of their names (by bytes), beginning behind `after`.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn list(&self, after: &str, most: u32) -> Result<Vec<User>, Error> {
        let accounts = match self.ledger.reading()? {
            Some(store) => store.accounts(after, most)?,
            None => Vec::new(),
        };
        Ok(accounts.into_iter().map(User::of).collect())
    }

    /// The account of this name.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn find(&self, name: &str) -> Result<Option<User>, Error> {
        match self.ledger.reading()? {
            Some(store) => Ok(store.account(name)?.map(User::of)),
            None => Ok(None),
        }
    }

    /// Gives an account another password, and takes all its tokens back. `false`: there is no such account.
    ///
    /// # Errors
    /// [`Error::WeakPassword`]; [`Error::Store`].
    pub fn set_password(&self, name: &str, password: &Secret) -> Result<bool, Error> {
        password::check(name, password)?;
        self.change(name, Change::Password(self.hasher.hash(password)?))
    }

    /// Gives an account other scopes; where one is taken away, so are all tokens. `false`: there is no such account.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] where the scope is malformed; [`Error::Store`].
    pub fn set_scope(&self, name: &str, scope: &str) -> Result<bool, Error> {
        check_scope(scope)?;
        self.change(name, Change::Scope(scope.to_owned()))
    }

    /// Switches an account off, which takes all its tokens back for good, or on again. `false`: there is no such account.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn set_disabled(&self, name: &str, disabled: bool) -> Result<bool, Error> {
        self.change(name, Change::Disabled(disabled))
    }

    /// Removes an account and takes all its tokens back. `false`: there is no such account. Passwords are wanted all the
    /// same when none is left.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn remove(&self, name: &str) -> Result<bool, Error> {
        self.change(name, Change::Removed)
    }

    fn change(&self, name: &str, change: Change) -> Result<bool, Error> {
        // Without a store there is nobody, and none has to be made to know that.
        let Some(store) = self.ledger.reading()? else {
            return Ok(false);
        };
        let changed = store.change_account(name, &change, from_now())?;
        self.ledger.look();
        Ok(changed)
    }

    /// Checks a password. Takes as long as a hash, and waits where as many are being made as the settings permit.
    ///
    /// `from` is where the caller is: an address as text (IPv6 counts by /64), or anything else that stands for a place.
    /// After some wrong passwords for one name from one place, further tries from there have to wait, longer and longer, up
    /// to 15 minutes. After twice as many from one network (/48, IPv4 /24), or four times as many from anywhere, tries from
    /// places that the name has not logged in from before wait up to a minute.
    ///
    /// # Errors
    /// [`Error::LoginFailed`], one error at one cost for an unknown name, a wrong password and an account that is switched
    /// off; [`Error::RateLimited`] while tries are put off; [`Error::Store`].
    pub fn check(&self, name: &str, password: &Secret, from: &str) -> Result<Login, Error> {
        let tried = self
            .lockouts
            .as_ref()
            .map(|lockouts| (lockouts, lockouts.of(name, from)));
        if let Some((lockouts, tried)) = tried {
            lockouts.check(tried)?;
        }
        let mut place = self.hasher.place();
        // Others may have failed while this one waited.
        if let Some((lockouts, tried)) = tried {
            lockouts.check(tried)?;
        }
        let found = match self.ledger.reading()? {
            Some(store) => store.account_or_other(name)?,
            None => None,
        };
        let kept = found.as_ref().map(|account| &account.password);
        let is_affordable = kept.is_none_or(|kept| kept.is_affordable());
        let matches = self.hasher.verify(&mut place, password, kept)?;
        let account = found.filter(|account| matches && account.name == name && !account.disabled);
        let Some(account) = account else {
            // Others may be waiting for it, and a host's log function may wait for them.
            drop(place);
            if !is_affordable {
                log::error!(
                    "A password hash in the store has costs that no settings ask for: nobody can log in with it. Give that \
                     account another password (sealgate user passwd), and find out who writes to the store."
                );
            }
            if let Some((lockouts, tried)) = tried {
                lockouts.failed(tried);
            }
            return Err(Error::LoginFailed);
        };
        if let Some((lockouts, tried)) = tried {
            lockouts.passed(tried);
        }
        if self.hasher.is_outdated(&account.password) {
            let change = Change::Rehash {
                password: self.hasher.hash_in(&mut place, password)?,
                version: account.version,
            };
            self.ledger
                .writing()?
                .change_account(name, &change, from_now())?;
        }
        Ok(Login {
            name: account.name,
            scope: account.scope,
            version: account.version,
        })
    }

    /// Whether the store in the settings' data directory, if there is one, is out of others' reach. Opens nothing.
    ///
    /// # Errors
    /// [`Error::Store`] where others can get at it; the sentence says how to mend that.
    pub fn check_access(settings: &store::Settings) -> Result<(), Error> {
        let folder = settings.data_dir.as_deref();
        folder.map_or(Ok(()), SqliteStore::check_access)
    }

    /// Looks the whole store through. `false`: there is none.
    ///
    /// # Errors
    /// [`Error::Store`] where it is damaged; the sentence says how to restore it.
    pub fn check_store(&self) -> Result<bool, Error> {
        match self.ledger.reading()? {
            Some(store) => store.check().map(|()| true),
            None => Ok(false),
        }
    }

    /// Copies the store into a new file that only its owner can read, while others go on using it. `false`: there is none.
    ///
    /// # Errors
    /// [`Error::Store`] where there is something of the file's name, or it cannot be written.
    pub fn back_up_store(&self, to: &Path) -> Result<bool, Error> {
        match self.ledger.reading()? {
            Some(store) => store.back_up(to).map(|()| true),
            None => Ok(false),
        }
    }

    /// How many passwords are hashed at a time.
    pub(crate) fn places(&self) -> usize {
        self.hasher.places()
    }
}

impl User {
    fn of(account: Account) -> Self {
        User {
            name: account.name,
            scope: account.scope,
            disabled: account.disabled,
            created: account.created,
        }
    }
}

fn check_scope(scope: &str) -> Result<(), Error> {
    if valid_scope(scope) {
        return Ok(());
    }
    Err(Error::InvalidInput(
        "The scope must be names of visible ASCII characters with single spaces between."
            .to_owned(),
    ))
}

/// How long what was revoked is remembered, in seconds: earlier versions issued tokens for as long as this.
const LONGEST_LIFE: u64 = u32::MAX as u64;

/// Now, and when the last token that could have been issued until now will have expired.
pub(crate) fn from_now() -> Moment {
    let now = unix_now();
    Moment {
        now,
        forget: now.saturating_add(LONGEST_LIFE),
    }
}

impl std::fmt::Debug for Users {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Users")
            .field("ledger", &self.ledger)
            .finish_non_exhaustive()
    }
}
