//! A client and our end of one connection. The client's bytes go through two buffers, so that a test decides when how
//! many of them arrive.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use openssl::error::ErrorStack;
use openssl::ssl::{
    Ssl, SslContext, SslContextBuilder, SslMethod, SslStream, SslVerifyMode, SslVersion,
};

use super::super::{State, TlsAcceptor, TlsStream};
use super::papers::Paper;
use crate::server::socket::{Socket, Stop};

/// The client's socket, as the client sees it.
#[derive(Default)]
pub(super) struct Tap {
    pub(super) incoming: VecDeque<u8>,
    pub(super) outgoing: VecDeque<u8>,
}

impl Read for Tap {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.incoming.is_empty() {
            true => Err(io::ErrorKind::WouldBlock.into()),
            false => self.incoming.read(buffer),
        }
    }
}

impl Write for Tap {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.outgoing.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(super) struct Talk {
    pub(super) client: SslStream<Tap>,
    pub(super) server: TlsStream,
    /// The other end of the server's socket.
    pub(super) peer: UnixStream,
}

/// A client that trusts `root`.
pub(super) fn client(root: &Paper) -> SslContextBuilder {
    let mut context = SslContextBuilder::new(SslMethod::tls_client()).unwrap();
    context
        .cert_store_mut()
        .add_cert(root.certificate.clone())
        .unwrap();
    context.set_verify(SslVerifyMode::PEER);
    context
}

/// A client of one version.
pub(super) fn client_of(root: &Paper, version: SslVersion) -> SslContextBuilder {
    let mut context = client(root);
    context.set_security_level(0);
    context.set_min_proto_version(Some(version)).unwrap();
    context.set_max_proto_version(Some(version)).unwrap();
    context
}

pub(super) fn is_open(server: &TlsStream) -> bool {
    matches!(server.state, State::Open(_))
}

impl Talk {
    pub(super) fn start(acceptor: &TlsAcceptor, client: &SslContext) -> Talk {
        let (server, peer) = UnixStream::pair().unwrap();
        server.set_nonblocking(true).unwrap();
        peer.set_nonblocking(true).unwrap();
        let server = acceptor.start(Socket(OwnedFd::from(server)));
        let mut ssl = Ssl::new(client).unwrap();
        ssl.set_connect_state();
        Talk {
            client: SslStream::new(ssl, Tap::default()).unwrap(),
            server,
            peer,
        }
    }

    /// Completes the handshake, or returns why the client was refused.
    pub(super) fn shaken(acceptor: &TlsAcceptor, client: &SslContext) -> Result<Talk, String> {
        let mut talk = Talk::start(acceptor, client);
        talk.shake(usize::MAX)?;
        Ok(talk)
    }

    /// Performs the handshake with at most this many bytes at a time in each direction.
    pub(super) fn shake(&mut self, at_a_time: usize) -> Result<(), String> {
        for _ in 0..100_000 {
            let client = self.client.do_handshake();
            self.carry(at_a_time);
            let server = self.server.read(&mut [0; 1]);
            assert!(ErrorStack::get().errors().is_empty(), "left-over errors");
            self.carry(at_a_time);
            if let Err(Stop::Broken | Stop::Refused) = server {
                self.carry(usize::MAX);
                return Err(self.reason());
            }
            if let Err(error) = client
                && error.ssl_error().is_some()
            {
                return Err(format!("the client refuses: {error}"));
            }
            let shaken = self.client.ssl().is_init_finished() && is_open(&self.server);
            if shaken && self.client.get_ref().outgoing.is_empty() {
                return Ok(());
            }
        }
        panic!("the handshake does not end");
    }

    /// The alert that the client received.
    fn reason(&mut self) -> String {
        let heard = match self.client.do_handshake() {
            Ok(()) => self.client.ssl_read(&mut [0; 1]).map(drop),
            refused => refused,
        };
        heard.map_or_else(|error| error.to_string(), |()| "data".to_owned())
    }

    /// Carries bytes in both directions; returns whether there were any.
    pub(super) fn carry(&mut self, at_most: usize) -> bool {
        let tap = self.client.get_mut();
        let (bytes, _) = tap.outgoing.as_slices();
        let sent = self.peer.write(&bytes[..bytes.len().min(at_most)]);
        let sent = sent.unwrap_or(0);
        tap.outgoing.drain(..sent);
        let mut buffer = vec![0; at_most.min(1 << 16)];
        let received = self.peer.read(&mut buffer).unwrap_or(0);
        tap.incoming.extend(&buffer[..received]);
        sent + received > 0
    }

    /// Sends text and lets the server read it.
    pub(super) fn send(&mut self, text: &[u8]) -> Vec<u8> {
        assert_eq!(self.client.ssl_write(text).unwrap(), text.len());
        let mut received = Vec::new();
        let mut buffer = [0; 4096];
        while self.carry(usize::MAX) || self.server.has_unread() {
            if let Ok(read) = self.server.read(&mut buffer) {
                received.extend(&buffer[..read]);
            }
        }
        received
    }
}
