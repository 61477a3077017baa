//! The one public error type, and the codes that every door passes on.
//!
//! A code is stable and meant for programs; a sentence is meant for people and may be bettered.
//! No sentence ever holds a secret, a token, a plaintext or a ciphertext.

use std::time::Duration;

/// Everything that can go wrong in a call of this crate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting is missing or wrong. The sentence names it and says what is permitted.
    #[error("{0}")]
    Setting(String),
    /// The key ring cannot be read, trusted or written. The sentence says how to mend it.
    #[error("{0}")]
    KeyRing(String),
    /// The store of accounts and of what was taken back cannot be read, trusted or written. The sentence says how to mend it.
    #[error("{0}")]
    Store(String),
    /// An argument of the call is not acceptable.
    #[error("{0}")]
    InvalidInput(String),
    /// There is an account of this name already.
    #[error("There is an account of this name already.")]
    UserExists,
    /// A new password is too short, too long or too well known. The sentence says what is wanted.
    #[error("{0}")]
    WeakPassword(String),
    /// An account cannot have this name. The sentence says what is wanted.
    #[error("{0}")]
    InvalidName(String),
    /// A token was refused.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The data does not open: wrong key, wrong context, damaged, truncated or not sealed data.
    /// Deliberately one error in one wording for every cause.
    #[error("The data cannot be decrypted.")]
    Decrypt,
    /// The data was sealed under a key of ours that is not accepted any more.
    #[error("The key that the data was encrypted with has been retired.")]
    KeyRetired,
    /// No such account, another password, or an account that is switched off.
    /// Deliberately one error in one wording for every cause.
    #[error("The username or the password is wrong.")]
    LoginFailed,
    /// The caller has used up its requests.
    #[error("Rate limit exceeded. Try again in {} s.", whole_seconds(*.retry_after))]
    RateLimited {
        /// How long until the next request can be admitted.
        retry_after: Duration,
    },
    /// The operating system refused something (a file, a socket).
    #[error("{0}")]
    Io(String),
    /// OpenSSL or the system's random generator failed; nothing a caller did.
    #[error("The cryptographic library failed: {0}")]
    Crypto(&'static str),
}

impl Error {
    /// The stable code of this error, in snake case.
    pub fn code(&self) -> &'static str {
        match self {
            Error::Setting(_) => "setting",
            Error::KeyRing(_) => "key_ring",
            Error::Store(_) => "store",
            Error::InvalidInput(_) => "invalid_argument",
            Error::UserExists => "user_exists",
            Error::WeakPassword(_) => "weak_password",
            Error::InvalidName(_) => "invalid_name",
            Error::Token(error) => error.code(),
            Error::Decrypt => "decrypt_failed",
            Error::KeyRetired => "key_retired",
            Error::LoginFailed => "login_failed",
            Error::RateLimited { .. } => "rate_limited",
            Error::Io(_) => "io",
            Error::Crypto(_) => "crypto",
        }
    }
}

/// Why a token was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[error("{}", self.sentence())]
pub enum TokenError {
    /// No token came.
    Missing,
    /// Not a token of ours by its form: encoding, header, claims or size.
    Malformed,
    /// Well-formed, but signed by a key that is not ours, or for somebody else.
    Foreign,
    /// Its time is over.
    Expired,
    /// Its time has not begun (`nbf`, or `iat` in the future).
    NotYetValid,
    /// It names a key of ours that is not accepted any more.
    KeyRetired,
    /// It was taken back, or its user's account is switched off.
    Revoked,
    /// It is good in itself, but users need accounts and its user has none. The code is that of [`Revoked`](Self::Revoked).
    NoAccount,
    /// It cannot be known whether it was taken back, because the store cannot be read.
    Unchecked,
}

impl TokenError {
    /// The stable code of this error, in snake case.
    pub fn code(self) -> &'static str {
        match self {
            TokenError::Missing => "token_missing",
            TokenError::Malformed => "token_malformed",
            TokenError::Foreign => "token_invalid",
            TokenError::Expired => "token_expired",
            TokenError::NotYetValid => "token_not_yet_valid",
            TokenError::KeyRetired => "token_key_retired",
            TokenError::Revoked | TokenError::NoAccount => "token_revoked",
            TokenError::Unchecked => "token_unchecked",
        }
    }

    /// The sentence for people.
    pub fn sentence(self) -> &'static str {
        match self {
            TokenError::Missing => "Token is missing.",
            TokenError::Malformed => "Token is malformed.",
            TokenError::Foreign => "Token is invalid.",
            TokenError::Expired => "Token has expired.",
            TokenError::NotYetValid => "Token is not valid yet.",
            TokenError::KeyRetired => "Token was signed with a retired key.",
            TokenError::Revoked => "Token has been revoked.",
            TokenError::NoAccount => "The user of the token has no account.",
            TokenError::Unchecked => "Token cannot be checked now.",
        }
    }
}

/// A waiting time as `Retry-After` wants it: whole seconds, rounded up, at least 1.
pub fn whole_seconds(wait: Duration) -> u64 {
    let rounded_up = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    rounded_up.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_times_are_whole_seconds_and_never_zero() {
        assert_eq!(whole_seconds(Duration::ZERO), 1);
        assert_eq!(whole_seconds(Duration::from_millis(999)), 1);
        assert_eq!(whole_seconds(Duration::from_secs(60)), 60);
        assert_eq!(whole_seconds(Duration::from_nanos(60_000_000_001)), 61);
    }
}
