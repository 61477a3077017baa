//! What a verified token says.

use std::sync::Arc;

/// The scope of tokens that anybody can log in for, and of tokens in the original's form.
pub const OPEN_LOGIN_SCOPE: &str = "secure-data encrypt decrypt";

/// The checked claims of a token. Cheap to clone: clones share them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims(Arc<Inner>);

#[derive(Debug, PartialEq, Eq)]
struct Inner {
    subject: String,
    scope: String,
    issued_at: Option<u64>,
    expires_at: u64,
    id: Option<String>,
    json: String,
}

impl Claims {
    pub(super) fn new(
        subject: &str,
        scope: &str,
        issued_at: Option<u64>,
        expires_at: u64,
        id: Option<&str>,
        json: &str,
    ) -> Self {
        Claims(Arc::new(Inner {
            subject: subject.to_owned(),
            scope: scope.to_owned(),
            issued_at,
            expires_at,
            id: id.map(str::to_owned),
            json: json.to_owned(),
        }))
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
