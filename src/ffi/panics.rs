//! What a panic inside says: where it happened, to the host's log callback. The host's standard error is the host's.
//!
//! The shared library brings a copy of Rust's standard library along, whose panic hook is nobody else's. A host in Rust
//! that calls these exports may share it: then its own hook goes on reporting its own panics.

use std::cell::Cell;
use std::panic::{self, PanicHookInfo};
use std::sync::atomic::{AtomicBool, Ordering};

use super::process::watch_forks;
use crate::base::threads;
use crate::logging;

thread_local! {
    /// How many exports this thread is in.
    static CALLS: Cell<u32> = const { Cell::new(0) };
}

/// While it lives, this thread is in an export.
pub(super) struct Call;

impl Call {
    pub(super) fn enter() -> Self {
        watch_forks();
        install();
        let _ = CALLS.try_with(|calls| calls.set(calls.get() + 1));
        Call
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let _ = CALLS.try_with(|calls| calls.set(calls.get().saturating_sub(1)));
    }
}

/// Makes ours the panic hook, once. Nobody waits for it: in a child that was forked off meanwhile that would be for ever.
fn install() {
    static INSTALLED: AtomicBool = AtomicBool::new(false);
    // The hook cannot be changed by a thread that is panicking: the next call will do it.
    if INSTALLED.load(Ordering::Relaxed) || std::thread::panicking() {
        return;
    }
    if !INSTALLED.swap(true, Ordering::Relaxed) {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |panicked| match is_ours(panicked) {
            true => logging::tell_panic(panicked),
            false => before(panicked),
        }));
    }
}

fn is_ours(panicked: &PanicHookInfo<'_>) -> bool {
    CALLS.try_with(Cell::get).unwrap_or(0) > 0
        || threads::is_ours()
        // It starts threads of its own, and they panic where a client vanishes.
        || panicked
            .location()
            .is_some_and(|place| place.file().contains("tiny_http"))
}
