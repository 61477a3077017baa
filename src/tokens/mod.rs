//! Tokens: JSON Web Tokens (RFC 7519), in our own format (RFC 9068's `at+jwt`) and in the original's.
//!
//! `issue` writes new tokens; `strict` reads header and claims and refuses what a lenient reader would let through; `claims`
//! holds a verified token's claims; `cache` remembers checked tokens; `refresh` decides which refresh tokens are good;
//! `api_keys` has the keys that are accepted like access tokens.
//! Signing is left to `signing`, and the keys to the key ring.

mod api_keys;
mod cache;
mod claims;
mod issue;
mod refresh;
mod settings;
mod strict;

use std::borrow::Cow;
use std::time::Duration;

use crate::base::clock::now;
use crate::base::encoding::encode_url;
use crate::keys::{KeyRing, Unusable};
use crate::signing::ACCESS_TYPE;
use crate::store::{Ledger, Presented};
use crate::{Error, TokenError};

use cache::TokenCache;
use claims::Checked;
use strict::{Parts, ReadClaims, ReadHeader};

pub use crate::base::custom_claims::{MAX_CLAIMS, RESERVED_CLAIMS};
pub use crate::base::names::{valid_scope, valid_subject};
pub use crate::signing::MAX_TOKEN;
pub use api_keys::{API_KEY_SCOPES, ApiKey, ApiKeyLimit, ApiKeys, NEVER_EXPIRES, NewApiKey};
pub use claims::{Claims, OPEN_LOGIN_SCOPE};
pub use issue::{Grant, MAX_TTL};
pub(crate) use issue::{Made, TokenSpec, new_session_id};
pub(crate) use refresh::{RefreshToken, RefreshUse};
pub use settings::Settings;
pub use strict::Unverified;

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

/// Which audience a token must be for (RFC 7519, section 4.1.3).
#[derive(Debug, Clone, Copy)]
enum Audience<'a> {
    /// The setting's; if there is none, the token must have none.
    Ours,
    Named(&'a str),
    Any,
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

    /// `iss` of new tokens.
    pub(crate) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// How far clocks may differ.
    pub(crate) fn leeway(&self) -> Duration {
        self.leeway
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
        let still_good = |claims: &Claims| self.check_revocation(ledger, epoch, claims, token);
        let Some(cache) = &self.cache else {
            let checked = self.check(ring, token, TokenUse::Access, Audience::Ours)?;
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
        let checked = self.check(ring, token, TokenUse::Access, Audience::Ours)?;
        still_good(&checked.claims)?;
        let claims = checked.claims.clone();
        cache.remember(&place, token, (ring.generation(), epoch), checked);
        Ok(claims)
    }

    /// Checks a token for this audience. The cache, which holds only tokens that are for us, has no part in it.
    pub(crate) fn verify_for(
        &self,
        ring: &KeyRing,
        ledger: &Ledger,
        token: &str,
        audience: &str,
    ) -> Result<Claims, TokenError> {
        let epoch = ledger.epoch().ok_or(TokenError::Unchecked)?;
        let audience = Audience::Named(audience);
        let claims = self.check(ring, token, TokenUse::Access, audience)?.claims;
        self.check_revocation(ledger, epoch, &claims, token)?;
        Ok(claims)
    }

    fn check_revocation(
        &self,
        ledger: &Ledger,
        epoch: u64,
        claims: &Claims,
        token: &str,
    ) -> Result<(), TokenError> {
        match epoch {
            0 => Ok(()),
            _ => ledger.check(self.presented(claims, &revocation_id(claims, token))),
        }
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
        self.check(ring, token, used_for, Audience::Ours)
            .map(|checked| checked.claims)
    }

    /// The same for an access token, whoever it is for: whoever issued a token can revoke it.
    pub(crate) fn read_for_anyone(
        &self,
        ring: &KeyRing,
        token: &str,
    ) -> Result<Claims, TokenError> {
        self.check(ring, token, TokenUse::Access, Audience::Any)
            .map(|checked| checked.claims)
    }

    /// Checks form, signature, times, issuer and audience, in this order.
    fn check(
        &self,
        ring: &KeyRing,
        token: &str,
        used_for: TokenUse,
        audience: Audience<'_>,
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
        let meant_for_us = match (audience, &self.audience) {
            (Audience::Any, _) => true,
            (Audience::Named(wanted), _) => !wanted.is_empty() && read.names_audience(wanted),
            // The original's tokens have none.
            (Audience::Ours, Some(wanted)) if read.has_audience() || !original => {
                read.names_audience(wanted)
            }
            (Audience::Ours, _) => !read.has_audience(),
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
