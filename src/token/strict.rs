//! A strict reading of a token, before any signature is looked at.
//!
//! Refused, beyond what jwt-simple refuses: encodings that are not canonical, duplicate members at any depth, every header
//! member that would change what is signed or bring a key along, claims of the wrong type, a missing `exp`, a missing user.
//! One pass over header and claims keeps what a decision needs and builds nothing else.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::claims::{Claims, Inner, OPEN_LOGIN_SCOPE, valid_scope, valid_subject};
use super::{ACCESS_TYPE, MAX_TOKEN, TokenError, TokenKey};
use crate::cipher::{decode_url, is_canonical_url};
use crate::json::{self, Member, Text};

/// Header members that change the signed bytes, nest tokens, or name keys from outside (RFC 7515, section 4.1; RFC 7797).
const REFUSED_MEMBERS: [&str; 12] = [
    "crit", "b64", "jku", "jwk", "x5u", "x5c", "x5t", "x5t#S256", "cty", "zip", "enc", "salt",
];

/// A token as it reads, not yet believed.
#[derive(Debug)]
pub struct Unverified {
    header: String,
    claims: String,
}

impl Unverified {
    /// Takes a token apart.
    ///
    /// # Errors
    /// [`TokenError::Malformed`] for anything that is not one canonical reading of a token.
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

/// The members of what has been read once already.
fn object(text: &str) -> Map<String, Value> {
    match json::parse(text.as_bytes()) {
        Ok(Value::Object(members)) => members,
        _ => Map::new(),
    }
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
        let mut parts = token.split('.');
        let (Some(header), Some(claims), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(TokenError::Malformed);
        };
        if !is_canonical_url(signature) {
            return Err(TokenError::Malformed);
        }
        Ok(Parts { header, claims })
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

/// What the header says of the key and of the kind of token.
#[derive(Default)]
pub(super) struct ReadHeader<'a> {
    pub(super) key_id: Option<Cow<'a, str>>,
    typ: Option<Cow<'a, str>>,
    pub(super) alg: Option<Cow<'a, str>>,
}

impl<'a> ReadHeader<'a> {
    /// What [`read`](Self::read) gives for the header that this key's tokens get.
    pub(super) fn of_ours(key: &'a TokenKey) -> Self {
        ReadHeader {
            key_id: Some(Cow::Borrowed(key.id())),
            typ: Some(Cow::Borrowed(ACCESS_TYPE)),
            alg: Some(Cow::Borrowed(key.algorithm().name())),
        }
    }

    pub(super) fn read(text: &'a str) -> Result<Self, TokenError> {
        struct HeaderVisitor;

        impl<'de> Visitor<'de> for HeaderVisitor {
            type Value = ReadHeader<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a header")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
                let mut header = ReadHeader::default();
                let mut others = Others::default();
                while let Some(Text(name)) = members.next_key()? {
                    match &*name {
                        "kid" => once(&mut header.key_id, string(&mut members)?)?,
                        "typ" => once(&mut header.typ, string(&mut members)?)?,
                        "alg" => once(&mut header.alg, string(&mut members)?)?,
                        refused if REFUSED_MEMBERS.contains(&refused) => {
                            return Err(A::Error::custom("not acceptable in a header"));
                        }
                        _ => others.pass_over(name, &mut members)?,
                    }
                }
                others.check()?;
                Ok(header)
            }
        }

        json::read_object(text, HeaderVisitor).map_err(|_| TokenError::Malformed)
    }

    pub(super) fn require_type(&self, wanted: &str, may_miss: bool) -> Result<(), TokenError> {
        let fits = match &self.typ {
            Some(typ) => typ.eq_ignore_ascii_case(wanted),
            None => may_miss,
        };
        if fits {
            Ok(())
        } else {
            Err(TokenError::Malformed)
        }
    }
}

/// The claims that a decision needs.
#[derive(Default)]
pub(super) struct ReadClaims<'a> {
    issuer: Option<Cow<'a, str>>,
    subject: Option<Cow<'a, str>>,
    username: Option<Cow<'a, str>>,
    scope: Option<Cow<'a, str>>,
    id: Option<Cow<'a, str>>,
    session: Option<Cow<'a, str>>,
    /// Empty where there is the claim but no name in it.
    audience: Option<Vec<String>>,
    expires_at: Option<u64>,
    issued_at: Option<u64>,
    not_before: Option<u64>,
}

impl<'a> ReadClaims<'a> {
    pub(super) fn read(text: &'a str) -> Result<Self, TokenError> {
        struct ClaimsVisitor;

        impl<'de> Visitor<'de> for ClaimsVisitor {
            type Value = ReadClaims<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("claims")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
                let mut claims = ReadClaims::default();
                let mut others = Others::default();
                while let Some(Text(name)) = members.next_key()? {
                    match &*name {
                        "iss" => once(&mut claims.issuer, string(&mut members)?)?,
                        "sub" => once(&mut claims.subject, string(&mut members)?)?,
                        "username" => once(&mut claims.username, string(&mut members)?)?,
                        "scope" => once(&mut claims.scope, string(&mut members)?)?,
                        "jti" => once(&mut claims.id, string(&mut members)?)?,
                        "sid" => once(&mut claims.session, string(&mut members)?)?,
                        "exp" => once(&mut claims.expires_at, seconds(&mut members)?)?,
                        "iat" => once(&mut claims.issued_at, seconds(&mut members)?)?,
                        "nbf" => once(&mut claims.not_before, seconds(&mut members)?)?,
                        "aud" => once(&mut claims.audience, audience(&mut members)?)?,
                        _ => others.pass_over(name, &mut members)?,
                    }
                }
                others.check()?;
                Ok(claims)
            }
        }

        json::read_object(text, ClaimsVisitor)
            .ok()
            .filter(|claims| claims.expires_at.is_some())
            .ok_or(TokenError::Malformed)
    }

    pub(super) fn issuer(&self) -> Option<&str> {
        self.issuer.as_deref()
    }

    pub(super) fn has_audience(&self) -> bool {
        self.audience.is_some()
    }

    pub(super) fn names_audience(&self, wanted: &str) -> bool {
        self.audience
            .as_ref()
            .is_some_and(|names| names.iter().any(|name| name == wanted))
    }

    /// The claims of a token whose signature has been checked; `json` is what this was read from. `original`: the token
    /// is in the original's form, whose user is `username` and whose scope is open login's, whatever it says.
    pub(super) fn believed(&self, original: bool, json: &str) -> Result<Claims, TokenError> {
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
        Ok(Claims::new(Inner {
            subject: subject.to_string(),
            scope: scope.to_string(),
            issued_at: self.issued_at,
            expires_at: self.expires_at.ok_or(TokenError::Malformed)?,
            id: ours(&self.id),
            session: ours(&self.session),
            foreign_id: self.id.as_deref().filter(|_| original).map(str::to_owned),
            json: json.to_owned(),
        }))
    }
}

/// The names of members that decide nothing, until it is known that none is there twice.
#[derive(Default)]
struct Others<'de>(Vec<Cow<'de, str>>);

impl<'de> Others<'de> {
    fn pass_over<A: MapAccess<'de>>(
        &mut self,
        name: Cow<'de, str>,
        members: &mut A,
    ) -> Result<(), A::Error> {
        members.next_value_seed(Member)?;
        self.0.push(name);
        Ok(())
    }

    /// By sorting, so that a token full of members costs no more than its size.
    fn check<E: serde::de::Error>(mut self) -> Result<(), E> {
        self.0.sort_unstable();
        if self.0.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(E::custom("duplicate member"));
        }
        Ok(())
    }
}

fn once<T, E: serde::de::Error>(slot: &mut Option<T>, value: T) -> Result<(), E> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(E::custom("duplicate member")),
    }
}

/// A NumericDate (RFC 7519, section 2) from 1970 on; fractions are cut off.
struct Seconds(u64);

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SecondsVisitor;

        impl Visitor<'_> for SecondsVisitor {
            type Value = Seconds;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a time")
            }

            fn visit_u64<E>(self, seconds: u64) -> Result<Seconds, E> {
                Ok(Seconds(seconds))
            }

            fn visit_f64<E: serde::de::Error>(self, seconds: f64) -> Result<Seconds, E> {
                if (0.0..9.0e15).contains(&seconds) {
                    Ok(Seconds(seconds as u64))
                } else {
                    Err(E::custom("not a time"))
                }
            }
        }

        deserializer.deserialize_any(SecondsVisitor)
    }
}

fn string<'de, A: MapAccess<'de>>(members: &mut A) -> Result<Cow<'de, str>, A::Error> {
    members.next_value().map(|Text(text)| text)
}

fn seconds<'de, A: MapAccess<'de>>(members: &mut A) -> Result<u64, A::Error> {
    members.next_value().map(|Seconds(seconds)| seconds)
}

/// One name or a list of names (RFC 7519, section 4.1.3).
fn audience<'de, A: MapAccess<'de>>(members: &mut A) -> Result<Vec<String>, A::Error> {
    let name = |value| match value {
        Value::String(name) => Ok(name),
        _ => Err(A::Error::custom("not an audience")),
    };
    match members.next_value_seed(Member)? {
        Value::Array(list) => list.into_iter().map(name).collect(),
        other => Ok(vec![name(other)?]),
    }
}
