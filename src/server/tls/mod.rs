//! TLS as a state of a connection: the rules, the handshake, bytes in and out. Never blocks: what cannot go on says which
//! way the socket has to become ready.
//!
//! `files` reads and judges certificate, key and CA file, `hello` looks at what clients say in the clear before OpenSSL does,
//! `rules` says what is spoken, `wire` is the socket as OpenSSL sees it, `subject` writes down who a client is. Deadlines are
//! the connection's.
//!
//! OpenSSL takes part when a client's whole hello is there: until then a connection costs no more than what it has sent.

mod files;
mod hello;
mod rules;
mod subject;
mod wire;

use std::sync::Arc;

use openssl::asn1::Asn1Time;
use openssl::error::ErrorStack;
use openssl::ssl::{ErrorCode, Ssl, SslContext, SslStream};

use crate::Error;
use crate::server::settings::Settings;
use crate::server::socket::{Socket, Stop};
use files::{read_client_ca, read_identity};
#[cfg(any(test, fuzzing))]
pub(crate) use hello::fuzz::hellos;
use hello::{Alert, Reader};
use rules::{ask_clients, present, rules};
use wire::Wire;

/// Memory of a connection while it shakes hands and afterwards, rounded up. The help of `max_tls_memory` says them too.
const SHAKING_HANDS: usize = 48 << 10;
/// As much more while it shakes hands, where clients are asked for certificates: OpenSSL makes room for a whole chain as soon
/// as its length is claimed.
const CLAIMED_CHAIN: usize = 100 << 10;
const OPEN: usize = 20 << 10;

/// Makes TLS connections of sockets: certificate, key and rules, read once.
#[derive(Clone)]
pub(in crate::server) struct TlsAcceptor {
    context: SslContext,
    /// Memory of a connection that shakes hands.
    shaking_hands: usize,
}

impl TlsAcceptor {
    /// `None` where no certificate is set. Reads files, changes nothing; a certificate that is out of date is a warning.
    ///
    /// # Errors
    /// [`Error::Setting`]: a file that cannot be had, is not what it should be, or does not fit the others.
    pub(in crate::server) fn new(settings: &Settings) -> Result<Option<Self>, Error> {
        let Some(identity) = read_identity(settings)? else {
            return Ok(None);
        };
        let clients = read_client_ca(settings)?;
        let shaking_hands = SHAKING_HANDS + clients.as_ref().map_or(0, |_| CLAIMED_CHAIN);
        let context = rules()
            .and_then(|mut context| {
                present(&mut context, &identity)?;
                if let Some(issuers) = clients {
                    ask_clients(&mut context, issuers, settings.tls_client_required)?;
                }
                Ok(context.build())
            })
            .map_err(|errors| files::refused(settings, &errors))?;
        Ok(Some(TlsAcceptor {
            context,
            shaking_hands,
        }))
    }

    /// A TLS connection that has still to shake hands: its first reads do.
    pub(in crate::server) fn start(&self, socket: Socket) -> TlsStream {
        TlsStream {
            socket: Arc::new(socket),
            state: State::Hello {
                context: self.context.clone(),
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
    /// The client's hello is coming.
    Hello {
        context: SslContext,
        reader: Reader,
        bytes: Vec<u8>,
    },
    Handshake(SslStream<Wire>),
    Open(SslStream<Wire>),
    /// An alert has been sent. What the client sends now is dropped.
    Refused,
    Broken,
}

impl TlsStream {
    /// Reads what is there, at most one record; 0 at the end of the stream. The first reads shake hands, so a read may want
    /// to write. **What does not fit into the buffer waits in here, where no poll of the socket sees it**: read again while
    /// [`Self::has_unread`] says so. [`Stop::WantsRead`] may come although the socket has more, to let others have a turn.
    pub(in crate::server) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Stop> {
        match &self.state {
            State::Hello { .. } => self.hear()?,
            State::Refused => return self.read_socket(buffer),
            _ => {}
        }
        let result = self.call(|stream| stream.ssl_read(buffer));
        if let State::Handshake(stream) = &self.state
            && stream.ssl().is_init_finished()
        {
            self.meet()?;
        }
        result
    }

    /// Writes at most one record. After [`Stop::WantsWrite`] the same bytes have to come again, with or without more behind
    /// them: their record is made already.
    pub(in crate::server) fn write(&mut self, bytes: &[u8]) -> Result<usize, Stop> {
        let result = self.call(|stream| stream.ssl_write(bytes));
        result.map_err(|stop| match stop {
            // An answer that cannot be written is not waited for.
            Stop::Refused => Stop::Broken,
            stop => stop,
        })
    }

    /// Tells the client that nothing more comes, if there is room for that; does not wait for its word.
    pub(in crate::server) fn say_goodbye(&mut self) {
        // OpenSSL takes it for an error in the middle of a handshake.
        if let State::Open(_) = self.state {
            let _ = self.call(|stream| stream.shutdown().map(|_| 0));
        }
    }

    /// Whether data is here already that no poll of the socket would report.
    pub(in crate::server) fn has_unread(&self) -> bool {
        match &self.state {
            State::Handshake(stream) | State::Open(stream) => {
                stream.ssl().pending() > 0 || stream.get_ref().has_whole_record()
            }
            _ => false,
        }
    }

    /// Bytes that are kept for this connection: our own ones counted, OpenSSL's estimated.
    pub(in crate::server) fn memory(&self) -> usize {
        match &self.state {
            State::Hello { bytes, .. } => bytes.capacity(),
            State::Handshake(stream) => self.shaking_hands + stream.get_ref().memory(),
            State::Open(stream) => OPEN + stream.get_ref().memory(),
            State::Refused | State::Broken => 0,
        }
    }

    /// The subject of the client's verified certificate, once hands are shaken: one line, of bounded length.
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

    /// Reads the client's hello, and hands the connection over to OpenSSL when it is whole.
    fn hear(&mut self) -> Result<(), Stop> {
        let State::Hello {
            context,
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
                    let stream = Ssl::new(context).and_then(|mut ssl| {
                        ssl.set_accept_state();
                        SslStream::new(ssl, wire)
                    });
                    drop(ErrorStack::get());
                    let Ok(stream) = stream else {
                        return self.end(Stop::Broken);
                    };
                    self.state = State::Handshake(stream);
                    return Ok(());
                }
                Err(alert) => {
                    log::debug!("no TLS handshake: {}", alert.reason());
                    return self.refuse(alert);
                }
            }
        }
        Err(Stop::WantsRead)
    }

    /// Tells the client why it is refused, where OpenSSL does not.
    fn refuse<T>(&mut self, alert: Alert) -> Result<T, Stop> {
        // There is room for so little; otherwise the client does not read what it is sent.
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

    /// A call of OpenSSL that neither sees nor leaves errors of others on this thread.
    fn call(
        &mut self,
        work: impl FnOnce(&mut SslStream<Wire>) -> Result<usize, openssl::ssl::Error>,
    ) -> Result<usize, Stop> {
        let (State::Handshake(stream) | State::Open(stream)) = &mut self.state else {
            return Err(Stop::Broken);
        };
        // A stale error would make OpenSSL take "not ready" for a failure.
        drop(ErrorStack::get());
        stream.get_mut().begin();
        let result = work(stream);
        // Even a call that succeeds may leave some: a ticket that does not open, say.
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
            // The end without close_notify.
            ErrorCode::SYSCALL if error.io_error().is_none() && error.ssl_error().is_none() => {
                Ok(0)
            }
            _ => {
                let reasons = error.ssl_error().map(ErrorStack::errors);
                let reason = reasons.and_then(|errors| errors.first()?.reason());
                let reason = refusal.map(Alert::reason).or(reason);
                match (&self.state, reason) {
                    (State::Handshake(_), Some(reason)) => {
                        log::debug!("no TLS handshake: {reason}");
                    }
                    (_, Some(reason)) => log::debug!("a TLS connection broke: {reason}"),
                    (_, None) => {}
                }
                match (refusal, error.ssl_error()) {
                    (Some(alert), _) => self.refuse(alert),
                    // OpenSSL has sent one.
                    (None, Some(_)) => self.end(Stop::Refused),
                    (None, None) => self.end(Stop::Broken),
                }
            }
        }
    }

    /// Hands are shaken: learns who the client is. A resumed session brings the certificate along, which may have expired
    /// since it was verified.
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
