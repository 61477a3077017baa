//! Sockets: where the API meets the network. An engine turns bytes into requests and writes responses; it knows no
//! routes.
//!
//! `pool` is the Linux engine, `tiny_http` the portable one, and `engine` chooses. Both use `http1` for HTTP framing; `tls` does TLS,
//! and `proxy_protocol` reads the header with which a proxy names its client. `listen` binds addresses, `metrics` serves the
//! metrics on an address of its own, `admin` administration, `socket` is a non-blocking socket, and `housekeeping` does
//! background work. The library never touches the process's signal handlers: the host calls [`Server::stop`].

mod admin;
#[cfg(target_os = "linux")]
mod buffer;
mod engine;
mod housekeeping;
mod http1;
mod listen;
mod metrics;
#[cfg(target_os = "linux")]
mod pool;
#[cfg(target_os = "linux")]
mod proxy_protocol;
mod settings;
#[cfg(target_os = "linux")]
mod socket;
pub mod tiny_http;
#[cfg(target_os = "linux")]
mod tls;

#[cfg(target_os = "linux")]
use std::sync::Arc;
use std::time::Duration;

use crate::api::App;
use crate::base::fork;
use crate::base::socket_owner;
use crate::{Error, Gate, MetricsFormat};

use engine::{Engine, Plan};
use housekeeping::Housekeeping;
#[cfg(target_os = "linux")]
pub(crate) use listen::SocketId;
pub use listen::{Address, Listener};
pub use metrics::METRICS_SCOPE;
use metrics::{Endpoint, Source};
pub use settings::{EngineChoice, Listen, ProxyProtocol, Settings};
#[cfg(target_os = "linux")]
pub use tls::CertificateStatus;

#[cfg(all(any(test, fuzzing), target_os = "linux"))]
pub(crate) use http1::framing::fuzz::framing;
#[cfg(any(test, fuzzing))]
pub(crate) use http1::head::fuzz::heads;
#[cfg(all(any(test, fuzzing), target_os = "linux"))]
pub(crate) use proxy_protocol::fuzz::proxy_headers;
#[cfg(all(any(test, fuzzing), target_os = "linux"))]
pub(crate) use tls::hellos;

/// A running server. Dropping it stops it without waiting.
pub struct Server {
    engine: Engine,
    addresses: Vec<Address>,
    source: Source,
    metrics: Option<(Engine, Address)>,
    admin: Option<(Engine, Vec<Address>)>,
    #[cfg(target_os = "linux")]
    listening: Vec<SocketId>,
    #[cfg(target_os = "linux")]
    certificates: Option<Arc<tls::Certificates>>,
    housekeeping: Option<Housekeeping>,
    gate: Gate,
}

impl Server {
    /// Binds every configured address and starts serving.
    ///
    /// # Errors
    /// [`Error::Setting`] if an address cannot be bound or must not be used with this engine.
    pub fn start(app: App, settings: &Settings) -> Result<Self, Error> {
        let plan = Plan::of(settings)?;
        let sockets = settings
            .listen
            .iter()
            .map(|listen| listen::bind(listen, settings.socket_mode, plan.speaks_tls()))
            .collect::<Result<Vec<_>, Error>>()?;
        Server::start_with(app, sockets, plan, settings)
    }

    /// Starts serving on sockets that another process bound, such as systemd, in place of the configured addresses. That
    /// process may keep them open, so that connections wait while there is no server.
    ///
    /// # Errors
    /// [`Error::Setting`] if a socket does not listen, or for the engine tiny-http, which cannot share sockets.
    #[cfg(target_os = "linux")]
    pub fn start_on(
        app: App,
        settings: &Settings,
        listeners: Vec<Listener>,
    ) -> Result<Self, Error> {
        if settings.engine == EngineChoice::TinyHttp {
            return Err(Error::Setting(
                "The engine tiny-http cannot use sockets that systemd passes. Use the engine pool, or disable the socket unit."
                    .to_owned(),
            ));
        }
        let plan = Plan::of(settings)?;
        let sockets = listeners
            .into_iter()
            .map(|listener| listen::inherit(listener, plan.speaks_tls()))
            .collect::<Result<Vec<_>, Error>>()?;
        Server::start_with(app, sockets, plan, settings)
    }

    fn start_with(
        app: App,
        sockets: Vec<listen::Socket>,
        plan: Plan,
        settings: &Settings,
    ) -> Result<Self, Error> {
        let addresses = sockets
            .iter()
            .map(|socket| socket.address.clone())
            .collect();
        let endpoint = Endpoint::bind(settings, &plan)?;
        let admin = admin::Endpoint::bind(settings, &plan)?;
        let gate = app.gate().clone();
        #[cfg(target_os = "linux")]
        let listening = sockets
            .iter()
            .filter_map(|socket| SocketId::of(&socket.listener))
            .collect();
        #[cfg(target_os = "linux")]
        let certificates = plan.certificates();
        #[cfg(target_os = "linux")]
        if let Some(certificates) = certificates.clone() {
            app.watch_certificate(move || Some(certificates.status().not_after));
        }
        #[cfg(target_os = "linux")]
        let look = certificates
            .clone()
            .map(|certificates| move || certificates.look());
        #[cfg(not(target_os = "linux"))]
        let look = None::<fn() -> Duration>;
        let engine = plan.clone().start(app.clone(), sockets, settings)?;
        let admin = match admin {
            Some(endpoint) => {
                let addresses = endpoint.addresses();
                Some((endpoint.start(&app)?, addresses))
            }
            None => None,
        };
        let source = Source::of(app, &engine, &plan);
        let metrics = match endpoint {
            Some(endpoint) => {
                let address = endpoint.address();
                Some((endpoint.start(source.clone())?, address))
            }
            None => None,
        };
        let wants_figures = !settings.admin_listen.is_empty() || source.app.has_console();
        let housekeeping = Housekeeping::start(&source.app, wants_figures, look)?;
        Ok(Server {
            engine,
            addresses,
            source,
            metrics,
            admin,
            #[cfg(target_os = "linux")]
            listening,
            #[cfg(target_os = "linux")]
            certificates,
            housekeeping,
            gate,
        })
    }

    /// Checks whether a server could start with these settings, without binding anything.
    ///
    /// # Errors
    /// [`Error::Setting`] if an address must not be used with this engine, the engine is not available, or a TLS file
    /// cannot be used.
    pub fn check(settings: &Settings) -> Result<(), Error> {
        Endpoint::check(settings)?;
        admin::Endpoint::check(settings)?;
        Plan::of(settings).map(drop)
    }

    /// The addresses served, with the actual port where port 0 was configured.
    pub fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// The address that serves the metrics, if the settings want one, with the actual port.
    pub fn metrics_address(&self) -> Option<&Address> {
        self.metrics.as_ref().map(|(_, address)| address)
    }

    /// The addresses that serve administration alone, if the settings want any, with the actual ports.
    pub fn admin_addresses(&self) -> &[Address] {
        self.admin.as_ref().map_or(&[], |(_, addresses)| addresses)
    }

    /// The metrics of this server, its gate and the process, as `GET /metrics` returns them. Callable from any thread, also
    /// after a stop.
    pub fn metrics(&self, format: MetricsFormat) -> String {
        self.source.text(format)
    }

    /// The port of the first TCP address.
    pub fn port(&self) -> Option<u16> {
        self.addresses.iter().find_map(Address::port)
    }

    /// The listening sockets; they stay open until the server stops.
    #[cfg(target_os = "linux")]
    pub(crate) fn listening(&self) -> &[SocketId] {
        &self.listening
    }

    /// Whether the system can report, for at least one address, which user a client process runs as. Without accounts,
    /// only processes of the server's own user may log in.
    pub fn knows_users(&self) -> bool {
        let known = |address: &Address| match address {
            Address::Unix(_) => self.engine() == "pool",
            address => address.is_local() && socket_owner::can_ask(),
        };
        socket_owner::knows_own_user() && self.addresses.iter().any(known)
    }

    /// Reads the TLS certificate, key and client CA again, as the server does by itself within 5 seconds after their files
    /// have changed. New handshakes use them; connections continue. Without TLS this does nothing.
    ///
    /// # Errors
    /// [`Error::Setting`] if the files cannot be used, or the certificate has expired; the previous ones stay in use.
    pub fn reload_certificates(&self) -> Result<(), Error> {
        #[cfg(target_os = "linux")]
        if let Some(certificates) = &self.certificates {
            return certificates.reload();
        }
        Ok(())
    }

    /// The TLS certificate in use, and how its replacements went; `None` without TLS.
    #[cfg(target_os = "linux")]
    pub fn certificate(&self) -> Option<CertificateStatus> {
        self.certificates
            .as_ref()
            .map(|certificates| certificates.status())
    }

    /// The engine's name.
    pub fn engine(&self) -> &'static str {
        self.engine.name()
    }

    /// Whether each of the server's workers is responsive, shown within this time: none is held up by a request. With the
    /// engine tiny-http, where a slow client may hold up a worker, it is whether the server runs.
    pub fn is_alive(&self, within: Duration) -> bool {
        self.engine.is_alive(within)
    }

    /// Stops the server: it accepts no new requests and gives running ones `grace` to finish. May be called more than
    /// once.
    ///
    /// # Errors
    /// [`Error::Io`] if requests were still running when the grace period ended.
    pub fn stop(&self, grace: Duration) -> Result<(), Error> {
        if let Some(housekeeping) = &self.housekeeping {
            housekeeping.stop();
        }
        if let Some((engine, _)) = &self.admin {
            let _ = fork::outside(|| engine.stop(grace.min(Duration::from_secs(1))));
        }
        let stopped = fork::outside(|| self.engine.stop(grace));
        if let Some(housekeeping) = &self.housekeeping {
            fork::outside(|| housekeeping.join());
        }
        // Last, so that the end can be watched.
        if let Some((engine, _)) = &self.metrics {
            let _ = fork::outside(|| engine.stop(Duration::ZERO));
        }
        // The process may end without having dropped the gate.
        self.gate.write_key_usage();
        stopped
    }

    /// Waits until another thread stops the server or it fails.
    ///
    /// # Errors
    /// Why it failed.
    pub fn wait(&self) -> Result<(), Error> {
        self.engine.wait()
    }
}
