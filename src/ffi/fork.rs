//! Forks of the host's process: none happens while a connection to the store is in use, so that the child can close and
//! open its own; and a child knows that it is one. And the process's end, before which gates may not have been freed.

/// Has forks of this process wait for the store, from the first gate on.
#[cfg(unix)]
pub(super) fn watch_forks() {
    use std::sync::Once;

    extern "C" fn before() {
        crate::store::before_fork();
    }
    extern "C" fn after() {
        crate::store::after_fork();
    }
    extern "C" fn after_in_child() {
        crate::sync::was_forked();
        crate::store::after_fork();
    }
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the handlers take nothing, call no C, and live as long as the library, which is never unloaded. They run
        // on the forking thread, where they take and release a lock. Where there is no memory for them (the one failure),
        // forks that happen during a call are as unsafe as with any other use of SQLite.
        let _ =
            unsafe { nix::libc::pthread_atfork(Some(before), Some(after), Some(after_in_child)) };
    });
}

#[cfg(not(unix))]
pub(super) fn watch_forks() {}

/// Has the end of this process wait until gates have written down what they counted, from the first gate on.
#[cfg(unix)]
pub(super) fn watch_exit() {
    use std::sync::Once;

    extern "C" fn at_exit() {
        // Nothing may unwind into C.
        let _ = std::panic::catch_unwind(crate::keys::write_all_at_exit);
    }
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the handler takes nothing, does not unwind, and lives as long as the library, which is never unloaded.
        // Where there is no memory for it, a count is missing.
        let _ = unsafe { nix::libc::atexit(at_exit) };
    });
}

#[cfg(not(unix))]
pub(super) fn watch_exit() {}
