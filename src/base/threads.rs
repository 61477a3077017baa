//! The library's threads in a host process: none of them ever receives the host's signals.

use std::cell::Cell;
use std::io;
use std::thread::{Builder, JoinHandle};

thread_local! {
    static OURS: Cell<bool> = const { Cell::new(false) };
}

/// Starts a thread that blocks signals from its first instruction on.
pub(crate) fn spawn<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    let work = || {
        OURS.set(true);
        work()
    };
    with_signals_blocked(|| Builder::new().name(name.to_owned()).spawn(work))
}

/// Whether the calling thread was started by [`spawn`].
pub(crate) fn is_ours() -> bool {
    OURS.try_with(Cell::get).unwrap_or(false)
}

/// Runs work with all signals blocked except those that the thread itself causes by a fault (SEGV, BUS, FPE, ILL, TRAP).
/// Threads started meanwhile, here or by them, inherit this.
///
/// A SIGPIPE that such a thread causes stays pending for it and disappears with it.
#[cfg(unix)]
pub(crate) fn with_signals_blocked<T>(work: impl FnOnce() -> T) -> T {
    use nix::sys::signal::{SigSet, SigmaskHow, Signal};

    struct Restore(SigSet);
    impl Drop for Restore {
        fn drop(&mut self) {
            // Cannot fail: this was the mask before.
            let _ = self.0.thread_set_mask();
        }
    }
    let mut blocked = SigSet::all();
    for synchronous in [
        Signal::SIGSEGV,
        Signal::SIGBUS,
        Signal::SIGFPE,
        Signal::SIGILL,
        Signal::SIGTRAP,
    ] {
        blocked.remove(synchronous);
    }
    // Fails only for an invalid operation.
    let _restore = blocked.thread_swap_mask(SigmaskHow::SIG_BLOCK).map(Restore);
    work()
}

#[cfg(not(unix))]
pub(crate) fn with_signals_blocked<T>(work: impl FnOnce() -> T) -> T {
    work()
}
