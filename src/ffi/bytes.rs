//! Seals and opens bytes into the caller's buffer: nothing is allocated and nothing has to be freed.

use std::ffi::c_void;

use super::gate::{SealgateGate, guarded};
use super::input::{bytes, output, place};
use super::{Failure, SealgateStatus};

/// The size of `data_size` bytes after sealing with `sealgate_seal_bytes`; SIZE_MAX if it would overflow.
///
/// Thread safety: any thread, any time. Since 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn sealgate_sealed_size(data_size: usize) -> usize {
    data_size.saturating_add(crate::OVERHEAD)
}

/// The size of `sealed_size` sealed bytes after opening with `sealgate_open_bytes`; 0 if they are too few to be sealed
/// data.
///
/// If the settings let the gate open the original program's AES-CBC, that data may be longer than this after opening, but
/// is always shorter than the input; `sealgate_open_bytes` then reports the size it needs.
/// Thread safety: any thread, any time. Since 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn sealgate_opened_size(sealed_size: usize) -> usize {
    sealed_size.saturating_sub(crate::OVERHEAD)
}

/// Seals bytes into the caller's buffer, always in the sealed format: `sealgate_open_bytes` opens them, and
/// `sealgate_decrypt_data` opens their base64 text.
///
/// `context` is authenticated but not stored: opening needs the same one. It may be empty. `out` has room for `out_room`
/// bytes and must not overlap the inputs. `*out_size` receives the number of bytes written or, with BUFFER_TOO_SMALL, the
/// number needed, which `sealgate_sealed_size` also returns. On any other failure it is 0. `out` may be NULL if `out_room`
/// is 0.
/// Statuses: NULL_POINTER, INVALID_ARGUMENT (more than 1 GiB, or an overlap), BUFFER_TOO_SMALL, CRYPTO.
/// Thread safety: any thread. Since 0.1.
///
/// ```c
/// unsigned char sealed[128];
/// size_t sealed_size;
/// if (sealgate_seal_bytes(gate, SEALGATE_LITERAL("4111 1111"), NULL, 0, sealed, sizeof sealed, &sealed_size) == SEALGATE_STATUS_OK) {
///     printf("%u bytes to store\n", (unsigned)sealed_size);
/// }
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_seal_bytes(
    gate: *const SealgateGate,
    data: *const c_void,
    data_size: usize,
    context: *const c_void,
    context_size: usize,
    out: *mut c_void,
    out_room: usize,
    out_size: *mut usize,
) -> SealgateStatus {
    // SAFETY: by this function's contract, for all of them.
    unsafe {
        guarded(gate, |gate| {
            let out_size = output(out_size, 0, "out_size")?;
            let gate = gate?;
            let data = bytes(data, data_size, "data")?;
            let context = bytes(context, context_size, "context")?;
            let out = place(out, out_room, &[data, context], "out")?;
            let needed = sealgate_sealed_size(data.len());
            if data.len() <= crate::MAX_PLAINTEXT && out.len() < needed {
                *out_size = needed;
                return Err(too_small(needed));
            }
            let room = out.len().min(needed);
            gate.seal_into(data, context, &mut out[..room])?;
            *out_size = needed;
            Ok(())
        })
    }
}

/// Opens sealed bytes into the caller's buffer.
///
/// `context` is the one they were sealed with. `out` has room for `out_room` bytes and must not overlap the inputs.
/// `*out_size` receives the number of bytes written or, with BUFFER_TOO_SMALL, the number needed, which
/// `sealgate_opened_size` also returns. On any other failure it is 0, and no plaintext is left in `out`. `out` may be NULL
/// if `out_room` is 0. The buffer belongs to the caller: wipe it once its secret is no longer needed.
/// Statuses: NULL_POINTER, INVALID_ARGUMENT (an overlap), BUFFER_TOO_SMALL (which does not mean that the data would open),
/// DECRYPT_FAILED (the same for every cause). Thread safety: any thread. Since 0.1.
///
/// ```c
/// char opened[128];
/// size_t opened_size;
/// if (sealgate_open_bytes(gate, sealed, sealed_size, NULL, 0, opened, sizeof opened, &opened_size) == SEALGATE_STATUS_OK) {
///     fwrite(opened, 1, opened_size, stdout);
/// }
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_open_bytes(
    gate: *const SealgateGate,
    sealed: *const c_void,
    sealed_size: usize,
    context: *const c_void,
    context_size: usize,
    out: *mut c_void,
    out_room: usize,
    out_size: *mut usize,
) -> SealgateStatus {
    // SAFETY: by this function's contract, for all of them.
    unsafe {
        guarded(gate, |gate| {
            let out_size = output(out_size, 0, "out_size")?;
            let gate = gate?;
            let sealed = bytes(sealed, sealed_size, "sealed")?;
            let context = bytes(context, context_size, "context")?;
            let out = place(out, out_room, &[sealed, context], "out")?;
            let opened = gate.open_into(sealed, context, out)?;
            *out_size = opened.unwrap_or_else(|needed| needed);
            opened.map(drop).map_err(too_small)
        })
    }
}

pub(super) fn too_small(needed: usize) -> Failure {
    Failure::new(
        SealgateStatus::BufferTooSmall,
        format!("The buffer needs room for {needed} bytes."),
    )
}
