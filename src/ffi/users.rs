//! Accounts and logins, as functions of a gate.

use std::ffi::{c_char, c_void};

use super::buffer::SealgateBuffer;
use super::gate::{SealgateGate, call, guarded, milliseconds};
use super::input::{bytes, output, text, token_text};
use super::{Failure, SealgateStatus};
use crate::{Error, Refreshed, TokenError, Tokens};

/// Creates an account in the gate's data directory or, with ephemeral keys, one that is lost with the gate.
///
/// `name` is 1 to 256 characters of UTF-8 without control characters. `password` is 8 to 128 characters of UTF-8 and not a
/// common password. `scope` is all that the account's tokens may be used for, as names separated by single spaces; it may
/// be empty. (The command and the Python package default to SEALGATE_OPEN_LOGIN_SCOPE.) Once an account has been created,
/// tokens of users without an account are rejected, and the server's /login requires passwords. The call takes as long as a
/// password hash.
/// Statuses: NULL_POINTER, INVALID_UTF8, USER_EXISTS, INVALID_NAME, WEAK_PASSWORD, INVALID_ARGUMENT (the scope),
/// SETTING (no data directory), STORE, AUDIT_FAILED, CRYPTO. Thread safety: any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_add_user(
    gate: *const SealgateGate,
    name: *const c_char,
    name_size: usize,
    password: *const c_void,
    password_size: usize,
    scope: *const c_char,
    scope_size: usize,
) -> SealgateStatus {
    // SAFETY: by this function's contract, for all of them.
    unsafe {
        guarded(gate, |gate| {
            let gate = gate?;
            let name = text(name, name_size, "name")?;
            let password = bytes(password, password_size, "password")?;
            let scope = text(scope, scope_size, "scope")?;
            Ok(gate.users().add(name, &password.into(), scope)?)
        })
    }
}

/// Returns the default scope of a user's tokens: the scope of the account with this name, or SEALGATE_OPEN_LOGIN_SCOPE if
/// there is none. `sealgate token issue` and Python's `issue_token` use it by default; `sealgate_issue_token` uses the
/// scope that it is passed.
///
/// `*out` receives names separated by single spaces, or none; free it with `sealgate_buffer_free`. On failure it is empty.
/// Statuses: NULL_POINTER, INVALID_UTF8, STORE. Thread safety: any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_default_scope(
    gate: *const SealgateGate,
    subject: *const c_char,
    subject_size: usize,
    out: *mut SealgateBuffer,
) -> SealgateStatus {
    // SAFETY: by this function's contract, for all of them.
    unsafe {
        call(gate, out, SealgateBuffer::EMPTY, |gate| {
            let scope = gate.default_scope(text(subject, subject_size, "subject")?)?;
            Ok(SealgateBuffer::new(scope.into_bytes(), false))
        })
    }
}

/// Checks a password and returns the scope of the account.
///
/// `from` is the client's address as text, or anything else that identifies its location; it may be empty. After several
/// wrong passwords for one name from one place (setting lockout_after), further attempts from there have to wait, longer
/// each time. Guesses from other places slow a name down too, but not where it has logged in from before: docs/accounts.md,
/// "Guessing".
/// `*out` receives the scope of the account: names separated by single spaces, or none; free it with
/// `sealgate_buffer_free`. `*retry_after_ms` is 0 or, with RATE_LIMITED, the milliseconds to wait. On failure `*out` is
/// empty.
/// An unknown name, a wrong password and a disabled account have the same status and take the same time. The call takes as
/// long as a password hash, and waits while as many hashes are being computed as the setting password_hashes permits.
/// Statuses: NULL_POINTER, INVALID_UTF8, LOGIN_FAILED, RATE_LIMITED, STORE, AUDIT_FAILED, CRYPTO.
/// Thread safety: any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_check_password(
    gate: *const SealgateGate,
    name: *const c_char,
    name_size: usize,
    password: *const c_void,
    password_size: usize,
    from: *const c_char,
    from_size: usize,
    out: *mut SealgateBuffer,
    retry_after_ms: *mut u64,
) -> SealgateStatus {
    // SAFETY: by this function's contract, for all of them.
    unsafe {
        guarded(gate, |gate| {
            let out = output(out, SealgateBuffer::EMPTY, "out");
            let retry_after_ms = output(retry_after_ms, 0, "retry_after_ms");
            let (out, retry_after_ms, gate) = (out?, retry_after_ms?, gate?);
            let name = text(name, name_size, "name")?;
            let password = bytes(password, password_size, "password")?;
            let from = text(from, from_size, "from")?;
            let checked = gate.users().check(name, &password.into(), from);
            let login = waiting(checked, retry_after_ms)?;
            *out = SealgateBuffer::new(login.scope().as_bytes().to_vec(), false);
            Ok(())
        })
    }
}

/// Logs an account in: checks the password as `sealgate_check_password` does, and returns tokens.
///
/// `scope` restricts what the tokens may be used for; if it is empty, they get the whole scope of the account. `*token`
/// receives the access token, `*refresh_token` the token for `sealgate_refresh` (empty if the setting refresh_ttl is 0);
/// free both with `sealgate_buffer_free`. On failure they are empty.
/// Statuses: those of `sealgate_check_password`, INVALID_ARGUMENT (more scope than the account has), SETTING.
/// Thread safety: any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_log_in(
    gate: *const SealgateGate,
    name: *const c_char,
    name_size: usize,
    password: *const c_void,
    password_size: usize,
    from: *const c_char,
    from_size: usize,
    scope: *const c_char,
    scope_size: usize,
    token: *mut SealgateBuffer,
    refresh_token: *mut SealgateBuffer,
    retry_after_ms: *mut u64,
) -> SealgateStatus {
    // SAFETY: by this function's contract, for all of them.
    unsafe {
        guarded(gate, |gate| {
            let token = output(token, SealgateBuffer::EMPTY, "token");
            let refresh_token = output(refresh_token, SealgateBuffer::EMPTY, "refresh_token");
            let retry_after_ms = output(retry_after_ms, 0, "retry_after_ms");
            let (token, refresh_token) = (token?, refresh_token?);
            let (retry_after_ms, gate) = (retry_after_ms?, gate?);
            let name = text(name, name_size, "name")?;
            let password = bytes(password, password_size, "password")?;
            let from = text(from, from_size, "from")?;
            let scope = text(scope, scope_size, "scope")?;
            let done = gate.log_in(name, &password.into(), from, scope);
            give(waiting(done, retry_after_ms)?, token, refresh_token);
            Ok(())
        })
    }
}

/// Exchanges a refresh token for new tokens; it can be used only once. A second use means that somebody has a copy, and
/// revokes all tokens of its login.
///
/// `scope` restricts what the access token may be used for; it may be empty. Outputs as with `sealgate_log_in`.
/// Statuses: NULL_POINTER, INVALID_UTF8, INVALID_ARGUMENT (more scope than the login has), TOKEN_MISSING, TOKEN_MALFORMED,
/// TOKEN_INVALID, TOKEN_EXPIRED, TOKEN_NOT_YET_VALID, TOKEN_KEY_RETIRED, TOKEN_REVOKED, STORE, AUDIT_FAILED,
/// CRYPTO.
/// Thread safety: any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_refresh(
    gate: *const SealgateGate,
    used: *const c_char,
    used_size: usize,
    scope: *const c_char,
    scope_size: usize,
    token: *mut SealgateBuffer,
    refresh_token: *mut SealgateBuffer,
) -> SealgateStatus {
    // SAFETY: by this function's contract, for all of them.
    unsafe {
        guarded(gate, |gate| {
            let token = output(token, SealgateBuffer::EMPTY, "token");
            let refresh_token = output(refresh_token, SealgateBuffer::EMPTY, "refresh_token");
            let (token, refresh_token, gate) = (token?, refresh_token?, gate?);
            let used = token_text(used, used_size, "used")?;
            let scope = text(scope, scope_size, "scope")?;
            match gate.refresh(used, scope)? {
                Refreshed::New(_, new) => {
                    give(new, token, refresh_token);
                    Ok(())
                }
                Refreshed::UsedBefore(_) => Err(Error::from(TokenError::Revoked).into()),
            }
        })
    }
}

/// Changes an account's password and revokes all its tokens.
///
/// Statuses: NULL_POINTER, INVALID_UTF8, WEAK_PASSWORD, NOT_FOUND (no such account), STORE, AUDIT_FAILED, CRYPTO.
/// Thread safety: any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_set_user_password(
    gate: *const SealgateGate,
    name: *const c_char,
    name_size: usize,
    password: *const c_void,
    password_size: usize,
) -> SealgateStatus {
    // SAFETY: by this function's contract, for all of them.
    unsafe {
        guarded(gate, |gate| {
            let gate = gate?;
            let name = text(name, name_size, "name")?;
            let password = bytes(password, password_size, "password")?;
            found(gate.users().set_password(name, &password.into())?)
        })
    }
}

/// Changes an account's scope: names separated by single spaces, or none. Removing a name revokes all the account's tokens.
///
/// Statuses: NULL_POINTER, INVALID_UTF8, INVALID_ARGUMENT (the scope is malformed), NOT_FOUND (no such account), STORE,
/// AUDIT_FAILED.
/// Thread safety: any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_set_user_scope(
    gate: *const SealgateGate,
    name: *const c_char,
    name_size: usize,
    scope: *const c_char,
    scope_size: usize,
) -> SealgateStatus {
    // SAFETY: by this function's contract, for all of them.
    unsafe {
        guarded(gate, |gate| {
            let gate = gate?;
            let name = text(name, name_size, "name")?;
            let scope = text(scope, scope_size, "scope")?;
            found(gate.users().set_scope(name, scope)?)
        })
    }
}

/// Disables an account (`disabled` is not 0), which revokes all its tokens permanently, or enables it again (0).
///
/// Statuses: NULL_POINTER, INVALID_UTF8, NOT_FOUND (no such account), STORE, AUDIT_FAILED.
/// Thread safety: any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_set_user_disabled(
    gate: *const SealgateGate,
    name: *const c_char,
    name_size: usize,
    disabled: i32,
) -> SealgateStatus {
    // SAFETY: by this function's contract, for both.
    unsafe {
        guarded(gate, |gate| {
            let gate = gate?;
            let name = text(name, name_size, "name")?;
            found(gate.users().set_disabled(name, disabled != 0)?)
        })
    }
}

/// Removes an account and revokes all its tokens. Logins still require a password after the last account is removed.
///
/// Statuses: NULL_POINTER, INVALID_UTF8, NOT_FOUND (no such account), STORE, AUDIT_FAILED.
/// Thread safety: any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_remove_user(
    gate: *const SealgateGate,
    name: *const c_char,
    name_size: usize,
) -> SealgateStatus {
    // SAFETY: by this function's contract, for both.
    unsafe {
        guarded(gate, |gate| {
            let gate = gate?;
            let name = text(name, name_size, "name")?;
            found(gate.users().remove(name)?)
        })
    }
}

fn give(new: Tokens, token: &mut SealgateBuffer, refresh_token: &mut SealgateBuffer) {
    *token = SealgateBuffer::new(new.token.into_bytes(), true);
    if let Some(refresh) = new.refresh_token {
        *refresh_token = SealgateBuffer::new(refresh.into_bytes(), true);
    }
}

pub(super) fn found(changed: bool) -> Result<(), Failure> {
    match changed {
        true => Ok(()),
        false => Err(Failure::new(
            SealgateStatus::NotFound,
            "There is no account with this name.",
        )),
    }
}

/// If the call failed because of a rate limit, sets how long to wait.
pub(super) fn waiting<T>(done: Result<T, Error>, retry_after_ms: &mut u64) -> Result<T, Failure> {
    if let Err(Error::RateLimited { retry_after }) = &done {
        *retry_after_ms = milliseconds(*retry_after);
    }
    Ok(done?)
}
