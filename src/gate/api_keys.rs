//! API keys: checking them, counting their requests, and changes of them, which are recorded in the audit trail.

use super::Gate;
use super::audit::{Asker, AuditEvent, Trail};
use crate::limiter::Admission;
use crate::tokens::{ApiKey, ApiKeys, Claims, NewApiKey};
use crate::{Error, Secret, TokenError};

/// The API keys of a data directory, used on behalf of an [`Asker`]. An API key is accepted wherever an access token is. A
/// change takes effect at once in this process, and within a second in every other process that uses the same directory. If
/// the settings refuse changes while audit events cannot be delivered, every change may fail with [`Error::Audit`].
///
/// ```
/// # fn main() -> Result<(), sealgate::Error> {
/// use sealgate::{Config, Gate, NewApiKey};
///
/// let mut config = Config::new();
/// config.set("keys", "ephemeral")?;
/// let gate = Gate::new(&config.settings()?.gate)?;
/// let (key, added) = gate.api_keys().add(&NewApiKey {
///     owner: "nightly-backup",
///     scope: Some("encrypt"),
///     ..NewApiKey::default()
/// })?;
/// let key = key.expose_str().unwrap();
/// let claims = gate.verify_token(key)?;
/// assert_eq!((claims.subject(), claims.scope()), ("nightly-backup", "encrypt"));
/// assert_eq!(claims.api_key(), Some(added.id.as_str()));
/// assert!(gate.api_keys().revoke(&added.id)?);
/// assert!(gate.verify_token(key).is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct ApiKeyAdmin<'a> {
    keys: &'a ApiKeys,
    trail: &'a Trail,
    asker: Asker<'a>,
}

impl<'a> ApiKeyAdmin<'a> {
    /// For a program without a gate; [`Gate::api_keys`] returns those of a gate.
    pub fn new(keys: &'a ApiKeys, trail: &'a Trail, asker: Asker<'a>) -> Self {
        ApiKeyAdmin { keys, trail, asker }
    }

    /// Adds a key and returns its text, which is stored nowhere and cannot be shown again.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] if the owner, the scope, the expiry or the limit is not acceptable, or the owner has too many
    /// keys; [`Error::Setting`] if the gate has no data directory but its keys outlive the process; [`Error::Store`].
    pub fn add(&self, new: &NewApiKey<'_>) -> Result<(Secret, ApiKey), Error> {
        let (event, user) = (AuditEvent::ApiKeyAdd, Some(new.owner));
        self.trail.permit(event, user, self.asker)?;
        let done = self.keys.add(new);
        let result = done.as_ref().map_or_else(Error::code, |_| "ok");
        let id = done.as_ref().ok().map(|(_, key)| key.id.as_str());
        self.trail.record_key(event, result, user, id, self.asker);
        done
    }

    /// At most `most` keys, ordered by id, starting after the id `after`; only those of `owner`, if given. Revoked keys are
    /// listed for some time.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn list(&self, owner: Option<&str>, after: &str, most: u32) -> Result<Vec<ApiKey>, Error> {
        self.keys.list(owner, after, most)
    }

    /// The key with this id.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn find(&self, id: &str) -> Result<Option<ApiKey>, Error> {
        self.keys.find(id)
    }

    /// Revokes a key for good. `false`: there is no such key.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn revoke(&self, id: &str) -> Result<bool, Error> {
        let event = AuditEvent::ApiKeyRevoke;
        self.trail.permit(event, None, self.asker)?;
        let found = self.keys.find(id);
        let key = found.as_ref().ok().and_then(Option::as_ref);
        let user = key.map(|key| key.owner.clone());
        let known = key.map(|key| key.id.clone());
        let done = found.and_then(|_| self.keys.revoke(id));
        let result = match &done {
            Ok(true) => "ok",
            Ok(false) => "not_found",
            Err(error) => error.code(),
        };
        let (user, known) = (user.as_deref(), known.as_deref());
        self.trail
            .record_key(event, result, user, known, self.asker);
        done
    }

    /// Revokes all keys of an owner for good and returns how many there were.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn revoke_all_of(&self, owner: &str) -> Result<u64, Error> {
        let (event, user) = (AuditEvent::ApiKeyRevoke, Some(owner));
        self.trail.permit(event, user, self.asker)?;
        let done = self.keys.revoke_all_of(owner);
        self.trail.record_end(event, &done, user, self.asker);
        done
    }
}

impl Gate {
    /// The API keys in the gate's data directory or, with ephemeral keys, those that are lost with the gate.
    pub fn api_keys(&self) -> ApiKeyAdmin<'_> {
        self.api_keys_by(Asker::LIBRARY)
    }

    /// The same on behalf of `asker`, who is named in the audit trail.
    pub fn api_keys_by<'a>(&'a self, asker: Asker<'a>) -> ApiKeyAdmin<'a> {
        ApiKeyAdmin::new(&self.inner.api_keys, self.trail(), asker)
    }

    pub(super) fn verify_api_key(&self, text: &str) -> Result<Claims, TokenError> {
        let checked = self.inner.api_keys.verify(text);
        self.inner.counts.token(checked.as_ref().err().copied());
        checked
    }

    /// Counts a request of whoever presented these claims: against the API key's own limit if it has one, otherwise as
    /// [`enforce_rate_limit`](Self::enforce_rate_limit) does. `None`: there is no limit.
    pub fn admit(&self, claims: &Claims) -> Option<Admission> {
        let (found, name) = (self.default_for(claims.api_key()), claims.subject());
        found.or_refused(self.count(&found, name.as_bytes(), name, 1))
    }

    /// The same for an API key by its id. [`Error::InvalidInput`]: there is no such key, or it is not accepted any more.
    ///
    /// # Errors
    /// See above.
    pub fn admit_api_key(&self, id: &str) -> Result<Option<Admission>, Error> {
        let owner = self.inner.api_keys.owner(id).ok_or_else(|| {
            Error::InvalidInput("There is no API key with this id that is accepted.".to_owned())
        })?;
        let found = self.default_for(Some(id));
        self.count(&found, owner.as_bytes(), &owner, 1)
    }
}
