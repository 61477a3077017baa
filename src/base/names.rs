//! The rules for usernames and scopes.

use crate::Error;

/// Whether a username is valid: 1 to 256 characters, none of them a control character.
pub fn valid_subject(name: &str) -> bool {
    // A name with more bytes than 256 of the longest characters has too many characters.
    (1..=1024).contains(&name.len())
        && name.chars().count() <= 256
        && !name.chars().any(char::is_control)
}

/// Returns an error for an invalid username.
pub(crate) fn check_subject(name: &str) -> Result<(), Error> {
    if valid_subject(name) {
        return Ok(());
    }
    Err(Error::InvalidInput(
        "The username must be 1 to 256 characters long and without control characters.".into(),
    ))
}

/// Whether a scope is well-formed (RFC 6749, section 3.3): names of printable ASCII separated by single spaces; may be
/// empty.
pub fn valid_scope(scope: &str) -> bool {
    scope.len() <= 1024
        && (scope.is_empty()
            || scope.split(' ').all(|name| {
                !name.is_empty()
                    && name
                        .bytes()
                        .all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
            }))
}

/// Returns an error for a malformed scope.
pub(crate) fn check_scope(scope: &str) -> Result<(), Error> {
    if valid_scope(scope) {
        return Ok(());
    }
    Err(Error::InvalidInput(
        "The scope must be names of visible ASCII characters other than \" and \\, separated by single spaces, 1024 characters in all."
            .into(),
    ))
}

/// The requested scope if it is permitted; the whole permitted scope if none was requested.
pub(crate) fn narrow_scope<'a>(asked: &'a str, permitted: &'a str) -> Result<&'a str, Error> {
    if asked.is_empty() {
        return Ok(permitted);
    }
    let offered = |name: &str| permitted.split(' ').any(|known| known == name);
    // Two spaces in a row give an empty name.
    if asked
        .split(' ')
        .all(|name| !name.is_empty() && offered(name))
    {
        return Ok(asked);
    }
    Err(Error::InvalidInput(format!(
        "The scope must be a subset of: {permitted}."
    )))
}
