//! A connection's bytes, in the clear or over TLS: non-blocking, and without SIGPIPE.

use std::os::fd::{AsFd, BorrowedFd};

use rustix::net::Shutdown;

use crate::server::socket::{Socket, Stop};
use crate::server::tls::TlsStream;

/// How a connection's bytes are sent over its socket.
pub(super) enum Transport {
    Plain(Socket),
    Tls(Box<TlsStream>),
}

impl Transport {
    /// Reads the available bytes; 0 at the end of the stream. Over TLS, the first reads perform the handshake.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Stop> {
        match self {
            Transport::Plain(socket) => socket
                .read(buffer)
                .map_err(|error| Stop::of(&error, Stop::WantsRead)),
            Transport::Tls(stream) => stream.read(buffer),
        }
    }

    /// Writes as much as fits.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<usize, Stop> {
        match self {
            Transport::Plain(socket) => socket
                .send(bytes)
                .map_err(|error| Stop::of(&error, Stop::WantsWrite)),
            Transport::Tls(stream) => stream.write(bytes),
        }
    }

    /// The socket below. Reading from it is for what precedes TLS.
    pub(super) fn socket(&self) -> &Socket {
        match self {
            Transport::Plain(socket) => socket,
            Transport::Tls(stream) => stream.socket(),
        }
    }

    /// Whether there is buffered data that polling the socket would not report: read again before waiting.
    pub(super) fn has_unread(&self) -> bool {
        match self {
            Transport::Plain(_) => false,
            Transport::Tls(stream) => stream.has_unread(),
        }
    }

    /// Memory that TLS uses for this connection, counted or estimated.
    pub(super) fn memory(&self) -> usize {
        match self {
            Transport::Plain(_) => 0,
            Transport::Tls(stream) => stream.memory(),
        }
    }

    /// Sends close_notify over TLS: without it the client must treat the end as a truncation (RFC 8446, section 6.1).
    pub(super) fn say_goodbye(&mut self) {
        if let Transport::Tls(stream) = self {
            stream.say_goodbye();
        }
    }

    /// Closes our side. Further input can still be read.
    pub(super) fn finish(&mut self) {
        self.say_goodbye();
        // Fails only if the peer is gone.
        let _ = rustix::net::shutdown(self, Shutdown::Write);
    }

    /// Ends the connection for the peer, even if another process holds a copy of the descriptor.
    pub(super) fn cut(&self) {
        // Fails only if the peer has already ended it.
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
        self.socket().0.as_fd()
    }
}
