//! API keys, as functions of a gate.

use std::ffi::c_char;
use std::time::Duration;

use serde_json::Value;

use super::buffer::SealgateBuffer;
use super::claims::SealgateClaims;
use super::gate::{SealgateGate, call, guarded};
use super::input::{lend, output, text};
use super::limits::SealgateAdmission;
use super::{Failure, SealgateStatus};
use crate::{ApiKeyLimit, NewApiKey};

/// Adds an API key: a credential for machines, which `sealgate_verify_token` and every server with the same data directory
/// accept like an access token.
///
/// `owner` is the user that it stands for: 1 to 256 characters of UTF-8 without control characters. `scope` is scope names
/// separated by single spaces and may be empty; if the owner has an account, they must be scopes of the account, and the key
/// never permits more than the account does at the time of its use. `sealgate_default_scope` returns the scope of the account.
/// `expires_at`, in seconds since 1970-01-01 UTC, is when it expires; 0: it does not. `max_requests` and `window_seconds` are
/// a limit of its own; with 0 for both, its requests count as those of its owner.
/// `*key` receives the key, which is stored nowhere and cannot be read again; `*id` receives its id, by which it is listed and
/// revoked. Free both with `sealgate_buffer_free`. On failure they are empty.
/// Statuses: NULL_POINTER, INVALID_UTF8, INVALID_ARGUMENT (any of the arguments, or the owner has 1000 keys), SETTING (no data
/// directory, and keys that are not ephemeral), STORE, AUDIT_FAILED, CRYPTO. Thread safety: any thread. Since 0.1.
///
/// ```c
/// sealgate_buffer key = {0}, id = {0};
/// if (sealgate_add_api_key(gate, SEALGATE_LITERAL("nightly-backup"), SEALGATE_LITERAL("encrypt"), 0, 0, 0, &key, &id) == SEALGATE_STATUS_OK) {
///     printf("Authorization: Bearer %s\n", key.data);
/// }
/// sealgate_buffer_free(&key);
/// sealgate_buffer_free(&id);
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_add_api_key(
    gate: *const SealgateGate,
    owner: *const c_char,
    owner_size: usize,
    scope: *const c_char,
    scope_size: usize,
    expires_at: u64,
    max_requests: u32,
    window_seconds: u32,
    key: *mut SealgateBuffer,
    id: *mut SealgateBuffer,
) -> SealgateStatus {
    // SAFETY: by this function's contract, for all of them.
    unsafe {
        guarded(gate, |gate| {
            let key = output(key, SealgateBuffer::EMPTY, "key");
            let id = output(id, SealgateBuffer::EMPTY, "id");
            let (key, id, gate) = (key?, id?, gate?);
            let limit = ApiKeyLimit {
                max_requests,
                window: Duration::from_secs(window_seconds.into()),
            };
            let (text, added) = gate.api_keys().add(&NewApiKey {
                owner: text(owner, owner_size, "owner")?,
                scope: Some(text(scope, scope_size, "scope")?),
                expires_at: (expires_at > 0).then_some(expires_at),
                limit: (max_requests > 0 || window_seconds > 0).then_some(limit),
            })?;
            *key = SealgateBuffer::new(text.into_vec(), true);
            *id = SealgateBuffer::new(added.id.into_bytes(), false);
            Ok(())
        })
    }
}

/// Lists API keys, without their secrets, ordered by id.
///
/// `owner` is the user whose keys are listed; with length 0, those of everybody. At most `most` keys are listed, starting after
/// the id `after` (with length 0, at the first). `*out` receives a JSON array, without a line feed; free it with
/// `sealgate_buffer_free`. On failure it is empty. Its objects have the members id, owner, scope, created, expires_at,
/// max_requests, window, last_used (the first second of the hour) and revoked_at; what a key does not have is null, and times
/// are seconds since 1970-01-01 UTC. Revoked keys are listed for some time.
/// Statuses: NULL_POINTER, INVALID_UTF8, STORE. Thread safety: any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_list_api_keys(
    gate: *const SealgateGate,
    owner: *const c_char,
    owner_size: usize,
    after: *const c_char,
    after_size: usize,
    most: u32,
    out: *mut SealgateBuffer,
) -> SealgateStatus {
    // SAFETY: by this function's contract, for all of them.
    unsafe {
        call(gate, out, SealgateBuffer::EMPTY, |gate| {
            let owner = text(owner, owner_size, "owner")?;
            let after = text(after, after_size, "after")?;
            let owner = (!owner.is_empty()).then_some(owner);
            let keys = gate.api_keys().list(owner, after, most)?;
            let list: Value = keys.iter().map(|key| key.to_json()).collect();
            Ok(SealgateBuffer::new(list.to_string().into_bytes(), false))
        })
    }
}

/// Revokes an API key by its id, for good. This gate refuses it from now on, and every gate and server with the same data
/// directory within a second. Revoking a key again succeeds.
///
/// Statuses: NULL_POINTER, INVALID_UTF8, NOT_FOUND (no such key), STORE, AUDIT_FAILED. Thread safety: any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_revoke_api_key(
    gate: *const SealgateGate,
    id: *const c_char,
    id_size: usize,
) -> SealgateStatus {
    // SAFETY: by this function's contract, for both.
    unsafe {
        guarded(gate, |gate| {
            let gate = gate?;
            let id = text(id, id_size, "id")?;
            match gate.api_keys().revoke(id)? {
                true => Ok(()),
                false => Err(unknown()),
            }
        })
    }
}

/// Revokes all API keys of a user, for good, as `sealgate_revoke_api_key` does.
///
/// `*revoked` receives how many there were. On failure it is 0.
/// Statuses: NULL_POINTER, INVALID_UTF8, STORE, AUDIT_FAILED. Thread safety: any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_revoke_api_keys_of(
    gate: *const SealgateGate,
    owner: *const c_char,
    owner_size: usize,
    revoked: *mut u64,
) -> SealgateStatus {
    // SAFETY: by this function's contract, for all of them.
    unsafe {
        guarded(gate, |gate| {
            let revoked = output(revoked, 0, "revoked")?;
            let gate = gate?;
            let owner = text(owner, owner_size, "owner")?;
            *revoked = gate.api_keys().revoke_all_of(owner)?;
            Ok(())
        })
    }
}

/// Counts a request with an API key, by its id (`sealgate_claims_api_key`), and reports whether it is admitted: against the
/// key's own limit or, if it has none, as a request of its owner.
///
/// `*out` is as after `sealgate_enforce_limit`. On failure it is all zero.
/// Statuses: NULL_POINTER, INVALID_UTF8, NOT_FOUND (no such key, or it is not accepted any more).
/// Thread safety: any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_admit_api_key(
    gate: *const SealgateGate,
    id: *const c_char,
    id_size: usize,
    out: *mut SealgateAdmission,
) -> SealgateStatus {
    // SAFETY: by this function's contract, for all of them.
    unsafe {
        call(gate, out, SealgateAdmission::NOTHING, |gate| {
            let admission = gate.admit_api_key(text(id, id_size, "id")?);
            Ok(SealgateAdmission::of(admission.map_err(|_| unknown())?))
        })
    }
}

/// The id of the API key that these are the claims of, as UTF-8 text, not NUL-terminated.
///
/// `*out` points into the claims and is valid until they are freed; `*out_size` is its length. For the claims of a token they
/// are NULL and 0, as on failure. Of an API key that does not expire, `sealgate_claims_expires_at` is 253402300799, the last
/// second of the year 9999.
/// Statuses: NULL_POINTER. Thread safety: any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_claims_api_key(
    claims: *const SealgateClaims,
    out: *mut *const c_char,
    out_size: *mut usize,
) -> SealgateStatus {
    // SAFETY: the contract is the same.
    unsafe {
        lend(claims, "claims", out, out_size, |claims| {
            Ok(claims.claims.api_key().map(str::as_bytes))
        })
    }
}

fn unknown() -> Failure {
    Failure::new(
        SealgateStatus::NotFound,
        "There is no API key with this id that is accepted.",
    )
}
