//! Strict parsing of a token, before any signature is verified.
//!
//! This refuses all that jwt-simple refuses, and non-canonical encodings, duplicate members at any depth, every header
//! member that would change what is signed or supply a key, claims of the wrong type, a missing `exp` and a missing user.
//! Only the parts of header and claims that a decision needs are kept.

use std::borrow::Cow;
use std::time::Duration;

use memchr::memchr_iter;
use serde_json::{Map, Value};

use super::claims::{Inner, OPEN_LOGIN_SCOPE, Times};
use crate::TokenError;
use crate::base::encoding::{decode_url, is_canonical_url};
use crate::base::json::Json;
use crate::base::names::{valid_scope, valid_subject};
use crate::signing::{ACCESS_TYPE, MAX_TOKEN, TokenAlgorithm, TokenKey};

/// The first three header members are read. The others are refused: they change the signed bytes, nest tokens, or name
/// outside keys (RFC 7515, section 4.1; RFC 7797).
const HEADER_MEMBERS: [&str; 15] = [
    "kid", "typ", "alg", "crit", "b64", "jku", "jwk", "x5u", "x5c", "x5t", "x5t#S256", "cty",
    "zip", "enc", "salt",
];

/// A parsed token whose signature has not been verified.
#[derive(Debug)]
pub struct Unverified {
    header: String,
    claims: String,
}

impl Unverified {
    /// Parses a token.
    ///
    /// # Errors
    /// [`TokenError::Malformed`] for anything but a canonically encoded token.
    pub fn read(token: &str) -> Result<Self, TokenError> {
        let parts = Parts::split(token)?;
        let header = decode(parts.header)?;
        ReadHeader::read(&header)?;
        let claims = decode(parts.claims)?;
        ReadClaims::read(&claims)?;
        Ok(Unverified { header, claims })
    }

    /// The header as JSON.
    pub fn header(&self) -> Map<String, Value> {
        object(&self.header)
    }

    /// The claims as JSON.
    pub fn claims(&self) -> Map<String, Value> {
        object(&self.claims)
    }
}

/// The members of text that has been parsed before.
fn object(text: &str) -> Map<String, Value> {
    serde_json::from_str(text).unwrap_or_default()
}

/// The three parts of a token, still encoded.
pub(super) struct Parts<'a> {
    pub(super) header: &'a str,
    claims: &'a str,
}

impl<'a> Parts<'a> {
    pub(super) fn split(token: &'a str) -> Result<Self, TokenError> {
        if token.len() > MAX_TOKEN {
            return Err(TokenError::Malformed);
        }
        let mut dots = memchr_iter(b'.', token.as_bytes());
        let (Some(first), Some(second), None) = (dots.next(), dots.next(), dots.next()) else {
            return Err(TokenError::Malformed);
        };
        if !is_canonical_url(&token[second + 1..]) {
            return Err(TokenError::Malformed);
        }
        Ok(Parts {
            header: &token[..first],
            claims: &token[first + 1..second],
        })
    }

    /// The header's JSON.
    pub(super) fn header_json(&self) -> Result<String, TokenError> {
        decode(self.header)
    }

    /// The claims' JSON.
    pub(super) fn claims_json(&self) -> Result<String, TokenError> {
        decode(self.claims)
    }
}

fn decode(part: &str) -> Result<String, TokenError> {
    decode_url(part)
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or(TokenError::Malformed)
}

/// The header members that name the key and the kind of token.
#[derive(Default)]
pub(super) struct ReadHeader<'a> {
    pub(super) key_id: Option<Cow<'a, str>>,
    typ: Option<Cow<'a, str>>,
    pub(super) alg: Option<Cow<'a, str>>,
}

impl<'a> ReadHeader<'a> {
    /// What [`read`](Self::read) returns for the header of this key's tokens.
    pub(super) fn of_ours(key: &'a TokenKey) -> Self {
        ReadHeader {
            key_id: Some(Cow::Borrowed(key.id())),
            typ: Some(Cow::Borrowed(ACCESS_TYPE)),
            alg: Some(Cow::Borrowed(key.algorithm().name())),
        }
    }

    pub(super) fn read(text: &'a str) -> Result<Self, TokenError> {
        let [key_id, typ, alg, refused @ ..] = members(text, HEADER_MEMBERS)?;
        if refused.iter().any(Option::is_some) {
            return Err(TokenError::Malformed);
        }
        Ok(ReadHeader {
            key_id: string(key_id)?,
            typ: string(typ)?,
            alg: string(alg)?,
        })
    }

    /// The header has to name the algorithm of its key.
    pub(super) fn require_algorithm(&self, wanted: TokenAlgorithm) -> Result<(), TokenError> {
        match self.alg.as_deref() {
            Some(named) if wanted.is_named(named) => Ok(()),
            Some(_) => Err(TokenError::Invalid),
            None => Err(TokenError::Malformed),
        }
    }

    /// `typ` is a media type: case-insensitive, and `application/` may be omitted (RFC 7515, section 4.1.9).
    pub(super) fn require_type(&self, wanted: &str) -> Result<(), TokenError> {
        const PREFIX: &str = "application/";
        let short = |typ| match str::split_at_checked(typ, PREFIX.len()) {
            Some((prefix, rest)) if prefix.eq_ignore_ascii_case(PREFIX) => rest,
            _ => typ,
        };
        match self.typ.as_deref() {
            Some(typ) if short(typ).eq_ignore_ascii_case(wanted) => Ok(()),
            _ => Err(TokenError::Malformed),
        }
    }

    /// The original's tokens have `JWT` or no type; only jwt-simple's spelling of it is accepted.
    pub(super) fn require_original_type(&self) -> Result<(), TokenError> {
        match self.typ.as_deref() {
            Some(typ) if !typ.eq_ignore_ascii_case("JWT") => Err(TokenError::Malformed),
            _ => Ok(()),
        }
    }
}

/// The claims that a decision needs.
pub(super) struct ReadClaims<'a> {
    issuer: Option<Cow<'a, str>>,
    subject: Option<Cow<'a, str>>,
    username: Option<Cow<'a, str>>,
    scope: Option<Cow<'a, str>>,
    id: Option<Cow<'a, str>>,
    session: Option<Cow<'a, str>>,
    client_id: Option<Cow<'a, str>>,
    /// Empty if the claim is present but has no names.
    audience: Option<Vec<Cow<'a, str>>>,
    expires_at: u64,
    issued_at: Option<u64>,
    not_before: Option<u64>,
}

impl<'a> ReadClaims<'a> {
    pub(super) fn read(text: &'a str) -> Result<Self, TokenError> {
        let [
            issuer,
            subject,
            username,
            scope,
            id,
            session,
            client_id,
            expires_at,
            issued_at,
            not_before,
            audience,
            nonce,
        ] = members(
            text,
            [
                "iss",
                "sub",
                "username",
                "scope",
                "jti",
                "sid",
                "client_id",
                "exp",
                "iat",
                "nbf",
                "aud",
                "nonce",
            ],
        )?;
        // Not used, but jwt-simple reads it.
        if nonce.is_some_and(|nonce| nonce.as_written() != "null" && nonce.text().is_none()) {
            return Err(TokenError::Malformed);
        }
        Ok(ReadClaims {
            issuer: string(issuer)?,
            subject: string(subject)?,
            username: string(username)?,
            scope: string(scope)?,
            id: string(id)?,
            session: string(session)?,
            client_id: string(client_id)?,
            audience: names(audience)?,
            expires_at: seconds(expires_at)?.ok_or(TokenError::Malformed)?,
            issued_at: seconds(issued_at)?,
            not_before: seconds(not_before)?,
        })
    }

    pub(super) fn issuer(&self) -> Option<&str> {
        self.issuer.as_deref()
    }

    pub(super) fn times(&self) -> Times {
        let not_before = self.issued_at.max(self.not_before);
        Times {
            not_before: not_before.map(Duration::from_secs),
            expires_at: Duration::from_secs(self.expires_at),
        }
    }

    pub(super) fn has_audience(&self) -> bool {
        self.audience.is_some()
    }

    pub(super) fn names_audience(&self, wanted: &str) -> bool {
        self.audience
            .as_ref()
            .is_some_and(|names| names.iter().any(|name| name == wanted))
    }

    /// The claims of a token whose signature has been verified, without their JSON. `original`: the token is in the
    /// original's format, where the user is `username` and the scope is always that of open login.
    pub(super) fn believed(&self, original: bool) -> Result<Inner, TokenError> {
        let subject = match (&self.subject, &self.username) {
            (_, Some(username)) if original => username,
            (Some(subject), None) if !original => subject,
            (Some(subject), Some(username)) if subject == username => subject,
            _ => return Err(TokenError::Malformed),
        };
        let scope = match &self.scope {
            _ if original => OPEN_LOGIN_SCOPE,
            Some(scope) => scope,
            None => "",
        };
        if !valid_subject(subject) || !valid_scope(scope) {
            return Err(TokenError::Malformed);
        }
        let ours =
            |text: &Option<Cow<'_, str>>| text.as_deref().filter(|_| !original).map(str::to_owned);
        Ok(Inner {
            subject: subject.to_string(),
            scope: scope.to_string(),
            issued_at: self.issued_at,
            expires_at: self.expires_at,
            id: ours(&self.id),
            session: ours(&self.session),
            client_id: ours(&self.client_id),
            foreign_id: self.id.as_deref().filter(|_| original).map(str::to_owned),
            api_key: false,
            json: String::new(),
        })
    }
}

fn members<'a, const N: usize>(
    object: &'a str,
    names: [&str; N],
) -> Result<[Option<Json<'a>>; N], TokenError> {
    match Json::read_members(object.as_bytes(), names) {
        Ok(Some(members)) => Ok(members),
        Ok(None) | Err(_) => Err(TokenError::Malformed),
    }
}

fn string(member: Option<Json<'_>>) -> Result<Option<Cow<'_, str>>, TokenError> {
    let text = member.map(Json::text);
    text.map(|text| text.ok_or(TokenError::Malformed))
        .transpose()
}

/// A NumericDate (RFC 7519, section 2), not before 1970; fractions are truncated.
fn seconds(member: Option<Json<'_>>) -> Result<Option<u64>, TokenError> {
    let Some(number) = member.map(Json::as_written) else {
        return Ok(None);
    };
    let whole = number.parse().ok();
    let seconds = whole.or_else(|| {
        let seconds = number.parse().ok();
        let time = seconds.filter(|seconds| (0.0..9.0e15).contains(seconds));
        time.map(|seconds: f64| seconds as u64)
    });
    seconds.map(Some).ok_or(TokenError::Malformed)
}

/// One name or a list of names (RFC 7519, section 4.1.3).
fn names(member: Option<Json<'_>>) -> Result<Option<Vec<Cow<'_, str>>>, TokenError> {
    let Some(value) = member else {
        return Ok(None);
    };
    let names = match value.elements() {
        Some(elements) => elements.map(Json::text).collect(),
        None => value.text().map(|name| vec![name]),
    };
    names.map(Some).ok_or(TokenError::Malformed)
}
