//! What a child after fork() has of its parent's server: copies of descriptors, which keep sockets open.

use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};

use crate::server::SocketId;

/// Closes every descriptor of this process that is of one of these sockets. The threads that they belonged to are not in this
/// process.
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
