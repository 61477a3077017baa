//! `sealgate_stream`: data of any size, sealed and opened piece by piece into the caller's buffers.

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
/// The order of calls is: `sealgate_stream_seal` or `sealgate_stream_open`, `sealgate_stream_push` as often as there is
/// data, `sealgate_stream_finish`, `sealgate_stream_free`. What opening gives has been authenticated chunk by chunk; but only
/// when `sealgate_stream_finish` has succeeded it is known that nothing is missing at the end. Until then keep it where it
/// can be thrown away (a temporary file that is renamed afterwards). After a failure, but for BUFFER_TOO_SMALL, every
/// further call fails in the same way.
///
/// Thread safety: one thread at a time.
pub struct SealgateStream {
    stream: Stream,
    /// A call panicked: what it left behind is not known.
    broken: AtomicBool,
}

/// Begins to seal a stream, under the key that is the newest now.
///
/// `context` is authenticated but not stored: the same is needed to open. It may be empty and has at most 64 KiB; it is
/// copied. `*out` receives the stream; free it with `sealgate_stream_free`. On failure it is NULL. The gate may be freed
/// before the stream.
/// Statuses: NULL_POINTER, INVALID_ARGUMENT (a longer context), CRYPTO. Thread safety: any thread. Since 0.1.
///
/// # Safety
/// `gate` is NULL or live; `context` is NULL or has its size; `out` is NULL or may be written.
#[must_use]
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

/// Begins to open a stream.
///
/// `context` is what it was sealed with. `*out` receives the stream; free it with `sealgate_stream_free`. On failure it is
/// NULL. The gate may be freed before the stream.
/// Statuses: NULL_POINTER, INVALID_ARGUMENT (a context of more than 64 KiB). Thread safety: any thread. Since 0.1.
///
/// # Safety
/// `gate` is NULL or live; `context` is NULL or has its size; `out` is NULL or may be written.
#[must_use]
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

/// How many bytes `sealgate_stream_push` writes when it gets `data_size` bytes now: never more than `data_size` and 128 KiB.
///
/// 0 for NULL and for a stream that is finished or has failed; SIZE_MAX where it does not fit.
/// Thread safety: one thread at a time. Since 0.1.
///
/// # Safety
/// `stream` is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_stream_push_size(
    stream: *const SealgateStream,
    data_size: usize,
) -> usize {
    // SAFETY: by this function's contract.
    let stream = unsafe { stream.as_ref() };
    stream.map_or(0, |stream| stream.stream.push_size(data_size))
}

/// How many bytes `sealgate_stream_finish` writes now: never more than 128 KiB. 0 for NULL.
///
/// Thread safety: one thread at a time. Since 0.1.
///
/// # Safety
/// `stream` is NULL or live.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_stream_finish_size(stream: *const SealgateStream) -> usize {
    // SAFETY: by this function's contract.
    let stream = unsafe { stream.as_ref() };
    stream.map_or(0, |stream| stream.stream.finish_size())
}

/// Takes a piece of the data in, of any size, and writes what is done into the caller's buffer.
///
/// `out` has room for `out_room` bytes and must not overlap `data`. `*out_size` is how many were written, which may be 0; with
/// BUFFER_TOO_SMALL it is how many are needed, which `sealgate_stream_push_size` says before, and nothing else has
/// happened. On any other failure it is 0, and nothing readable of this call is left in `out`. `out` may be NULL if
/// `out_room` is 0.
/// Statuses: NULL_POINTER, INVALID_ARGUMENT (an overlap, more than 256 TiB), BUFFER_TOO_SMALL, WRONG_STATE (it is finished),
/// DECRYPT_FAILED (opening; one for every cause), KEY_RETIRED, CRYPTO. Thread safety: one thread at a time. Since 0.1.
///
/// # Safety
/// `stream` is NULL or live; `data` is NULL or has its size; `out` is NULL or has its room; `out_size` is NULL or may be
/// written.
#[must_use]
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

/// Ends a stream and writes its last bytes into the caller's buffer. Opening, its success says that the whole stream was
/// there.
///
/// The outputs are those of `sealgate_stream_push`, and `sealgate_stream_finish_size` says before how many bytes they are.
/// The stream then takes nothing more; free it with `sealgate_stream_free`.
/// Statuses: NULL_POINTER, BUFFER_TOO_SMALL, WRONG_STATE (it is finished), INVALID_ARGUMENT (more than 256 TiB),
/// DECRYPT_FAILED (opening; one for every cause), CRYPTO. Thread safety: one thread at a time. Since 0.1.
///
/// # Safety
/// `stream` is NULL or live; `out` is NULL or has its room; `out_size` is NULL or may be written.
#[must_use]
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

/// Frees a stream, finished or not; what it holds is wiped. NULL does nothing. Since 0.1.
///
/// # Safety
/// `stream` is NULL or came from this library, and is not used again.
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

/// Runs one call on a stream: it gives how many bytes it wrote, or how many it needs room for.
///
/// # Safety
/// `stream` is NULL or live; `out_size` is NULL or may be written.
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
                "An earlier fault inside the library left this stream unusable. Begin a new one.",
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
