//! `sealgate_claims`: the claims of a verified token.

use std::ffi::c_char;

use super::input::{handle, lend, output, text};
use super::{SealgateStatus, boundary, free_handle};
use crate::Claims;

/// The verified claims of a token.
///
/// Thread safety: may be shared and read by any number of threads.
pub struct SealgateClaims {
    pub(super) claims: Claims,
}

/// The user that the token is for, as UTF-8 text, not NUL-terminated.
///
/// `*out` points into the claims and is valid until they are freed; `*out_size` is its length. On failure they are NULL
/// and 0. Statuses: NULL_POINTER. Thread safety: any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_claims_subject(
    claims: *const SealgateClaims,
    out: *mut *const c_char,
    out_size: *mut usize,
) -> SealgateStatus {
    // SAFETY: the contract is the same.
    unsafe {
        lend(claims, "claims", out, out_size, |claims| {
            Ok(Some(claims.claims.subject().as_bytes()))
        })
    }
}

/// The token's id, as UTF-8 text, not NUL-terminated.
///
/// `*out` points into the claims and is valid until they are freed; `*out_size` is its length. The original program's
/// tokens have no id: they are then NULL and 0, as on failure.
/// Statuses: NULL_POINTER. Thread safety: any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_claims_id(
    claims: *const SealgateClaims,
    out: *mut *const c_char,
    out_size: *mut usize,
) -> SealgateStatus {
    // SAFETY: the contract is the same.
    unsafe {
        lend(claims, "claims", out, out_size, |claims| {
            Ok(claims.claims.id().map(str::as_bytes))
        })
    }
}

/// The scope names of the token, separated by single spaces, as UTF-8 text, not NUL-terminated; empty if it has none.
///
/// `*out` points into the claims and is valid until they are freed; `*out_size` is its length. On failure they are NULL
/// and 0. Statuses: NULL_POINTER. Thread safety: any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_claims_scope(
    claims: *const SealgateClaims,
    out: *mut *const c_char,
    out_size: *mut usize,
) -> SealgateStatus {
    // SAFETY: the contract is the same.
    unsafe {
        lend(claims, "claims", out, out_size, |claims| {
            Ok(Some(claims.claims.scope().as_bytes()))
        })
    }
}

/// Whether the token has a scope name: `*out` is 1 or 0.
///
/// On failure `*out` is 0. Statuses: NULL_POINTER, INVALID_UTF8. Thread safety: any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_claims_has_scope(
    claims: *const SealgateClaims,
    name: *const c_char,
    name_size: usize,
    out: *mut i32,
) -> SealgateStatus {
    boundary(|| {
        // SAFETY: by this function's contract, for all three.
        let (out, claims, name) = unsafe {
            let out = output(out, 0, "out")?;
            (
                out,
                handle(claims, "claims")?,
                text(name, name_size, "name")?,
            )
        };
        *out = (!name.is_empty() && claims.claims.has_scope(name)).into();
        Ok(())
    })
}

/// All claims of the token as a JSON object, as UTF-8 text, not NUL-terminated.
///
/// `*out` points into the claims and is valid until they are freed; `*out_size` is its length. On failure they are NULL
/// and 0. Statuses: NULL_POINTER. Thread safety: any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_claims_json(
    claims: *const SealgateClaims,
    out: *mut *const c_char,
    out_size: *mut usize,
) -> SealgateStatus {
    // SAFETY: the contract is the same.
    unsafe {
        lend(claims, "claims", out, out_size, |claims| {
            Ok(Some(claims.claims.json().as_bytes()))
        })
    }
}

/// When the token expires, in seconds since 1970-01-01 UTC.
///
/// On failure `*out` is 0. Statuses: NULL_POINTER. Thread safety: any thread. Since 0.1.
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

/// When the token was issued, in seconds since 1970-01-01 UTC; 0 if the token does not record it, as with the original
/// program's tokens.
///
/// On failure `*out` is 0. Statuses: NULL_POINTER. Thread safety: any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_claims_issued_at(
    claims: *const SealgateClaims,
    out: *mut u64,
) -> SealgateStatus {
    boundary(|| {
        // SAFETY: by this function's contract, for both.
        let (out, claims) = unsafe { (output(out, 0, "out")?, handle(claims, "claims")?) };
        *out = claims.claims.issued_at().unwrap_or(0);
        Ok(())
    })
}

/// Frees claims. NULL does nothing. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_claims_free(claims: *mut SealgateClaims) {
    // SAFETY: by this function's contract.
    unsafe { free_handle(claims) }
}
