//! Where and how the server listens, and its limits.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::base::address::is_loopback;

/// Where and how the server listens.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `SEALGATE_LISTEN`.
    pub listen: Vec<Listen>,
    /// `SEALGATE_METRICS_LISTEN`: where the metrics are served, if anywhere.
    pub metrics_listen: Option<Listen>,
    /// `SEALGATE_ADMIN_LISTEN`: where administration is served, if it has addresses of its own.
    pub admin_listen: Vec<Listen>,
    /// `SEALGATE_ENGINE`.
    pub engine: EngineChoice,
    /// `SEALGATE_WORKERS`; zero: the engine chooses.
    pub workers: usize,
    /// `SEALGATE_BLOCKING_WORKERS`.
    pub blocking_workers: usize,
    /// `SEALGATE_MAX_HEAD` in bytes.
    pub max_head: usize,
    /// `SEALGATE_MAX_FIELDS`.
    pub max_fields: usize,
    /// `SEALGATE_MAX_BODY` in bytes.
    pub max_body: usize,
    /// `SEALGATE_HEAD_TIMEOUT`: for the whole head, and for a TLS handshake.
    pub head_timeout: Duration,
    /// `SEALGATE_BODY_TIMEOUT`: for the whole body.
    pub body_timeout: Duration,
    /// `SEALGATE_WRITE_TIMEOUT`: for the whole response.
    pub write_timeout: Duration,
    /// `SEALGATE_IDLE_TIMEOUT`: between two requests.
    pub idle_timeout: Duration,
    /// `SEALGATE_MAX_CONNECTIONS`.
    pub max_connections: usize,
    /// `SEALGATE_MAX_CONNECTIONS_PER_ADDRESS`; zero: no fixed limit.
    pub max_connections_per_address: usize,
    /// `SEALGATE_MAX_BUFFERED` in bytes, over all connections.
    pub max_buffered: usize,
    /// `SEALGATE_MAX_TLS_MEMORY` in bytes, over all connections.
    pub max_tls_memory: usize,
    /// `SEALGATE_TLS_CERT`: if set, TCP addresses use TLS.
    pub tls_cert: Option<PathBuf>,
    /// `SEALGATE_TLS_KEY`.
    pub tls_key: Option<PathBuf>,
    /// `SEALGATE_TLS_CLIENT_CA`: if set, clients are asked for certificates.
    pub tls_client_ca: Option<PathBuf>,
    /// `SEALGATE_TLS_CLIENT`: whether a client certificate is then required.
    pub tls_client_required: bool,
    /// `SEALGATE_GRACE`: how long running requests may take after a stop.
    pub grace: Duration,
    /// `SEALGATE_SOCKET_MODE`: permissions of a Unix socket.
    pub socket_mode: u32,
    /// Whether `SEALGATE_TRUSTED_PROXIES` is set: a proxy stands in front.
    pub behind_proxy: bool,
    /// `SEALGATE_PROXY_PROTOCOL`.
    pub proxy_protocol: ProxyProtocol,
}

impl Settings {
    /// Whether clients need a certificate.
    pub fn requires_client_certificate(&self) -> bool {
        self.tls_client_ca.is_some() && self.tls_client_required
    }
}

impl Default for Settings {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Settings {
            listen: vec![Listen::Tcp(([127, 0, 0, 1], 5000).into())],
            metrics_listen: None,
            admin_listen: Vec::new(),
            engine: EngineChoice::Auto,
            workers: 0,
            blocking_workers: 16,
            max_head: 16 << 10,
            max_fields: 64,
            max_body: 1 << 20,
            head_timeout: seconds(10),
            body_timeout: seconds(30),
            write_timeout: seconds(30),
            idle_timeout: seconds(60),
            max_connections: 10_000,
            max_connections_per_address: 0,
            max_buffered: 64 << 20,
            max_tls_memory: 256 << 20,
            tls_cert: None,
            tls_key: None,
            tls_client_ca: None,
            tls_client_required: true,
            grace: seconds(10),
            socket_mode: 0o600,
            behind_proxy: false,
            proxy_protocol: ProxyProtocol::Off,
        }
    }
}

/// Which engine serves the sockets.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum EngineChoice {
    /// The best one for this platform.
    #[default]
    Auto,
    /// The Linux engine, with its own limits and deadlines.
    Pool,
    /// The portable one.
    TinyHttp,
}

/// Whether trusted proxies name the client in a header of the PROXY protocol, at the start of a connection.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum ProxyProtocol {
    /// No such header is read.
    #[default]
    Off,
    /// They may.
    Accept,
    /// They have to, and nobody else may connect.
    Require,
}

/// An address to listen on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// `127.0.0.1:5000`, `[::1]:5000`; port 0 picks a free one.
    Tcp(SocketAddr),
    /// `unix:/run/sealgate.sock`.
    Unix(PathBuf),
}

impl Listen {
    /// Whether only this machine can reach it.
    pub(super) fn is_local(&self) -> bool {
        match self {
            Listen::Tcp(address) => is_loopback(address.ip()),
            Listen::Unix(_) => true,
        }
    }
}

/// How long idle connections stay open during a stop. A client that sends a request meanwhile gets its response with
/// `Connection: close`; one whose request crosses with the close cannot know whether it was processed.
pub(super) fn farewell(grace: Duration) -> Duration {
    const MOST: Duration = Duration::from_secs(1);
    MOST.min(grace / 2)
}
