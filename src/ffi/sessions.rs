//! Logins that can be refreshed, as functions of a gate.

use std::ffi::c_char;

use super::buffer::SealgateBuffer;
use super::gate::{SealgateGate, call};
use super::input::text;
use super::users::found;
use super::{Failure, SealgateStatus};
use crate::users::UserSession;

/// Lists the logins of an account that can be refreshed as a JSON array, oldest first; at most 100.
///
/// Each login is an object: `id` (the claim `sid` of its tokens), `started`, `refreshed` (when its refresh token was last used;
/// null if it never was) and `expires` (when it ends unless it is refreshed before), in seconds since 1970-01-01 UTC;
/// `started` is null for a login from before this was recorded. A later version may add members. `*out` receives the JSON;
/// free it with `sealgate_buffer_free`. On failure it is empty.
/// Statuses: NULL_POINTER, INVALID_UTF8, NOT_FOUND (no such account), STORE. Thread safety: any thread. Since 0.1.
///
/// ```c
/// sealgate_buffer sessions = {0};
/// if (sealgate_list_sessions(gate, SEALGATE_LITERAL("alice"), &sessions) == SEALGATE_STATUS_OK) {
///     puts(sessions.data); // [{"id":"tF0wcMOhVqHJcvzDVsR2Xg","started":1795491237,"refreshed":null,"expires":1796700837}]
/// }
/// sealgate_buffer_free(&sessions);
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_list_sessions(
    gate: *const SealgateGate,
    user: *const c_char,
    user_size: usize,
    out: *mut SealgateBuffer,
) -> SealgateStatus {
    // SAFETY: by this function's contract, for all of them.
    unsafe {
        call(gate, out, SealgateBuffer::EMPTY, |gate| {
            let sessions = gate.users().sessions(text(user, user_size, "user")?)?;
            found(sessions.is_some())?;
            let sessions = sessions.unwrap_or_default();
            let sessions = sessions.iter().map(UserSession::to_json).collect();
            Ok(SealgateBuffer::json(&sessions))
        })
    }
}

/// Ends a login by its id, which `sealgate_list_sessions` returns, and revokes its tokens. `sealgate_revoke_user` ends all
/// logins of a user.
///
/// `*out` receives the user; free it with `sealgate_buffer_free`. On failure it is empty.
/// Statuses: NULL_POINTER, INVALID_UTF8, NOT_FOUND (no such login), STORE, AUDIT_FAILED. Thread safety: any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_end_session(
    gate: *const SealgateGate,
    id: *const c_char,
    id_size: usize,
    out: *mut SealgateBuffer,
) -> SealgateStatus {
    // SAFETY: by this function's contract, for all of them.
    unsafe {
        call(gate, out, SealgateBuffer::EMPTY, |gate| {
            match gate.users().end_session(text(id, id_size, "id")?)? {
                Some(user) => Ok(SealgateBuffer::new(user.into_bytes(), false)),
                None => Err(Failure::new(
                    SealgateStatus::NotFound,
                    "There is no login with this id that can be refreshed.",
                )),
            }
        })
    }
}
