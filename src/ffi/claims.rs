//! `sealgate_claims`: what a verified token says.

use std::ffi::c_char;
use std::ptr;

use super::input::{handle, output};
use super::{SealgateStatus, boundary, free_handle};
use crate::Claims;

/// The checked claims of a token.
///
/// Thread safety: may be shared and read by any number of threads.
pub struct SealgateClaims {
    pub(super) claims: Claims,
}

/// The user that the token is for, as UTF-8 text without a NUL at its end.
///
/// `*out` points into the claims and is valid until they are freed; `*out_size` is its length. On failure they are NULL
/// and 0. Statuses: NULL_POINTER. Thread safety: any thread. Since 0.1.
///
/// # Safety
/// `claims` is NULL or live; the outputs are NULL or may be written.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_claims_subject(
    claims: *const SealgateClaims,
    out: *mut *const c_char,
    out_size: *mut usize,
) -> SealgateStatus {
    // SAFETY: the contract is the same.
    unsafe { lend(claims, out, out_size, Claims::subject) }
}

/// All claims of the token as a JSON object, as UTF-8 text without a NUL at its end.
///
/// `*out` points into the claims and is valid until they are freed; `*out_size` is its length. On failure they are NULL
/// and 0. Statuses: NULL_POINTER. Thread safety: any thread. Since 0.1.
///
/// # Safety
/// `claims` is NULL or live; the outputs are NULL or may be written.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_claims_json(
    claims: *const SealgateClaims,
    out: *mut *const c_char,
    out_size: *mut usize,
) -> SealgateStatus {
    // SAFETY: the contract is the same.
    unsafe { lend(claims, out, out_size, Claims::json) }
}

/// When the token expires, in seconds since 1970-01-01 UTC.
///
/// On failure `*out` is 0. Statuses: NULL_POINTER. Thread safety: any thread. Since 0.1.
///
/// # Safety
/// `claims` is NULL or live; `out` is NULL or may be written.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_claims_expires_at(
    claims: *const SealgateClaims,
    out: *mut u64,
) -> SealgateStatus {
    boundary(|| {
        // SAFETY: by this function's contract, for both.
        let (out, claims) = unsafe { (output(out, 0, "out")?, handle(claims, "claims")?) };
        *out = claims.claims.expires_at();
        Ok(())
    })
}

/// Frees claims. NULL does nothing. Since 0.1.
///
/// # Safety
/// `claims` is NULL or came from `sealgate_verify_token`, and is not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_claims_free(claims: *mut SealgateClaims) {
    // SAFETY: by this function's contract.
    unsafe { free_handle(claims) }
}

/// # Safety
/// `claims` is NULL or live; the outputs are NULL or may be written.
unsafe fn lend(
    claims: *const SealgateClaims,
    out: *mut *const c_char,
    out_size: *mut usize,
    part: fn(&Claims) -> &str,
) -> SealgateStatus {
    boundary(|| {
        // SAFETY: by this function's contract, for all three.
        let (out, out_size, claims) = unsafe {
            let out = output(out, ptr::null(), "out");
            let out_size = output(out_size, 0, "out_size");
            (out?, out_size?, handle(claims, "claims")?)
        };
        let text = part(&claims.claims);
        *out = text.as_ptr().cast();
        *out_size = text.len();
        Ok(())
    })
}
