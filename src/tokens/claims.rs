//! The claims of a verified token.

use std::sync::Arc;
use std::time::Duration;

use crate::TokenError;
use crate::keys::KeyState;

/// The scope of open login, without a password, and of tokens in the original's format.
pub const OPEN_LOGIN_SCOPE: &str = "secure-data encrypt decrypt";

/// The checked claims of a token. Cheap to clone: clones share them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims(Arc<Inner>);

/// The claims, shared between clones.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Inner {
    pub(super) subject: String,
    pub(super) scope: String,
    pub(super) issued_at: Option<u64>,
    pub(super) expires_at: u64,
    pub(super) id: Option<String>,
    pub(super) session: Option<String>,
    pub(super) client_id: Option<String>,
    /// The `jti` of a token issued by another program. The token can be revoked by it, but it need not be unique.
    pub(super) foreign_id: Option<String>,
    pub(super) json: String,
}

impl Claims {
    pub(super) fn new(inner: Inner) -> Self {
        Claims(Arc::new(inner))
    }

    #[cfg(test)]
    pub(super) fn of(subject: &str, expires_at: u64) -> Self {
        Claims::new(Inner {
            subject: subject.to_owned(),
            expires_at,
            ..Inner::default()
        })
    }

    /// The user.
    pub fn subject(&self) -> &str {
        &self.0.subject
    }

    /// The scope names, separated by spaces.
    pub fn scope(&self) -> &str {
        &self.0.scope
    }

    /// Whether the token carries this scope name.
    pub fn has_scope(&self, name: &str) -> bool {
        self.0.scope.split(' ').any(|scope| scope == name)
    }

    /// When it was issued, in seconds since 1970-01-01 UTC; `None` if the token lacks `iat`, as the original's do.
    pub fn issued_at(&self) -> Option<u64> {
        self.0.issued_at
    }

    /// When it expires, in seconds since 1970-01-01 UTC.
    pub fn expires_at(&self) -> u64 {
        self.0.expires_at
    }

    /// Its id (`jti`); the original's tokens have none.
    pub fn id(&self) -> Option<&str> {
        self.0.id.as_deref()
    }

    /// The session it belongs to (`sid`), if that can be refreshed.
    pub fn session(&self) -> Option<&str> {
        self.0.session.as_deref()
    }

    /// The client it was issued to (`client_id`); the tokens of users have none.
    pub fn client_id(&self) -> Option<&str> {
        self.0.client_id.as_deref()
    }

    pub(super) fn foreign_id(&self) -> Option<&str> {
        self.0.foreign_id.as_deref()
    }

    /// All claims as they are in the token, a JSON object.
    pub fn json(&self) -> &str {
        &self.0.json
    }
}

/// A checked token and when it is valid.
pub(super) struct Checked {
    pub(super) claims: Claims,
    pub(super) times: Times,
    /// The state of the key that signed it.
    pub(super) key: KeyState,
}

/// When a token is valid, since 1970-01-01 UTC.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    /// The later of `iat` and `nbf`.
    pub(super) not_before: Option<Duration>,
    pub(super) expires_at: Duration,
}

impl Times {
    /// `leeway`: how far the clocks of issuer and verifier may differ.
    pub(super) fn check(self, now: Duration, leeway: Duration) -> Result<(), TokenError> {
        let latest = now.saturating_add(leeway);
        if self.not_before.is_some_and(|start| start > latest) {
            return Err(TokenError::NotYetValid);
        }
        if now.saturating_sub(leeway) > self.expires_at {
            return Err(TokenError::Expired);
        }
        Ok(())
    }
}
