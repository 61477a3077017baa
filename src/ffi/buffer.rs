//! `sealgate_buffer`: bytes that the library returns and frees.

use std::ffi::c_char;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use super::panics::Call;
use crate::base::secret::wipe;

/// Bytes that belong to the library: release them with `sealgate_buffer_free`, never with `free`.
///
/// A NUL follows the last byte, so that text can be printed; it does not count in `size`. Initialise a buffer with `{0}` or
/// let a call fill it; a call overwrites the contents without freeing them. Thread safety: like any plain memory.
#[repr(C)]
pub struct SealgateBuffer {
    /// The bytes; NULL in an empty or freed buffer.
    pub data: *mut c_char,
    /// The number of bytes, without the NUL.
    pub size: usize,
    /// Internal: whether the bytes are wiped before they are freed.
    pub secret: i32,
}

impl SealgateBuffer {
    pub(super) const EMPTY: SealgateBuffer = SealgateBuffer {
        data: ptr::null_mut(),
        size: 0,
        secret: 0,
    };

    /// A JSON text without secrets.
    pub(super) fn json(value: &serde_json::Value) -> Self {
        SealgateBuffer::new(value.to_string().into_bytes(), false)
    }

    pub(super) fn new(mut bytes: Vec<u8>, secret: bool) -> Self {
        let size = bytes.len();
        if secret && bytes.capacity() != size + 1 {
            // Growing or shrinking would leave a copy in freed memory.
            let mut exact = Vec::with_capacity(size + 1);
            exact.extend_from_slice(&bytes);
            wipe(&mut bytes);
            bytes = exact;
        }
        bytes.reserve_exact(1);
        bytes.push(0);
        let data = Box::into_raw(bytes.into_boxed_slice()).cast();
        SealgateBuffer {
            data,
            size,
            secret: secret.into(),
        }
    }
}

/// Frees the bytes of a buffer, wiping plaintexts and tokens first, and sets it to empty.
///
/// NULL and an empty buffer are permitted and do nothing. Thread safety: no other thread may use the buffer. Since 0.1.
///
/// # Safety
/// `buffer` is NULL or points to a buffer that is empty or was filled by this library and not changed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_buffer_free(buffer: *mut SealgateBuffer) {
    // SAFETY: NULL or a buffer that the caller owns, by this function's contract.
    let Some(buffer) = (unsafe { buffer.as_mut() }) else {
        return;
    };
    let taken = std::mem::replace(buffer, SealgateBuffer::EMPTY);
    if taken.data.is_null() {
        return;
    }
    let slice = ptr::slice_from_raw_parts_mut(taken.data.cast::<u8>(), taken.size + 1);
    // SAFETY: `new` made it from a boxed slice of this length, and the replacement above keeps it from being freed twice.
    let mut bytes = unsafe { Box::from_raw(slice) };
    let _call = Call::enter();
    let _ = catch_unwind(AssertUnwindSafe(move || {
        if taken.secret != 0 {
            wipe(&mut bytes);
        }
    }));
}
