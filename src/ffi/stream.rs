//! `sealgate_stream`: seals and opens data of any size piece by piece into the caller's buffers.

use std::ffi::c_void;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};

use super::bytes::too_small;
use super::gate::{SealgateGate, guarded};
use super::input::{bytes, handle_mut, output, place};
use super::{Failure, SealgateStatus, boundary_of, free_handle};
use crate::{Error, Gate, Stream};

/// Data of any size being sealed or opened in chunks of 64 KiB, in constant memory.
///
/// The order of calls is: `sealgate_stream_seal` or `sealgate_stream_open`, `sealgate_stream_push` for each piece of data,
/// `sealgate_stream_finish`, `sealgate_stream_free`. When opening, each chunk is authenticated before it is returned, but
/// only a successful `sealgate_stream_finish` proves that nothing is missing at the end. Until then write the data where it
/// can be discarded (a temporary file that is renamed afterwards). After any failure except BUFFER_TOO_SMALL, every further
/// call fails in the same way.
///
/// Thread safety: one thread at a time.
pub struct SealgateStream {
    stream: Stream,
    /// A call panicked, so the state is unknown.
    broken: AtomicBool,
}

/// Starts sealing a stream, under the key that is newest now.
///
/// `context` is authenticated but not stored: opening needs the same one. It may be empty, is at most 64 KiB long, and is
/// copied. `*out` receives the stream; free it with `sealgate_stream_free`. On failure it is NULL. The gate may be freed
/// before the stream.
/// Statuses: NULL_POINTER, INVALID_ARGUMENT (a longer context), CRYPTO. Thread safety: any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_stream_seal(
    gate: *const SealgateGate,
    context: *const c_void,
    context_size: usize,
    out: *mut *mut SealgateStream,
) -> SealgateStatus {
    // SAFETY: the contract is the same.
    unsafe { begin(gate, context, context_size, out, Gate::seal_stream) }
}

/// Starts opening a stream.
///
/// `context` is the one it was sealed with. `*out` receives the stream; free it with `sealgate_stream_free`. On failure it
/// is NULL. The gate may be freed before the stream.
/// Statuses: NULL_POINTER, INVALID_ARGUMENT (a context of more than 64 KiB). Thread safety: any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_stream_open(
    gate: *const SealgateGate,
    context: *const c_void,
    context_size: usize,
    out: *mut *mut SealgateStream,
) -> SealgateStatus {
    // SAFETY: the contract is the same.
    unsafe { begin(gate, context, context_size, out, Gate::open_stream) }
}

/// The number of bytes that `sealgate_stream_push` would write now for `data_size` bytes: at most `data_size` plus 128 KiB.
///
/// 0 for NULL and for a stream that is finished or has failed; SIZE_MAX if it would overflow.
/// Thread safety: one thread at a time. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_stream_push_size(
    stream: *const SealgateStream,
    data_size: usize,
) -> usize {
    // SAFETY: by this function's contract.
    let stream = unsafe { stream.as_ref() };
    stream.map_or(0, |stream| stream.stream.push_size(data_size))
}

/// The number of bytes that `sealgate_stream_finish` would write now: at most 128 KiB. 0 for NULL.
///
/// Thread safety: one thread at a time. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_stream_finish_size(stream: *const SealgateStream) -> usize {
    // SAFETY: by this function's contract.
    let stream = unsafe { stream.as_ref() };
    stream.map_or(0, |stream| stream.stream.finish_size())
}

/// Seals or opens the next piece of the data, of any size, and writes what is complete into the caller's buffer.
///
/// `out` has room for `out_room` bytes and must not overlap `data`. `*out_size` receives the number of bytes written, which
/// may be 0, or, with BUFFER_TOO_SMALL, the number needed, which `sealgate_stream_push_size` also returns; the stream is
/// then unchanged. On any other failure it is 0, and `out` holds no plaintext from this call. `out` may be NULL if
/// `out_room` is 0.
/// Statuses: NULL_POINTER, INVALID_ARGUMENT (an overlap, more than 256 TiB), BUFFER_TOO_SMALL, WRONG_STATE (already finished),
/// DECRYPT_FAILED (opening; the same for every cause), KEY_RETIRED, CRYPTO. Thread safety: one thread at a time. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_stream_push(
    stream: *mut SealgateStream,
    data: *const c_void,
    data_size: usize,
    out: *mut c_void,
    out_room: usize,
    out_size: *mut usize,
) -> SealgateStatus {
    // SAFETY: by this function's contract, for all of them.
    unsafe {
        advance(stream, out_size, |stream| {
            let data = bytes(data, data_size, "data")?;
            let out = place(out, out_room, &[data], "out")?;
            let needed = stream.push_size(data.len());
            if out.len() < needed {
                return Ok(Err(needed));
            }
            Ok(Ok(stream.push(data, out)?))
        })
    }
}

/// Ends a stream and writes its last bytes into the caller's buffer. When opening, success means that the whole stream was
/// received.
///
/// The outputs are those of `sealgate_stream_push`; `sealgate_stream_finish_size` returns the number of bytes. The stream
/// then accepts no more data; free it with `sealgate_stream_free`.
/// Statuses: NULL_POINTER, BUFFER_TOO_SMALL, WRONG_STATE (already finished), INVALID_ARGUMENT (more than 256 TiB),
/// DECRYPT_FAILED (opening; the same for every cause), CRYPTO. Thread safety: one thread at a time. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_stream_finish(
    stream: *mut SealgateStream,
    out: *mut c_void,
    out_room: usize,
    out_size: *mut usize,
) -> SealgateStatus {
    // SAFETY: by this function's contract, for all of them.
    unsafe {
        advance(stream, out_size, |stream| {
            let out = place(out, out_room, &[], "out")?;
            let needed = stream.finish_size();
            if out.len() < needed {
                return Ok(Err(needed));
            }
            Ok(Ok(stream.finish(out)?))
        })
    }
}

/// Frees a stream, finished or not, and wipes what it holds. NULL does nothing. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_stream_free(stream: *mut SealgateStream) {
    // SAFETY: by this function's contract.
    unsafe { free_handle(stream) }
}

/// # Safety
/// As `sealgate_stream_seal`.
unsafe fn begin(
    gate: *const SealgateGate,
    context: *const c_void,
    context_size: usize,
    out: *mut *mut SealgateStream,
    begin: impl FnOnce(&Gate, &[u8]) -> Result<Stream, Error>,
) -> SealgateStatus {
    // SAFETY: by this function's contract, for all of them.
    unsafe {
        guarded(gate, |gate| {
            let out = output(out, ptr::null_mut(), "out")?;
            let stream = begin(gate?, bytes(context, context_size, "context")?)?;
            *out = Box::into_raw(Box::new(SealgateStream {
                stream,
                broken: AtomicBool::new(false),
            }));
            Ok(())
        })
    }
}

/// Runs one call on a stream; `work` returns how many bytes it wrote, or how many it needs room for.
///
/// # Safety
/// `stream` is NULL or live; `out_size` is NULL or writable.
unsafe fn advance(
    stream: *mut SealgateStream,
    out_size: *mut usize,
    work: impl FnOnce(&mut Stream) -> Result<Result<usize, usize>, Failure>,
) -> SealgateStatus {
    // SAFETY: by this function's contract.
    let handle = unsafe { handle_mut(stream, "stream") };
    let (stream, broken) = match handle {
        Ok(SealgateStream { stream, broken }) => (Ok(stream), Some(&*broken)),
        Err(failure) => (Err(failure), None),
    };
    boundary_of(broken, || {
        // SAFETY: by this function's contract.
        let out_size = unsafe { output(out_size, 0, "out_size") }?;
        let stream = stream?;
        if broken.is_some_and(|broken| broken.load(Ordering::Relaxed)) {
            return Err(Failure::new(
                SealgateStatus::Panic,
                "An earlier fault inside the library left this stream unusable. Start a new one.",
            ));
        }
        if stream.is_finished() {
            return Err(Failure::new(
                SealgateStatus::WrongState,
                "The stream has been finished.",
            ));
        }
        let done = work(stream)?;
        *out_size = done.unwrap_or_else(|needed| needed);
        done.map(drop).map_err(too_small)
    })
}
