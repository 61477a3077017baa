//! Tokens: JSON Web Tokens (RFC 7519), signed with HS256, in our own form (RFC 9068's `at+jwt`) and in the original's.
//!
//! `strict` reads header and claims and refuses what a lenient reader would let through; jwt-simple signs, and checks
//! signature and times. Which keys there are is the ring's business.

mod claims;
mod strict;

use std::time::Duration;

use jwt_simple::JWTError;
use jwt_simple::algorithms::{HS256Key, MACLike};
use jwt_simple::claims::{JWTClaims, NoCustomClaims};
use jwt_simple::prelude::{Clock, HeaderOptions, VerificationOptions};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::cipher::{encode_url, random};
use crate::keys::KeyRing;
use crate::{Error, TokenError};

pub use claims::{Claims, OPEN_LOGIN_SCOPE, valid_scope, valid_subject};
pub use strict::Unverified;

/// Longest token that is looked at, in bytes.
pub const MAX_TOKEN: usize = 8192;

/// `typ` of access tokens (RFC 9068, section 2.1).
const ACCESS_TYPE: &str = "at+jwt";

/// A key that signs and checks tokens.
pub(crate) struct TokenKey {
    id: String,
    key: HS256Key,
}

impl TokenKey {
    pub(crate) fn new(bytes: &[u8], id: String) -> Self {
        TokenKey {
            key: HS256Key::from_bytes(bytes).with_key_id(&id),
            id,
        }
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn bytes(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(self.key.to_bytes())
    }
}

/// What is asked of every token, and what new ones get.
#[derive(Debug, Clone)]
pub(crate) struct TokenRules {
    pub(crate) ttl: Duration,
    pub(crate) leeway: Duration,
    pub(crate) issuer: String,
    pub(crate) audience: Option<String>,
}

/// What a new token says beside the time and its own id.
#[derive(Debug, Clone)]
pub struct Grant<'a> {
    /// The user: 1 to 256 characters, no control characters.
    pub subject: &'a str,
    /// Scope names with single spaces between (RFC 6749, section 3.3).
    pub scope: &'a str,
    /// How long it lives; `None` for the setting's `token_ttl`.
    pub ttl: Option<Duration>,
}

/// The claims that RFC 7519 does not register.
#[derive(Serialize)]
struct OwnClaims<'a> {
    username: &'a str,
    scope: &'a str,
}

impl TokenRules {
    /// Signs a new token with the ring's newest key.
    pub(crate) fn issue(&self, ring: &KeyRing, grant: &Grant<'_>) -> Result<String, Error> {
        if !valid_subject(grant.subject) {
            return Err(Error::InvalidInput(
                "The username must be 1 to 256 characters long and without control characters."
                    .into(),
            ));
        }
        if !valid_scope(grant.scope) {
            return Err(Error::InvalidInput(
                "The scope must be names with single spaces between.".into(),
            ));
        }
        let mut id = [0; 16];
        random(&mut id)?;
        let ttl = grant.ttl.unwrap_or(self.ttl);
        let now = Clock::now_since_epoch();
        let mut claims = JWTClaims::<OwnClaims<'_>> {
            issued_at: Some(now),
            expires_at: Some(now + ttl.into()),
            invalid_before: None,
            issuer: Some(self.issuer.clone()),
            subject: Some(grant.subject.to_owned()),
            audiences: None,
            jwt_id: Some(encode_url(&id)),
            nonce: None,
            custom: OwnClaims {
                username: grant.subject,
                scope: grant.scope,
            },
        };
        if let Some(audience) = &self.audience {
            claims = claims.with_audience(audience);
        }
        let options = HeaderOptions {
            signature_type: Some(ACCESS_TYPE.to_owned()),
            content_type: None,
        };
        let token = ring
            .newest_token_key()
            .key
            .authenticate_with_options(claims, &options)
            .map_err(|_| Error::Crypto("a token could not be signed"))?;
        if token.len() > MAX_TOKEN {
            return Err(Error::InvalidInput(
                "The token would be longer than 8 KiB.".into(),
            ));
        }
        Ok(token)
    }

    /// Checks a token: form, signature, times, issuer and audience, in this order.
    pub(crate) fn verify(&self, ring: &KeyRing, token: &str) -> Result<Claims, TokenError> {
        let unverified = Unverified::read(token)?;
        let original = unverified.key_id().is_none();
        let key = match unverified.key_id() {
            Some(id) => {
                unverified.require_type(&[ACCESS_TYPE], false)?;
                ring.token_key(id)
            }
            None => {
                unverified.require_type(&["JWT"], true)?;
                ring.settings_token_key()
            }
        };
        let key = key.ok_or(TokenError::Foreign)?;
        let options = VerificationOptions {
            time_tolerance: Some(self.leeway.into()),
            max_token_length: Some(MAX_TOKEN),
            ..VerificationOptions::default()
        };
        key.key
            .verify_token::<NoCustomClaims>(token, Some(options))
            .map_err(|error| match error.downcast_ref::<JWTError>() {
                Some(JWTError::TokenHasExpired) => TokenError::Expired,
                Some(JWTError::TokenNotValidYet | JWTError::ClockDrift) => TokenError::NotYetValid,
                Some(
                    JWTError::InvalidAuthenticationTag
                    | JWTError::AlgorithmMismatch
                    | JWTError::MissingSalt,
                ) => TokenError::Foreign,
                _ => TokenError::Malformed,
            })?;
        // A token with an audience is for that audience alone (RFC 7519, section 4.1.3).
        let meant_for_us = match &self.audience {
            // The original's tokens have none.
            Some(wanted) if unverified.has_audience() || !original => {
                unverified.names_audience(wanted)
            }
            _ => !unverified.has_audience(),
        };
        let issued_by_us = original || unverified.issuer() == Some(&self.issuer);
        if !meant_for_us || !issued_by_us {
            return Err(TokenError::Foreign);
        }
        unverified.into_claims(original)
    }
}

#[cfg(test)]
mod tests;
