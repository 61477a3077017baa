//! Converts pointers from C to slices and references.

use std::ffi::{c_char, c_void};
use std::ptr;

use super::{Failure, SealgateStatus, boundary};

/// Bytes by pointer and length; NULL only with length 0.
///
/// # Safety
/// Unless it is NULL, `data` points to `size` bytes that stay unchanged for `'a`.
pub(super) unsafe fn bytes<'a>(
    data: *const c_void,
    size: usize,
    what: &str,
) -> Result<&'a [u8], Failure> {
    if size == 0 {
        return Ok(&[]);
    }
    if data.is_null() {
        return Err(Failure::null(what));
    }
    if isize::try_from(size).is_err() {
        return Err(Failure::invalid(format!(
            "The size of {what} is too large."
        )));
    }
    // SAFETY: not NULL, of a valid slice size, and readable for `'a` by this function's contract.
    Ok(unsafe { std::slice::from_raw_parts(data.cast(), size) })
}

/// The same for UTF-8 text.
///
/// # Safety
/// As [`bytes`].
pub(super) unsafe fn text<'a>(
    data: *const c_char,
    size: usize,
    what: &str,
) -> Result<&'a str, Failure> {
    // SAFETY: the contract is the same.
    let bytes = unsafe { bytes(data.cast(), size, what) }?;
    std::str::from_utf8(bytes)
        .map_err(|_| Failure::new(SealgateStatus::InvalidUtf8, format!("{what} is not UTF-8.")))
}

/// Bytes that are not UTF-8 are not a token either.
///
/// # Safety
/// As [`bytes`].
pub(super) unsafe fn token_text<'a>(
    token: *const c_char,
    size: usize,
    what: &str,
) -> Result<&'a str, Failure> {
    // SAFETY: by this function's contract.
    let token = unsafe { bytes(token.cast(), size, what)? };
    Ok(std::str::from_utf8(token).unwrap_or("\u{fffd}"))
}

/// A handle that must not be NULL.
///
/// # Safety
/// Unless it is NULL, `handle` points to a live `T` that nobody changes for `'a`.
pub(super) unsafe fn handle<'a, T>(handle: *const T, what: &str) -> Result<&'a T, Failure> {
    // SAFETY: by this function's contract.
    unsafe { handle.as_ref() }.ok_or_else(|| Failure::null(what))
}

/// A handle or an output that must not be NULL.
///
/// # Safety
/// Unless it is NULL, `handle` points to a live `T` that nobody else uses for `'a`.
pub(super) unsafe fn handle_mut<'a, T>(handle: *mut T, what: &str) -> Result<&'a mut T, Failure> {
    // SAFETY: by this function's contract.
    unsafe { handle.as_mut() }.ok_or_else(|| Failure::null(what))
}

/// An output that must not be NULL, set to `nothing` before anything can fail.
///
/// # Safety
/// Unless it is NULL, `out` is writable and nobody else uses it for `'a`. It need not be initialised.
pub(super) unsafe fn output<'a, T>(
    out: *mut T,
    nothing: T,
    what: &str,
) -> Result<&'a mut T, Failure> {
    if out.is_null() {
        return Err(Failure::null(what));
    }
    // SAFETY: not NULL and writable by this function's contract; `write` neither reads nor drops the old value.
    unsafe {
        out.write(nothing);
        Ok(&mut *out)
    }
}

/// An output buffer by pointer and length, NULL only with length 0; it must not overlap the inputs.
///
/// # Safety
/// Unless it is NULL, `out` has room for `size` bytes that nobody else uses for `'a`, except as `inputs`, which is checked.
pub(super) unsafe fn place<'a>(
    out: *mut c_void,
    size: usize,
    inputs: &[&[u8]],
    what: &str,
) -> Result<&'a mut [u8], Failure> {
    // SAFETY: the contract is the same; only the address and length of the result are used.
    let range = unsafe { bytes(out, size, what) }?.as_ptr_range();
    let overlaps = |input: &&[u8]| {
        let input = input.as_ptr_range();
        !input.is_empty() && input.start < range.end && range.start < input.end
    };
    if inputs.iter().any(overlaps) {
        return Err(Failure::invalid(format!("{what} overlaps an input.")));
    }
    if size == 0 {
        return Ok(&mut []);
    }
    // SAFETY: not NULL and of a valid slice size, as `bytes` has checked; nobody else uses it, by this function's contract
    // and the check above. In memory from C every byte is initialised.
    Ok(unsafe { std::slice::from_raw_parts_mut(out.cast(), size) })
}

/// Gives the caller a borrowed part of a handle: NULL and 0 if there is none.
///
/// # Safety
/// `object` is NULL or live; the outputs are NULL or writable.
pub(super) unsafe fn lend<T>(
    object: *const T,
    what: &str,
    out: *mut *const c_char,
    out_size: *mut usize,
    part: impl FnOnce(&T) -> Result<Option<&[u8]>, Failure>,
) -> SealgateStatus {
    boundary(|| {
        // SAFETY: by this function's contract, for all three.
        let (out, out_size, object) = unsafe {
            let out = output(out, ptr::null(), "out");
            let out_size = output(out_size, 0, "out_size");
            (out?, out_size?, handle(object, what)?)
        };
        if let Some(part) = part(object)? {
            *out = part.as_ptr().cast();
            *out_size = part.len();
        }
        Ok(())
    })
}
