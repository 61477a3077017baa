//! TLS as the state of a connection: configuration, handshake, reading and writing. Never blocks: an operation that
//! cannot continue returns the readiness it needs.
//!
//! `reload` has the certificate, key and CA in use and replaces them when their files change, `files` reads and
//! checks those files, `hello` inspects what clients send in the clear before OpenSSL does, `configuration` chooses
//! protocol versions and ciphers, `client_certificates` whose certificates are accepted, `wire` is the socket as OpenSSL
//! sees it, `subject` formats a client's name. Deadlines are left to the connection.
//!
//! OpenSSL is involved only once the complete ClientHello has arrived: until then a connection costs no more than the
//! bytes it has sent.

mod client_certificates;
mod configuration;
mod files;
mod hello;
mod reload;
mod subject;
mod wire;

use std::sync::Arc;

use openssl::asn1::Asn1Time;
use openssl::error::ErrorStack;
use openssl::ssl::{ErrorCode, SslStream, SslVersion};

use crate::Error;
use crate::server::settings::Settings;
use crate::server::socket::{Socket, Stop};
#[cfg(any(test, fuzzing))]
pub(crate) use hello::fuzz::hellos;
use hello::{Alert, Reader};
pub use reload::CertificateStatus;
pub(in crate::server) use reload::Certificates;
use wire::Wire;

/// Memory of a connection during the handshake and afterwards, rounded up. The help of `max_tls_memory` quotes these.
const SHAKING_HANDS: usize = 48 << 10;
/// Additional memory during the handshake if clients are asked for certificates: OpenSSL allocates a whole chain as
/// soon as its length is announced.
const CLAIMED_CHAIN: usize = 100 << 10;
const OPEN: usize = 20 << 10;

/// Turns sockets into TLS connections.
#[derive(Clone)]
pub(in crate::server) struct TlsAcceptor {
    certificates: Arc<Certificates>,
    /// Memory of a connection during the handshake.
    shaking_hands: usize,
}

impl TlsAcceptor {
    /// `None` if no certificate is set. Reads files and changes nothing; an expired certificate only causes a warning.
    ///
    /// # Errors
    /// [`Error::Setting`] if a file cannot be read, is invalid, or does not match the others.
    pub(in crate::server) fn new(settings: &Settings) -> Result<Option<Self>, Error> {
        let certificates = Certificates::new(settings)?;
        Ok(certificates.map(|certificates| TlsAcceptor {
            shaking_hands: match certificates.asks_clients() {
                true => SHAKING_HANDS + CLAIMED_CHAIN,
                false => SHAKING_HANDS,
            },
            certificates: Arc::new(certificates),
        }))
    }

    pub(in crate::server) fn certificates(&self) -> Arc<Certificates> {
        self.certificates.clone()
    }

    /// A TLS connection whose first reads perform the handshake.
    pub(in crate::server) fn start(&self, socket: Socket) -> TlsStream {
        TlsStream {
            socket: Arc::new(socket),
            state: State::Hello {
                certificates: self.certificates.clone(),
                reader: Reader::default(),
                bytes: Vec::new(),
            },
            shaking_hands: self.shaking_hands,
            client: None,
        }
    }
}

/// The server's end of a TLS connection.
pub(in crate::server) struct TlsStream {
    socket: Arc<Socket>,
    state: State,
    shaking_hands: usize,
    client: Option<Box<str>>,
}

enum State {
    /// The ClientHello is being received.
    Hello {
        certificates: Arc<Certificates>,
        reader: Reader,
        bytes: Vec<u8>,
    },
    Handshake(SslStream<Wire>),
    Open(SslStream<Wire>),
    /// An alert has been sent. Further input is dropped.
    Refused,
    Broken,
}

impl TlsStream {
    /// Reads the available bytes, at most one record; 0 at the end of the stream. The first reads perform the
    /// handshake, so a read may need to write. **Data that does not fit into the buffer stays in here, where polling
    /// the socket does not show it**: read again while [`Self::has_unread`] returns true. [`Stop::WantsRead`] may be
    /// returned although the socket has more, to let others have a turn.
    pub(in crate::server) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Stop> {
        match &self.state {
            State::Hello { .. } => self.hear()?,
            State::Refused => return self.read_socket(buffer),
            _ => {}
        }
        // In TLS 1.3 a server ends the handshake with a ticket that the client does not wait for. Usually the request is
        // here by then, so the ticket is sent with the response.
        if let State::Handshake(stream) = &mut self.state
            && stream.ssl().version2() == Some(SslVersion::TLS1_3)
        {
            stream.get_mut().hold();
        }
        let result = self.call(|stream| stream.ssl_read(buffer));
        if let State::Handshake(stream) = &self.state
            && stream.ssl().is_init_finished()
        {
            self.meet()?;
        }
        result
    }

    /// Writes at most one record. After [`Stop::WantsWrite`], retry with the same bytes, with or without more after
    /// them: their record has already been built.
    pub(in crate::server) fn write(&mut self, bytes: &[u8]) -> Result<usize, Stop> {
        let result = self.call(|stream| stream.ssl_write(bytes));
        result.map_err(|stop| match stop {
            // A response that cannot be written is not awaited.
            Stop::Refused => Stop::Broken,
            stop => stop,
        })
    }

    /// Sends close_notify if there is room for it; does not wait for the client's.
    pub(in crate::server) fn say_goodbye(&mut self) {
        // OpenSSL treats it as an error during a handshake.
        if let State::Open(_) = self.state {
            let _ = self.call(|stream| stream.shutdown().map(|_| 0));
        }
    }

    /// Whether there is buffered data that polling the socket would not report.
    pub(in crate::server) fn has_unread(&self) -> bool {
        match &self.state {
            State::Handshake(stream) | State::Open(stream) => {
                stream.ssl().pending() > 0 || stream.get_ref().has_whole_record()
            }
            _ => false,
        }
    }

    /// Memory used for this connection: ours counted, OpenSSL's estimated.
    pub(in crate::server) fn memory(&self) -> usize {
        match &self.state {
            State::Hello { bytes, .. } => bytes.capacity(),
            State::Handshake(stream) => self.shaking_hands + stream.get_ref().memory(),
            State::Open(stream) => OPEN + stream.get_ref().memory(),
            State::Refused | State::Broken => 0,
        }
    }

    /// The subject of the client's verified certificate, after the handshake: one line of bounded length.
    pub(in crate::server) fn client(&self) -> Option<&str> {
        self.client.as_deref()
    }

    pub(in crate::server) fn socket(&self) -> &Socket {
        &self.socket
    }

    fn read_socket(&self, buffer: &mut [u8]) -> Result<usize, Stop> {
        let read = self.socket.read(buffer);
        read.map_err(|error| Stop::of(&error, Stop::WantsRead))
    }

    /// Reads the ClientHello, and hands the connection to OpenSSL when it is complete.
    fn hear(&mut self) -> Result<(), Stop> {
        let State::Hello {
            certificates,
            reader,
            bytes,
        } = &mut self.state
        else {
            return Ok(());
        };
        for _ in 0..wire::READS {
            let before = bytes.len();
            match wire::read_on(&self.socket, bytes) {
                Ok(1..) => {}
                Ok(0) => return self.end(Stop::Broken),
                Err(error) => return Err(Stop::of(&error, Stop::WantsRead)),
            }
            match reader.read(&bytes[before..]) {
                Ok(None) => {}
                Ok(Some(read)) => {
                    let hello = before + read;
                    let wire = Wire::new(self.socket.clone(), std::mem::take(bytes), hello);
                    let ssl = certificates.connection();
                    let stream = ssl.and_then(|ssl| SslStream::new(ssl, wire));
                    drop(ErrorStack::get());
                    let Ok(stream) = stream else {
                        return self.end(Stop::Broken);
                    };
                    self.state = State::Handshake(stream);
                    return Ok(());
                }
                Err(alert) => {
                    log::debug!("TLS handshake failed: {}", alert.reason());
                    return self.refuse(alert);
                }
            }
        }
        Err(Stop::WantsRead)
    }

    /// Sends the client an alert that OpenSSL does not send.
    fn refuse<T>(&mut self, alert: Alert) -> Result<T, Stop> {
        // So few bytes fit, unless the client is not reading anyway.
        let _ = self.socket.send(&alert.record());
        self.end(Stop::Refused)
    }

    fn end<T>(&mut self, stop: Stop) -> Result<T, Stop> {
        self.state = match stop {
            Stop::Refused => State::Refused,
            _ => State::Broken,
        };
        Err(stop)
    }

    /// Calls OpenSSL without seeing or leaving unrelated errors in this thread's queue.
    fn call(
        &mut self,
        work: impl FnOnce(&mut SslStream<Wire>) -> Result<usize, openssl::ssl::Error>,
    ) -> Result<usize, Stop> {
        let (State::Handshake(stream) | State::Open(stream)) = &mut self.state else {
            return Err(Stop::Broken);
        };
        // A stale error would make OpenSSL report "not ready" as a failure.
        drop(ErrorStack::get());
        stream.get_mut().begin();
        let result = work(stream);
        stream.get_mut().let_go(result.is_ok());
        // Even a successful call may leave errors, for example about a ticket that cannot be decrypted.
        drop(ErrorStack::get());
        let refusal = stream.get_ref().refusal();
        result.or_else(|error| self.judge(&error, refusal))
    }

    fn judge(
        &mut self,
        error: &openssl::ssl::Error,
        refusal: Option<Alert>,
    ) -> Result<usize, Stop> {
        match error.code() {
            ErrorCode::WANT_READ => Err(Stop::WantsRead),
            ErrorCode::WANT_WRITE => Err(Stop::WantsWrite),
            ErrorCode::ZERO_RETURN => Ok(0),
            // The stream ended without close_notify.
            ErrorCode::SYSCALL if error.io_error().is_none() && error.ssl_error().is_none() => {
                Ok(0)
            }
            _ => {
                let reasons = error.ssl_error().map(ErrorStack::errors);
                let reason = reasons.and_then(|errors| errors.first()?.reason());
                let reason = refusal.map(Alert::reason).or(reason);
                match (&self.state, reason) {
                    (State::Handshake(_), Some(reason)) => {
                        log::debug!("TLS handshake failed: {reason}");
                    }
                    (_, Some(reason)) => log::debug!("TLS connection failed: {reason}"),
                    (_, None) => {}
                }
                match (refusal, error.ssl_error()) {
                    (Some(alert), _) => self.refuse(alert),
                    // OpenSSL has already sent an alert.
                    (None, Some(_)) => self.end(Stop::Refused),
                    (None, None) => self.end(Stop::Broken),
                }
            }
        }
    }

    /// Completes the handshake: records who the client is. A resumed session restores the certificate, which may have
    /// expired since it was verified.
    fn meet(&mut self) -> Result<(), Stop> {
        let State::Handshake(stream) = std::mem::replace(&mut self.state, State::Broken) else {
            return Ok(());
        };
        if let Some(certificate) = stream.ssl().peer_certificate() {
            let in_time = || {
                let now = Asn1Time::days_from_now(0).ok()?;
                Some(certificate.not_after().compare(&now).ok()?.is_gt())
            };
            if in_time() != Some(true) {
                return Err(Stop::Broken);
            }
            self.client = Some(subject::of(&certificate));
            drop(ErrorStack::get());
        }
        self.state = State::Open(stream);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
