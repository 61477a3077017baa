//! The C interface: checks pointers, catches panics, and calls the rest of the crate. It contains no logic.
//!
//! `include/sealgate.h` is generated from these files, comments included. Everything that can fail goes through
//! [`boundary`]: outputs are written only on success, the error sentence is kept for the calling thread, and no panic
//! crosses into C.
//!
//! # Safety
//! The contract of every export, unless its comment adds to it: handles are NULL or live (returned by this library and
//! not freed yet), inputs are NULL or valid for their sizes, outputs are NULL or writable, and what a callback received is
//! not used after it returns.

mod accounts;
mod api_keys;
#[cfg(feature = "store")]
mod backup;
mod buffer;
mod bytes;
mod callback;
mod claims;
mod clients;
mod config;
mod custom_claims;
mod error;
mod gate;
mod input;
mod inspection;
mod keys;
mod limits;
mod log;
#[cfg(feature = "server")]
mod login;
mod panics;
mod process;
#[cfg(feature = "server")]
mod reload;
#[cfg(feature = "server")]
mod request;
#[cfg(feature = "server")]
mod response;
mod revoke;
#[cfg(feature = "server")]
mod route;
#[cfg(feature = "server")]
mod server;
mod sessions;
mod signed;
mod status;
mod stream;
mod users;
mod version;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};

use error::keep_last_error;
use panics::Call;
#[doc(hidden)]
pub use process::prepare_process;
pub(crate) use status::SealgateStatus;

use crate::Error;
use crate::base::fork;

/// Why a call failed: its status and a sentence for people.
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

    fn invalid(sentence: impl Into<String>) -> Self {
        Failure::new(SealgateStatus::InvalidArgument, sentence)
    }

    fn null(what: &str) -> Self {
        Failure::new(SealgateStatus::NullPointer, format!("{what} is NULL."))
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::new(SealgateStatus::of(&error), error.to_string())
    }
}

/// Runs the body of an export; every failure and every panic becomes a status.
fn boundary(work: impl FnOnce() -> Result<(), Failure>) -> SealgateStatus {
    let _section = fork::section();
    let _call = Call::enter();
    // The caller drops what the body was changing or marks it unusable, so nothing half-changed is seen later.
    let outcome = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        // Dropping the panic payload may itself panic.
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

/// The same for a call on a handle; a panic is recorded in `broken`.
fn boundary_of(
    broken: Option<&AtomicBool>,
    work: impl FnOnce() -> Result<(), Failure>,
) -> SealgateStatus {
    let status = boundary(work);
    if let (SealgateStatus::Panic, Some(broken)) = (status, broken) {
        broken.store(true, Ordering::Relaxed);
    }
    status
}

/// Frees what a constructor returned, even if its destructor panics.
///
/// # Safety
/// `handle` is NULL or came from `Box::into_raw` and is not used again.
unsafe fn free_handle<T>(handle: *mut T) {
    if handle.is_null() {
        return;
    }
    // SAFETY: by this function's contract it is a box with no other owner.
    let boxed = unsafe { Box::from_raw(handle) };
    let _section = fork::section();
    let _call = Call::enter();
    let _ = catch_unwind(AssertUnwindSafe(move || drop(boxed)));
}

#[cfg(test)]
mod tests;
