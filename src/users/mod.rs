//! Accounts with passwords: adding and changing them, their scopes, and checking passwords.
//!
//! `password` hashes passwords and decides which are acceptable; `lockout` slows down guessing, and `unlock` ends that for
//! one account; `session_list` lists and ends logins; `edits` makes several changes on a condition; `claims` changes what an
//! account's tokens may say; `clients` has the accounts of programs, with secrets in place of passwords. Storing accounts is
//! left to `store`, and what their tokens permit to `tokens`.

mod claims;
mod clients;
mod edits;
mod json;
mod lockout;
mod moment;
mod password;
mod session_list;
mod settings;
mod unlock;

#[cfg(test)]
#[cfg(feature = "store")]
mod tests;

use std::path::Path;
use std::sync::Arc;

use crate::base::clock::unix_now;
use crate::base::random::random_bytes;
use crate::keys::Keys;
use crate::store::{self, Account, AccountKind, Change, Entry, Ledger, PasswordHash};
use crate::{Error, Secret};

use lockout::Lockouts;
pub(crate) use moment::from_now;
use moment::revoke_late;
use password::Hasher;

pub use crate::store::UserSession;
pub use edits::{AccountEdit, EditIf, Edited};
pub(crate) use password::MAX_HASH_COST;
pub use password::{LONGEST_PASSWORD, SHORTEST_PASSWORD};
pub use settings::Settings;

/// The accounts of a data directory. `Send` and `Sync`. The gate's `Accounts` changes them and records each change in the
/// audit trail.
pub struct Users {
    ledger: Arc<Ledger>,
    hasher: Hasher,
    lockouts: Option<Lockouts>,
}

/// An account, without its password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The username, or the client's id.
    pub name: String,
    /// Whether it is a user or a client.
    pub kind: AccountKind,
    /// Scope names separated by single spaces: the most that this user's tokens may have.
    pub scope: String,
    /// The custom claims that its logins get: a JSON object, `{}` if there are none.
    pub claims: String,
    /// Whether it cannot log in.
    pub disabled: bool,
    /// When it was added, in seconds since 1970-01-01 UTC.
    pub created: u64,
    /// Changes with the account. It begins at random, so that an account that is removed and added again has another one.
    pub version: i64,
}

/// A user whose password has been verified, or a client whose secret has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    name: String,
    scope: String,
    claims: String,
    /// The account's version when the password was checked.
    version: i64,
}

impl Login {
    /// The user or the client.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The widest scope that its tokens may have.
    pub fn scope(&self) -> &str {
        &self.scope
    }

    /// The custom claims of this user's tokens, a JSON object.
    pub(crate) fn claims(&self) -> &str {
        &self.claims
    }

    pub(crate) fn version(&self) -> i64 {
        self.version
    }

    fn of(account: Account) -> Self {
        Login {
            name: account.name,
            scope: account.scope,
            claims: account.claims,
            version: account.version,
        }
    }
}

impl Users {
    /// The accounts in the store's data directory. Does not open or create anything yet. Wrong passwords are counted in this
    /// process alone, also with a store that several machines share; those of a gate count on all machines.
    ///
    /// # Errors
    /// [`Error::Crypto`] if the system supplies no random bytes.
    pub fn new(settings: &Settings, store: &store::Settings) -> Result<Self, Error> {
        Users::with_ledger(settings, Arc::new(Ledger::new(store)), None)
    }

    /// With keys and a store that several machines share, they share the lockouts too.
    pub(crate) fn with_ledger(
        settings: &Settings,
        ledger: Arc<Ledger>,
        keys: Option<Arc<Keys>>,
    ) -> Result<Self, Error> {
        let lockouts = match (settings.lockout_after, keys) {
            (0, _) => None,
            (after, Some(keys)) if ledger.following().is_some() => {
                Some(Lockouts::shared(after, Arc::clone(&ledger), keys))
            }
            (after, _) => Some(Lockouts::new(after)?),
        };
        Ok(Users {
            ledger,
            hasher: Hasher::new(settings),
            lockouts,
        })
    }

    fn insert(
        &self,
        kind: AccountKind,
        name: &str,
        scope: &str,
        claims: String,
        password: PasswordHash,
    ) -> Result<(), Error> {
        let account = Account {
            name: name.to_owned(),
            kind,
            scope: scope.to_owned(),
            claims,
            disabled: false,
            created: unix_now(),
            version: first_version()?,
            password,
        };
        let added = self.ledger.writing()?.add_account(&account)?;
        self.ledger.look();
        added.then_some(()).ok_or(Error::UserExists)
    }

    /// At most `most` accounts of users, ordered by name (bytewise), starting after the name `after`.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn list(&self, after: &str, most: u32) -> Result<Vec<User>, Error> {
        self.list_of(AccountKind::User, after, most)
    }

    fn list_of(&self, kind: AccountKind, after: &str, most: u32) -> Result<Vec<User>, Error> {
        let accounts = match self.ledger.reading()? {
            Some(store) => store.accounts(kind, after, most)?,
            None => Vec::new(),
        };
        Ok(accounts.into_iter().map(User::of).collect())
    }

    /// The account with this name, of a user or of a client.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn find(&self, name: &str) -> Result<Option<User>, Error> {
        match self.ledger.reading()? {
            Some(store) => Ok(store.account(name)?.map(User::of)),
            None => Ok(None),
        }
    }

    /// The account with this name, if it is a user's.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn find_user(&self, name: &str) -> Result<Option<User>, Error> {
        let found = self.find(name)?;
        Ok(found.filter(|account| account.kind == AccountKind::User))
    }

    /// Changes an account's password and revokes all its tokens. `false`: there is no such account.
    pub(crate) fn set_password(&self, name: &str, password: &Secret) -> Result<bool, Error> {
        password::check(name, password)?;
        self.change(name, Change::Password(self.hasher.hash(password)?))
    }

    /// Changes an account's password for its user, who knows the current one, and revokes all its tokens. `from` is as for
    /// [`check`](Self::check).
    pub(crate) fn change_password(
        &self,
        name: &str,
        current: &Secret,
        new: &Secret,
        from: &str,
    ) -> Result<(), Error> {
        password::check(name, new)?;
        let login = self.check(name, current, from)?;
        let change = Change::OwnPassword {
            password: self.hasher.hash(new)?,
            version: login.version,
        };
        // If the account has changed meanwhile, the password that was checked may no longer be its own.
        let changed = self.change(name, change)?;
        changed.then_some(()).ok_or(Error::LoginFailed)
    }

    /// Disables an account, which revokes all its tokens for good, or enables it again. `false`: there is no such account.
    pub(crate) fn set_disabled(&self, name: &str, disabled: bool) -> Result<bool, Error> {
        self.change(name, Change::Disabled(disabled))
    }

    /// Removes an account and revokes all its tokens. `false`: there is no such account.
    pub(crate) fn remove(&self, name: &str) -> Result<bool, Error> {
        self.change(name, Change::Removed)
    }

    fn change(&self, name: &str, change: Change) -> Result<bool, Error> {
        self.change_of(AccountKind::User, name, &change)
    }

    fn change_of(&self, kind: AccountKind, name: &str, change: &Change) -> Result<bool, Error> {
        // Without a store there are no accounts, so there is no need to create one.
        let Some(store) = self.ledger.reading()? else {
            return Ok(false);
        };
        let at = from_now();
        let changed = match kind {
            AccountKind::User => store.change_account(name, change, at)?,
            AccountKind::Client => store.change_client(name, change, at)?,
        };
        if changed {
            let at = revoke_late(store, name, at)?;
            self.ledger.look_after(&Entry::of_change(name, change, at));
        }
        Ok(changed)
    }

    /// Checks a password. `from` identifies where the caller is: an address as text, or any other text.
    pub(crate) fn check(&self, name: &str, password: &Secret, from: &str) -> Result<Login, Error> {
        let tried = match &self.lockouts {
            Some(lockouts) => Some((lockouts, lockouts.of(name, from)?)),
            None => None,
        };
        if let Some((lockouts, tried)) = tried {
            self.apply_unlocking(lockouts, tried, name)?;
            lockouts.check(tried, name)?;
        }
        let mut place = self.hasher.place();
        // Other attempts may have failed while this one waited.
        if let Some((lockouts, tried)) = tried {
            lockouts.check(tried, name)?;
        }
        let found = match self.ledger.reading()? {
            Some(store) => store.account_or_other(AccountKind::User, name)?,
            None => None,
        };
        let kept = found.as_ref().map(|account| &account.password);
        let is_affordable = kept.is_none_or(|kept| kept.is_affordable());
        let matches = self.hasher.verify(&mut place, password, kept)?;
        let account = found.filter(|account| matches && account.name == name && !account.disabled);
        let Some(account) = account else {
            if let Some((lockouts, tried)) = tried {
                // The answer to a guess that was not counted would be a free guess. Before the place is free: whoever takes it next
                // has to know of this one.
                lockouts.failed(tried, name)?;
            }
            // Free it before logging: other logins may be waiting for it, and a host's log function may be waiting for them.
            drop(place);
            if !is_affordable {
                log::error!(
                    "A password hash in the store has costs beyond what any settings permit, so it is refused. Set a new \
                     password for that account (sealgate user passwd), and find out who writes to the store."
                );
            }
            return Err(Error::LoginFailed);
        };
        if let Some((lockouts, tried)) = tried {
            lockouts.passed(tried)?;
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
        Ok(Login::of(account))
    }

    /// Checks that other users cannot access the store in the settings' data directory, if there is one. Does not open it.
    ///
    /// # Errors
    /// [`Error::Store`] if others can access it; the message explains the fix.
    pub fn check_access(settings: &store::Settings) -> Result<(), Error> {
        let folder = settings.data_dir.as_deref();
        folder.map_or(Ok(()), store::check_access)
    }

    /// Creates or updates the tables of a store that several machines share, and returns their version from before (0: there were
    /// none) and now. `None`: the store is a file, which is migrated when it is first used.
    ///
    /// # Errors
    /// [`Error::Store`] if that cannot be done, in which case nothing was changed.
    pub fn migrate_store(settings: &store::Settings) -> Result<Option<(i64, i64)>, Error> {
        store::migrate(settings)
    }

    /// Checks the integrity of the whole store. `false`: there is none.
    ///
    /// # Errors
    /// [`Error::Store`] if it is damaged; the message explains how to restore it.
    pub fn check_store(&self) -> Result<bool, Error> {
        match self.ledger.reading()? {
            Some(store) => store.check().map(|()| true),
            None => Ok(false),
        }
    }

    /// Copies the store into a new file that only its owner can read, while it stays in use. `false`: there is none.
    ///
    /// # Errors
    /// [`Error::Store`] if the file exists or cannot be written.
    pub fn back_up_store(&self, to: &Path) -> Result<bool, Error> {
        match self.ledger.reading()? {
            Some(store) => store.back_up(to).map(|()| true),
            None => Ok(false),
        }
    }

    /// How many passwords may be hashed at once.
    pub(crate) fn places(&self) -> usize {
        self.hasher.places()
    }
}

impl User {
    fn of(account: Account) -> Self {
        User {
            name: account.name,
            kind: account.kind,
            scope: account.scope,
            claims: account.claims,
            disabled: account.disabled,
            created: account.created,
            version: account.version,
        }
    }
}

/// Below half of what a column holds, so that it can grow.
fn first_version() -> Result<i64, Error> {
    let bytes: [u8; 8] = random_bytes()?;
    Ok(i64::from_be_bytes(bytes) >> 2 & (i64::MAX >> 2))
}

impl std::fmt::Debug for Users {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Users").finish_non_exhaustive()
    }
}
