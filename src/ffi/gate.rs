//! `sealgate_gate`: tokens, encryption and masking.

use std::ffi::{c_char, c_void};
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::buffer::SealgateBuffer;
use super::claims::SealgateClaims;
use super::config::{SealgateConfig, settings_of};
use super::input::{bytes, handle, output, text, token_text};
use super::process::watch_exit;
use super::{Failure, SealgateStatus, boundary, boundary_of, free_handle};
use crate::limiter::DEFAULT;
use crate::{Gate, Grant};

/// Issues and verifies tokens, encrypts and decrypts data.
///
/// Thread safety: may be shared; any number of threads may call the functions that take it as const at the same time.
pub struct SealgateGate {
    gate: Gate,
    /// A call panicked, so the state is unknown.
    broken: AtomicBool,
}

/// Creates a gate.
///
/// `config` may be freed afterwards. With NULL the environment configures the gate, with the command's data directory, so
/// that it shares keys with `sealgate serve` on the same machine. `*out` receives the gate; free it with `sealgate_free`.
/// On failure `*out` is NULL.
/// Statuses: NULL_POINTER, SETTING, KEY_RING, CRYPTO. Thread safety: any thread. Since 0.1.
///
/// ```c
/// sealgate_gate *gate = NULL;
/// if (sealgate_new(config, &gate) != SEALGATE_STATUS_OK) {
///     char sentence[256];
///     sealgate_last_error(sentence, sizeof sentence);
///     fprintf(stderr, "%s\n", sentence);
/// }
/// sealgate_free(gate);
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_new(
    config: *const SealgateConfig,
    out: *mut *mut SealgateGate,
) -> SealgateStatus {
    boundary(|| {
        // SAFETY: by this function's contract, for both.
        let (out, config) = unsafe { (output(out, ptr::null_mut(), "out")?, config.as_ref()) };
        let settings = settings_of(config)?;
        watch_exit();
        *out = Box::into_raw(Box::new(SealgateGate {
            gate: Gate::new(&settings.gate)?,
            broken: AtomicBool::new(false),
        }));
        Ok(())
    })
}

/// Frees a gate and wipes its keys. NULL does nothing. Claims and buffers that it returned remain valid. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_free(gate: *mut SealgateGate) {
    // SAFETY: by this function's contract.
    unsafe { free_handle(gate) }
}

/// Issues a signed token.
///
/// `subject` is the user: 1 to 256 characters of UTF-8 without control characters. `scope` is scope names separated by
/// single spaces and may be empty; `sealgate_default_scope` returns the scope of the user's account. `ttl_seconds` is the
/// token's lifetime, at most 315576000 (ten years); 0 uses the setting token_ttl. `*out` receives the token; free it with
/// `sealgate_buffer_free`. On failure it is empty. `sealgate_issue_token_with` adds custom claims, an audience and the time
/// from which on the token is valid.
/// Statuses: NULL_POINTER, INVALID_UTF8, INVALID_ARGUMENT, AUDIT_FAILED, CRYPTO. Thread safety: any thread. Since 0.1.
///
/// ```c
/// sealgate_buffer token = {0};
/// if (sealgate_issue_token(gate, SEALGATE_LITERAL("alice"), SEALGATE_LITERAL("encrypt decrypt"), 300, &token) == SEALGATE_STATUS_OK) {
///     printf("Authorization: Bearer %s\n", token.data);
/// }
/// sealgate_buffer_free(&token);
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_issue_token(
    gate: *const SealgateGate,
    subject: *const c_char,
    subject_size: usize,
    scope: *const c_char,
    scope_size: usize,
    ttl_seconds: u32,
    out: *mut SealgateBuffer,
) -> SealgateStatus {
    // SAFETY: by this function's contract, for all of them.
    unsafe {
        call(gate, out, SealgateBuffer::EMPTY, |gate| {
            let token = gate.issue_token(&Grant {
                subject: text(subject, subject_size, "subject")?,
                scope: text(scope, scope_size, "scope")?,
                ttl: (ttl_seconds > 0).then(|| Duration::from_secs(ttl_seconds.into())),
                ..Grant::default()
            })?;
            Ok(SealgateBuffer::new(token.into_bytes(), true))
        })
    }
}

/// Verifies a token or an API key.
///
/// `*out` receives its claims; free them with `sealgate_claims_free`. On failure it is NULL.
/// Statuses: NULL_POINTER, TOKEN_MISSING (length 0), TOKEN_MALFORMED, TOKEN_INVALID, TOKEN_EXPIRED, TOKEN_NOT_YET_VALID,
/// TOKEN_KEY_RETIRED, TOKEN_REVOKED, TOKEN_UNCHECKED (the store cannot be read).
/// Thread safety: any thread. Since 0.1.
///
/// ```c
/// sealgate_claims *claims = NULL;
/// const char *user = NULL;
/// size_t user_size = 0;
/// if (sealgate_verify_token(gate, token, strlen(token), &claims) == SEALGATE_STATUS_OK &&
///     sealgate_claims_subject(claims, &user, &user_size) == SEALGATE_STATUS_OK) {
///     printf("the token is for %.*s\n", (int)user_size, user);
/// }
/// sealgate_claims_free(claims);
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_verify_token(
    gate: *const SealgateGate,
    token: *const c_char,
    token_size: usize,
    out: *mut *mut SealgateClaims,
) -> SealgateStatus {
    // SAFETY: by this function's contract, for all of them.
    unsafe {
        call(gate, out, ptr::null_mut(), |gate| {
            let token = token_text(token, token_size, "token")?;
            let claims = gate.verify_token(token).map_err(crate::Error::from)?;
            Ok(Box::into_raw(Box::new(SealgateClaims { claims })))
        })
    }
}

/// Encrypts data and returns it as base64 text.
///
/// `context` is authenticated but not stored: decrypting needs the same one. It may be empty. `*out` receives the text;
/// free it with `sealgate_buffer_free`. On failure it is empty.
/// Statuses: NULL_POINTER, INVALID_ARGUMENT (more than 1 GiB, or a context while AES-CBC is in use),
/// CRYPTO. Thread safety: any thread. Since 0.1.
///
/// ```c
/// sealgate_buffer encrypted = {0};
/// if (sealgate_encrypt_data(gate, SEALGATE_LITERAL("4111 1111"), SEALGATE_LITERAL("orders/17/card"), &encrypted) == SEALGATE_STATUS_OK) {
///     printf("to store: %s\n", encrypted.data);
/// }
/// sealgate_buffer_free(&encrypted);
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_encrypt_data(
    gate: *const SealgateGate,
    data: *const c_void,
    data_size: usize,
    context: *const c_void,
    context_size: usize,
    out: *mut SealgateBuffer,
) -> SealgateStatus {
    // SAFETY: by this function's contract, for all of them.
    unsafe {
        call(gate, out, SealgateBuffer::EMPTY, |gate| {
            let encrypted = gate.encrypt_data(
                bytes(data, data_size, "data")?,
                bytes(context, context_size, "context")?,
            )?;
            Ok(SealgateBuffer::new(encrypted.into_bytes(), false))
        })
    }
}

/// Decrypts what `sealgate_encrypt_data`, the server or another binding encrypted with the same keys.
///
/// `encrypted_data` is base64 text; `context` is the one it was encrypted with. `*out` receives the data, which may be any
/// bytes; free it with `sealgate_buffer_free`, which wipes it. On failure it is empty.
/// Statuses: NULL_POINTER, DECRYPT_FAILED (the same for every cause). Thread safety: any thread. Since 0.1.
///
/// ```c
/// sealgate_buffer data = {0};
/// if (sealgate_decrypt_data(gate, stored, strlen(stored), SEALGATE_LITERAL("orders/17/card"), &data) == SEALGATE_STATUS_OK) {
///     fwrite(data.data, 1, data.size, stdout);
/// }
/// sealgate_buffer_free(&data);
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_decrypt_data(
    gate: *const SealgateGate,
    encrypted_data: *const c_char,
    encrypted_data_size: usize,
    context: *const c_void,
    context_size: usize,
    out: *mut SealgateBuffer,
) -> SealgateStatus {
    // SAFETY: by this function's contract, for all of them.
    unsafe {
        call(gate, out, SealgateBuffer::EMPTY, |gate| {
            let encrypted = bytes(encrypted_data.cast(), encrypted_data_size, "encrypted_data")?;
            let context = bytes(context, context_size, "context")?;
            let encrypted = std::str::from_utf8(encrypted).map_err(|_| crate::Error::Decrypt)?;
            let decrypted = gate.decrypt_data(encrypted, context)?;
            Ok(SealgateBuffer::new(decrypted.into_vec(), true))
        })
    }
}

/// Seals encrypted data again, under the newest key and with the same context; the plaintext stays inside the library.
///
/// `encrypted_data` is base64 text of data sealed under any accepted key or, with the setting cbc "open" and no context, of
/// the original program's AES-CBC. `*out` receives base64 text of sealed data; free it with `sealgate_buffer_free`. On
/// failure it is empty.
/// Statuses: NULL_POINTER, DECRYPT_FAILED (the same for every cause), KEY_RETIRED, INVALID_ARGUMENT (AES-CBC while the setting
/// cbc is "seal"), CRYPTO. Thread safety: any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_rewrap_data(
    gate: *const SealgateGate,
    encrypted_data: *const c_char,
    encrypted_data_size: usize,
    context: *const c_void,
    context_size: usize,
    out: *mut SealgateBuffer,
) -> SealgateStatus {
    // SAFETY: by this function's contract, for all of them.
    unsafe {
        call(gate, out, SealgateBuffer::EMPTY, |gate| {
            let encrypted = bytes(encrypted_data.cast(), encrypted_data_size, "encrypted_data")?;
            let context = bytes(context, context_size, "context")?;
            let encrypted = std::str::from_utf8(encrypted).map_err(|_| crate::Error::Decrypt)?;
            let sealed = gate.rewrap_data(encrypted, context)?;
            Ok(SealgateBuffer::new(sealed.into_bytes(), false))
        })
    }
}

/// Replaces all but the first `visible_chars` characters of a UTF-8 text with `*`. The original program's default is 3.
///
/// `*out` receives the text; free it with `sealgate_buffer_free`. On failure it is empty.
/// Statuses: NULL_POINTER, INVALID_UTF8. Thread safety: any thread. Since 0.1.
///
/// ```c
/// sealgate_buffer masked = {0};
/// if (sealgate_mask_data(SEALGATE_LITERAL("my_password"), 3, &masked) == SEALGATE_STATUS_OK) {
///     puts(masked.data); // my_********
/// }
/// sealgate_buffer_free(&masked);
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_mask_data(
    data: *const c_char,
    data_size: usize,
    visible_chars: usize,
    out: *mut SealgateBuffer,
) -> SealgateStatus {
    boundary(|| {
        // SAFETY: by this function's contract, for both.
        let (out, data) = unsafe {
            let out = output(out, SealgateBuffer::EMPTY, "out")?;
            (out, text(data, data_size, "data")?)
        };
        *out = SealgateBuffer::new(crate::mask(data, visible_chars).into_bytes(), true);
        Ok(())
    })
}

/// Counts a user's request and reports whether it is admitted.
///
/// `user` is any UTF-8 name. `*allowed` is 1 if the request is admitted, which counts it, and 0 if not; that is not an
/// error, and the status is OK. `*remaining` is the number of requests the user has left. `*retry_after_ms` is 0, or the
/// milliseconds to wait if the request is not admitted. If the limit is disabled (max_requests 0), every request is
/// admitted and `*remaining` is UINT32_MAX. On failure all three are 0.
/// Statuses: NULL_POINTER, INVALID_UTF8. Thread safety: any thread. Since 0.1.
///
/// ```c
/// int32_t allowed;
/// uint32_t remaining;
/// uint64_t wait;
/// if (sealgate_enforce_rate_limit(gate, SEALGATE_LITERAL("alice"), &allowed, &remaining, &wait) == SEALGATE_STATUS_OK && !allowed) {
///     printf("retry in %llu ms\n", (unsigned long long)wait);
/// }
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_enforce_rate_limit(
    gate: *const SealgateGate,
    user: *const c_char,
    user_size: usize,
    allowed: *mut i32,
    remaining: *mut u32,
    retry_after_ms: *mut u64,
) -> SealgateStatus {
    // SAFETY: by this function's contract, for all of them.
    unsafe {
        guarded(gate, |gate| {
            let allowed = output(allowed, 0, "allowed");
            let remaining = output(remaining, 0, "remaining");
            let retry_after_ms = output(retry_after_ms, 0, "retry_after_ms");
            let (allowed, remaining, retry_after_ms) = (allowed?, remaining?, retry_after_ms?);
            let user = text(user, user_size, "user");
            let (gate, user) = (gate?, user?);
            let Some(admission) = gate.limit(user, DEFAULT, 1)? else {
                (*allowed, *remaining) = (1, u32::MAX);
                return Ok(());
            };
            *allowed = admission.allowed.into();
            *remaining = admission.remaining;
            if !admission.allowed {
                *retry_after_ms = milliseconds(admission.reset);
            }
            Ok(())
        })
    }
}

/// Whole milliseconds, rounded up.
pub(super) fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_micros().div_ceil(1000)).unwrap_or(u64::MAX)
}

/// Runs one call with one output on a gate. After a call has panicked, the gate refuses further use.
///
/// # Safety
/// `gate` is NULL or live; `out` is NULL or writable.
pub(super) unsafe fn call<T>(
    gate: *const SealgateGate,
    out: *mut T,
    nothing: T,
    work: impl FnOnce(&Gate) -> Result<T, Failure>,
) -> SealgateStatus {
    // SAFETY: by this function's contract, for both.
    unsafe {
        guarded(gate, |gate| {
            let out = output(out, nothing, "out")?;
            *out = work(gate?)?;
            Ok(())
        })
    }
}

/// Runs one call on a gate, or on the reason why it cannot be used: after a panic it refuses further use.
///
/// # Safety
/// `gate` is NULL or live.
pub(super) unsafe fn guarded(
    gate: *const SealgateGate,
    work: impl FnOnce(Result<&Gate, Failure>) -> Result<(), Failure>,
) -> SealgateStatus {
    // SAFETY: by this function's contract.
    let gate = unsafe { handle(gate, "gate") };
    let broken = gate.as_ref().ok().map(|gate| &gate.broken);
    boundary_of(broken, || work(gate.and_then(|gate| gate.usable())))
}

impl SealgateGate {
    pub(super) fn usable(&self) -> Result<&Gate, Failure> {
        if self.broken.load(Ordering::Relaxed) {
            return Err(Failure::new(
                SealgateStatus::Panic,
                "An earlier fault inside the library left this gate unusable. Make a new one.",
            ));
        }
        Ok(&self.gate)
    }
}
