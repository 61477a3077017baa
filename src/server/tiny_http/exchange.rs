//! Answers one request of tiny_http: validates the head, reads the body, calls the API, writes the response.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tiny_http::{HTTPVersion, Request as TinyRequest};

use crate::Error;
use crate::api::{App, Headers, Peer, Problem, Request, Response};
use crate::base::sync::lock;
use crate::server::http1::encode::{Framing, encode};
use crate::server::http1::head::{self, BodyLength, Limits};
use crate::server::settings::Settings;

/// tiny_http reads and discards a refused body up to this size. A request that claims more is leaked instead, because
/// tiny_http would allocate all of it.
const DRAINED: usize = 64 << 20;
/// tiny_http reads a body up to this size before it hands over the request, unless the client waits for `100 Continue`.
const READ_AHEAD: usize = 1024;
/// How many requests may be leaked (a descriptor and a thread each) before the server must be restarted.
const LEAKED: usize = 256;

/// The API mounted in the host's own `tiny_http::Server`.
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
/// use sealgate::{Config, Gate, api::App, server::tiny_http::Mount};
///
/// let mut config = Config::new();
/// config.set("keys", "ephemeral")?;
/// let settings = config.settings()?;
/// let app = App::new(Gate::new(&settings.gate)?, &settings.app)?;
///
/// let server = tiny_http::Server::http("127.0.0.1:0")?;
/// let mount = Mount::new(app, &server);
/// for request in server.incoming_requests() {
///     // tiny_http allocates whatever size a dropped request claims: leave requests with bodies to the mount.
///     let bodiless = request.body_length().unwrap_or(0) == 0;
///     match request.url() {
///         "/own" if bodiless => request.respond(tiny_http::Response::from_string("the host's own"))?,
///         _ => mount.answer(request)?,
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Mount {
    exchange: Arc<Exchange>,
    /// The address that the server listens on; `None` for a Unix socket.
    server: Option<SocketAddr>,
}

impl Mount {
    /// Mounts `app` in `server`. Without accounts, only processes of the same user may log in, and only on Linux over a
    /// loopback address: on a Unix socket tiny_http does not report who connects, so nobody may.
    pub fn new(app: App, server: &tiny_http::Server) -> Self {
        Mount {
            exchange: Arc::new(Exchange::new(app, Limits::of(&Settings::default()))),
            server: server.server_addr().to_ip(),
        }
    }

    /// Refuses bodies longer than `bytes` (default: 1 MiB).
    pub fn with_max_body(mut self, bytes: usize) -> Self {
        let (app, mut limits) = (self.exchange.app.clone(), self.exchange.limits);
        limits.body = bytes;
        self.exchange = Arc::new(Exchange::new(app, limits));
        self
    }

    /// Answers one request; blocks while its body is received. If several threads call this, requests after a refused
    /// one on the same connection may still be answered.
    ///
    /// # Errors
    /// [`Error::Io`] if so many requests had to be leaked that the process must be restarted. A client that disconnects
    /// is not an error.
    pub fn answer(&self, request: TinyRequest) -> Result<(), Error> {
        let heard = self.exchange.hear(request);
        self.exchange.answer(heard, self.server, &|| false)
    }
}

/// A request whose head has been validated.
pub(super) struct Heard {
    request: TinyRequest,
    length: Result<BodyLength, Problem>,
}

/// Connections on which a request was refused, by the peer's address and port: tiny_http keeps reading them.
#[derive(Debug, Default)]
struct Refused(Mutex<VecDeque<(SocketAddr, Instant)>>);

impl Refused {
    const MOST: usize = 1024;
    /// Long enough for the client to read `Connection: close`, and short enough for its port to be reused.
    const REMEMBERED: Duration = Duration::from_secs(10);

    fn remember(&self, peer: Option<&SocketAddr>) {
        let Some(peer) = peer else {
            return;
        };
        let mut list = lock(&self.0);
        if list.len() == Refused::MOST {
            list.pop_front();
        }
        list.push_back((*peer, Instant::now()));
    }

    fn knows(&self, peer: Option<&SocketAddr>) -> bool {
        let mut list = lock(&self.0);
        while list
            .front()
            .is_some_and(|(_, since)| since.elapsed() > Refused::REMEMBERED)
        {
            list.pop_front();
        }
        list.iter().any(|(refused, _)| Some(refused) == peer)
    }
}

/// The API, and what had to be kept from tiny_http's own clean-up.
#[derive(Debug)]
pub(super) struct Exchange {
    app: App,
    limits: Limits,
    refused: Refused,
    leaked: AtomicUsize,
}

impl Exchange {
    pub(super) fn new(app: App, limits: Limits) -> Self {
        Exchange {
            app,
            limits,
            refused: Refused::default(),
            leaked: AtomicUsize::new(0),
        }
    }

    /// Validates the head of a request. Requests of one connection must be passed in the order they arrived, so that
    /// nothing after a refused one is answered.
    pub(super) fn hear(&self, request: TinyRequest) -> Heard {
        let length = if self.refused.knows(request.remote_addr()) {
            Err(Problem::bad_request(
                "An earlier request on this connection was refused.",
            ))
        } else {
            head::judge(
                request.method(),
                request.url(),
                is_1_0(&request),
                &headers(&request),
                self.limits,
            )
        };
        let length = match length {
            // tiny_http ends HTTP on this connection after an upgrade, whatever the response.
            Ok(BodyLength::Chunked) if connection(&request).contains("upgrade") => Err(
                Problem::bad_request("An upgrade cannot have a chunked body."),
            ),
            length => length,
        };
        if length.is_err() {
            self.note_refusal(&request);
        }
        Heard { request, length }
    }

    /// `server`: the address that the server listens on; `None` for a Unix socket. `stopping`: whether the server is
    /// stopping; the response then has `Connection: close`.
    pub(super) fn answer(
        &self,
        heard: Heard,
        server: Option<SocketAddr>,
        stopping: &dyn Fn() -> bool,
    ) -> Result<(), Error> {
        let Heard {
            mut request,
            length,
        } = heard;
        let mut framing = Framing {
            version_1_0: is_1_0(&request),
            head: *request.method() == tiny_http::Method::Head,
            close: says_close(&request),
        };
        let peer = match (request.remote_addr(), server) {
            (Some(peer), Some(server)) => Peer::tcp(*peer, server),
            _ => Peer::local(None, None),
        };
        let body = length.and_then(|length| {
            read_body(&mut request, length, self.limits.body)
                .inspect_err(|_| self.note_refusal(&request))
        });
        match body {
            Ok(body) => {
                let response = self.app.handle(&view(&request, &body, &peer));
                // Checked only now: the body may have taken a while.
                framing.close |= stopping();
                write(request.into_writer(), &response, framing);
                Ok(())
            }
            Err(problem) => {
                let response = self.app.refuse(&view(&request, b"", &peer), problem);
                framing.close = true;
                self.refuse(request, &response, framing)
            }
        }
    }

    /// tiny_http cannot be made to close: what follows on this connection must not be taken for a request.
    fn note_refusal(&self, request: &TinyRequest) {
        if !keeps_in_step(request) {
            self.refused.remember(request.remote_addr());
        }
    }

    /// Answers a request whose body has not been read.
    fn refuse(
        &self,
        request: TinyRequest,
        response: &Response,
        framing: Framing,
    ) -> Result<(), Error> {
        if !keeps_in_step(&request) {
            write(request.into_writer(), response, framing);
            return Ok(());
        }
        // tiny_http reads the rest of the body when the request is dropped, and only `respond` writes before that.
        if request.body_length() <= Some(DRAINED) {
            let _ = request.respond(to_tiny(response));
            return Ok(());
        }
        // Leaked, so that it is never dropped. An upgrade is tiny_http's only way to write without giving up the reader;
        // clients skip its interim response (RFC 9110, section 15.2).
        let mut stream = request.upgrade("none", tiny_http::Response::empty(100));
        write(&mut stream, response, framing);
        std::mem::forget(stream);
        if self.leaked.fetch_add(1, Ordering::SeqCst) < LEAKED {
            return Ok(());
        }
        Err(Error::Io(format!(
            "{LEAKED} requests with huge bodies had to be leaked; restart the server."
        )))
    }
}

fn view<'a>(request: &'a TinyRequest, body: &'a [u8], peer: &'a Peer) -> Request<'a> {
    Request {
        method: request.method(),
        target: head::origin_form(request.url()),
        headers: headers(request),
        body,
        peer,
        version_1_0: is_1_0(request),
        certificate: None,
    }
}

fn is_1_0(request: &TinyRequest) -> bool {
    *request.http_version() <= HTTPVersion(1, 0)
}

fn headers(request: &TinyRequest) -> Headers<'_> {
    Headers(
        request
            .headers()
            .iter()
            .map(|header| (header.field.as_str().as_str(), header.value.as_bytes()))
            .collect(),
    )
}

/// Whether an unread body is still to come, which tiny_http skips before it reads the next request. If there is none,
/// or it was read ahead, or its length was never clear, tiny_http reads the next request at once.
fn keeps_in_step(request: &TinyRequest) -> bool {
    let expects = headers(request).get("Expect").is_some();
    request
        .body_length()
        .is_some_and(|claimed| claimed > READ_AHEAD || (claimed > 0 && expects))
}

/// What tiny_http checks: the first Connection field, searched for substrings.
fn connection(request: &TinyRequest) -> String {
    let said = headers(request).get("Connection").unwrap_or_default();
    String::from_utf8_lossy(said).to_ascii_lowercase()
}

/// Whether tiny_http will close the connection after this request.
fn says_close(request: &TinyRequest) -> bool {
    let said = connection(request);
    said.contains("close")
        || said.contains("upgrade")
        || (is_1_0(request) && !said.contains("keep-alive"))
}

fn read_body(
    request: &mut TinyRequest,
    length: BodyLength,
    max_body: usize,
) -> Result<Vec<u8>, Problem> {
    let (wanted, exact) = match length {
        BodyLength::None => return Ok(Vec::new()),
        BodyLength::Sized(size) => (size, true),
        BodyLength::Chunked => (max_body + 1, false),
    };
    let mut body = Vec::with_capacity(if exact { wanted } else { 0 });
    request
        .as_reader()
        .take(wanted as u64)
        .read_to_end(&mut body)
        .map_err(|error| match error.kind() {
            io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => {
                Problem::bad_request("The chunks of the body are malformed.")
            }
            _ => Problem::bad_request("The body ended too early."),
        })?;
    if exact && body.len() < wanted {
        return Err(Problem::bad_request("The body ended too early."));
    }
    if body.len() > max_body {
        return Err(Problem::body_too_large(max_body));
    }
    Ok(body)
}

/// Fails only if the client is gone.
fn write(mut writer: impl Write, response: &Response, framing: Framing) {
    let mut bytes = Vec::new();
    encode(response, framing, &mut bytes);
    let _ = writer.write_all(&bytes).and_then(|()| writer.flush());
}

fn to_tiny(response: &Response) -> tiny_http::Response<io::Cursor<Vec<u8>>> {
    let headers = response
        .headers()
        .filter_map(|(name, value)| tiny_http::Header::from_bytes(name, value).ok());
    headers.fold(
        tiny_http::Response::from_data(response.body())
            .with_status_code(response.status())
            .with_chunked_threshold(usize::MAX),
        tiny_http::Response::with_header,
    )
}
