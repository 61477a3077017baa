//! Has the system report forks of the host's process to `fork`, and the process's end, before which gates may not have been
//! freed; and what a forked child has of its parent's server: copies of descriptors, which keep sockets open.

#[cfg(target_os = "linux")]
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};

#[cfg(target_os = "linux")]
use crate::server::SocketId;

/// Has forks of this process wait for the threads in the library, from the first call on.
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
    // Not a `Once`: a child that was forked off while another thread was in it would wait for ever.
    static WATCHES: AtomicBool = AtomicBool::new(false);
    if WATCHES.load(Ordering::Relaxed) || WATCHES.swap(true, Ordering::Relaxed) {
        return;
    }
    // SAFETY: the handlers take nothing, call no C, do not unwind, and live as long as the library, which is never unloaded.
    // They run on the forking thread, where they wait for other threads, and take and release a lock. Where there is no memory
    // for them (the one failure), a fork beside other threads is as unsafe as it is without them.
    let _ = unsafe { nix::libc::pthread_atfork(Some(before), Some(after), Some(after_in_child)) };
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

/// Under a limit on address space (`ulimit -v`), keeps the C library from setting 64 MiB of it aside for each thread: to be
/// called before the program starts any. For a program of our own; what a host's memory is like is the host's decision.
pub fn save_address_space() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        use nix::libc::{M_ARENA_MAX, mallopt};
        use rustix::process::{Resource, getrlimit};

        const ARENAS: i32 = 2;
        let is_limited = getrlimit(Resource::As).current.is_some();
        if is_limited && std::env::var_os("MALLOC_ARENA_MAX").is_none() {
            // SAFETY: it takes two numbers, and glibc locks what it changes. Where it fails, all stays as it was.
            let _ = unsafe { mallopt(M_ARENA_MAX, ARENAS) };
        }
    }
}

/// Closes every descriptor of this process that is of one of these sockets. The threads that they belonged to are not in this
/// process.
#[cfg(target_os = "linux")]
pub(super) fn close_all(sockets: &[SocketId]) {
    let Ok(entries) = std::fs::read_dir("/proc/self/fd") else {
        return;
    };
    let numbers: Vec<RawFd> = entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    for number in numbers {
        // SAFETY: only asked what it is of; where nothing is open under the number any more, that is the answer.
        let socket = SocketId::of(unsafe { BorrowedFd::borrow_raw(number) });
        if socket.is_some_and(|socket| sockets.contains(&socket)) {
            // SAFETY: it is a copy of a socket that only the server's threads used, and they are not in this process.
            drop(unsafe { OwnedFd::from_raw_fd(number) });
        }
    }
}

/// Ends a child that was forked off in a callback and comes back from it on a thread of the library's: the parent's thread goes
/// on with the connection, and there is nothing here for this one to do.
#[cfg(unix)]
pub(super) fn end_of_child() -> ! {
    // SAFETY: it takes no pointer and does not return. As `exit` it would run the host's handlers on a thread of ours.
    unsafe { nix::libc::_exit(0) }
}

#[cfg(not(unix))]
pub(super) fn end_of_child() -> ! {
    unreachable!("nothing forks here")
}
