//! Reports a panic inside the library, with its location, to the host's log callback, and writes nothing to standard error,
//! which belongs to the host.
//!
//! The shared library has its own copy of Rust's standard library, and so its own panic hook. A Rust host that calls these
//! exports may share the copy: its own hook then still reports its own panics.

use std::cell::Cell;
use std::panic::{self, PanicHookInfo};
use std::sync::atomic::{AtomicBool, Ordering};

use super::process::watch_forks;
use crate::base::threads;
use crate::logging;

thread_local! {
    /// The number of exports that this thread is in.
    static CALLS: Cell<u32> = const { Cell::new(0) };
}

/// This thread is in an export while the value lives.
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

/// Installs our panic hook, once. No thread waits for another here: in a child forked meanwhile that would hang for ever.
fn install() {
    static INSTALLED: AtomicBool = AtomicBool::new(false);
    // A panicking thread cannot change the hook: the next call installs it.
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
        // It starts its own threads, which panic when a client disconnects.
        || panicked
            .location()
            .is_some_and(|place| place.file().contains("tiny_http"))
}
