//! How a command ends without success.

use sealgate::{Error, TokenError};

/// What the codes mean that every subcommand ends with.
pub(super) const EXIT_CODES: &str = "0 done; 1 the answer is no (token refused, data does not open, server not ready, no keys \
    to list, no such account); 2 it could not be asked (arguments, settings, keys, files).";

/// What ends the command without success.
pub(crate) struct Failure {
    /// One or more, each for a line of its own.
    pub(crate) sentences: Vec<String>,
    pub(crate) code: u8,
}

impl Failure {
    /// Exit code 1: the answer is no (a token that is refused, data that does not open, a server that is not ready).
    pub(super) fn no(sentence: impl Into<String>) -> Self {
        Failure {
            sentences: vec![sentence.into()],
            code: 1,
        }
    }

    /// Exit code 2: it could not be asked (arguments, settings, keys, files).
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
            // Not a refusal: nobody could look.
            Error::Token(TokenError::Unchecked) => Failure::wrong(error.to_string()),
            Error::Decrypt
            | Error::KeyRetired
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
