//! `sealgate_login` and `sealgate_secure_data`: the arguments of the callbacks for logins and for /secure-data.

use std::ffi::{c_char, c_void};

use super::input::{bytes, handle_mut, lend, text};
use super::request::address_text;
use super::{SealgateStatus, boundary};
use crate::Secret;
use crate::api::HostLogin;
use crate::base::names::check_scope;

/// A login attempt that a callback decides.
///
/// Thread safety: one thread at a time, during the callback only. It belongs to the library: do not free it.
pub struct SealgateLogin<'a> {
    login: &'a HostLogin<'a>,
    client: String,
    pub(super) allowed: Option<String>,
}

impl<'a> SealgateLogin<'a> {
    pub(super) fn new(login: &'a HostLogin<'a>) -> Self {
        SealgateLogin {
            login,
            client: address_text(login.client()),
            allowed: None,
        }
    }
}

/// The user name, as UTF-8 text, not NUL-terminated: 1 to 256 characters, no control characters.
///
/// `*out` is valid during the callback; `*out_size` is its length. On failure they are NULL and 0.
/// Statuses: NULL_POINTER. Thread safety: within the callback. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_login_username(
    login: *const SealgateLogin<'_>,
    out: *mut *const c_char,
    out_size: *mut usize,
) -> SealgateStatus {
    // SAFETY: the contract is the same.
    unsafe {
        lend(login, "login", out, out_size, |login| {
            Ok(Some(login.login.username().as_bytes()))
        })
    }
}

/// The password, a secret, as UTF-8 text, not NUL-terminated. It may be empty and contain any characters.
///
/// `*out` is valid during the callback; `*out_size` is its length. On failure they are NULL and 0.
/// Statuses: NULL_POINTER. Thread safety: within the callback. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_login_password(
    login: *const SealgateLogin<'_>,
    out: *mut *const c_char,
    out_size: *mut usize,
) -> SealgateStatus {
    // SAFETY: the contract is the same.
    unsafe {
        lend(login, "login", out, out_size, |login| {
            Ok(Some(login.login.password().as_bytes()))
        })
    }
}

/// The client, as with `sealgate_request_client`: an IP address as text, or "unix", not NUL-terminated.
///
/// `*out` is valid during the callback; `*out_size` is its length. On failure they are NULL and 0.
/// Statuses: NULL_POINTER. Thread safety: within the callback. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_login_client(
    login: *const SealgateLogin<'_>,
    out: *mut *const c_char,
    out_size: *mut usize,
) -> SealgateStatus {
    // SAFETY: the contract is the same.
    unsafe {
        lend(login, "login", out, out_size, |login| {
            Ok(Some(login.client.as_bytes()))
        })
    }
}

/// The request's id, as with `sealgate_request_id`, not NUL-terminated.
///
/// `*out` is valid during the callback; `*out_size` is its length. On failure they are NULL and 0.
/// Statuses: NULL_POINTER. Thread safety: within the callback. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_login_request_id(
    login: *const SealgateLogin<'_>,
    out: *mut *const c_char,
    out_size: *mut usize,
) -> SealgateStatus {
    // SAFETY: the contract is the same.
    unsafe {
        lend(login, "login", out, out_size, |login| {
            Ok(Some(login.login.request_id().as_bytes()))
        })
    }
}

/// Allows the login, if the callback then returns 0.
///
/// `scope` is the most that the user's tokens may be used for: names separated by single spaces, such as "secure-data
/// encrypt decrypt". With an empty one the tokens are accepted only by routes that require no particular scope. It is
/// copied.
/// Statuses: NULL_POINTER, INVALID_UTF8, INVALID_ARGUMENT (a malformed scope). Thread safety: within the callback. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_login_allow(
    login: *mut SealgateLogin<'_>,
    scope: *const c_char,
    scope_size: usize,
) -> SealgateStatus {
    boundary(|| {
        // SAFETY: by this function's contract, for both.
        let (login, scope) = unsafe {
            let login = handle_mut(login, "login")?;
            (login, text(scope, scope_size, "scope")?)
        };
        check_scope(scope)?;
        login.allowed = Some(scope.to_owned());
        Ok(())
    })
}

/// Receives the data of /secure-data.
///
/// Thread safety: one thread at a time, during the callback only. It belongs to the library: do not free it.
#[derive(Default)]
pub struct SealgateSecureData {
    pub(super) data: Option<Secret>,
}

/// Sets the data that /secure-data returns, encrypted, for this request. It is copied, and the copy is wiped after use.
///
/// Statuses: NULL_POINTER. Thread safety: within the callback. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_secure_data_set(
    secure_data: *mut SealgateSecureData,
    data: *const c_void,
    data_size: usize,
) -> SealgateStatus {
    boundary(|| {
        // SAFETY: by this function's contract, for both.
        let (secure_data, data) = unsafe {
            let secure_data = handle_mut(secure_data, "secure_data")?;
            (secure_data, bytes(data, data_size, "data")?)
        };
        secure_data.data = Some(data.into());
        Ok(())
    })
}
