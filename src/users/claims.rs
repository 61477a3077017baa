//! The scopes and claims of an account, which its tokens have.

use super::{Users, password};
use crate::base::custom_claims::CustomClaims;
use crate::base::names::check_scope;
use crate::base::names::check_subject;
use crate::store::{AccountKind, Change};
use crate::{Error, Secret};

/// What the name, the scope and the claims of an account may take of its tokens, in bytes of JSON. A token of 8 KiB has room
/// for about 6,000 in all; the rest is for the issuer, the audience and what has a fixed size.
pub(super) const MAX_IN_TOKEN: usize = 5120;

/// Keeps an account from having more than its tokens have room for. Its name is in them twice.
pub(super) fn check_size(name: &str, scope: &str, claims: &str) -> Result<(), Error> {
    let name = serde_json::to_string(name).map_or(usize::MAX, |name| name.len());
    let size = name.saturating_mul(2).saturating_add(scope.len());
    if claims == CustomClaims::NONE || size.saturating_add(claims.len()) <= MAX_IN_TOKEN {
        return Ok(());
    }
    Err(Error::InvalidInput(format!(
        "The account's name, scopes and claims are too large for a token: together they may have {MAX_IN_TOKEN} bytes, the name \
         counted twice."
    )))
}

impl Users {
    /// Adds an account without claims.
    #[cfg(test)]
    pub(crate) fn add(&self, name: &str, password: &Secret, scope: &str) -> Result<(), Error> {
        self.add_with_claims(name, password, scope, CustomClaims::NONE)
    }

    /// Adds an account.
    pub(crate) fn add_with_claims(
        &self,
        name: &str,
        password: &Secret,
        scope: &str,
        claims: &str,
    ) -> Result<(), Error> {
        check_subject(name).map_err(|error| Error::InvalidName(error.to_string()))?;
        check_scope(scope)?;
        let claims = CustomClaims::read(claims)?;
        check_size(name, scope, claims.json())?;
        password::check(name, password)?;
        let hash = self.hasher.hash(password)?;
        self.insert(AccountKind::User, name, scope, claims.into_json(), hash)
    }

    /// Changes an account's scopes; if one is removed, all its tokens are revoked. `false`: there is no such account.
    pub(crate) fn set_scope(&self, name: &str, scope: &str) -> Result<bool, Error> {
        check_scope(scope)?;
        if let Some(user) = self.find(name)? {
            check_size(name, scope, &user.claims)?;
        }
        self.change(name, Change::Scope(scope.to_owned()))
    }

    /// Changes the claims that an account's logins get, a JSON object; if one is removed or changed, all its tokens are revoked.
    /// `false`: there is no such account.
    pub(crate) fn set_claims(&self, name: &str, claims: &str) -> Result<bool, Error> {
        let claims = CustomClaims::read(claims)?;
        let Some(user) = self.find(name)? else {
            return Ok(false);
        };
        check_size(name, &user.scope, claims.json())?;
        self.change(name, Change::Claims(claims.into_json()))
    }
}
