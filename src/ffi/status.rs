//! `sealgate_status`: the return value of every call that can fail.

use std::ffi::c_char;

use crate::{Error, TokenError};

/// The result of a call. 0 is success; numbers are never changed or reused, only added.
///
/// Programs decide by the number; `sealgate_last_error` has a sentence for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum SealgateStatus {
    /// The call succeeded.
    Ok = 0,
    /// A required pointer is NULL.
    NullPointer = 1,
    /// An argument is invalid.
    InvalidArgument = 2,
    /// A text is not UTF-8.
    InvalidUtf8 = 3,
    /// A setting is unknown, missing or invalid.
    Setting = 4,
    /// The key ring cannot be read, trusted or written.
    KeyRing = 5,
    /// The store of accounts and revocations cannot be read, trusted or written.
    Store = 7,
    /// The audit trail cannot be written, and audit_fail is "closed": nothing was changed.
    AuditFailed = 8,
    /// The buffer is too small; the call has returned the size that it needs.
    BufferTooSmall = 6,
    /// No token was given.
    TokenMissing = 10,
    /// It does not have the form of a Sealgate token.
    TokenMalformed = 11,
    /// The signature is not from these keys, or the token is meant for another recipient.
    TokenInvalid = 12,
    /// It has expired.
    TokenExpired = 13,
    /// It is not valid yet.
    TokenNotYetValid = 14,
    /// It names one of our keys that is no longer accepted.
    TokenKeyRetired = 15,
    /// It has been revoked, or its user's account has been removed or disabled.
    TokenRevoked = 16,
    /// Whether it has been revoked is unknown, because the store cannot be read.
    TokenUnchecked = 17,
    /// The data cannot be decrypted: wrong key, wrong context, damaged, or not encrypted data. One status for every cause.
    DecryptFailed = 20,
    /// The data was sealed under one of our keys that is no longer accepted.
    KeyRetired = 21,
    /// The data is authentic, but older than the call permits, dated in the future, or without a time.
    NotFresh = 22,
    /// The signature is not valid: wrong key, wrong context, damaged, or not signed data. One status for every cause.
    SignatureInvalid = 23,
    /// The user or client has used up its requests.
    RateLimited = 30,
    /// Unknown account, wrong password or disabled account. One status for every cause.
    LoginFailed = 31,
    /// There is no account or claim with this name, or nothing else of what the call is about: its comment says what.
    NotFound = 32,
    /// There is already an account with this name.
    UserExists = 33,
    /// A new password is too short, too long or too common.
    WeakPassword = 34,
    /// The name is not valid for an account.
    InvalidName = 35,
    /// The call was made from a callback or a thread that it would have to wait for.
    WouldDeadlock = 40,
    /// The server's handle is used in a process forked after the server was created.
    Forked = 41,
    /// The handle is in the wrong state for this call: a running server accepts no more routes and starts only once; a
    /// finished stream accepts no more data.
    WrongState = 42,
    /// The time was up before everything had finished.
    TimedOut = 43,
    /// The operating system reported an error.
    Io = 50,
    /// OpenSSL or the system's random generator failed.
    Crypto = 51,
    /// An internal fault of the library. The handle of the call refuses further use.
    Panic = 60,
}

impl SealgateStatus {
    const ALL: [(SealgateStatus, &'static std::ffi::CStr); 34] = [
        (SealgateStatus::Ok, c"ok"),
        (SealgateStatus::NullPointer, c"null_pointer"),
        (SealgateStatus::InvalidArgument, c"invalid_argument"),
        (SealgateStatus::InvalidUtf8, c"invalid_utf8"),
        (SealgateStatus::Setting, c"setting"),
        (SealgateStatus::KeyRing, c"key_ring"),
        (SealgateStatus::Store, c"store"),
        (SealgateStatus::AuditFailed, c"audit_failed"),
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
        (SealgateStatus::NotFresh, c"not_fresh"),
        (SealgateStatus::SignatureInvalid, c"signature_invalid"),
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
            Error::Audit(_) => SealgateStatus::AuditFailed,
            Error::InvalidInput(_) => SealgateStatus::InvalidArgument,
            Error::UserExists => SealgateStatus::UserExists,
            Error::WeakPassword(_) => SealgateStatus::WeakPassword,
            Error::InvalidName(_) => SealgateStatus::InvalidName,
            Error::Token(TokenError::Missing) => SealgateStatus::TokenMissing,
            Error::Token(TokenError::Malformed) => SealgateStatus::TokenMalformed,
            Error::Token(TokenError::Invalid) => SealgateStatus::TokenInvalid,
            Error::Token(TokenError::Expired) => SealgateStatus::TokenExpired,
            Error::Token(TokenError::NotYetValid) => SealgateStatus::TokenNotYetValid,
            Error::Token(TokenError::KeyRetired) => SealgateStatus::TokenKeyRetired,
            Error::Token(TokenError::Revoked | TokenError::NoAccount) => {
                SealgateStatus::TokenRevoked
            }
            Error::Token(TokenError::Unchecked) => SealgateStatus::TokenUnchecked,
            Error::Decrypt => SealgateStatus::DecryptFailed,
            Error::KeyRetired => SealgateStatus::KeyRetired,
            Error::NotFresh => SealgateStatus::NotFresh,
            Error::Signature => SealgateStatus::SignatureInvalid,
            Error::LoginFailed => SealgateStatus::LoginFailed,
            Error::RateLimited { .. } => SealgateStatus::RateLimited,
            Error::Io(_) => SealgateStatus::Io,
            Error::Crypto(_) => SealgateStatus::Crypto,
        }
    }
}

/// The name of a status in snake case, such as "token_expired"; "unknown" for an unknown number.
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
