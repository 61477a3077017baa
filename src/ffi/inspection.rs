//! What a gate says of tokens, its public keys and its store.

use std::ffi::c_char;

use serde_json::{Value, json};

use super::SealgateStatus;
use super::buffer::SealgateBuffer;
use super::gate::{SealgateGate, call, guarded};
use super::input::{output, token_text};

/// Reports whether an access or refresh token is valid, and its claims, as POST /introspect does (RFC 7662).
///
/// `*out` receives a JSON object: for a valid token `active` (true), `token_type`, `username`, `sub`, `scope` and the token's
/// times, ids and other claims; for any other only `active` (false). Free it with `sealgate_buffer_free`. On failure it is
/// empty.
/// Statuses: NULL_POINTER, STORE, TOKEN_UNCHECKED (the store cannot be read). Thread safety: any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_introspect(
    gate: *const SealgateGate,
    token: *const c_char,
    token_size: usize,
    out: *mut SealgateBuffer,
) -> SealgateStatus {
    // SAFETY: by this function's contract, for all of them.
    unsafe {
        call(gate, out, SealgateBuffer::EMPTY, |gate| {
            let said = gate.introspect(token_text(token, token_size, "token")?)?;
            Ok(SealgateBuffer::json(&Value::Object(said)))
        })
    }
}

/// Returns the public keys that verify tokens, for other programs: a JSON Web Key Set (RFC 7517), as /.well-known/jwks.json
/// serves it. It has no keys with HS256, whose keys are secret.
///
/// `*out` receives the JSON; free it with `sealgate_buffer_free`. `*max_age` receives how long others may keep a copy, in
/// seconds. On failure they are empty and 0.
/// Statuses: NULL_POINTER. Thread safety: any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_public_keys(
    gate: *const SealgateGate,
    out: *mut SealgateBuffer,
    max_age: *mut u64,
) -> SealgateStatus {
    // SAFETY: by this function's contract, for all of them.
    unsafe {
        guarded(gate, |gate| {
            let out = output(out, SealgateBuffer::EMPTY, "out");
            let max_age = output(max_age, 0, "max_age");
            let (out, max_age, gate) = (out?, max_age?, gate?);
            *out = SealgateBuffer::json(&json!({"keys": gate.public_keys()}));
            *max_age = gate.public_keys_max_age().as_secs();
            Ok(())
        })
    }
}

/// Checks all of the store of accounts, sessions and revocations for damage. This takes longer the larger it is.
///
/// Statuses: NULL_POINTER, NOT_FOUND (there is no store: no account was ever created, and no token revoked), STORE (it is
/// damaged or cannot be read; the error sentence explains how to restore it). Thread safety: any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_check_store(gate: *const SealgateGate) -> SealgateStatus {
    // SAFETY: by this function's contract.
    unsafe {
        guarded(gate, |gate| match gate?.users().check_store()? {
            true => Ok(()),
            false => Err(super::Failure::new(
                SealgateStatus::NotFound,
                "There is no store: no account was ever created, and no token revoked.",
            )),
        })
    }
}
