//! `sealgate_login` and `sealgate_secure_data`: what the callbacks for accounts and for /secure-data are given.

use std::ffi::{c_char, c_void};

use super::input::{bytes, handle_mut, lend, text};
use super::request::address_text;
use super::{Failure, SealgateStatus, boundary};
use crate::Secret;
use crate::api::HostLogin;
use crate::base::names::valid_scope;

/// A login that a callback decides about.
///
/// Thread safety: one thread at a time, during the callback only. It is the library's: nobody frees it.
pub struct SealgateLogin<'a> {
    login: &'a HostLogin<'a>,
    client: String,
    allowed: Option<String>,
}

impl<'a> SealgateLogin<'a> {
    pub(super) fn new(login: &'a HostLogin<'a>) -> Self {
        SealgateLogin {
            login,
            client: address_text(login.client()),
            allowed: None,
        }
    }

    pub(super) fn into_allowed(self) -> Option<String> {
        self.allowed
    }
}

/// The name that wants to log in, as UTF-8 text without a NUL at its end: 1 to 256 characters, no control characters.
///
/// `*out` is valid during the callback; `*out_size` is its length. On failure they are NULL and 0.
/// Statuses: NULL_POINTER. Thread safety: within the callback. Since 0.1.
///
/// # Safety
/// `login` is NULL or what the running callback was given; the outputs are NULL or may be written.
#[must_use]
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

/// The password that came with it, a secret, as UTF-8 text without a NUL at its end. It may be empty and have any
/// characters.
///
/// `*out` is valid during the callback; `*out_size` is its length. On failure they are NULL and 0.
/// Statuses: NULL_POINTER. Thread safety: within the callback. Since 0.1.
///
/// # Safety
/// `login` is NULL or what the running callback was given; the outputs are NULL or may be written.
#[must_use]
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

/// Who is asking, as with `sealgate_request_client`: an IP address as text, or "unix", without a NUL at its end.
///
/// `*out` is valid during the callback; `*out_size` is its length. On failure they are NULL and 0.
/// Statuses: NULL_POINTER. Thread safety: within the callback. Since 0.1.
///
/// # Safety
/// `login` is NULL or what the running callback was given; the outputs are NULL or may be written.
#[must_use]
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

/// The request's id, as with `sealgate_request_id`, without a NUL at its end.
///
/// `*out` is valid during the callback; `*out_size` is its length. On failure they are NULL and 0.
/// Statuses: NULL_POINTER. Thread safety: within the callback. Since 0.1.
///
/// # Safety
/// `login` is NULL or what the running callback was given; the outputs are NULL or may be written.
#[must_use]
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

/// Lets the user in, if the callback then returns 0.
///
/// `scope` is what the user's tokens may be used for at most, names with single spaces between, such as
/// "secure-data encrypt decrypt"; empty: for routes that want any token. It is copied.
/// Statuses: NULL_POINTER, INVALID_UTF8, INVALID_ARGUMENT (it is no scope). Thread safety: within the callback. Since 0.1.
///
/// # Safety
/// `login` is NULL or what the running callback was given; `scope` is NULL or has its size.
#[must_use]
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
        if !valid_scope(scope) {
            return Err(Failure::invalid(
                "scope must be names with single spaces between.",
            ));
        }
        login.allowed = Some(scope.to_owned());
        Ok(())
    })
}

/// The place for the data of /secure-data.
///
/// Thread safety: one thread at a time, during the callback only. It is the library's: nobody frees it.
#[derive(Default)]
pub struct SealgateSecureData {
    data: Option<Secret>,
}

impl SealgateSecureData {
    pub(super) fn into_supplied(self) -> Option<Secret> {
        self.data
    }
}

/// Sets the data that /secure-data shows this time, encrypted. It is copied, and the copy is wiped after use.
///
/// Statuses: NULL_POINTER. Thread safety: within the callback. Since 0.1.
///
/// # Safety
/// `secure_data` is NULL or what the running callback was given; `data` is NULL or has its size.
#[must_use]
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
