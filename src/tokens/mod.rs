//! Tokens: JSON Web Tokens (RFC 7519), in our own format (RFC 9068's `at+jwt`) and in the original's.
//!
//! `strict` reads header and claims and refuses what a lenient reader would let through; `claims` holds a verified token's
//! claims; `cache` remembers checked tokens; `session` decides which refresh tokens are good. Signing is left to `signing`,
//! and the keys to the key ring.

mod cache;
mod claims;
mod session;
mod settings;
mod strict;

use std::borrow::Cow;
use std::time::Duration;

use jwt_simple::claims::JWTClaims;
use serde::Serialize;

use crate::base::clock::now;
use crate::base::encoding::encode_url;
use crate::base::names::check_subject;
use crate::base::random::random;
use crate::keys::{KeyRing, Unusable};
use crate::signing::ACCESS_TYPE;
use crate::store::{Ledger, Presented};
use crate::{Error, TokenError};

use cache::TokenCache;
use claims::Checked;
use strict::{Parts, ReadClaims, ReadHeader};

pub use crate::base::names::{valid_scope, valid_subject};
pub use crate::signing::MAX_TOKEN;
pub use claims::{Claims, OPEN_LOGIN_SCOPE};
pub(crate) use session::{RefreshToken, RefreshUse};
pub use settings::Settings;
pub use strict::Unverified;

/// The longest lifetime of a new token, in seconds: ten years.
pub const MAX_TTL: u64 = 315_576_000;
/// `typ` of refresh tokens, which can only be exchanged for new tokens.
const REFRESH_TYPE: &str = "rt+jwt";
/// Longer token ids are stored as a hash.
const MAX_KEPT_ID: usize = 128;

/// What a token is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenUse {
    Access,
    /// For a new pair of tokens, at `/refresh`.
    Refresh,
}

/// What every token must satisfy, and what new ones contain.
pub(crate) struct TokenRules {
    ttl: Duration,
    leeway: Duration,
    issuer: String,
    audience: Option<String>,
    /// `None`: every token is checked each time.
    cache: Option<TokenCache>,
}

/// What a new token contains besides times and its id.
#[derive(Debug, Clone, Default)]
pub struct Grant<'a> {
    /// The user: 1 to 256 characters, no control characters.
    pub subject: &'a str,
    /// Scope names separated by single spaces (RFC 6749, section 3.3).
    pub scope: &'a str,
    /// How long it lives, at most [`MAX_TTL`] seconds; `None` for the setting `token_ttl`.
    pub ttl: Option<Duration>,
}

/// Everything a new token is made from.
pub(crate) struct TokenSpec<'a> {
    pub(crate) grant: &'a Grant<'a>,
    pub(crate) used_for: TokenUse,
    /// The session it belongs to.
    pub(crate) session: Option<&'a str>,
    /// In seconds since 1970-01-01 UTC.
    pub(crate) issued_at: u64,
}

/// A new token.
pub(crate) struct Made {
    pub(crate) token: String,
    /// Its id (`jti`).
    pub(crate) id: String,
    /// In seconds since 1970-01-01 UTC.
    pub(crate) expires_at: u64,
}

/// The claims that jwt-simple does not write.
#[derive(Serialize)]
struct OwnClaims<'a> {
    // These two are registered, but jwt-simple's times end with the year 2106.
    iat: u64,
    exp: u64,
    username: &'a str,
    scope: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sid: Option<&'a str>,
}

impl TokenRules {
    pub(crate) fn new(settings: &Settings) -> Result<Self, Error> {
        let cache = match settings.token_cache {
            0 => None,
            tokens => Some(TokenCache::new(tokens)?),
        };
        Ok(TokenRules {
            ttl: settings.token_ttl,
            leeway: settings.leeway,
            issuer: settings.issuer.clone(),
            audience: settings.audience.clone(),
            cache,
        })
    }

    /// How long a new token lives unless the grant sets it.
    pub(crate) fn ttl(&self) -> Duration {
        self.ttl
    }

    /// How far clocks may differ.
    pub(crate) fn leeway(&self) -> Duration {
        self.leeway
    }

    /// Signs a new token with the ring's newest key.
    pub(crate) fn issue(&self, ring: &KeyRing, making: &TokenSpec<'_>) -> Result<Made, Error> {
        let grant = making.grant;
        check_subject(grant.subject)?;
        if !valid_scope(grant.scope) {
            return Err(Error::InvalidInput(
                "The scope must be names separated by single spaces.".into(),
            ));
        }
        let id = new_id()?;
        let ttl = grant.ttl.unwrap_or(self.ttl);
        if ttl > Duration::from_secs(MAX_TTL) {
            return Err(Error::InvalidInput(format!(
                "A token can live for at most {MAX_TTL} seconds (ten years)."
            )));
        }
        let expires_at = making.issued_at.saturating_add(ttl.as_secs());
        let mut claims = JWTClaims::<OwnClaims<'_>> {
            issued_at: None,
            expires_at: None,
            invalid_before: None,
            issuer: Some(self.issuer.clone()),
            subject: Some(grant.subject.to_owned()),
            audiences: None,
            jwt_id: Some(id.clone()),
            nonce: None,
            custom: OwnClaims {
                iat: making.issued_at,
                exp: expires_at,
                username: grant.subject,
                scope: grant.scope,
                sid: making.session,
            },
        };
        if let Some(audience) = &self.audience {
            claims = claims.with_audience(audience);
        }
        let token = ring.signing_key().sign(claims, making.used_for.typ())?;
        if token.len() > MAX_TOKEN {
            return Err(Error::InvalidInput(
                "The token would be longer than 8 KiB.".into(),
            ));
        }
        Ok(Made {
            token,
            id,
            expires_at,
        })
    }

    /// Checks a token, or finds it in the cache; a revoked one is refused in either case.
    pub(crate) fn verify(
        &self,
        ring: &KeyRing,
        ledger: &Ledger,
        token: &str,
    ) -> Result<Claims, TokenError> {
        // Read before querying the store: a change in between starts a new epoch.
        let epoch = ledger.epoch().ok_or(TokenError::Unchecked)?;
        let still_good = |claims: &Claims| match epoch {
            0 => Ok(()),
            _ => ledger.check(self.presented(claims, &revocation_id(claims, token))),
        };
        let Some(cache) = &self.cache else {
            let checked = self.check(ring, token, TokenUse::Access)?;
            return still_good(&checked.claims).map(|()| checked.claims);
        };
        let place = cache.place(token);
        if let Some((claims, seen)) = cache.find(&place, token, ring.generation(), self.leeway) {
            if seen != epoch {
                still_good(&claims)?;
                cache.confirm(&place, token, epoch);
            }
            return Ok(claims);
        }
        let checked = self.check(ring, token, TokenUse::Access)?;
        still_good(&checked.claims)?;
        let claims = checked.claims.clone();
        cache.remember(&place, token, (ring.generation(), epoch), checked);
        Ok(claims)
    }

    /// What the store needs to check a token.
    fn presented<'a>(&self, claims: &'a Claims, id: &'a str) -> Presented<'a> {
        // Our tokens have an id. One issued by another program may come from a clock that is ahead by up to the leeway.
        let ahead = match claims.id() {
            Some(_) => 0,
            None => self.leeway.as_secs(),
        };
        Presented {
            id,
            session: claims.session().or(claims.foreign_id()),
            subject: claims.subject(),
            issued_at: claims
                .issued_at()
                .map(|issued| issued.saturating_sub(ahead)),
        }
    }

    /// Checks everything in the token itself, but not whether it has been revoked.
    pub(crate) fn read(
        &self,
        ring: &KeyRing,
        token: &str,
        used_for: TokenUse,
    ) -> Result<Claims, TokenError> {
        self.check(ring, token, used_for)
            .map(|checked| checked.claims)
    }

    /// Checks form, signature, times, issuer and audience, in this order.
    fn check(
        &self,
        ring: &KeyRing,
        token: &str,
        used_for: TokenUse,
    ) -> Result<Checked, TokenError> {
        let parts = Parts::split(token)?;
        let header_json;
        let header = match ring.token_key_with_header(parts.header) {
            Some(held) => ReadHeader::of_ours(&held.key),
            None => {
                header_json = parts.header_json()?;
                ReadHeader::read(&header_json)?
            }
        };
        let json = parts.claims_json()?;
        let read = ReadClaims::read(&json)?;
        let original = header.key_id.is_none();
        let key = match &header.key_id {
            Some(id) => {
                header.require_type(used_for.typ())?;
                ring.token_key(id)?
            }
            None if used_for == TokenUse::Access => {
                header.require_original_type()?;
                ring.settings_token_key().ok_or(TokenError::Invalid)?
            }
            None => return Err(TokenError::Malformed),
        };
        let state = key.state;
        let key = key.accepted()?;
        header.require_algorithm(key.algorithm())?;
        key.verify(token)?;
        let times = read.times();
        times.check(now(), self.leeway)?;
        // A token with an audience is only for that audience (RFC 7519, section 4.1.3).
        let meant_for_us = match &self.audience {
            // The original's tokens have none.
            Some(wanted) if read.has_audience() || !original => read.names_audience(wanted),
            _ => !read.has_audience(),
        };
        let issued_by_us = original || read.issuer() == Some(&self.issuer);
        if !meant_for_us || !issued_by_us {
            return Err(TokenError::Invalid);
        }
        let mut claims = read.believed(original)?;
        claims.json = json;
        Ok(Checked {
            claims: Claims::new(claims),
            times,
            key: state,
        })
    }
}

impl TokenUse {
    fn typ(self) -> &'static str {
        match self {
            TokenUse::Access => ACCESS_TYPE,
            TokenUse::Refresh => REFRESH_TYPE,
        }
    }
}

/// 128 random bits, in base64url.
pub(crate) fn new_id() -> Result<String, Error> {
    let mut id = [0; 16];
    random(&mut id)?;
    Ok(encode_url(&id))
}

/// The id under which a token is revoked: its own, or the hash of the signed part if it has none (the original's) or a very
/// long one. Only one encoding of the signed part is accepted, so the hash is unique to the token. The signature is left
/// out, since the holder of an ES256 token can create other valid ones.
pub(crate) fn revocation_id<'a>(claims: &'a Claims, token: &str) -> Cow<'a, str> {
    match claims.id() {
        Some(id) if (1..=MAX_KEPT_ID).contains(&id.len()) => Cow::Borrowed(id),
        _ => {
            let signed = token.rsplit_once('.').map_or(token, |(signed, _)| signed);
            Cow::Owned(format!(
                "sha256:{}",
                encode_url(&openssl::sha::sha256(signed.as_bytes()))
            ))
        }
    }
}

impl From<Unusable> for TokenError {
    fn from(reason: Unusable) -> Self {
        match reason {
            Unusable::Unknown => TokenError::Invalid,
            Unusable::Retired => TokenError::KeyRetired,
        }
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod algorithm_tests;
