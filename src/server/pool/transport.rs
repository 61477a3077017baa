//! A connection's bytes, in the clear or through TLS: non-blocking, and never a signal to the process.

use std::os::fd::{AsFd, BorrowedFd};

use rustix::net::Shutdown;

use crate::server::socket::{Socket, Stop};
use crate::server::tls::TlsStream;

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
