//! The crate's public error type, and the error codes that every door reports.
//!
//! Codes are stable and meant for programs; sentences are meant for people and may change.
//! No sentence contains a secret, a token, plaintext or ciphertext.

use std::time::Duration;

/// Any error that a call to this crate returns.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting is missing or invalid. The sentence names it and states what is permitted.
    #[error("{0}")]
    Setting(String),
    /// The key ring cannot be read, trusted or written. The sentence explains how to fix it.
    #[error("{0}")]
    KeyRing(String),
    /// The store of accounts and revocations cannot be read, trusted or written. The sentence explains how to fix it.
    #[error("{0}")]
    Store(String),
    /// The audit trail cannot be written, and the settings refuse changes then: nothing was changed. The sentence has the reason.
    #[error("{0}")]
    Audit(String),
    /// An argument of the call is invalid.
    #[error("{0}")]
    InvalidInput(String),
    /// An account with this name already exists.
    #[error("An account with this name already exists.")]
    UserExists,
    /// A new password is too short, too long or too common. The sentence states the requirement.
    #[error("{0}")]
    WeakPassword(String),
    /// An account cannot have this name. The sentence states the requirement.
    #[error("{0}")]
    InvalidName(String),
    /// A token was refused.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The data cannot be decrypted: wrong key, wrong context, or damaged, truncated or not sealed data.
    /// Deliberately the same error and wording for every cause.
    #[error("The data cannot be decrypted.")]
    Decrypt,
    /// The data was sealed under one of our keys that is no longer accepted.
    #[error("The key that the data was encrypted with has been retired.")]
    KeyRetired,
    /// A signature is not valid: wrong key, wrong context, or damaged, truncated or not signed data.
    /// Deliberately the same error and wording for every cause.
    #[error("The signature is not valid.")]
    Signature,
    /// The data is authentic, but older than the caller permits, dated in the future, or without a time.
    #[error("The data is authentic, but not recent enough.")]
    NotFresh,
    /// No such account, a wrong password, or a disabled account.
    /// Deliberately the same error and wording for every cause.
    #[error("The username or the password is wrong.")]
    LoginFailed,
    /// The caller has exceeded its rate limit.
    #[error("Rate limit exceeded. Try again in {} s.", whole_seconds(*.retry_after))]
    RateLimited {
        /// Time until the next request can be admitted.
        retry_after: Duration,
    },
    /// An operation on a file, a socket or another resource of the operating system failed.
    #[error("{0}")]
    Io(String),
    /// OpenSSL or the system's random generator failed, through no fault of the caller.
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
            Error::Audit(_) => "audit_failed",
            Error::InvalidInput(_) => "invalid_argument",
            Error::UserExists => "user_exists",
            Error::WeakPassword(_) => "weak_password",
            Error::InvalidName(_) => "invalid_name",
            Error::Token(error) => error.code(),
            Error::Decrypt => "decrypt_failed",
            Error::KeyRetired => "key_retired",
            Error::Signature => "signature_invalid",
            Error::NotFresh => "not_fresh",
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
    /// No token was given.
    Missing,
    /// It does not have the form of our tokens: encoding, header, claims or size.
    Malformed,
    /// Well-formed, but signed with a key that is not ours, or for another issuer or audience.
    Invalid,
    /// It has expired.
    Expired,
    /// It is not valid yet (`nbf`, or `iat` in the future).
    NotYetValid,
    /// It names one of our keys that is no longer accepted.
    KeyRetired,
    /// It has been revoked, or its user's account is disabled.
    Revoked,
    /// It is otherwise valid, but users need accounts and its user has none. It has the code of [`Revoked`](Self::Revoked).
    NoAccount,
    /// Whether it has been revoked is unknown, because the store cannot be read.
    Unchecked,
}

impl TokenError {
    /// The stable code of this error, in snake case.
    pub fn code(self) -> &'static str {
        match self {
            TokenError::Missing => "token_missing",
            TokenError::Malformed => "token_malformed",
            TokenError::Invalid => "token_invalid",
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
            TokenError::Invalid => "Token is invalid.",
            TokenError::Expired => "Token has expired.",
            TokenError::NotYetValid => "Token is not valid yet.",
            TokenError::KeyRetired => "Token was signed with a retired key.",
            TokenError::Revoked => "Token has been revoked.",
            TokenError::NoAccount => "The token's user has no account.",
            TokenError::Unchecked => "Token cannot be checked now.",
        }
    }
}

/// A wait in the form that `Retry-After` requires: whole seconds, rounded up, at least 1.
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
