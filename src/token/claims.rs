//! What a verified token says.

use std::sync::Arc;

use crate::Error;

/// The scope of tokens that anybody can log in for, and of tokens in the original's form.
pub const OPEN_LOGIN_SCOPE: &str = "secure-data encrypt decrypt";

/// The checked claims of a token. Cheap to clone: clones share them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims(Arc<Inner>);

/// What claims are made of.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Inner {
    pub(super) subject: String,
    pub(super) scope: String,
    pub(super) issued_at: Option<u64>,
    pub(super) expires_at: u64,
    pub(super) id: Option<String>,
    pub(super) session: Option<String>,
    /// The id in a token of another program: it can be taken back by that, which need not be its alone.
    pub(super) foreign_id: Option<String>,
    pub(super) json: String,
}

impl Claims {
    pub(super) fn new(inner: Inner) -> Self {
        Claims(Arc::new(inner))
    }

    #[cfg(test)]
    pub(super) fn of(subject: &str, expires_at: u64) -> Self {
        Claims::new(Inner {
            subject: subject.to_owned(),
            expires_at,
            ..Inner::default()
        })
    }

    /// The user.
    pub fn subject(&self) -> &str {
        &self.0.subject
    }

    /// The scope names, with spaces between.
    pub fn scope(&self) -> &str {
        &self.0.scope
    }

    /// Whether the token carries this scope name.
    pub fn has_scope(&self, name: &str) -> bool {
        self.0.scope.split(' ').any(|scope| scope == name)
    }

    /// When it was issued, in seconds since 1970-01-01 UTC; the original's tokens do not say.
    pub fn issued_at(&self) -> Option<u64> {
        self.0.issued_at
    }

    /// When it expires, in seconds since 1970-01-01 UTC.
    pub fn expires_at(&self) -> u64 {
        self.0.expires_at
    }

    /// Its own id; the original's tokens have none.
    pub fn id(&self) -> Option<&str> {
        self.0.id.as_deref()
    }

    /// The login that it comes from (`sid`), where that can be refreshed.
    pub fn session(&self) -> Option<&str> {
        self.0.session.as_deref()
    }

    pub(super) fn foreign_id(&self) -> Option<&str> {
        self.0.foreign_id.as_deref()
    }

    /// All claims as the token has them, a JSON object.
    pub fn json(&self) -> &str {
        &self.0.json
    }
}

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
