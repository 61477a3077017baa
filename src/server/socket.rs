//! A socket that never blocks and never signals the process, and why a read or a write of it did nothing.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};

/// Why a read or a write did nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// The socket has to become readable first.
    WantsRead,
    /// The socket has to become writable first.
    WantsWrite,
    /// The client has broken the rules of TLS and an alert tells it so, which it shall read before it finds the connection
    /// closed. What it still sends can be read, to be dropped.
    Refused,
    /// The connection is over.
    Broken,
}

/// A non-blocking stream socket, TCP or Unix.
#[derive(Debug)]
pub(super) struct Socket(pub(super) OwnedFd);

impl Socket {
    pub(super) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let (read, _) = rustix::net::recv(&self.0, buffer, RecvFlags::empty()).map_err(failure)?;
        Ok(read)
    }

    /// Reads what is there into memory that need not hold anything yet; nothing at the end of the stream.
    pub(super) fn receive<'b>(&self, room: &'b mut [MaybeUninit<u8>]) -> io::Result<&'b [u8]> {
        let ((received, _), _) =
            rustix::net::recv(&self.0, room, RecvFlags::empty()).map_err(failure)?;
        Ok(received)
    }

    pub(super) fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        // A peer that is gone must not end the process with SIGPIPE.
        rustix::net::send(&self.0, bytes, SendFlags::NOSIGNAL).map_err(failure)
    }
}

/// After a signal, which does not interrupt what does not block, the poll of the socket says how to go on.
fn failure(error: Errno) -> io::Error {
    match error {
        Errno::INTR => Errno::AGAIN.into(),
        error => error.into(),
    }
}

impl Stop {
    /// What an error of a socket means, where `wants` is what it waits for.
    pub(super) fn of(error: &io::Error, wants: Stop) -> Stop {
        match error.kind() {
            io::ErrorKind::WouldBlock => wants,
            _ => Stop::Broken,
        }
    }
}
