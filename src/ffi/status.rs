//! `sealgate_status`: what every call that can fail returns.

use std::ffi::c_char;

use crate::{Error, TokenError};

/// What a call came to. 0 is success; numbers are never changed or reused, new ones are added.
///
/// The number is the contract; `sealgate_last_error` has a sentence for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum SealgateStatus {
    /// The call did what it is for.
    Ok = 0,
    /// A pointer that must not be NULL is.
    NullPointer = 1,
    /// An argument is not acceptable.
    InvalidArgument = 2,
    /// A text is not UTF-8.
    InvalidUtf8 = 3,
    /// A setting is unknown, missing or wrong.
    Setting = 4,
    /// The key ring cannot be read, trusted or written.
    KeyRing = 5,
    /// The store of accounts and of what was taken back cannot be read, trusted or written.
    Store = 7,
    /// The buffer is too small; the call has told the size that it needs.
    BufferTooSmall = 6,
    /// No token was given.
    TokenMissing = 10,
    /// Not a token of ours by its form.
    TokenMalformed = 11,
    /// Signed by somebody else, or for somebody else.
    TokenInvalid = 12,
    /// Its time is over.
    TokenExpired = 13,
    /// Its time has not begun.
    TokenNotYetValid = 14,
    /// It names a key of ours that is not accepted any more.
    TokenKeyRetired = 15,
    /// It was taken back, or its user's account is gone or switched off.
    TokenRevoked = 16,
    /// It cannot be known whether it was taken back, because the store cannot be read.
    TokenUnchecked = 17,
    /// The data does not open: wrong key, wrong context, damaged, or not encrypted data. One status for every cause.
    DecryptFailed = 20,
    /// The data was sealed under a key of ours that is not accepted any more.
    KeyRetired = 21,
    /// The caller has used up its requests.
    RateLimited = 30,
    /// No such account, another password, or an account that is switched off. One status for every cause.
    LoginFailed = 31,
    /// There is no account of this name.
    NotFound = 32,
    /// There is an account of this name already.
    UserExists = 33,
    /// A new password is too short, too long or too well known.
    WeakPassword = 34,
    /// An account cannot have this name.
    InvalidName = 35,
    /// From a callback, or a thread, that the call would have to wait for.
    WouldDeadlock = 40,
    /// A server's handle in a process that was forked off after the server was made.
    Forked = 41,
    /// The handle is not in the state for this call: a server that runs takes no more routes, and starts only once; a
    /// finished stream takes no more data.
    WrongState = 42,
    /// The time was over before everything had ended.
    TimedOut = 43,
    /// The operating system refused something.
    Io = 50,
    /// OpenSSL or the system's random generator failed.
    Crypto = 51,
    /// A fault inside the library. The handle of the call refuses further use.
    Panic = 60,
}

impl SealgateStatus {
    const ALL: [(SealgateStatus, &'static std::ffi::CStr); 31] = [
        (SealgateStatus::Ok, c"ok"),
        (SealgateStatus::NullPointer, c"null_pointer"),
        (SealgateStatus::InvalidArgument, c"invalid_argument"),
        (SealgateStatus::InvalidUtf8, c"invalid_utf8"),
        (SealgateStatus::Setting, c"setting"),
        (SealgateStatus::KeyRing, c"key_ring"),
        (SealgateStatus::Store, c"store"),
        (SealgateStatus::BufferTooSmall, c"buffer_too_small"),
        (SealgateStatus::TokenMissing, c"token_missing"),
        (SealgateStatus::TokenMalformed, c"token_malformed"),
        (SealgateStatus::TokenInvalid, c"token_invalid"),
        (SealgateStatus::TokenExpired, c"token_expired"),
        (SealgateStatus::TokenNotYetValid, c"token_not_yet_valid"),
        (SealgateStatus::TokenKeyRetired, c"token_key_retired"),
        (SealgateStatus::TokenRevoked, c"token_revoked"),
        (SealgateStatus::TokenUnchecked, c"token_unchecked"),
        (SealgateStatus::DecryptFailed, c"decrypt_failed"),
        (SealgateStatus::KeyRetired, c"key_retired"),
        (SealgateStatus::RateLimited, c"rate_limited"),
        (SealgateStatus::LoginFailed, c"login_failed"),
        (SealgateStatus::NotFound, c"not_found"),
        (SealgateStatus::UserExists, c"user_exists"),
        (SealgateStatus::WeakPassword, c"weak_password"),
        (SealgateStatus::InvalidName, c"invalid_name"),
        (SealgateStatus::WouldDeadlock, c"would_deadlock"),
        (SealgateStatus::Forked, c"forked"),
        (SealgateStatus::WrongState, c"wrong_state"),
        (SealgateStatus::TimedOut, c"timed_out"),
        (SealgateStatus::Io, c"io"),
        (SealgateStatus::Crypto, c"crypto"),
        (SealgateStatus::Panic, c"panic"),
    ];

    pub(super) fn of(error: &Error) -> Self {
        match error {
            Error::Setting(_) => SealgateStatus::Setting,
            Error::KeyRing(_) => SealgateStatus::KeyRing,
            Error::Store(_) => SealgateStatus::Store,
            Error::InvalidInput(_) => SealgateStatus::InvalidArgument,
            Error::UserExists => SealgateStatus::UserExists,
            Error::WeakPassword(_) => SealgateStatus::WeakPassword,
            Error::InvalidName(_) => SealgateStatus::InvalidName,
            Error::Token(TokenError::Missing) => SealgateStatus::TokenMissing,
            Error::Token(TokenError::Malformed) => SealgateStatus::TokenMalformed,
            Error::Token(TokenError::Foreign) => SealgateStatus::TokenInvalid,
            Error::Token(TokenError::Expired) => SealgateStatus::TokenExpired,
            Error::Token(TokenError::NotYetValid) => SealgateStatus::TokenNotYetValid,
            Error::Token(TokenError::KeyRetired) => SealgateStatus::TokenKeyRetired,
            Error::Token(TokenError::Revoked | TokenError::NoAccount) => {
                SealgateStatus::TokenRevoked
            }
            Error::Token(TokenError::Unchecked) => SealgateStatus::TokenUnchecked,
            Error::Decrypt => SealgateStatus::DecryptFailed,
            Error::KeyRetired => SealgateStatus::KeyRetired,
            Error::LoginFailed => SealgateStatus::LoginFailed,
            Error::RateLimited { .. } => SealgateStatus::RateLimited,
            Error::Io(_) => SealgateStatus::Io,
            Error::Crypto(_) => SealgateStatus::Crypto,
        }
    }
}

/// The name of a status in snake case, such as "token_expired"; "unknown" for a number that is none.
///
/// The text lives as long as the process and must not be freed. Thread safety: any thread, any time. Since 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn sealgate_status_name(status: i32) -> *const c_char {
    SealgateStatus::ALL
        .iter()
        .find(|(known, _)| *known as i32 == status)
        .map_or(c"unknown", |(_, name)| name)
        .as_ptr()
}
