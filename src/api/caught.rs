//! Panics of routes, which end the request and nothing else.

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// `None` if `work` panics.
pub(super) fn caught<T>(work: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work))
        .map_err(|panic| {
            // A host's panic payload may itself panic when dropped.
            if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
                mem::forget(again);
            }
        })
        .ok()
}
