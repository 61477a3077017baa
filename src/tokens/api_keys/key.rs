//! What is known of an API key, apart from its secret.

use std::time::Duration;

use serde_json::{Value, json};

use crate::Error;
use crate::base::clock::{LAST, unix_now};
use crate::base::names::{check_scope, check_subject};
use crate::store::StoredApiKey;

/// The scopes that permit managing API keys over HTTP: one's own, and everybody's. They are of no use to API keys, which
/// cannot manage API keys.
pub const API_KEY_SCOPES: [&str; 2] = ["api-keys", "api-keys-admin"];

/// The expiry that [`Claims::expires_at`](crate::Claims::expires_at) reports for an API key that does not expire: the last
/// second of the year 9999.
pub const NEVER_EXPIRES: u64 = LAST;

/// The highest number of requests that a key's own limit can admit.
const MAX_REQUESTS: u32 = 10_000_000;
/// The longest window of such a limit, in seconds: 366 days.
const MAX_WINDOW: u64 = 31_622_400;

/// An API key, without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Identifies the key, in logs as well; the characters behind `sg_`.
    pub id: String,
    /// The user that it stands for.
    pub owner: String,
    /// Scope names separated by single spaces. If its owner has an account, the key permits none beyond those of the
    /// account.
    pub scope: String,
    /// When it was added, in seconds since 1970-01-01 UTC, like all times here.
    pub created: u64,
    /// From when on it is refused; `None`: it does not expire.
    pub expires_at: Option<u64>,
    /// Its own limit; `None`: its requests count as those of its owner.
    pub limit: Option<ApiKeyLimit>,
    /// The hour in which it was last used, by its first second.
    pub last_used: Option<u64>,
    /// When it was revoked.
    pub revoked_at: Option<u64>,
}

/// How many requests may be made with an API key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApiKeyLimit {
    /// At most this many in any window.
    pub max_requests: u32,
    /// Whole seconds.
    pub window: Duration,
}

/// What a new API key is made from.
#[derive(Debug, Clone, Copy, Default)]
pub struct NewApiKey<'a> {
    /// The user that it stands for: 1 to 256 characters, no control characters.
    pub owner: &'a str,
    /// Scope names separated by single spaces; at most those of the owner's account. `None`: those of the account, or
    /// [`OPEN_LOGIN_SCOPE`](crate::tokens::OPEN_LOGIN_SCOPE) without one.
    pub scope: Option<&'a str>,
    /// From when on it is refused, in seconds since 1970-01-01 UTC; `None`: it does not expire.
    pub expires_at: Option<u64>,
    /// A limit of its own; `None`: its requests count as those of its owner.
    pub limit: Option<ApiKeyLimit>,
}

impl NewApiKey<'_> {
    /// Checks all that does not depend on the owner's account.
    pub(super) fn check(&self) -> Result<(), Error> {
        check_subject(self.owner)?;
        self.scope.map_or(Ok(()), check_scope)?;
        let wrong = |sentence: String| Err(Error::InvalidInput(sentence));
        if self
            .expires_at
            .is_some_and(|at| at <= unix_now() || at > LAST)
        {
            return wrong(
                "An API key must expire in the future, before the year 10000.".to_owned(),
            );
        }
        if let Some(limit) = self.limit
            && !(1..=MAX_REQUESTS).contains(&limit.max_requests)
        {
            return wrong(format!(
                "The limit of an API key must be 1 to {MAX_REQUESTS} requests."
            ));
        }
        let is_window = |window: Duration| {
            window.subsec_nanos() == 0 && (1..=MAX_WINDOW).contains(&window.as_secs())
        };
        if self.limit.is_some_and(|limit| !is_window(limit.window)) {
            return wrong(format!(
                "The window of an API key's limit must be 1 to {MAX_WINDOW} whole seconds."
            ));
        }
        Ok(())
    }
}

impl ApiKey {
    pub(super) fn of(stored: StoredApiKey) -> Self {
        ApiKey {
            id: stored.id,
            owner: stored.owner,
            scope: stored.scope,
            created: stored.created,
            expires_at: stored.expires,
            limit: stored.limit.map(|(max_requests, window)| ApiKeyLimit {
                max_requests,
                window: Duration::from_secs(window),
            }),
            last_used: stored.used,
            revoked_at: stored.revoked,
        }
    }

    /// As JSON, with times in seconds since 1970-01-01 UTC.
    pub fn to_json(&self) -> Value {
        json!({
            "id": self.id,
            "owner": self.owner,
            "scope": self.scope,
            "created": self.created,
            "expires_at": self.expires_at,
            "max_requests": self.limit.map(|limit| limit.max_requests),
            "window": self.limit.map(|limit| limit.window.as_secs()),
            "last_used": self.last_used,
            "revoked_at": self.revoked_at,
        })
    }
}
