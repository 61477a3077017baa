//! Writes new tokens: what their claims are, and what is refused.

use std::time::Duration;

use jwt_simple::claims::JWTClaims;
use serde::Serialize;

use super::{TokenRules, TokenUse};
use crate::Error;
use crate::base::custom_claims::CustomClaims;
use crate::base::encoding::encode_url;
use crate::base::names::{check_scope, check_subject};
use crate::base::random::{random_bytes, random_id};
use crate::keys::KeyRing;
use crate::signing::MAX_TOKEN;

/// The longest lifetime of a new token, in seconds: ten years.
pub const MAX_TTL: u64 = 315_576_000;
/// The maximum size of an audience, as in the setting.
const MAX_AUDIENCE: usize = 256;

/// What a new token contains besides times and its id.
///
/// ```
/// use sealgate::Grant;
///
/// let grant = Grant {
///     subject: "alice",
///     scope: "orders",
///     claims: r#"{"department": "ops"}"#,
///     ..Grant::default()
/// };
/// ```
#[derive(Debug, Clone, Default)]
pub struct Grant<'a> {
    /// The user: 1 to 256 characters, no control characters.
    pub subject: &'a str,
    /// Scope names separated by single spaces (RFC 6749, section 3.3).
    pub scope: &'a str,
    /// How long it lives, at most [`MAX_TTL`] seconds; `None` for the setting `token_ttl`.
    pub ttl: Option<Duration>,
    /// Custom claims: a JSON object of at most [`MAX_CLAIMS`](super::MAX_CLAIMS) bytes without white space, in which no name is one of
    /// [`RESERVED_CLAIMS`](super::RESERVED_CLAIMS); empty for none.
    pub claims: &'a str,
    /// Whom it is for (`aud`): 1 to 256 bytes, no control characters; empty for the setting `audience`. Only
    /// [`Gate::verify_token_for`](crate::Gate::verify_token_for) accepts a token for another audience than the setting's.
    pub audience: &'a str,
    /// The time before which it is not valid (`nbf`), in seconds since 1970-01-01 UTC. The lifetime still counts from now.
    pub not_before: Option<u64>,
}

/// Everything a new token is made from.
pub(crate) struct TokenSpec<'a> {
    pub(crate) grant: &'a Grant<'a>,
    pub(crate) used_for: TokenUse,
    /// The session it belongs to.
    pub(crate) session: Option<&'a str>,
    /// Whether its subject is a client, not a user.
    pub(crate) for_client: bool,
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
    // These three are registered, but jwt-simple's times end with the year 2106.
    iat: u64,
    exp: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    nbf: Option<u64>,
    /// A client has no username but a `client_id` (RFC 9068, section 2.2).
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<&'a str>,
    scope: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sid: Option<&'a str>,
    #[serde(flatten)]
    more: Option<&'a CustomClaims>,
}

impl TokenRules {
    /// Signs a new token with the ring's newest key.
    pub(crate) fn issue(&self, ring: &KeyRing, making: &TokenSpec<'_>) -> Result<Made, Error> {
        let grant = making.grant;
        check_subject(grant.subject)?;
        check_scope(grant.scope)?;
        let id = encode_url(&random_id()?);
        let ttl = grant.ttl.unwrap_or(self.ttl);
        if ttl > Duration::from_secs(MAX_TTL) {
            return Err(Error::InvalidInput(format!(
                "A token can live for at most {MAX_TTL} seconds (ten years)."
            )));
        }
        let expires_at = making.issued_at.saturating_add(ttl.as_secs());
        if grant.not_before.is_some_and(|start| start >= expires_at) {
            return Err(Error::InvalidInput(
                "The token would expire before it becomes valid: its lifetime counts from now."
                    .into(),
            ));
        }
        check_audience(grant.audience)?;
        let more = CustomClaims::read_any(grant.claims)?;
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
                nbf: grant.not_before,
                username: (!making.for_client).then_some(grant.subject),
                client_id: making.for_client.then_some(grant.subject),
                scope: grant.scope,
                sid: making.session,
                more: more.as_ref(),
            },
        };
        match (grant.audience, &self.audience) {
            ("", None) => {}
            ("", Some(audience)) => claims = claims.with_audience(audience),
            (audience, _) => claims = claims.with_audience(audience),
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
}

fn check_audience(audience: &str) -> Result<(), Error> {
    if audience.len() > MAX_AUDIENCE || audience.chars().any(char::is_control) {
        return Err(Error::InvalidInput(format!(
            "The audience must have at most {MAX_AUDIENCE} bytes and no control characters."
        )));
    }
    Ok(())
}

/// The id of a session: 128 random bits, in base64url.
pub(crate) fn new_session_id() -> Result<String, Error> {
    let id: [u8; 16] = random_bytes()?;
    Ok(encode_url(&id))
}
