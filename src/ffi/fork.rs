//! Forks of the host's process: none happens while a connection to the store is in use, so that the child can close and
//! open its own.

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
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the handlers take nothing, call no C, and live as long as the library, which is never unloaded. They run
        // on the forking thread, where they take and release a lock. Where there is no memory for them (the one failure),
        // forks that happen during a call are as unsafe as with any other use of SQLite.
        let _ = unsafe { nix::libc::pthread_atfork(Some(before), Some(after), Some(after)) };
    });
}

#[cfg(not(unix))]
pub(super) fn watch_forks() {}
