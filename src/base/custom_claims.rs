//! The rules for custom claims: those that a caller adds to a token, and those of an account, which its logins get.
//!
//! No custom claim can be mistaken for one that Sealgate writes or that verifiers give a meaning to, however the name is
//! spelled. Names are visible ASCII, so no letter looks or folds like another (U+017F is an `s` to readers that ignore case);
//! apart from that, names count as the same if they differ only in case or in `-`, `_` and spaces.

use std::borrow::Cow;

use serde::{Serialize, Serializer};

use super::json::{Json, JsonError, MAX_DEPTH, MAX_MEMBERS};
use crate::Error;

/// The maximum size of a token's custom claims, in bytes of JSON without white space.
pub const MAX_CLAIMS: usize = 4096;

/// The names that custom claims cannot have, in no spelling: the claims that Sealgate writes, and names that the standards
/// give a meaning in tokens (RFC 7519, 7800, 8693, 9068; OpenID Connect), in their headers (RFC 7515) or in the response of
/// `/introspect` (RFC 7662).
pub const RESERVED_CLAIMS: [&str; 23] = [
    "iss",
    "sub",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "username",
    "scope",
    "scp",
    "sid",
    "client_id",
    "azp",
    "cnf",
    "act",
    "may_act",
    "nonce",
    "typ",
    "alg",
    "kid",
    "crit",
    "active",
    "token_type",
];

/// The maximum length of a claim's name.
const MAX_NAME: usize = 128;
/// Longer texts are refused unread. White space does not count towards [`MAX_CLAIMS`].
const MAX_TEXT: usize = 16 * MAX_CLAIMS;

/// Valid custom claims: a JSON object without white space, at most [`MAX_CLAIMS`] bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CustomClaims {
    json: String,
}

impl CustomClaims {
    /// No claims, as JSON.
    pub(crate) const NONE: &str = "{}";

    /// Reads a JSON object.
    ///
    /// # Errors
    /// [`Error::InvalidInput`]; the sentence names a claim whose name is refused, and quotes no value.
    pub(crate) fn read(text: &str) -> Result<Self, Error> {
        if text.len() > MAX_TEXT {
            return Err(too_large());
        }
        let value = Json::read(text.as_bytes()).map_err(|error| {
            invalid(match error {
                JsonError::Syntax => NO_OBJECT.to_owned(),
                JsonError::Duplicate => "A name appears twice in the claims.".to_owned(),
                JsonError::TooDeep => {
                    format!("The claims are nested more than {MAX_DEPTH} levels deep.")
                }
                JsonError::TooManyMembers => {
                    format!("The claims have more than {MAX_MEMBERS} members.")
                }
            })
        })?;
        let members = value.entries().ok_or_else(|| invalid(NO_OBJECT))?;
        for (name, _) in members {
            check_name(&name)?;
        }
        if has_number_beyond_64_bits(value) {
            return Err(invalid(
                "A whole number in the claims has more than 64 bits: write it as a string.",
            ));
        }
        let json = serde_json::to_string(&value).map_err(|_| invalid(NO_OBJECT))?;
        if json.len() > MAX_CLAIMS {
            return Err(too_large());
        }
        Ok(CustomClaims { json })
    }

    /// The same, or `None` if there are no claims: the text is empty or `{}`.
    pub(crate) fn read_any(text: &str) -> Result<Option<Self>, Error> {
        match text {
            "" | CustomClaims::NONE => Ok(None),
            _ => CustomClaims::read(text).map(Some),
        }
    }

    /// The JSON object.
    pub(crate) fn json(&self) -> &str {
        &self.json
    }

    pub(crate) fn into_json(self) -> String {
        self.json
    }
}

/// Writes the members.
impl Serialize for CustomClaims {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Json::read_before(&self.json).serialize(serializer)
    }
}

const NO_OBJECT: &str = "The claims must be a JSON object, such as {\"department\": \"ops\"}.";

fn invalid(sentence: impl Into<String>) -> Error {
    Error::InvalidInput(sentence.into())
}

fn too_large() -> Error {
    invalid(format!(
        "The claims are larger than {MAX_CLAIMS} bytes of JSON."
    ))
}

fn check_name(name: &str) -> Result<(), Error> {
    if !has_form_of_a_name(name) {
        return Err(invalid(format!(
            "The name of a claim must be 1 to {MAX_NAME} visible ASCII characters, with spaces only between them."
        )));
    }
    if is_reserved(name) {
        return Err(invalid(format!(
            "The claim {name} is reserved: it cannot be set among the claims."
        )));
    }
    Ok(())
}

/// Whether a custom claim can have this name.
pub(crate) fn is_custom(name: &str) -> bool {
    has_form_of_a_name(name) && !is_reserved(name)
}

fn has_form_of_a_name(name: &str) -> bool {
    (1..=MAX_NAME).contains(&name.len())
        && name.bytes().all(|byte| matches!(byte, b' '..=b'~'))
        && name.trim_ascii() == name
}

fn is_reserved(name: &str) -> bool {
    let name = folded(name);
    RESERVED_CLAIMS
        .iter()
        .any(|reserved| folded(reserved).eq(name.clone()))
}

/// The characters that a lenient reader goes by: some ignore case, and some `-` and `_` as well.
fn folded(name: &str) -> impl Iterator<Item = u8> + Clone {
    name.bytes()
        .filter(|byte| !matches!(byte, b'-' | b'_' | b' '))
        .map(|byte| byte.to_ascii_lowercase())
}

fn has_number_beyond_64_bits(value: Json<'_>) -> bool {
    if let Some(mut members) = value.entries() {
        return members.any(|(_, value)| has_number_beyond_64_bits(value));
    }
    match value.elements() {
        Some(mut elements) => elements.any(has_number_beyond_64_bits),
        None => value.is_beyond_64_bits(),
    }
}

/// Whether every claim of the one object is in the other, with the same value written in the same way.
pub(crate) fn are_kept(old: &str, new: &str) -> bool {
    match (members(old), members(new)) {
        (Some(old), Some(new)) => old.iter().all(|old| new.contains(old)),
        _ => false,
    }
}

fn members(json: &str) -> Option<Vec<(Cow<'_, str>, Json<'_>)>> {
    let value = Json::read(json.as_bytes()).ok()?;
    Some(value.entries()?.collect())
}

#[cfg(test)]
#[path = "custom_claims_tests.rs"]
mod tests;
