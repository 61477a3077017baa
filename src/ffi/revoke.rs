//! Tokens that are taken back, as functions of a gate; and the audit events of what is done through the C interface.

use std::ffi::c_char;

use super::buffer::SealgateBuffer;
use super::gate::{SealgateGate, call, guarded};
use super::input::{bytes, text};
use super::{Failure, SealgateStatus};
use crate::gate::audit::{Asker, Event};
use crate::{Error, Gate};

/// Takes a token back: an access token with the login that it comes from, or a refresh token with its login.
///
/// Every gate and server that uses the same data directory refuses it within a second, until it would have expired.
/// `*out` receives the user that it was for; free it with `sealgate_buffer_free`. On failure it is empty.
/// Statuses: NULL_POINTER, TOKEN_MISSING, TOKEN_MALFORMED, TOKEN_INVALID, TOKEN_EXPIRED, TOKEN_NOT_YET_VALID,
/// TOKEN_KEY_RETIRED, SETTING (no data directory, and keys that do not die with the gate), STORE. One that was taken back
/// before stays so: OK. Thread safety: any thread. Since 0.1.
///
/// # Safety
/// `gate` is NULL or live; `token` is NULL or has its size; `out` is NULL or may be written.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_revoke_token(
    gate: *const SealgateGate,
    token: *const c_char,
    token_size: usize,
    out: *mut SealgateBuffer,
) -> SealgateStatus {
    // SAFETY: by this function's contract, for all of them.
    unsafe {
        call(gate, out, SealgateBuffer::EMPTY, |gate| {
            let token = token_text(token, token_size, "token")?;
            let done = gate.revoke_token(token);
            let result = done.as_ref().map_or_else(Error::code, |_| "ok");
            let user = done.as_deref().ok();
            tell(gate, "revoke.token", result, user);
            Ok(SealgateBuffer::new(done?.into_bytes(), false))
        })
    }
}

/// Takes a token back by its own id (`sealgate_claims_id`), or a login by its (the claim sid).
///
/// `expires_at`, in seconds since 1970-01-01 UTC, is when it ends by itself, until when this is remembered; 0 where that is not
/// known. Statuses: NULL_POINTER, INVALID_UTF8, INVALID_ARGUMENT (it cannot be an id), SETTING, STORE.
/// Thread safety: any thread. Since 0.1.
///
/// # Safety
/// `gate` is NULL or live; `id` is NULL or has its size.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_revoke_token_id(
    gate: *const SealgateGate,
    id: *const c_char,
    id_size: usize,
    expires_at: u64,
) -> SealgateStatus {
    // SAFETY: by this function's contract, for both.
    unsafe {
        guarded(gate, |gate| {
            let gate = gate?;
            let id = text(id, id_size, "id")?;
            let done = gate.revoke_token_id(id, (expires_at > 0).then_some(expires_at));
            let result = done.as_ref().map_or_else(Error::code, |()| "ok");
            tell(gate, "revoke.token", result, None);
            Ok(done?)
        })
    }
}

/// Takes back all tokens of a user that were issued until now, and ends all logins. The original program's tokens, which do not
/// say when they were issued, are refused from now on.
///
/// Statuses: NULL_POINTER, INVALID_UTF8, INVALID_ARGUMENT (it cannot be a name), SETTING, STORE.
/// Thread safety: any thread. Since 0.1.
///
/// # Safety
/// `gate` is NULL or live; `user` is NULL or has its size.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_revoke_user(
    gate: *const SealgateGate,
    user: *const c_char,
    user_size: usize,
) -> SealgateStatus {
    // SAFETY: by this function's contract, for both.
    unsafe {
        guarded(gate, |gate| {
            let gate = gate?;
            let user = text(user, user_size, "user")?;
            let done = gate.revoke_user(user);
            Ok(told(gate, "revoke.user", user, done)?)
        })
    }
}

/// What is no text is no token either.
///
/// # Safety
/// As [`bytes`].
pub(super) unsafe fn token_text<'a>(
    token: *const c_char,
    size: usize,
    what: &str,
) -> Result<&'a str, Failure> {
    // SAFETY: by this function's contract.
    let token = unsafe { bytes(token.cast(), size, what)? };
    Ok(std::str::from_utf8(token).unwrap_or("\u{fffd}"))
}

/// Tells the audit trail how it ended, and passes that on.
pub(super) fn told<T>(
    gate: &Gate,
    event: &'static str,
    user: &str,
    done: Result<T, Error>,
) -> Result<T, Error> {
    let result = done.as_ref().map_or_else(Error::code, |_| "ok");
    tell(gate, event, result, Some(user));
    done
}

pub(super) fn tell(gate: &Gate, event: &'static str, result: &str, user: Option<&str>) {
    gate.pseudonyms().tell(&Event {
        event,
        result,
        user,
        peer: Asker::LIBRARY.peer,
        id: Asker::LIBRARY.id,
    });
}
