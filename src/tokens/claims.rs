//! The claims of a verified token.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::TokenError;
use crate::base::custom_claims::is_custom;
use crate::base::json::Json;
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
    /// Whether it is an API key, and `id` the key's.
    pub(super) api_key: bool,
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

    /// When it expires, in seconds since 1970-01-01 UTC; [`NEVER_EXPIRES`](crate::tokens::NEVER_EXPIRES) for an API key that
    /// does not.
    pub fn expires_at(&self) -> u64 {
        self.0.expires_at
    }

    /// Its id (`jti`), or the id of the API key; the original's tokens have none.
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

    /// The id of the API key that these are the claims of; `None` for a token.
    pub fn api_key(&self) -> Option<&str> {
        self.id().filter(|_| self.0.api_key)
    }

    /// All claims as they are in the token, a JSON object. Those of an API key have the same names; without an expiry there
    /// is no `exp`.
    pub fn json(&self) -> &str {
        &self.0.json
    }

    /// A claim by its name, which is compared exactly; `None` if the token lacks it.
    ///
    /// ```
    /// # fn main() -> Result<(), sealgate::Error> {
    /// # use sealgate::{Config, Gate, Grant};
    /// # let mut config = Config::new();
    /// # config.set("keys", "ephemeral")?;
    /// # let gate = Gate::new(&config.settings()?.gate)?;
    /// let token = gate.issue_token(&Grant {
    ///     subject: "alice",
    ///     claims: r#"{"department": "ops", "level": 3}"#,
    ///     ..Grant::default()
    /// })?;
    /// let claims = gate.verify_token(&token)?;
    /// assert_eq!(claims.get("department").unwrap(), "ops");
    /// assert_eq!(claims.get("level").and_then(|level| level.as_i64()), Some(3));
    /// assert_eq!(claims.get("Level"), None);
    /// # Ok(())
    /// # }
    /// ```
    pub fn get(&self, name: &str) -> Option<Value> {
        serde_json::to_value(self.member(name)?).ok()
    }

    /// A claim by its name, as JSON, as it is written in the token; `None` if the token lacks it.
    pub fn get_json(&self, name: &str) -> Option<&str> {
        self.member(name).map(Json::as_written)
    }

    /// The claims that are neither Sealgate's own nor reserved: see
    /// [`RESERVED_CLAIMS`](super::RESERVED_CLAIMS).
    pub fn custom(&self) -> Map<String, Value> {
        let all = self.object().and_then(Json::entries);
        all.into_iter()
            .flatten()
            .filter(|(name, _)| is_custom(name))
            .filter_map(|(name, value)| {
                let value = serde_json::to_value(value).ok()?;
                Some((name.into_owned(), value))
            })
            .collect()
    }

    /// A claim by its name.
    pub(crate) fn member(&self, name: &str) -> Option<Json<'_>> {
        let mut all = self.object()?.entries()?;
        all.find_map(|(known, value)| (known == name).then_some(value))
    }

    /// All claims. A token's have been read before it was accepted.
    fn object(&self) -> Option<Json<'_>> {
        Json::read(self.0.json.as_bytes()).ok()
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
