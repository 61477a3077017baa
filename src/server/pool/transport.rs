//! A connection's bytes, in the clear or through TLS: non-blocking, and never a signal to the process.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown};

use super::tls::TlsStream;

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

/// How a connection's bytes go over its socket.
pub(super) enum Transport {
    Plain(Socket),
    Tls(Box<TlsStream>),
}

impl Transport {
    /// Reads what is there; 0 at the end of the stream. Through TLS the first read shakes hands.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Stop> {
        match self {
            Transport::Plain(socket) => socket
                .read(buffer)
                .map_err(|error| Stop::of(&error, Stop::WantsRead)),
            Transport::Tls(stream) => stream.read(buffer),
        }
    }

    /// Writes what there is room for.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<usize, Stop> {
        match self {
            Transport::Plain(socket) => socket
                .send(bytes)
                .map_err(|error| Stop::of(&error, Stop::WantsWrite)),
            Transport::Tls(stream) => stream.write(bytes),
        }
    }

    /// Whether data is here already that no poll of the socket would tell of: read again before waiting.
    pub(super) fn has_unread(&self) -> bool {
        match self {
            Transport::Plain(_) => false,
            Transport::Tls(stream) => stream.has_unread(),
        }
    }

    /// Bytes that TLS keeps for this connection, counted or estimated.
    pub(super) fn memory(&self) -> usize {
        match self {
            Transport::Plain(_) => 0,
            Transport::Tls(stream) => stream.memory(),
        }
    }

    /// Says in TLS that nothing more is sent: without it the client has to take the end for a cut (RFC 8446, section 6.1).
    pub(super) fn say_goodbye(&mut self) {
        if let Transport::Tls(stream) = self {
            stream.say_goodbye();
        }
    }

    /// Says that nothing more is sent. What still comes in can be read.
    pub(super) fn finish(&mut self) {
        self.say_goodbye();
        // A peer that is gone need not be told.
        let _ = rustix::net::shutdown(self, Shutdown::Write);
    }

    /// Ends it for the peer, whoever has a copy of the descriptor.
    pub(super) fn cut(&self) {
        // Where the peer has ended it, there is nothing left to do.
        let _ = rustix::net::shutdown(self, Shutdown::Both);
    }

    /// The subject of the client's verified certificate, once there is one.
    pub(super) fn client(&self) -> Option<&str> {
        match self {
            Transport::Plain(_) => None,
            Transport::Tls(stream) => stream.client(),
        }
    }
}

impl AsFd for Transport {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Transport::Plain(socket) => socket.0.as_fd(),
            Transport::Tls(stream) => stream.socket().0.as_fd(),
        }
    }
}

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
