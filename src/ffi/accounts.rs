//! Lists of accounts, unlocking, and the change of the own password, as functions of a gate.

use std::ffi::{c_char, c_void};

use super::SealgateStatus;
use super::buffer::SealgateBuffer;
use super::gate::{SealgateGate, call, guarded};
use super::input::{bytes, output, text};
use super::users::{found, waiting};
use crate::users::User;

/// Lists accounts as a JSON array, in the order of their names (bytewise).
///
/// The list starts after the name `after` (empty: at the beginning) and has at most `most` accounts, so a program can read any
/// number of them page by page: an empty array follows the last one. Each account is an object: `name`, `scope` (names
/// separated by single spaces), `claims` (the custom claims of its logins), `disabled` (true or false) and `created` (in seconds since 1970-01-01 UTC); a later version
/// may add members. `*out` receives the JSON; free it with `sealgate_buffer_free`. On failure it is empty.
/// Statuses: NULL_POINTER, INVALID_UTF8, STORE. Thread safety: any thread. Since 0.1.
///
/// ```c
/// sealgate_buffer users = {0};
/// if (sealgate_list_users(gate, NULL, 0, 100, &users) == SEALGATE_STATUS_OK) {
///     puts(users.data); // [{"name":"alice","scope":"decrypt","claims":{},"disabled":false,"created":1795491237}]
/// }
/// sealgate_buffer_free(&users);
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_list_users(
    gate: *const SealgateGate,
    after: *const c_char,
    after_size: usize,
    most: u32,
    out: *mut SealgateBuffer,
) -> SealgateStatus {
    // SAFETY: by this function's contract, for all of them.
    unsafe {
        call(gate, out, SealgateBuffer::EMPTY, |gate| {
            let after = text(after, after_size, "after")?;
            let users = gate.users().list(after, most)?;
            let users = users.iter().map(User::to_json).collect();
            Ok(SealgateBuffer::json(&users))
        })
    }
}

/// Returns an account as a JSON object, as in `sealgate_list_users`.
///
/// `*out` receives the JSON; free it with `sealgate_buffer_free`. On failure it is empty.
/// Statuses: NULL_POINTER, INVALID_UTF8, NOT_FOUND (no such account), STORE. Thread safety: any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_find_user(
    gate: *const SealgateGate,
    name: *const c_char,
    name_size: usize,
    out: *mut SealgateBuffer,
) -> SealgateStatus {
    // SAFETY: by this function's contract, for all of them.
    unsafe {
        call(gate, out, SealgateBuffer::EMPTY, |gate| {
            let user = gate.users().find_user(text(name, name_size, "name")?)?;
            found(user.is_some())?;
            Ok(SealgateBuffer::json(
                &user.map(|user| user.to_json()).into(),
            ))
        })
    }
}

/// Forgets the wrong passwords for an account, so that they no longer delay its logins, in any process that uses the same data
/// directory.
///
/// Statuses: NULL_POINTER, INVALID_UTF8, NOT_FOUND (no such account), STORE, AUDIT_FAILED.
/// Thread safety: any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_unlock_user(
    gate: *const SealgateGate,
    name: *const c_char,
    name_size: usize,
) -> SealgateStatus {
    // SAFETY: by this function's contract, for both.
    unsafe {
        guarded(gate, |gate| {
            let gate = gate?;
            found(gate.users().unlock(text(name, name_size, "name")?)?)
        })
    }
}

/// Changes an account's password for its user, who knows the current one. All tokens of the account are revoked, and every
/// login ends. `sealgate_set_user_password` is for administrators, who do not know it.
///
/// The current password is checked as `sealgate_check_password` does, and a wrong one counts in the same way; `from` is the
/// client's address. `*retry_after_ms` is 0 or, with RATE_LIMITED, the milliseconds to wait. The call takes as long as two
/// password hashes.
/// Statuses: NULL_POINTER, INVALID_UTF8, WEAK_PASSWORD (the new one), LOGIN_FAILED, RATE_LIMITED, STORE, AUDIT_FAILED, CRYPTO.
/// Thread safety: any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_change_password(
    gate: *const SealgateGate,
    name: *const c_char,
    name_size: usize,
    current: *const c_void,
    current_size: usize,
    password: *const c_void,
    password_size: usize,
    from: *const c_char,
    from_size: usize,
    retry_after_ms: *mut u64,
) -> SealgateStatus {
    // SAFETY: by this function's contract, for all of them.
    unsafe {
        guarded(gate, |gate| {
            let retry_after_ms = output(retry_after_ms, 0, "retry_after_ms")?;
            let gate = gate?;
            let name = text(name, name_size, "name")?;
            let current = bytes(current, current_size, "current")?;
            let password = bytes(password, password_size, "password")?;
            let from = text(from, from_size, "from")?;
            let users = gate.users();
            let done = users.change_password(name, &current.into(), &password.into(), from);
            waiting(done, retry_after_ms)
        })
    }
}
