//! A strict reading of a token, before any signature is looked at.
//!
//! Refused, beyond what jwt-simple refuses: encodings that are not canonical, duplicate members at any depth, every header
//! member that would change what is signed or bring a key along, claims of the wrong type, a missing `exp`, a missing user.

use serde_json::{Map, Value};

use super::claims::{Claims, OPEN_LOGIN_SCOPE, valid_scope, valid_subject};
use super::{MAX_TOKEN, TokenError};
use crate::cipher::decode_url;
use crate::json;

/// Header members that change the signed bytes, nest tokens, or name keys from outside (RFC 7515, section 4.1; RFC 7797).
const REFUSED_MEMBERS: [&str; 12] = [
    "crit", "b64", "jku", "jwk", "x5u", "x5c", "x5t", "x5t#S256", "cty", "zip", "enc", "salt",
];

/// A token as it reads, not yet believed.
#[derive(Debug)]
pub struct Unverified {
    header: Map<String, Value>,
    claims: Map<String, Value>,
    json: String,
}

impl Unverified {
    /// Takes a token apart.
    ///
    /// # Errors
    /// [`TokenError::Malformed`] for anything that is not one canonical reading of a token.
    pub fn read(token: &str) -> Result<Self, TokenError> {
        if token.len() > MAX_TOKEN {
            return Err(TokenError::Malformed);
        }
        let mut parts = token.split('.');
        let (Some(header), Some(claims), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(TokenError::Malformed);
        };
        let decode = |part: &str| decode_url(part).ok_or(TokenError::Malformed);
        decode(signature)?;
        let header = object(&decode(header)?)?;
        if REFUSED_MEMBERS
            .iter()
            .any(|name| header.contains_key(*name))
        {
            return Err(TokenError::Malformed);
        }
        for name in ["alg", "typ", "kid"] {
            if header.get(name).is_some_and(|value| !value.is_string()) {
                return Err(TokenError::Malformed);
            }
        }
        let json = String::from_utf8(decode(claims)?).map_err(|_| TokenError::Malformed)?;
        let claims = object(json.as_bytes())?;
        let unverified = Unverified {
            header,
            claims,
            json,
        };
        unverified.check_claims()?;
        Ok(unverified)
    }

    /// The header as JSON.
    pub fn header(&self) -> &Map<String, Value> {
        &self.header
    }

    /// The claims as JSON.
    pub fn claims(&self) -> &Map<String, Value> {
        &self.claims
    }

    /// The key that the token names.
    pub fn key_id(&self) -> Option<&str> {
        self.header.get("kid")?.as_str()
    }

    pub(super) fn require_type(&self, types: &[&str], may_miss: bool) -> Result<(), TokenError> {
        let fits = self
            .header
            .get("typ")
            .and_then(Value::as_str)
            .map_or(may_miss, |typ| {
                types.iter().any(|wanted| typ.eq_ignore_ascii_case(wanted))
            });
        if fits {
            Ok(())
        } else {
            Err(TokenError::Malformed)
        }
    }

    pub(super) fn issuer(&self) -> Option<&String> {
        match self.claims.get("iss") {
            Some(Value::String(issuer)) => Some(issuer),
            _ => None,
        }
    }

    pub(super) fn has_audience(&self) -> bool {
        self.claims.contains_key("aud")
    }

    pub(super) fn names_audience(&self, wanted: &str) -> bool {
        match self.claims.get("aud") {
            Some(Value::String(audience)) => audience == wanted,
            Some(Value::Array(list)) => list.iter().any(|audience| audience == wanted),
            _ => false,
        }
    }

    /// The claims, once the signature has been checked. `original`: the token is in the original's form, whose user is
    /// `username` and whose scope is open login's, whatever it says.
    pub(super) fn into_claims(self, original: bool) -> Result<Claims, TokenError> {
        let text = |name: &str| self.claims.get(name).and_then(Value::as_str);
        let subject = match (text("sub"), text("username")) {
            (_, Some(username)) if original => username,
            (Some(subject), None) if !original => subject,
            (Some(subject), Some(username)) if subject == username => subject,
            _ => return Err(TokenError::Malformed),
        };
        let scope = if original {
            OPEN_LOGIN_SCOPE
        } else {
            text("scope").unwrap_or("")
        };
        if !valid_subject(subject) || !valid_scope(scope) {
            return Err(TokenError::Malformed);
        }
        let id = if original { None } else { text("jti") };
        Ok(Claims {
            subject: subject.to_owned(),
            scope: scope.to_owned(),
            issued_at: self.claims.get("iat").and_then(seconds),
            expires_at: self
                .claims
                .get("exp")
                .and_then(seconds)
                .ok_or(TokenError::Malformed)?,
            id: id.map(str::to_owned),
            json: self.json,
        })
    }

    fn check_claims(&self) -> Result<(), TokenError> {
        let well_formed =
            |name: &str, test: fn(&Value) -> bool| self.claims.get(name).is_none_or(test);
        let times = ["exp", "iat", "nbf"]
            .iter()
            .all(|name| well_formed(name, |value| seconds(value).is_some()));
        let texts = ["iss", "sub", "jti", "scope", "username"]
            .iter()
            .all(|name| well_formed(name, Value::is_string));
        let audience = well_formed("aud", |value| match value {
            Value::Array(list) => list.iter().all(Value::is_string),
            other => other.is_string(),
        });
        if times && texts && audience && self.claims.contains_key("exp") {
            Ok(())
        } else {
            Err(TokenError::Malformed)
        }
    }
}

fn object(bytes: &[u8]) -> Result<Map<String, Value>, TokenError> {
    match json::parse(bytes) {
        Ok(Value::Object(members)) => Ok(members),
        _ => Err(TokenError::Malformed),
    }
}

/// A NumericDate (RFC 7519, section 2) from 1970 on; fractions are cut off.
fn seconds(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| {
        value
            .as_f64()
            .filter(|number| (0.0..9.0e15).contains(number))
            .map(|number| number as u64)
    })
}
