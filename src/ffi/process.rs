//! Registers handlers for forks of the host's process and for its exit, which gates may outlive; and closes the copies of a
//! server's sockets in a forked child, which would keep them open.

#[cfg(all(feature = "server", target_os = "linux"))]
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};

#[cfg(all(feature = "server", target_os = "linux"))]
use crate::server::SocketId;

/// From the first call on, makes forks of this process wait for the threads inside the library.
#[cfg(unix)]
pub(super) fn watch_forks() {
    use std::sync::atomic::{AtomicBool, Ordering};

    use crate::base::fork;

    extern "C" fn before() {
        fork::before_fork();
    }
    extern "C" fn after() {
        fork::after_fork();
    }
    extern "C" fn after_in_child() {
        fork::after_fork_in_child();
    }
    // Not a `Once`: a child forked while another thread was in it would wait for ever.
    static WATCHES: AtomicBool = AtomicBool::new(false);
    if WATCHES.load(Ordering::Relaxed) || WATCHES.swap(true, Ordering::Relaxed) {
        return;
    }
    // SAFETY: the handlers take no arguments, call no C, do not unwind, and live as long as the library, which is never
    // unloaded. They run on the forking thread, where they wait for other threads and take and release a lock. The only
    // failure is a lack of memory; a fork beside other threads is then as unsafe as without handlers.
    if unsafe { nix::libc::pthread_atfork(Some(before), Some(after), Some(after_in_child)) } == 0 {
        fork::set_watched();
    }
}

#[cfg(not(unix))]
pub(super) fn watch_forks() {}

/// From the first gate on, makes the exit of this process wait until gates have saved their counters, and for a while until their
/// audit events are delivered.
#[cfg(unix)]
pub(super) fn watch_exit() {
    use std::sync::Once;

    extern "C" fn at_exit() {
        // Nothing may unwind into C.
        let _ = std::panic::catch_unwind(crate::keys::write_all_at_exit);
        let _ = std::panic::catch_unwind(|| crate::logging::flush_within(AT_EXIT));
    }
    const AT_EXIT: std::time::Duration = std::time::Duration::from_secs(2);
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the handler takes no arguments, does not unwind, and lives as long as the library, which is never
        // unloaded. If there is no memory for it, a count is missing.
        let _ = unsafe { nix::libc::atexit(at_exit) };
    });
}

#[cfg(not(unix))]
pub(super) fn watch_exit() {}

/// What a program of our own does before it starts any threads: it has the system report forks, and has the C library return
/// the memory of very large responses as soon as they are freed, which it would otherwise keep for later ones, several
/// times the limit on buffered memory. Under a limit on address space (`ulimit -v`) it also keeps the library from reserving
/// 64 MiB of it for each thread. A host decides about its own memory.
pub fn prepare_process() {
    watch_forks();
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        use nix::libc::{M_ARENA_MAX, M_MMAP_THRESHOLD, M_TRIM_THRESHOLD, mallopt};
        use rustix::process::{Resource, getrlimit};

        const ARENAS: i32 = 2;
        /// Larger pieces of memory are the system's again when they are freed: responses beyond those to bodies of the usual limit.
        const RETURNED: i32 = 2 << 20;
        /// So much may stay free at the end of a heap. With a fixed limit above, the library no longer adapts this one.
        const KEPT: i32 = 4 << 20;
        let is_limited = getrlimit(Resource::As).current.is_some();
        let tunables = std::env::var("GLIBC_TUNABLES").unwrap_or_default();
        if tunables.contains("glibc.malloc") {
            return;
        }
        for (variable, option, value, wanted) in [
            ("MALLOC_ARENA_MAX", M_ARENA_MAX, ARENAS, is_limited),
            ("MALLOC_MMAP_THRESHOLD_", M_MMAP_THRESHOLD, RETURNED, true),
            ("MALLOC_TRIM_THRESHOLD_", M_TRIM_THRESHOLD, KEPT, true),
        ] {
            if wanted && std::env::var_os(variable).is_none() {
                // SAFETY: it takes two numbers, and glibc locks what it changes. On failure nothing changes.
                let _ = unsafe { mallopt(option, value) };
            }
        }
    }
}

/// Closes every descriptor of this process that refers to one of these sockets. The threads that used them do not exist in
/// this process.
#[cfg(all(feature = "server", target_os = "linux"))]
pub(super) fn close_all(sockets: &[SocketId]) {
    let Ok(entries) = std::fs::read_dir("/proc/self/fd") else {
        return;
    };
    let numbers: Vec<RawFd> = entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    for number in numbers {
        // SAFETY: the descriptor is only queried; if it has been closed, the query reports that.
        let socket = SocketId::of(unsafe { BorrowedFd::borrow_raw(number) });
        if socket.is_some_and(|socket| sockets.contains(&socket)) {
            // SAFETY: it is a copy of a socket that only the server's threads used, and those do not exist in this process.
            drop(unsafe { OwnedFd::from_raw_fd(number) });
        }
    }
}

/// Ends a child that was forked in a callback and returns from it on one of the library's threads: the parent's thread
/// continues with the connection, and this copy has nothing left to do.
#[cfg(unix)]
pub(super) fn end_of_child() -> ! {
    // SAFETY: it takes no pointer and does not return. `exit` would run the host's handlers on our thread.
    unsafe { nix::libc::_exit(0) }
}

#[cfg(not(unix))]
pub(super) fn end_of_child() -> ! {
    unreachable!("nothing forks here")
}
