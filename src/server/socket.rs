//! A socket that never blocks and never raises SIGPIPE, and the reasons why a read or write made no progress.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};

/// Why a read or write made no progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// The socket has to become readable first.
    WantsRead,
    /// The socket has to become writable first.
    WantsWrite,
    /// The client violated TLS and was sent an alert, which it should be able to read before the connection closes.
    /// Further input can be read and is dropped.
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

    /// Reads the available bytes and leaves them for the next read.
    pub(super) fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let (read, _) = rustix::net::recv(&self.0, buffer, RecvFlags::PEEK).map_err(failure)?;
        Ok(read)
    }

    /// Reads the available bytes into possibly uninitialised memory; empty at the end of the stream.
    pub(super) fn receive<'b>(&self, room: &'b mut [MaybeUninit<u8>]) -> io::Result<&'b [u8]> {
        let ((received, _), _) =
            rustix::net::recv(&self.0, room, RecvFlags::empty()).map_err(failure)?;
        Ok(received)
    }

    pub(super) fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        // Writing to a closed connection must not raise SIGPIPE.
        rustix::net::send(&self.0, bytes, SendFlags::NOSIGNAL).map_err(failure)
    }
}

/// EINTR counts as not ready: the next poll of the socket decides how to continue.
fn failure(error: Errno) -> io::Error {
    match error {
        Errno::INTR => Errno::AGAIN.into(),
        error => error.into(),
    }
}

impl Stop {
    /// Classifies a socket error; `wants` is the result for one that would block.
    pub(super) fn of(error: &io::Error, wants: Stop) -> Stop {
        match error.kind() {
            io::ErrorKind::WouldBlock => wants,
            _ => Stop::Broken,
        }
    }
}
