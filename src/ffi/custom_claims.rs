//! Custom claims: in new tokens, in verified ones, and those of accounts.

use std::ffi::{c_char, c_void};
use std::ptr;
use std::time::Duration;

use super::buffer::SealgateBuffer;
use super::claims::SealgateClaims;
use super::gate::{SealgateGate, call, guarded};
use super::input::{bytes, handle, lend, output, text, token_text};
use super::users::found;
use super::{Failure, SealgateStatus, boundary};
use crate::base::json::Json;
use crate::{Error, Grant};

/// Issues a signed token with custom claims, for an audience, or for later.
///
/// `subject`, `scope` and `ttl_seconds` are as with `sealgate_issue_token`. `claims` is a JSON object of at most 4096 bytes
/// without white space, or empty for none. Names that have a meaning in tokens are refused in every spelling: iss, sub, aud,
/// exp and others, which docs/formats.md lists. `audience` says whom the token is for (aud): at most 256 bytes of UTF-8
/// without control characters, or empty for the setting audience. A token for another audience than the setting's is accepted
/// by `sealgate_verify_token_for` and by nothing else. `not_before` is the time before which the token is not valid (nbf), in
/// seconds since 1970-01-01 UTC, or 0; the lifetime still counts from now. `*out` receives the token; free it with
/// `sealgate_buffer_free`. On failure it is empty.
/// Statuses: NULL_POINTER, INVALID_UTF8, INVALID_ARGUMENT (also if the token would be longer than 8 KiB), STORE,
/// AUDIT_FAILED, CRYPTO. Thread safety: any thread. Since 0.1.
///
/// ```c
/// sealgate_buffer token = {0};
/// if (sealgate_issue_token_with(gate, SEALGATE_LITERAL("alice"), SEALGATE_LITERAL("orders"), 300,
///                               SEALGATE_LITERAL("{\"department\": \"ops\"}"), NULL, 0, 0, &token) == SEALGATE_STATUS_OK) {
///     printf("Authorization: Bearer %s\n", token.data);
/// }
/// sealgate_buffer_free(&token);
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_issue_token_with(
    gate: *const SealgateGate,
    subject: *const c_char,
    subject_size: usize,
    scope: *const c_char,
    scope_size: usize,
    ttl_seconds: u32,
    claims: *const c_char,
    claims_size: usize,
    audience: *const c_char,
    audience_size: usize,
    not_before: u64,
    out: *mut SealgateBuffer,
) -> SealgateStatus {
    // SAFETY: by this function's contract, for all of them.
    unsafe {
        call(gate, out, SealgateBuffer::EMPTY, |gate| {
            let token = gate.issue_token(&Grant {
                subject: text(subject, subject_size, "subject")?,
                scope: text(scope, scope_size, "scope")?,
                ttl: (ttl_seconds > 0).then(|| Duration::from_secs(ttl_seconds.into())),
                claims: text(claims, claims_size, "claims")?,
                audience: text(audience, audience_size, "audience")?,
                not_before: (not_before > 0).then_some(not_before),
            })?;
            Ok(SealgateBuffer::new(token.into_bytes(), true))
        })
    }
}

/// Verifies a token that must be for this audience, whatever the setting audience is.
///
/// `sealgate_verify_token` and every route refuse a token for another audience than the setting's, so a token for one purpose,
/// such as confirming an address, is of no use for another. `audience` must not be empty. `*out` receives its claims; free
/// them with `sealgate_claims_free`. On failure it is NULL.
/// Statuses: INVALID_UTF8, INVALID_ARGUMENT (no audience), those of `sealgate_verify_token`; TOKEN_INVALID if the token is not
/// for this audience. Thread safety: any thread. Since 0.1.
///
/// ```c
/// sealgate_claims *claims = NULL;
/// if (sealgate_verify_token_for(gate, token, strlen(token), SEALGATE_LITERAL("confirm-address"), &claims) == SEALGATE_STATUS_OK) {
///     puts("the address is confirmed");
/// }
/// sealgate_claims_free(claims);
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_verify_token_for(
    gate: *const SealgateGate,
    token: *const c_char,
    token_size: usize,
    audience: *const c_char,
    audience_size: usize,
    out: *mut *mut SealgateClaims,
) -> SealgateStatus {
    // SAFETY: by this function's contract, for all of them.
    unsafe {
        call(gate, out, ptr::null_mut(), |gate| {
            let token = token_text(token, token_size, "token")?;
            let audience = text(audience, audience_size, "audience")?;
            if audience.is_empty() {
                return Err(Failure::invalid("audience is empty."));
            }
            let claims = gate.verify_token_for(token, audience);
            let claims = claims.map_err(Error::from)?;
            Ok(Box::into_raw(Box::new(SealgateClaims { claims })))
        })
    }
}

/// The JSON of one claim, whatever its type, as it is written in the token, as UTF-8 text, not NUL-terminated.
///
/// `name` is compared exactly. `*out` points into the claims and is valid until they are freed; `*out_size` is its length. On
/// failure they are NULL and 0.
/// Statuses: NULL_POINTER, INVALID_UTF8, NOT_FOUND (the token has no such claim). Thread safety: any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_claims_get_json(
    claims: *const SealgateClaims,
    name: *const c_char,
    name_size: usize,
    out: *mut *const c_char,
    out_size: *mut usize,
) -> SealgateStatus {
    // SAFETY: by this function's contract, for all of them.
    unsafe {
        lend(claims, "claims", out, out_size, |claims| {
            let name = text(name, name_size, "name")?;
            Ok(Some(member(claims, name)?.as_written().as_bytes()))
        })
    }
}

/// A claim that is a string, as UTF-8 text, which may contain any character, U+0000 too.
///
/// `name` is compared exactly. `*out` receives the text; free it with `sealgate_buffer_free`. On failure it is empty.
/// Statuses: NULL_POINTER, INVALID_UTF8, NOT_FOUND (the token has no such claim), INVALID_ARGUMENT (it is no string).
/// Thread safety: any thread. Since 0.1.
///
/// ```c
/// sealgate_claims *claims = NULL;
/// sealgate_buffer department = {0};
/// if (sealgate_verify_token(gate, token, strlen(token), &claims) == SEALGATE_STATUS_OK &&
///     sealgate_claims_get_string(claims, SEALGATE_LITERAL("department"), &department) == SEALGATE_STATUS_OK) {
///     puts(department.data);
/// }
/// sealgate_buffer_free(&department);
/// sealgate_claims_free(claims);
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_claims_get_string(
    claims: *const SealgateClaims,
    name: *const c_char,
    name_size: usize,
    out: *mut SealgateBuffer,
) -> SealgateStatus {
    // SAFETY: by this function's contract, for all of them.
    unsafe {
        get(
            claims,
            name,
            name_size,
            out,
            SealgateBuffer::EMPTY,
            |value| {
                let text = value.text().ok_or("string")?;
                Ok(SealgateBuffer::new(text.into_owned().into_bytes(), false))
            },
        )
    }
}

/// A claim that is a whole number of 64 bits, written without a fraction and an exponent.
///
/// `name` is compared exactly. On failure `*out` is 0.
/// Statuses: NULL_POINTER, INVALID_UTF8, NOT_FOUND (the token has no such claim), INVALID_ARGUMENT (it is no such number;
/// `sealgate_claims_get_json` has others). Thread safety: any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_claims_get_integer(
    claims: *const SealgateClaims,
    name: *const c_char,
    name_size: usize,
    out: *mut i64,
) -> SealgateStatus {
    // SAFETY: by this function's contract, for all of them.
    unsafe {
        get(claims, name, name_size, out, 0, |value| {
            let number = value.as_written().parse();
            number.map_err(|_| "whole number of 64 bits")
        })
    }
}

/// A claim that is true or false: `*out` is 1 or 0.
///
/// `name` is compared exactly. On failure `*out` is 0.
/// Statuses: NULL_POINTER, INVALID_UTF8, NOT_FOUND (the token has no such claim), INVALID_ARGUMENT (it is neither).
/// Thread safety: any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_claims_get_boolean(
    claims: *const SealgateClaims,
    name: *const c_char,
    name_size: usize,
    out: *mut i32,
) -> SealgateStatus {
    // SAFETY: by this function's contract, for all of them.
    unsafe {
        get(claims, name, name_size, out, 0, |value| {
            let is_true: bool = value.as_written().parse().map_err(|_| "boolean")?;
            Ok(is_true.into())
        })
    }
}

/// Creates an account as `sealgate_add_user` does, with custom claims that its logins get.
///
/// `claims` is a JSON object as with `sealgate_issue_token_with`; "{}" for none.
/// Statuses: those of `sealgate_add_user`; INVALID_ARGUMENT also for claims that are not acceptable, or too large for a token
/// with the account's name and scope. Thread safety: any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_add_user_with_claims(
    gate: *const SealgateGate,
    name: *const c_char,
    name_size: usize,
    password: *const c_void,
    password_size: usize,
    scope: *const c_char,
    scope_size: usize,
    claims: *const c_char,
    claims_size: usize,
) -> SealgateStatus {
    // SAFETY: by this function's contract, for all of them.
    unsafe {
        guarded(gate, |gate| {
            let gate = gate?;
            let name = text(name, name_size, "name")?;
            let password = bytes(password, password_size, "password")?;
            let scope = text(scope, scope_size, "scope")?;
            let claims = text(claims, claims_size, "claims")?;
            let users = gate.users();
            Ok(users.add_with_claims(name, &password.into(), scope, claims)?)
        })
    }
}

/// Changes the custom claims that an account's logins get from now on, refreshed ones included.
///
/// `claims` is a JSON object as with `sealgate_issue_token_with`; "{}" removes them all. If a claim is removed or changed, all
/// tokens of the account are revoked.
/// Statuses: NULL_POINTER, INVALID_UTF8, INVALID_ARGUMENT (the claims are not acceptable, or too large for a token with the
/// account's name and scope), NOT_FOUND (no such account), STORE, AUDIT_FAILED. Thread safety: any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_set_user_claims(
    gate: *const SealgateGate,
    name: *const c_char,
    name_size: usize,
    claims: *const c_char,
    claims_size: usize,
) -> SealgateStatus {
    // SAFETY: by this function's contract, for both.
    unsafe {
        guarded(gate, |gate| {
            let gate = gate?;
            let name = text(name, name_size, "name")?;
            let claims = text(claims, claims_size, "claims")?;
            found(gate.users().set_claims(name, claims)?)
        })
    }
}

/// Returns the custom claims of an account, which are for its logins; tokens that `sealgate_issue_token` issues do not get
/// them.
///
/// `*out` receives a JSON object, "{}" if there are none; free it with `sealgate_buffer_free`. On failure it is empty.
/// Statuses: NULL_POINTER, INVALID_UTF8, NOT_FOUND (no such account), STORE. Thread safety: any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_user_claims(
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
            let claims = user.map(|user| user.claims).unwrap_or_default();
            Ok(SealgateBuffer::new(claims.into_bytes(), false))
        })
    }
}

/// Reads one claim as a value of one type; `read` returns what the claim would have to be if it is something else.
///
/// # Safety
/// `claims` is NULL or live, `name` NULL or valid for its size, `out` NULL or writable.
unsafe fn get<T>(
    claims: *const SealgateClaims,
    name: *const c_char,
    name_size: usize,
    out: *mut T,
    nothing: T,
    read: impl FnOnce(Json<'_>) -> Result<T, &'static str>,
) -> SealgateStatus {
    boundary(|| {
        // SAFETY: by this function's contract, for all three.
        let (out, claims, name) = unsafe {
            let out = output(out, nothing, "out")?;
            (
                out,
                handle(claims, "claims")?,
                text(name, name_size, "name")?,
            )
        };
        let value = member(claims, name)?;
        *out =
            read(value).map_err(|kind| Failure::invalid(format!("The claim is not a {kind}.")))?;
        Ok(())
    })
}

fn member<'a>(claims: &'a SealgateClaims, name: &str) -> Result<Json<'a>, Failure> {
    claims.claims.member(name).ok_or_else(|| {
        Failure::new(
            SealgateStatus::NotFound,
            "The token has no claim with this name.",
        )
    })
}
