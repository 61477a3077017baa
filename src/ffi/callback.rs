//! What the host's callbacks share: the `user` pointer and its release, and detecting that one is running.

use std::cell::Cell;
use std::ffi::c_void;

use super::process::end_of_child;
use crate::base::fork;
use crate::base::threads;

/// Called once with `user` when the library will not use it again, on any thread. NULL: nothing is called. It must return,
/// and must not call functions of the handle that it was passed to.
pub type SealgateDrop = Option<unsafe extern "C" fn(user: *mut c_void)>;

/// The host's `user`, released through `drop` when nothing uses it any more.
pub(super) struct User {
    data: *mut c_void,
    drop: SealgateDrop,
}

// SAFETY: the pointer is only passed back to the host, which promises that its callbacks may be called from any thread; the
// documentation of the exports requires that.
unsafe impl Send for User {}
// SAFETY: as above, several threads at a time included.
unsafe impl Sync for User {}

impl User {
    /// Takes ownership of `user`, even if the call that passed it fails.
    pub(super) fn new(data: *mut c_void, drop: SealgateDrop) -> Self {
        User { data, drop }
    }

    pub(super) fn data(&self) -> *mut c_void {
        self.data
    }
}

impl Drop for User {
    fn drop(&mut self) {
        let (drop, data) = (self.drop, self.data);
        if let Some(drop) = drop {
            // SAFETY: the host passed both for this one call.
            fork::afterwards(move || unsafe { drop(data) });
        }
    }
}

/// A callback that belongs to no server, so any server may be waiting for it.
pub(super) const ANY_SERVER: u64 = u64::MAX;

thread_local! {
    /// The server whose callback this thread is in; 0 for none.
    static INSIDE: Cell<u64> = const { Cell::new(0) };
}

/// Calls the host. A fork does not wait for that: the callback may wait for something the forking thread holds, such as
/// Python's lock.
pub(super) fn call_host<T>(server: u64, callback: impl FnOnce() -> T) -> T {
    let forks = fork::forks();
    let answer = fork::outside(|| {
        let _inside = Inside::enter(server);
        callback()
    });
    if fork::forks() != forks && threads::is_ours() {
        end_of_child();
    }
    answer
}

/// While it lives, this thread is in a callback.
struct Inside {
    before: u64,
}

impl Inside {
    fn enter(server: u64) -> Self {
        Inside {
            before: INSIDE.replace(server),
        }
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        INSIDE.set(self.before);
    }
}

/// Whether the calling thread is in a callback that `server` would wait for.
pub(super) fn is_inside(server: u64) -> bool {
    let inside = INSIDE.get();
    inside == server || inside == ANY_SERVER
}

/// Whether the calling thread is in a callback that belongs to no server.
pub(super) fn is_inside_any() -> bool {
    INSIDE.get() == ANY_SERVER
}
