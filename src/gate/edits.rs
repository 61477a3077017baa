//! Changes of accounts on a condition, of users and clients alike, recorded in the audit trail.

use super::accounts::Accounts;
use super::audit::AuditEvent;
use crate::users::{AccountEdit, EditIf, Edited, User, UserSession};
use crate::{Error, Secret};

/// The scope that permits administration: the routes under `/admin/v1/` and the console. No login without a password has it.
pub const ADMIN_SCOPE: &str = "admin";

impl Accounts<'_> {
    /// At most `most` accounts of users and clients, ordered by name (bytewise), starting after the name `after`: those whose
    /// names contain this text, ASCII letters in either case.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn search(&self, after: &str, containing: &str, most: u32) -> Result<Vec<User>, Error> {
        self.users.search(after, containing, most)
    }

    /// At most `most` logins that can be refreshed, each with its user, ordered by id, starting after the id `after`.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn all_sessions(
        &self,
        after: &str,
        most: u32,
    ) -> Result<Vec<(String, UserSession)>, Error> {
        self.users.all_sessions(after, most)
    }

    /// Until when wrong passwords may delay logins under this name from some place: one that the user has logged in from, or any
    /// other. In seconds since 1970-01-01 UTC, rounded up. `None`: they delay none, as far as is known.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn locked_until(&self, name: &str) -> Result<Option<u64>, Error> {
        self.users.locked_until(name)
    }

    /// The same for each of these names in their order. Asks the store at most once, however many they are.
    pub(crate) fn all_locked_until(&self, names: &[&str]) -> Result<Vec<Option<u64>>, Error> {
        self.users.all_locked_until(names)
    }

    /// Makes changes of an account, all of them or none. The audit trail gets the event of each.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] if the scope or the claims are not acceptable, or too large for a token; [`Error::Store`];
    /// [`Error::Audit`].
    pub fn edit(
        &self,
        name: &str,
        edit: &AccountEdit<'_>,
        only_if: EditIf,
    ) -> Result<Edited, Error> {
        let disabled = edit.disabled.map(|disabled| match disabled {
            true => AuditEvent::AccountDisable,
            false => AuditEvent::AccountEnable,
        });
        let events = [
            edit.scope.map(|_| AuditEvent::AccountScopes),
            edit.claims.map(|_| AuditEvent::AccountClaims),
            disabled,
        ];
        let events: Vec<AuditEvent> = events.into_iter().flatten().collect();
        self.change_if(&events, name, || self.users.edit(name, edit, only_if))
    }

    /// Removes an account and revokes all its tokens.
    ///
    /// # Errors
    /// [`Error::Store`]; [`Error::Audit`].
    pub fn remove_if(&self, name: &str, only_if: EditIf) -> Result<Edited, Error> {
        self.change_if(&[AuditEvent::AccountRemove], name, || {
            self.users.remove_if(name, only_if)
        })
    }

    /// Changes the password of a user's account and revokes all its tokens.
    ///
    /// # Errors
    /// [`Error::WeakPassword`]; [`Error::Store`]; [`Error::Audit`].
    pub fn set_password_if(
        &self,
        name: &str,
        password: &Secret,
        only_if: EditIf,
    ) -> Result<Edited, Error> {
        self.change_if(&[AuditEvent::AccountPassword], name, || {
            self.users.set_password_if(name, password, only_if)
        })
    }

    fn change_if(
        &self,
        events: &[AuditEvent],
        name: &str,
        make: impl FnOnce() -> Result<Edited, Error>,
    ) -> Result<Edited, Error> {
        let (trail, asker, user) = (self.trail, self.asker, Some(name));
        for event in events {
            trail.permit(*event, user, asker)?;
        }
        let done = make();
        let result = match &done {
            Ok(Edited::Made) => "ok",
            Ok(Edited::NoAccount) => "not_found",
            Ok(Edited::OtherVersion) => "precondition_failed",
            Ok(Edited::LastWithScope) => "last_administrator",
            Err(error) => error.code(),
        };
        for event in events {
            trail.record(*event, result, user, asker);
        }
        done
    }
}
