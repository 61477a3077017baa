//! OAuth 2.0 clients and their tokens, as functions of a gate.

use std::ffi::{c_char, c_void};

use serde_json::json;

use super::SealgateStatus;
use super::buffer::SealgateBuffer;
use super::gate::{SealgateGate, call, guarded};
use super::input::{bytes, text};
use super::users::found;

/// Creates a client, an account of a program, in the gate's data directory or, with ephemeral keys, one that is lost with the
/// gate. Returns the secret that is generated for it.
///
/// `id` is 1 to 256 printable ASCII characters; users and clients share one set of names. `scope` is all that the client's
/// tokens may be used for, as names separated by single spaces; it may be empty. (The command and the Python package default
/// to SEALGATE_OPEN_LOGIN_SCOPE.) Once a client or a user has been created, tokens of users without an account are rejected,
/// and the server's /login requires passwords. `*out` receives the secret, 43 characters; free it with
/// `sealgate_buffer_free`. Only its hash is stored. On failure it is empty.
/// Statuses: NULL_POINTER, INVALID_UTF8, USER_EXISTS, INVALID_NAME, INVALID_ARGUMENT (the scope), SETTING (no data
/// directory), STORE, AUDIT_FAILED, CRYPTO. Thread safety: any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_add_client(
    gate: *const SealgateGate,
    id: *const c_char,
    id_size: usize,
    scope: *const c_char,
    scope_size: usize,
    out: *mut SealgateBuffer,
) -> SealgateStatus {
    // SAFETY: by this function's contract, for all of them.
    unsafe {
        call(gate, out, SealgateBuffer::EMPTY, |gate| {
            let id = text(id, id_size, "id")?;
            let scope = text(scope, scope_size, "scope")?;
            let secret = gate.clients().add(id, scope)?;
            Ok(SealgateBuffer::new(secret.into_vec(), true))
        })
    }
}

/// Replaces a client's secret, revokes all its tokens, and returns the new secret.
///
/// `*out` receives it; free it with `sealgate_buffer_free`. On failure it is empty.
/// Statuses: NULL_POINTER, INVALID_UTF8, NOT_FOUND (no such client), STORE, AUDIT_FAILED, CRYPTO.
/// Thread safety: any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_renew_client_secret(
    gate: *const SealgateGate,
    id: *const c_char,
    id_size: usize,
    out: *mut SealgateBuffer,
) -> SealgateStatus {
    // SAFETY: by this function's contract, for all of them.
    unsafe {
        call(gate, out, SealgateBuffer::EMPTY, |gate| {
            let secret = gate.clients().renew_secret(text(id, id_size, "id")?)?;
            found(secret.is_some())?;
            let secret = secret.map_or_else(Vec::new, crate::Secret::into_vec);
            Ok(SealgateBuffer::new(secret, true))
        })
    }
}

/// Lists clients, ordered by id (bytewise): at most `most` of them, starting after the id `after`, which may be empty.
///
/// `*out` receives a JSON array of objects with the members id, scope, disabled and created (seconds since 1970-01-01 UTC);
/// free it with `sealgate_buffer_free`. On failure it is empty.
/// Statuses: NULL_POINTER, INVALID_UTF8, STORE. Thread safety: any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_list_clients(
    gate: *const SealgateGate,
    after: *const c_char,
    after_size: usize,
    most: u32,
    out: *mut SealgateBuffer,
) -> SealgateStatus {
    // SAFETY: by this function's contract, for all of them.
    unsafe {
        call(gate, out, SealgateBuffer::EMPTY, |gate| {
            let clients = gate
                .clients()
                .list(text(after, after_size, "after")?, most)?;
            let listed: serde_json::Value = clients
                .iter()
                .map(|client| {
                    json!({
                        "id": client.name,
                        "scope": client.scope,
                        "disabled": client.disabled,
                        "created": client.created,
                    })
                })
                .collect();
            Ok(SealgateBuffer::json(&listed))
        })
    }
}

/// Changes a client's scope: names separated by single spaces, or none. Removing a name revokes all the client's tokens.
///
/// Statuses: NULL_POINTER, INVALID_UTF8, INVALID_ARGUMENT (the scope is malformed), NOT_FOUND (no such client), STORE,
/// AUDIT_FAILED. Thread safety: any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_set_client_scope(
    gate: *const SealgateGate,
    id: *const c_char,
    id_size: usize,
    scope: *const c_char,
    scope_size: usize,
) -> SealgateStatus {
    // SAFETY: by this function's contract, for all of them.
    unsafe {
        guarded(gate, |gate| {
            let gate = gate?;
            let id = text(id, id_size, "id")?;
            let scope = text(scope, scope_size, "scope")?;
            found(gate.clients().set_scope(id, scope)?)
        })
    }
}

/// Disables a client (`disabled` is not 0), which revokes all its tokens permanently, or enables it again (0).
///
/// Statuses: NULL_POINTER, INVALID_UTF8, NOT_FOUND (no such client), STORE, AUDIT_FAILED.
/// Thread safety: any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_set_client_disabled(
    gate: *const SealgateGate,
    id: *const c_char,
    id_size: usize,
    disabled: i32,
) -> SealgateStatus {
    // SAFETY: by this function's contract, for both.
    unsafe {
        guarded(gate, |gate| {
            let gate = gate?;
            let id = text(id, id_size, "id")?;
            found(gate.clients().set_disabled(id, disabled != 0)?)
        })
    }
}

/// Removes a client and revokes all its tokens.
///
/// Statuses: NULL_POINTER, INVALID_UTF8, NOT_FOUND (no such client), STORE, AUDIT_FAILED.
/// Thread safety: any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_remove_client(
    gate: *const SealgateGate,
    id: *const c_char,
    id_size: usize,
) -> SealgateStatus {
    // SAFETY: by this function's contract, for both.
    unsafe {
        guarded(gate, |gate| {
            let gate = gate?;
            let id = text(id, id_size, "id")?;
            found(gate.clients().remove(id)?)
        })
    }
}

/// Issues an access token to a client, as POST /token does with the grant client_credentials. The token's claim client_id is
/// the client.
///
/// `scope` restricts what the token may be used for; if it is empty, it gets the whole scope of the client. `*out` receives
/// the token; free it with `sealgate_buffer_free`. On failure it is empty.
/// An unknown id, a wrong secret and a disabled client have the same status and take the same time. Guesses are not delayed:
/// a secret has 256 random bits.
/// Statuses: NULL_POINTER, INVALID_UTF8, LOGIN_FAILED, INVALID_ARGUMENT (more scope than the client has), STORE,
/// AUDIT_FAILED, CRYPTO. Thread safety: any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_client_token(
    gate: *const SealgateGate,
    id: *const c_char,
    id_size: usize,
    secret: *const c_void,
    secret_size: usize,
    scope: *const c_char,
    scope_size: usize,
    out: *mut SealgateBuffer,
) -> SealgateStatus {
    // SAFETY: by this function's contract, for all of them.
    unsafe {
        call(gate, out, SealgateBuffer::EMPTY, |gate| {
            let id = text(id, id_size, "id")?;
            let secret = bytes(secret, secret_size, "secret")?;
            let scope = text(scope, scope_size, "scope")?;
            let new = gate.client_token(id, &secret.into(), scope)?;
            Ok(SealgateBuffer::new(new.token.into_bytes(), true))
        })
    }
}
