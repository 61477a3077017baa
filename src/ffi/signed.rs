//! Text for URLs and cookies: sealed with a time, and signed.

use std::ffi::{c_char, c_void};
use std::time::Duration;

use super::SealgateStatus;
use super::buffer::SealgateBuffer;
use super::gate::{SealgateGate, call, guarded};
use super::input::{bytes, output};

/// Encrypts data and returns it as text for a URL, a cookie or a file name: base64url without padding.
///
/// The text records the time, which everybody can read: `sealgate_decrypt_fresh` refuses text that is too old, and
/// `sealgate_decrypt_data` decrypts it at any age. `context` is authenticated but not stored: decrypting needs the same one.
/// It may be empty. `*out` receives the text; free it with `sealgate_buffer_free`. On failure it is empty.
/// Statuses: NULL_POINTER, INVALID_ARGUMENT (more than 1 GiB), CRYPTO. Thread safety: any thread. Since 0.1.
///
/// ```c
/// sealgate_buffer link = {0};
/// if (sealgate_encrypt_url_safe(gate, SEALGATE_LITERAL("alice"), SEALGATE_LITERAL("confirm address"), &link) == SEALGATE_STATUS_OK) {
///     printf("https://example.org/confirm/%s\n", link.data);
/// }
/// sealgate_buffer_free(&link);
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_encrypt_url_safe(
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
            let encrypted = gate.encrypt_url_safe(
                bytes(data, data_size, "data")?,
                bytes(context, context_size, "context")?,
            )?;
            Ok(SealgateBuffer::new(encrypted.into_bytes(), false))
        })
    }
}

/// Decrypts text from `sealgate_encrypt_url_safe`, unless it is older than `max_age_seconds`.
///
/// A time in the future is accepted up to the setting leeway, because clocks differ. `context` is the one that the data was
/// encrypted with. `*out` receives the data; free it with `sealgate_buffer_free`, which wipes it. On failure it is empty.
/// Statuses: NULL_POINTER, DECRYPT_FAILED (the same for every cause), NOT_FRESH (only for authentic data: it is older, dated in
/// the future, or without a time), KEY_RETIRED. Thread safety: any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_decrypt_fresh(
    gate: *const SealgateGate,
    encrypted_data: *const c_char,
    encrypted_data_size: usize,
    context: *const c_void,
    context_size: usize,
    max_age_seconds: u64,
    out: *mut SealgateBuffer,
) -> SealgateStatus {
    // SAFETY: by this function's contract, for all of them.
    unsafe {
        call(gate, out, SealgateBuffer::EMPTY, |gate| {
            let encrypted = bytes(encrypted_data.cast(), encrypted_data_size, "encrypted_data")?;
            let context = bytes(context, context_size, "context")?;
            let encrypted = std::str::from_utf8(encrypted).map_err(|_| crate::Error::Decrypt)?;
            let max_age = Duration::from_secs(max_age_seconds);
            let decrypted = gate.decrypt_fresh(encrypted, context, max_age)?;
            Ok(SealgateBuffer::new(decrypted.into_vec(), true))
        })
    }
}

/// Signs a payload and returns it as text for a URL or a cookie: base64url without padding.
///
/// The payload is not encrypted: whoever has the text can read it, and the time when it was signed. `context` says what it is
/// for; it is authenticated but not stored, and `sealgate_unsign` needs the same one. It may be empty. `*out` receives the
/// text; free it with `sealgate_buffer_free`. On failure it is empty.
/// Statuses: NULL_POINTER, INVALID_ARGUMENT (more than 1 GiB), CRYPTO. Thread safety: any thread. Since 0.1.
///
/// ```c
/// sealgate_buffer text = {0}, payload = {0};
/// uint64_t signed_at = 0;
/// if (sealgate_sign(gate, SEALGATE_LITERAL("alice"), SEALGATE_LITERAL("unsubscribe"), &text) == SEALGATE_STATUS_OK &&
///     sealgate_unsign(gate, text.data, text.size, SEALGATE_LITERAL("unsubscribe"), 3600, &payload, &signed_at) == SEALGATE_STATUS_OK) {
///     printf("%s may be unsubscribed\n", payload.data);
/// }
/// sealgate_buffer_free(&text);
/// sealgate_buffer_free(&payload);
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_sign(
    gate: *const SealgateGate,
    payload: *const c_void,
    payload_size: usize,
    context: *const c_void,
    context_size: usize,
    out: *mut SealgateBuffer,
) -> SealgateStatus {
    // SAFETY: by this function's contract, for all of them.
    unsafe {
        call(gate, out, SealgateBuffer::EMPTY, |gate| {
            let signed = gate.sign(
                bytes(payload, payload_size, "payload")?,
                bytes(context, context_size, "context")?,
            )?;
            Ok(SealgateBuffer::new(signed.into_bytes(), false))
        })
    }
}

/// Checks text from `sealgate_sign` and returns its payload, unless it is older than `max_age_seconds`; UINT64_MAX permits any
/// time.
///
/// With any smaller number, a time in the future is accepted up to the setting leeway, because clocks differ. `context` is the
/// one that it was signed with. `*out` receives the payload, which may be any bytes; free it with `sealgate_buffer_free`.
/// `*signed_at` receives the time of the signature, in seconds since 1970-01-01 UTC. On failure they are empty and 0.
/// Statuses: NULL_POINTER, SIGNATURE_INVALID (the same for every cause), NOT_FRESH (only with a valid signature: it is older, or
/// dated in the future), KEY_RETIRED. Thread safety: any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_unsign(
    gate: *const SealgateGate,
    text: *const c_char,
    text_size: usize,
    context: *const c_void,
    context_size: usize,
    max_age_seconds: u64,
    out: *mut SealgateBuffer,
    signed_at: *mut u64,
) -> SealgateStatus {
    // SAFETY: by this function's contract, for all of them.
    unsafe {
        guarded(gate, |gate| {
            let out = output(out, SealgateBuffer::EMPTY, "out");
            let signed_at = output(signed_at, 0, "signed_at");
            let (out, signed_at, gate) = (out?, signed_at?, gate?);
            let text = bytes(text.cast(), text_size, "text")?;
            let context = bytes(context, context_size, "context")?;
            let text = std::str::from_utf8(text).map_err(|_| crate::Error::Signature)?;
            let max_age =
                (max_age_seconds != u64::MAX).then(|| Duration::from_secs(max_age_seconds));
            let unsigned = gate.unsign(text, context, max_age)?;
            *signed_at = unsigned.signed_at;
            *out = SealgateBuffer::new(unsigned.payload, false);
            Ok(())
        })
    }
}
