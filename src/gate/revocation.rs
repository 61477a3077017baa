//! Revocation of tokens and sessions.

use super::{Gate, Inner};
use crate::base::api_key::is_meant_as_key;
use crate::base::clock::unix_now;
use crate::base::names::check_subject;
use crate::gate::audit::{Asker, AuditEvent};
use crate::store::Entry;
use crate::tokens::{self, TokenUse};
use crate::{Error, TokenError, users};

impl Gate {
    /// Revokes an access or refresh token, whatever its audience, ends the session it belongs to, and returns its user. A
    /// token that has expired or was revoked before is left unchanged.
    ///
    /// # Errors
    /// [`Error::Token`] if it is not one of our tokens; [`Error::InvalidInput`] if it is an API key, which
    /// [`ApiKeyAdmin::revoke`](super::ApiKeyAdmin::revoke) revokes; [`Error::Setting`] if the gate has no data directory but its keys
    /// outlive the process; [`Error::Store`]; [`Error::Audit`].
    pub fn revoke_token(&self, token: &str) -> Result<String, Error> {
        self.revoke_token_by(token, Asker::LIBRARY)
    }

    /// The same on behalf of `asker`, who is named in the audit trail.
    pub fn revoke_token_by(&self, token: &str, asker: Asker<'_>) -> Result<String, Error> {
        let event = AuditEvent::RevokeToken;
        self.trail().permit(event, None, asker)?;
        let done = self.end_token(token);
        let user = done.as_deref().ok();
        self.trail().record_end(event, &done, user, asker);
        done
    }

    /// The same for the holder of an access token. The audit trail records it as `logout`.
    pub(crate) fn log_out(&self, token: &str, asker: Asker<'_>) -> Result<(), Error> {
        let event = AuditEvent::Logout;
        self.trail().permit(event, None, asker)?;
        let done = self.end_token(token);
        let user = match &done {
            Ok(user) => Some(user.clone()),
            Err(_) => self.subject_of(token, TokenUse::Access),
        };
        let user = user.as_deref();
        self.trail().record_end(event, &done, user, asker);
        done.map(drop)
    }

    fn end_token(&self, token: &str) -> Result<String, Error> {
        if token.is_empty() {
            return Err(TokenError::Missing.into());
        }
        if is_meant_as_key(token) {
            return Err(Error::InvalidInput(
                "An API key is no token. Revoke it by its id: sealgate api-key revoke ID."
                    .to_owned(),
            ));
        }
        let Inner { tokens, ledger, .. } = &*self.inner;
        let now = unix_now();
        // No access token issued so far in this session lives longer.
        let last =
            |least: u64| self.until(least.max(now.saturating_add(tokens.ttl().as_secs())), now);
        let read = self.with_its_key(|ring| tokens.read_for_anyone(ring, token));
        let claims = match read {
            Ok(claims) => claims,
            Err(error) => {
                let Ok(claims) = self.read_refresh(token) else {
                    return Err(error.into());
                };
                let session = claims.session().unwrap_or_default();
                ledger.writing()?.end_session(session, last(now))?;
                ledger.look_after(&[Entry::token(session, last(now))]);
                return Ok(claims.subject().to_owned());
            }
        };
        let id = tokens::revocation_id(&claims, token);
        let store = ledger.writing()?;
        let end = self.until(claims.expires_at(), now);
        store.revoke_token(&id, end)?;
        let mut own = vec![Entry::token(&id, end)];
        if let Some(session) = claims.session() {
            let end = last(claims.expires_at());
            let ended = store.end_session(session, end);
            own.extend(ended.is_ok().then(|| Entry::token(session, end)));
            ended.inspect_err(|_| ledger.look_after(&own))?;
        }
        ledger.look_after(&own);
        Ok(claims.subject().to_owned())
    }

    /// Revokes a token by its id (`jti`), or a session by its (`sid`). The revocation is kept until `expires_at`, when the
    /// token expires, in seconds since 1970-01-01 UTC; `None` if unknown.
    ///
    /// # Errors
    /// As [`revoke_token`](Self::revoke_token); [`Error::InvalidInput`] if `id` cannot be an id.
    pub fn revoke_token_id(&self, id: &str, expires_at: Option<u64>) -> Result<(), Error> {
        self.revoke_token_id_by(id, expires_at, Asker::LIBRARY)
    }

    /// The same on behalf of `asker`, who is named in the audit trail.
    pub fn revoke_token_id_by(
        &self,
        id: &str,
        expires_at: Option<u64>,
        asker: Asker<'_>,
    ) -> Result<(), Error> {
        let event = AuditEvent::RevokeToken;
        self.trail().permit(event, None, asker)?;
        let done = self.end_token_id(id, expires_at);
        self.trail().record_end(event, &done, None, asker);
        done
    }

    fn end_token_id(&self, id: &str, expires_at: Option<u64>) -> Result<(), Error> {
        if !(1..=128).contains(&id.len()) || !id.bytes().all(|byte| matches!(byte, 0x21..=0x7e)) {
            return Err(Error::InvalidInput(
                "A token's id must be 1 to 128 visible ASCII characters.".to_owned(),
            ));
        }
        let ledger = &self.inner.ledger;
        let mut at = users::from_now();
        if let Some(expires_at) = expires_at {
            at = self.until(expires_at, at.now);
        }
        // Revoked tokens and ended sessions share one table, so this covers both kinds of id.
        ledger.writing()?.end_session(id, at)?;
        ledger.look_after(&[Entry::token(id, at)]);
        Ok(())
    }

    /// Revokes all tokens issued to a user so far and ends all their sessions. Tokens without an issue time are refused from
    /// now on.
    ///
    /// # Errors
    /// As [`revoke_token`](Self::revoke_token); [`Error::InvalidInput`] if `user` cannot be a username.
    pub fn revoke_user(&self, user: &str) -> Result<(), Error> {
        self.revoke_user_by(user, Asker::LIBRARY)
    }

    /// The same on behalf of `asker`, who is named in the audit trail.
    pub fn revoke_user_by(&self, user: &str, asker: Asker<'_>) -> Result<(), Error> {
        let event = AuditEvent::RevokeUser;
        self.trail().permit(event, Some(user), asker)?;
        let done = self.end_all_of(user);
        self.trail().record_end(event, &done, Some(user), asker);
        done
    }

    fn end_all_of(&self, user: &str) -> Result<(), Error> {
        check_subject(user)?;
        let ledger = &self.inner.ledger;
        let at = users::from_now();
        ledger.writing()?.revoke_user(user, at)?;
        ledger.look_after(&[Entry::User {
            name: user.to_owned(),
            before: at.now,
            expires: at.forget,
        }]);
        Ok(())
    }
}
