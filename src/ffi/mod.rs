//! The C interface: checks pointers, catches panics, and calls what the rest of the crate does. No logic of its own.
//!
//! `include/sealgate.h` is generated from these files, comments included. Everything that can fail goes through
//! [`boundary`]: outputs are written only on success, the sentence of a failure is kept for the calling thread, and no
//! panic crosses into C.

mod buffer;
mod bytes;
mod callback;
mod claims;
mod config;
mod error;
mod gate;
mod input;
mod log;
mod login;
mod request;
mod response;
mod route;
mod server;
mod status;
mod version;

use std::panic::{AssertUnwindSafe, catch_unwind};

use error::keep_last_error;
pub(crate) use status::SealgateStatus;

use crate::Error;

/// Why a call fails: its status and a sentence for people.
struct Failure {
    status: SealgateStatus,
    sentence: String,
}

impl Failure {
    fn new(status: SealgateStatus, sentence: impl Into<String>) -> Self {
        Failure {
            status,
            sentence: sentence.into(),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::new(SealgateStatus::of(&error), error.to_string())
    }
}

/// Runs the work of an export; every failure and every panic becomes a status.
fn boundary(work: impl FnOnce() -> Result<(), Failure>) -> SealgateStatus {
    // What the work was changing is dropped or marked unusable by its caller, so nothing half-changed is seen later.
    let outcome = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        // Dropping what was thrown may itself panic.
        let _ = catch_unwind(AssertUnwindSafe(move || drop(panic)));
        Err(Failure::new(
            SealgateStatus::Panic,
            "A fault inside the library ended the call.",
        ))
    });
    match outcome {
        Ok(()) => SealgateStatus::Ok,
        Err(failure) => {
            keep_last_error(failure.sentence);
            failure.status
        }
    }
}

/// Frees what a constructor gave out, whatever its destructor does.
///
/// # Safety
/// `handle` is NULL or came from `Box::into_raw` and is not used again.
unsafe fn free_handle<T>(handle: *mut T) {
    if handle.is_null() {
        return;
    }
    // SAFETY: by this function's contract it is a box that nobody else owns.
    let boxed = unsafe { Box::from_raw(handle) };
    let _ = catch_unwind(AssertUnwindSafe(move || drop(boxed)));
}

#[cfg(test)]
mod tests {
    use std::ffi::c_char;

    use super::buffer::{SealgateBuffer, sealgate_buffer_free};
    use super::config::{sealgate_config_free, sealgate_config_new, sealgate_config_set};
    use super::error::sealgate_last_error;
    use super::gate::{call_panicking, sealgate_encrypt_data, sealgate_free, sealgate_new};
    use super::*;

    fn last_error() -> String {
        let mut text = [0 as c_char; 256];
        // SAFETY: the buffer is as long as said.
        let size = unsafe { sealgate_last_error(text.as_mut_ptr(), text.len()) };
        let bytes: Vec<u8> = text[..size - 1].iter().map(|c| *c as u8).collect();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_panic_becomes_a_status_and_its_gate_refuses_further_use() {
        let mut config = std::ptr::null_mut();
        let mut gate = std::ptr::null_mut();
        let mut out = SealgateBuffer::EMPTY;
        // SAFETY: every handle is live, every size is right, and each is freed once.
        unsafe {
            assert_eq!(sealgate_config_new(&mut config), SealgateStatus::Ok);
            let set =
                sealgate_config_set(config, c"keys".as_ptr(), 4, c"ephemeral".as_ptr().cast(), 9);
            assert_eq!(set, SealgateStatus::Ok);
            assert_eq!(sealgate_new(config, &mut gate), SealgateStatus::Ok);
            let encrypt = |out: *mut SealgateBuffer| {
                sealgate_encrypt_data(gate, c"x".as_ptr().cast(), 1, std::ptr::null(), 0, out)
            };
            assert_eq!(encrypt(&mut out), SealgateStatus::Ok);
            sealgate_buffer_free(&mut out);
            assert_eq!(call_panicking(gate, &mut out), SealgateStatus::Panic);
            assert_eq!(last_error(), "A fault inside the library ended the call.");
            assert_eq!(encrypt(&mut out), SealgateStatus::Panic);
            assert!(last_error().contains("Make a new one"));
            assert!(out.data.is_null());
            sealgate_free(gate);
            sealgate_config_free(config);
        }
    }

    #[test]
    fn a_sentence_that_does_not_fit_is_cut_between_characters() {
        keep_last_error("aäb".to_owned());
        let mut text = [1 as c_char; 3];
        // SAFETY: the buffer is as long as said.
        unsafe {
            assert_eq!(sealgate_last_error(std::ptr::null_mut(), 0), 5);
            assert_eq!(sealgate_last_error(text.as_mut_ptr(), 3), 5);
        }
        assert_eq!(text, [b'a' as c_char, 0, 1]);
    }

    #[test]
    fn null_is_a_status_everywhere() {
        let mut out = SealgateBuffer {
            size: 7,
            ..SealgateBuffer::EMPTY
        };
        // SAFETY: NULL is permitted by every one of these.
        unsafe {
            assert_eq!(
                sealgate_config_new(std::ptr::null_mut()),
                SealgateStatus::NullPointer
            );
            let null = std::ptr::null();
            assert_eq!(
                sealgate_encrypt_data(null, null.cast(), 0, null.cast(), 0, &mut out),
                SealgateStatus::NullPointer
            );
            assert_eq!((out.size, last_error()), (0, "gate is NULL.".to_owned()));
            sealgate_free(std::ptr::null_mut());
            sealgate_config_free(std::ptr::null_mut());
            sealgate_buffer_free(std::ptr::null_mut());
        }
    }
}
