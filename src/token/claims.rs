//! What a verified token says.

/// The scope of tokens that anybody can log in for, and of tokens in the original's form.
pub const OPEN_LOGIN_SCOPE: &str = "secure-data encrypt decrypt";

/// The checked claims of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    pub(super) subject: String,
    pub(super) scope: String,
    pub(super) issued_at: Option<u64>,
    pub(super) expires_at: u64,
    pub(super) id: Option<String>,
    pub(super) json: String,
}

impl Claims {
    /// The user.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The scope names, with spaces between.
    pub fn scope(&self) -> &str {
        &self.scope
    }

    /// Whether the token carries this scope name.
    pub fn has_scope(&self, name: &str) -> bool {
        self.scope.split(' ').any(|scope| scope == name)
    }

    /// When it was issued, in seconds since 1970-01-01 UTC; the original's tokens do not say.
    pub fn issued_at(&self) -> Option<u64> {
        self.issued_at
    }

    /// When it expires, in seconds since 1970-01-01 UTC.
    pub fn expires_at(&self) -> u64 {
        self.expires_at
    }

    /// Its own id; the original's tokens have none.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// All claims as the token has them, a JSON object.
    pub fn json(&self) -> &str {
        &self.json
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
