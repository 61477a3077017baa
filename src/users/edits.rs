//! Several changes of an account at once, of a user or a client, on a condition: what an administrator has read is not
//! overwritten by what others have changed since.

use super::claims::check_size;
use super::moment::{from_now, revoke_late};
use super::{User, Users, password};
use crate::base::clock::unix_now;
use crate::base::custom_claims::CustomClaims;
use crate::base::names::check_scope;
use crate::store::{AccountKind, Change, Condition, Entry, UserSession};
use crate::{Error, Secret};

/// Changes of an account that are made together; `None` leaves a property as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AccountEdit<'a> {
    /// Scope names separated by single spaces. If one is removed, all tokens of the account are revoked.
    pub scope: Option<&'a str>,
    /// A JSON object. If a claim is removed or changed, all tokens of the account are revoked. Clients have none.
    pub claims: Option<&'a str>,
    /// Whether it cannot log in. Disabling revokes all tokens for good.
    pub disabled: Option<bool>,
}

/// What must hold for a change of an account.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EditIf {
    /// It has this [`User::version`].
    pub version: Option<i64>,
    /// If it is enabled and has this scope, some enabled account with the scope is left.
    pub keeps: Option<&'static str>,
}

/// How a change on a condition ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edited {
    /// It was made.
    Made,
    /// There is no such account.
    NoAccount,
    /// The account has another version: it was changed by somebody else.
    OtherVersion,
    /// No other enabled account has the scope that must be kept.
    LastWithScope,
}

impl Users {
    /// At most `most` accounts of users and clients, ordered by name (bytewise), starting after the name `after`: those whose
    /// names contain this text, ASCII letters in either case.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn search(&self, after: &str, containing: &str, most: u32) -> Result<Vec<User>, Error> {
        let accounts = match self.ledger.reading()? {
            Some(store) => store.search_accounts(after, containing, most)?,
            None => Vec::new(),
        };
        Ok(accounts.into_iter().map(User::of).collect())
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
        match self.ledger.reading()? {
            Some(store) => store.all_sessions(after, unix_now(), most),
            None => Ok(Vec::new()),
        }
    }

    /// Makes changes of an account, all of them or none.
    pub(crate) fn edit(
        &self,
        name: &str,
        edit: &AccountEdit<'_>,
        only_if: EditIf,
    ) -> Result<Edited, Error> {
        edit.scope.map_or(Ok(()), check_scope)?;
        let claims = edit.claims.map(CustomClaims::read).transpose()?;
        let Some(user) = self.find(name)? else {
            return Ok(Edited::NoAccount);
        };
        let has_claims = claims
            .as_ref()
            .is_some_and(|claims| claims.json() != CustomClaims::NONE);
        if has_claims && user.kind == AccountKind::Client {
            return Err(Error::InvalidInput("Clients have no claims.".to_owned()));
        }
        let kept = claims
            .as_ref()
            .map_or(user.claims.as_str(), |claims| claims.json());
        check_size(name, edit.scope.unwrap_or(&user.scope), kept)?;
        let changes = [
            edit.scope.map(|scope| Change::Scope(scope.to_owned())),
            claims.map(|claims| Change::Claims(claims.into_json())),
            edit.disabled.map(Change::Disabled),
        ];
        let changes: Vec<Change> = changes.into_iter().flatten().collect();
        // What was checked must be what is changed.
        let only_if = EditIf {
            version: only_if.version.or(Some(user.version)),
            ..only_if
        };
        self.change_if(name, &changes, only_if)
    }

    /// Removes an account and revokes all its tokens.
    pub(crate) fn remove_if(&self, name: &str, only_if: EditIf) -> Result<Edited, Error> {
        self.change_if(name, &[Change::Removed], only_if)
    }

    /// Changes the password of a user's account and revokes all its tokens.
    pub(crate) fn set_password_if(
        &self,
        name: &str,
        password: &Secret,
        only_if: EditIf,
    ) -> Result<Edited, Error> {
        password::check(name, password)?;
        let Some(user) = self.find_user(name)? else {
            return Ok(Edited::NoAccount);
        };
        let only_if = EditIf {
            version: only_if.version.or(Some(user.version)),
            ..only_if
        };
        let change = Change::Password(self.hasher.hash(password)?);
        self.change_if(name, &[change], only_if)
    }

    fn change_if(&self, name: &str, changes: &[Change], only_if: EditIf) -> Result<Edited, Error> {
        let Some(store) = self.ledger.reading()? else {
            return Ok(Edited::NoAccount);
        };
        let condition = Condition {
            version: only_if.version,
            keeps: only_if.keeps,
        };
        let at = from_now();
        if store.edit_account(name, changes, condition, at)? {
            let at = revoke_late(store, name, at)?;
            let own = Entry::of_changes(name, changes, at);
            self.ledger.look_after(&own);
            return Ok(Edited::Made);
        }
        Ok(match (store.account(name)?, only_if.version) {
            (None, _) => Edited::NoAccount,
            (Some(found), Some(version)) if found.version != version => Edited::OtherVersion,
            _ => Edited::LastWithScope,
        })
    }
}
