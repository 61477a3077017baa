//! Revocation of tokens, as functions of a gate.

use std::ffi::c_char;

use super::SealgateStatus;
use super::buffer::SealgateBuffer;
use super::gate::{SealgateGate, call, guarded};
use super::input::{text, token_text};

/// Revokes a token: an access token together with the login that it belongs to, or a refresh token together with its login.
///
/// Every gate and server with the same data directory rejects it within a second, until it would have expired. `*out`
/// receives the user that it was issued to; free it with `sealgate_buffer_free`. On failure it is empty. Revoking a token
/// again succeeds.
/// Statuses: NULL_POINTER, TOKEN_MISSING, TOKEN_MALFORMED, TOKEN_INVALID, TOKEN_EXPIRED, TOKEN_NOT_YET_VALID,
/// TOKEN_KEY_RETIRED, INVALID_ARGUMENT (an API key: `sealgate_revoke_api_key` revokes those), SETTING (no data directory, and
/// keys that are not ephemeral), STORE, AUDIT_FAILED.
/// Thread safety: any thread. Since 0.1.
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
            let user = gate.revoke_token(token)?;
            Ok(SealgateBuffer::new(user.into_bytes(), false))
        })
    }
}

/// Revokes a token by its id (`sealgate_claims_id`), or a login by its id (the claim sid).
///
/// `expires_at`, in seconds since 1970-01-01 UTC, is when it expires; the revocation is kept until then. 0 if that is not
/// known.
/// Statuses: NULL_POINTER, INVALID_UTF8, INVALID_ARGUMENT (not a valid id), SETTING, STORE, AUDIT_FAILED.
/// Thread safety: any thread. Since 0.1.
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
            Ok(gate.revoke_token_id(id, (expires_at > 0).then_some(expires_at))?)
        })
    }
}

/// Revokes all tokens issued to a user until now, and ends all the user's logins. The original program's tokens, which do
/// not record when they were issued, are rejected from now on.
///
/// Statuses: NULL_POINTER, INVALID_UTF8, INVALID_ARGUMENT (not a valid name), SETTING, STORE, AUDIT_FAILED.
/// Thread safety: any thread. Since 0.1.
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
            Ok(gate.revoke_user(user)?)
        })
    }
}
