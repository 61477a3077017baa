//! Clients: accounts of programs, which get tokens for themselves (OAuth 2.0, RFC 6749, section 4.4).

use super::accounts::Accounts;
use super::audit::{Asker, AuditEvent};
use super::login::Tokens;
use super::{Gate, Inner};
use crate::base::names::narrow_scope;
use crate::tokens::{Grant, TokenSpec, TokenUse};
use crate::users::User;
use crate::{Error, Secret};

/// The clients of a data directory, managed on behalf of an [`Asker`]. Users and clients share one set of names. A change takes
/// effect within a second in every process that uses the same directory. If the settings refuse changes while audit events
/// cannot be delivered, every change may fail with [`Error::Audit`].
///
/// ```
/// # fn main() -> Result<(), sealgate::Error> {
/// use sealgate::{Config, Gate};
///
/// let mut config = Config::new();
/// config.set("keys", "ephemeral")?;
/// let gate = Gate::new(&config.settings()?.gate)?;
/// let secret = gate.clients().add("shop", "encrypt decrypt")?;
/// let token = gate.client_token("shop", &secret, "encrypt")?.token;
/// assert_eq!(gate.verify_token(&token)?.client_id(), Some("shop"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Clients<'a>(Accounts<'a>);

impl<'a> Clients<'a> {
    /// The clients among these accounts, for a program without a gate; [`Gate::clients`] returns those of a gate.
    pub fn new(accounts: Accounts<'a>) -> Self {
        Clients(accounts)
    }

    /// Adds a client and returns the secret that is generated for it: 43 characters. The store has only its hash, so it cannot
    /// be shown again.
    ///
    /// # Errors
    /// [`Error::UserExists`] if a user or a client has this name; [`Error::InvalidName`] unless `id` is 1 to 256 printable
    /// ASCII characters; [`Error::InvalidInput`] if the scope is malformed; [`Error::Store`].
    pub fn add(&self, id: &str, scope: &str) -> Result<Secret, Error> {
        let Accounts {
            users,
            trail,
            asker,
        } = self.0;
        let (event, user) = (AuditEvent::AccountAdd, Some(id));
        trail.permit(event, user, asker)?;
        let done = users.add_client(id, scope);
        trail.record_end(event, &done, user, asker);
        done
    }

    /// At most `most` clients, ordered by id (bytewise), starting after the id `after`.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn list(&self, after: &str, most: u32) -> Result<Vec<User>, Error> {
        self.0.users.clients(after, most)
    }

    /// Replaces a client's secret, revokes all its tokens, and returns the new secret. `None`: there is no such client.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn renew_secret(&self, id: &str) -> Result<Option<Secret>, Error> {
        let mut secret = None;
        self.0.change(AuditEvent::AccountSecret, id, || {
            secret = self.0.users.renew_secret(id)?;
            Ok(secret.is_some())
        })?;
        Ok(secret)
    }

    /// Changes a client's scopes; if one is removed, all its tokens are revoked. `false`: there is no such client.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] if the scope is malformed; [`Error::Store`].
    pub fn set_scope(&self, id: &str, scope: &str) -> Result<bool, Error> {
        self.0.change(AuditEvent::AccountScopes, id, || {
            self.0.users.set_client_scope(id, scope)
        })
    }

    /// Disables a client, which revokes all its tokens for good, or enables it again. `false`: there is no such client.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn set_disabled(&self, id: &str, disabled: bool) -> Result<bool, Error> {
        let event = match disabled {
            true => AuditEvent::AccountDisable,
            false => AuditEvent::AccountEnable,
        };
        self.0
            .change(event, id, || self.0.users.set_client_disabled(id, disabled))
    }

    /// Removes a client and revokes all its tokens. `false`: there is no such client.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn remove(&self, id: &str) -> Result<bool, Error> {
        self.0.change(AuditEvent::AccountRemove, id, || {
            self.0.users.remove_client(id)
        })
    }
}

impl Gate {
    /// The clients in the gate's data directory.
    pub fn clients(&self) -> Clients<'_> {
        self.clients_by(Asker::LIBRARY)
    }

    /// The same on behalf of `asker`, who is named in the audit trail.
    pub fn clients_by<'a>(&'a self, asker: Asker<'a>) -> Clients<'a> {
        Clients(self.users_by(asker))
    }

    /// Issues an access token to a client: the grant `client_credentials`. There is no refresh token, because the client can
    /// ask again.
    ///
    /// `asked` narrows the scope; if it is empty, the token gets the client's whole scope. The audit trail gets the event
    /// `client.token`.
    ///
    /// # Errors
    /// [`Error::LoginFailed`], with the same error and cost for an unknown client, a wrong secret and a disabled client;
    /// [`Error::InvalidInput`] if `asked` exceeds the client's scope; [`Error::Store`]; [`Error::Audit`].
    pub fn client_token(&self, id: &str, secret: &Secret, asked: &str) -> Result<Tokens, Error> {
        self.client_token_by(id, secret, asked, Asker::LIBRARY)
    }

    /// The same on behalf of `asker`, who is named in the audit trail.
    pub fn client_token_by(
        &self,
        id: &str,
        secret: &Secret,
        asked: &str,
        asker: Asker<'_>,
    ) -> Result<Tokens, Error> {
        let event = AuditEvent::ClientToken;
        self.trail().permit(event, Some(id), asker)?;
        let done = self.issue_to_client(id, secret, asked);
        self.record_login(event, &done, id, asker);
        done
    }

    fn issue_to_client(&self, id: &str, secret: &Secret, asked: &str) -> Result<Tokens, Error> {
        let Inner { users, ledger, .. } = &*self.inner;
        let client = users.check_client(id, secret)?;
        let scope = narrow_scope(asked, client.scope())?;
        let made = self.sign_token(&TokenSpec {
            grant: &Grant {
                subject: id,
                scope,
                ..Grant::default()
            },
            used_for: TokenUse::Access,
            session: None,
            for_client: true,
            issued_at: ledger.issue_time(id)?,
        })?;
        // If the secret was replaced after it was checked, the token may be newer than that revocation. A later one revokes it.
        if !users.is_unchanged(&client)? {
            return Err(Error::LoginFailed);
        }
        Ok(Tokens {
            token: made.token,
            scope: scope.to_owned(),
            refresh_token: None,
        })
    }

    /// Authenticates a client that asks for something else than a token of its own. `false`: it lacks the scope `needed`; every
    /// client has the empty one. A refusal is the event `denied` in the audit trail.
    ///
    /// # Errors
    /// [`Error::LoginFailed`], [`Error::Store`].
    pub(crate) fn authenticate_client(
        &self,
        id: &str,
        secret: &Secret,
        needed: &str,
        asker: Asker<'_>,
    ) -> Result<bool, Error> {
        let checked = self.inner.users.check_client(id, secret);
        let has = |scope: &str| needed.is_empty() || scope.split(' ').any(|own| own == needed);
        let result = match &checked {
            Ok(client) if has(client.scope()) => return Ok(true),
            Ok(_) => "insufficient_scope",
            Err(error) => error.code(),
        };
        let trail = self.trail();
        trail.record(AuditEvent::Denied, result, Some(id), asker);
        checked.map(|_| false)
    }

    /// The setting `issuer`: who issues the tokens.
    pub fn issuer(&self) -> &str {
        self.inner.tokens.issuer()
    }
}
