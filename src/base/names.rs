//! The rules for usernames and scopes.

use crate::Error;

/// Whether a username is acceptable: 1 to 256 characters, none of them a control character.
pub fn valid_subject(name: &str) -> bool {
    // Whatever the characters, a name longer than 256 times the longest character has too many.
    (1..=1024).contains(&name.len())
        && name.chars().count() <= 256
        && !name.chars().any(char::is_control)
}

/// The error of a username that is not acceptable.
pub(crate) fn check_subject(name: &str) -> Result<(), Error> {
    if valid_subject(name) {
        return Ok(());
    }
    Err(Error::InvalidInput(
        "The username must be 1 to 256 characters long and without control characters.".into(),
    ))
}

/// Whether a scope is well-formed (RFC 6749, section 3.3): names of printable ASCII with single spaces between; may be
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

/// What was asked for, at most what is permitted; all of it where nothing was asked.
pub(crate) fn narrow_scope<'a>(asked: &'a str, permitted: &'a str) -> Result<&'a str, Error> {
    if asked.is_empty() {
        return Ok(permitted);
    }
    let offered = |name: &str| permitted.split(' ').any(|known| known == name);
    // An empty name is what two spaces have between them.
    if asked
        .split(' ')
        .all(|name| !name.is_empty() && offered(name))
    {
        return Ok(asked);
    }
    Err(Error::InvalidInput(format!(
        "The scope can be some of: {permitted}."
    )))
}
