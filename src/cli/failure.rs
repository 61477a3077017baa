//! How a command fails.

use sealgate::{Error, TokenError};

/// The exit codes of every subcommand.
pub(super) const EXIT_CODES: &str = "0 success; 1 negative result (token or signature refused, data cannot be decrypted or is too \
    old, server not ready, no keys to list, no such account or login); 2 error (arguments, settings, keys, files).";

/// Why the command failed.
pub(crate) struct Failure {
    /// One or more, each printed on its own line.
    pub(crate) sentences: Vec<String>,
    pub(crate) code: u8,
}

impl Failure {
    /// Exit code 1: a negative result (a refused token, data that cannot be decrypted, a server that is not ready).
    pub(super) fn no(sentence: impl Into<String>) -> Self {
        Failure {
            sentences: vec![sentence.into()],
            code: 1,
        }
    }

    /// There is no store to look into.
    pub(super) fn no_store() -> Self {
        Failure::no("There is no store: no account was ever created, and no token revoked.")
    }

    /// Exit code 2: an error (arguments, settings, keys, files).
    pub(super) fn wrong(sentence: impl Into<String>) -> Self {
        Failure {
            sentences: vec![sentence.into()],
            code: 2,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            // Not a refusal: the token could not be checked.
            Error::Token(TokenError::Unchecked) => Failure::wrong(error.to_string()),
            Error::Decrypt
            | Error::KeyRetired
            | Error::NotFresh
            | Error::Signature
            | Error::Token(_)
            | Error::LoginFailed
            | Error::RateLimited { .. } => Failure::no(error.to_string()),
            Error::UserExists => Failure::no(format!("{error} ({})", error.code())),
            Error::WeakPassword(_) | Error::InvalidName(_) => {
                Failure::wrong(format!("{error} ({})", error.code()))
            }
            _ => Failure::wrong(error.to_string()),
        }
    }
}
