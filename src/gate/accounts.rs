//! Changes of accounts, recorded in the audit trail.

use super::audit::{Asker, AuditEvent, Trail};
use crate::users::{Login, User, UserSession, Users};
use crate::{Error, Secret};

/// The accounts of a data directory, used on behalf of an [`Asker`]. A change takes effect within a second in every
/// process that uses the same directory. If the settings refuse changes while audit events cannot be delivered, every change
/// and [`check`](Self::check) may fail with [`Error::Audit`].
///
/// ```
/// # fn main() -> Result<(), sealgate::Error> {
/// # #[cfg(feature = "store")] {
/// use sealgate::{Config, Gate};
///
/// let directory = tempfile::tempdir().unwrap();
/// let mut config = Config::new();
/// config.set("data_dir", directory.path().join("state").to_str().unwrap())?;
/// let gate = Gate::new(&config.settings()?.gate)?;
/// let users = gate.users();
/// users.add("alice", &"correct horse".into(), "encrypt decrypt")?;
/// assert_eq!(users.check("alice", &"correct horse".into(), "192.0.2.1")?.scope(), "encrypt decrypt");
/// assert!(users.check("alice", &"battery staple".into(), "192.0.2.1").is_err());
/// # }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Accounts<'a> {
    pub(super) users: &'a Users,
    pub(super) trail: &'a Trail,
    pub(super) asker: Asker<'a>,
}

impl<'a> Accounts<'a> {
    /// For a program without a gate; [`Gate::users`](super::Gate::users) returns those of a gate.
    pub fn new(users: &'a Users, trail: &'a Trail, asker: Asker<'a>) -> Self {
        Accounts {
            users,
            trail,
            asker,
        }
    }

    #[cfg(test)]
    pub(crate) fn users(&self) -> &'a Users {
        self.users
    }

    /// Adds an account.
    ///
    /// # Errors
    /// [`Error::UserExists`], [`Error::InvalidName`], [`Error::WeakPassword`]; [`Error::InvalidInput`] if the scope is
    /// malformed; [`Error::Store`].
    pub fn add(&self, name: &str, password: &Secret, scope: &str) -> Result<(), Error> {
        self.add_with_claims(name, password, scope, "{}")
    }

    /// Adds an account whose logins get these custom claims, a JSON object as in [`Grant::claims`](crate::Grant::claims).
    ///
    /// # Errors
    /// Those of [`add`](Self::add); [`Error::InvalidInput`] if the claims are not acceptable.
    pub fn add_with_claims(
        &self,
        name: &str,
        password: &Secret,
        scope: &str,
        claims: &str,
    ) -> Result<(), Error> {
        let (event, user) = (AuditEvent::AccountAdd, Some(name));
        self.trail.permit(event, user, self.asker)?;
        let done = self.users.add_with_claims(name, password, scope, claims);
        self.trail.record_end(event, &done, user, self.asker);
        done
    }

    /// At most `most` accounts of users, ordered by name (bytewise), starting after the name `after`.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn list(&self, after: &str, most: u32) -> Result<Vec<User>, Error> {
        self.users.list(after, most)
    }

    /// The account with this name, of a user or of a client.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn find(&self, name: &str) -> Result<Option<User>, Error> {
        self.users.find(name)
    }

    /// The account with this name, if it is a user's.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn find_user(&self, name: &str) -> Result<Option<User>, Error> {
        self.users.find_user(name)
    }

    /// Checks the integrity of the whole store. `false`: there is none.
    ///
    /// # Errors
    /// [`Error::Store`] if it is damaged; the message explains how to restore it.
    pub fn check_store(&self) -> Result<bool, Error> {
        self.users.check_store()
    }

    /// Changes an account's password and revokes all its tokens. `false`: there is no such account.
    ///
    /// # Errors
    /// [`Error::WeakPassword`]; [`Error::Store`].
    pub fn set_password(&self, name: &str, password: &Secret) -> Result<bool, Error> {
        self.change(AuditEvent::AccountPassword, name, || {
            self.users.set_password(name, password)
        })
    }

    /// Changes an account's password for its user, who knows the current one. All tokens of the account are revoked, and
    /// every login ends. The current password is checked as [`check`](Self::check) does: a wrong one counts as a wrong login.
    ///
    /// # Errors
    /// [`Error::WeakPassword`] if the new password is not acceptable; [`Error::LoginFailed`] for an unknown name, a wrong
    /// password and a disabled account; [`Error::RateLimited`] while attempts are delayed; [`Error::Store`].
    pub fn change_password(
        &self,
        name: &str,
        current: &Secret,
        new: &Secret,
        from: &str,
    ) -> Result<(), Error> {
        let (event, user) = (AuditEvent::AccountPassword, Some(name));
        self.trail.permit(event, user, self.asker)?;
        let done = self.users.change_password(name, current, new, from);
        self.record_delay(&done, name);
        self.trail.record_end(event, &done, user, self.asker);
        done
    }

    /// Changes an account's scopes; if one is removed, all its tokens are revoked. `false`: there is no such account.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] if the scope is malformed; [`Error::Store`].
    pub fn set_scope(&self, name: &str, scope: &str) -> Result<bool, Error> {
        self.change(AuditEvent::AccountScopes, name, || {
            self.users.set_scope(name, scope)
        })
    }

    /// Changes the custom claims that an account's logins get from now on, a JSON object as in
    /// [`Grant::claims`](crate::Grant::claims); `{}` removes them. If a claim is removed or changed, all the account's tokens
    /// are revoked. `false`: there is no such account.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] if the claims are not acceptable, or too large for a token with the account's name and scopes;
    /// [`Error::Store`].
    pub fn set_claims(&self, name: &str, claims: &str) -> Result<bool, Error> {
        self.change(AuditEvent::AccountClaims, name, || {
            self.users.set_claims(name, claims)
        })
    }

    /// Disables an account, which revokes all its tokens for good, or enables it again. `false`: there is no such
    /// account.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn set_disabled(&self, name: &str, disabled: bool) -> Result<bool, Error> {
        let event = match disabled {
            true => AuditEvent::AccountDisable,
            false => AuditEvent::AccountEnable,
        };
        self.change(event, name, || self.users.set_disabled(name, disabled))
    }

    /// Forgets the wrong passwords for an account, so that they no longer delay its logins, in any process that uses the data
    /// directory. `false`: there is no such account.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn unlock(&self, name: &str) -> Result<bool, Error> {
        self.change(AuditEvent::AccountUnlock, name, || self.users.unlock(name))
    }

    /// The logins of an account that can be refreshed, oldest first; at most 100. `None`: there is no such account.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn sessions(&self, name: &str) -> Result<Option<Vec<UserSession>>, Error> {
        self.users.sessions(name)
    }

    /// Ends a login that can be refreshed, by its id (the claim `sid` of its tokens), revokes its tokens and returns its user.
    /// `None`: there is no such login.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn end_session(&self, id: &str) -> Result<Option<String>, Error> {
        let event = AuditEvent::SessionEnd;
        self.trail.permit(event, None, self.asker)?;
        let done = self.users.end_session(id);
        let (result, user) = match &done {
            Ok(Some(user)) => ("ok", Some(user.as_str())),
            Ok(None) => ("not_found", None),
            Err(error) => (error.code(), None),
        };
        self.trail.record(event, result, user, self.asker);
        done
    }

    /// Removes an account and revokes all its tokens. `false`: there is no such account. Logins still require a
    /// password after the last account is removed.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn remove(&self, name: &str) -> Result<bool, Error> {
        self.change(AuditEvent::AccountRemove, name, || self.users.remove(name))
    }

    /// Checks a password without issuing a token; [`Gate::log_in`](super::Gate::log_in) does both. Takes
    /// as long as one hash, and waits while as many hashes are running as the settings permit.
    ///
    /// `from` identifies where the caller is: an address as text (IPv6 counts by /64), or any other text. After several
    /// wrong passwords for one name from one place, further attempts from there are delayed, longer each time, up to 15
    /// minutes. After twice as many from one network (/48, IPv4 /24), or four times as many from anywhere, attempts
    /// from places where the name has not logged in before are delayed up to a minute.
    ///
    /// # Errors
    /// [`Error::LoginFailed`], with the same error and cost for an unknown name, a wrong password and a disabled
    /// account; [`Error::RateLimited`] while attempts are delayed; [`Error::Store`].
    pub fn check(&self, name: &str, password: &Secret, from: &str) -> Result<Login, Error> {
        let (event, user) = (AuditEvent::Login, Some(name));
        self.trail.permit(event, user, self.asker)?;
        let done = self.verify(name, password, from);
        self.trail.record_end(event, &done, user, self.asker);
        done
    }

    /// The same as part of a login, which records its own event.
    pub(super) fn verify(&self, name: &str, password: &Secret, from: &str) -> Result<Login, Error> {
        let done = self.users.check(name, password, from);
        self.record_delay(&done, name);
        done
    }

    /// Records that a password was not checked because wrong ones delay it.
    fn record_delay<T>(&self, done: &Result<T, Error>, name: &str) {
        if let Err(Error::RateLimited { .. }) = done {
            let (event, user) = (AuditEvent::Lockout, Some(name));
            self.trail.record(event, "put_off", user, self.asker);
        }
    }

    /// Makes and records a change, if the trail permits.
    pub(super) fn change(
        &self,
        event: AuditEvent,
        name: &str,
        make: impl FnOnce() -> Result<bool, Error>,
    ) -> Result<bool, Error> {
        self.trail.permit(event, Some(name), self.asker)?;
        let done = make();
        let result = match &done {
            Ok(true) => "ok",
            Ok(false) => "not_found",
            Err(error) => error.code(),
        };
        self.trail.record(event, result, Some(name), self.asker);
        done
    }
}
