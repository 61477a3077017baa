//! Sockets: where the API meets the network. An engine turns bytes into requests and writes responses; it knows no
//! routes.
//!
//! `pool` is the Linux engine, `tiny_http` the portable one. Both use `http1` for HTTP framing; `tls` does TLS.
//! `listen` binds addresses, `socket` is a non-blocking socket, and `housekeeping` does background work. The library
//! never touches the process's signal handlers: the host calls [`Server::stop`].

#[cfg(target_os = "linux")]
mod buffer;
mod housekeeping;
mod http1;
mod listen;
#[cfg(target_os = "linux")]
mod pool;
mod settings;
#[cfg(target_os = "linux")]
mod socket;
pub mod tiny_http;
#[cfg(target_os = "linux")]
mod tls;

use std::time::Duration;

use crate::api::App;
use crate::base::fork;
use crate::base::socket_owner;
use crate::{Error, Gate};

use housekeeping::Housekeeping;
pub use listen::Address;
#[cfg(target_os = "linux")]
pub(crate) use listen::SocketId;
pub use settings::{EngineChoice, Listen, Settings};

#[cfg(all(any(test, fuzzing), target_os = "linux"))]
pub(crate) use http1::framing::fuzz::framing;
#[cfg(any(test, fuzzing))]
pub(crate) use http1::head::fuzz::heads;
#[cfg(all(any(test, fuzzing), target_os = "linux"))]
pub(crate) use tls::hellos;

/// A running server. Dropping it stops it without waiting.
pub struct Server {
    engine: Engine,
    addresses: Vec<Address>,
    #[cfg(target_os = "linux")]
    listening: Vec<SocketId>,
    housekeeping: Option<Housekeeping>,
    gate: Gate,
}

enum Engine {
    #[cfg(target_os = "linux")]
    Pool(pool::Engine),
    TinyHttp(tiny_http::Engine),
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
        let addresses = sockets
            .iter()
            .map(|socket| socket.address.clone())
            .collect();
        let gate = app.gate().clone();
        #[cfg(target_os = "linux")]
        let listening = sockets
            .iter()
            .filter_map(|socket| SocketId::of(&socket.listener))
            .collect();
        Ok(Server {
            engine: plan.start(app, sockets, settings)?,
            addresses,
            #[cfg(target_os = "linux")]
            listening,
            housekeeping: Housekeeping::start(&gate)?,
            gate,
        })
    }

    /// Checks whether a server could start with these settings, without binding anything.
    ///
    /// # Errors
    /// [`Error::Setting`] if an address must not be used with this engine, the engine is not available, or a TLS file
    /// cannot be used.
    pub fn check(settings: &Settings) -> Result<(), Error> {
        Plan::of(settings).map(drop)
    }

    /// The addresses served, with the actual port where port 0 was configured.
    pub fn addresses(&self) -> &[Address] {
        &self.addresses
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

    /// The engine's name.
    pub fn engine(&self) -> &'static str {
        match self.engine {
            #[cfg(target_os = "linux")]
            Engine::Pool(_) => "pool",
            Engine::TinyHttp(_) => "tiny-http",
        }
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
        let stopped = fork::outside(|| match &self.engine {
            #[cfg(target_os = "linux")]
            Engine::Pool(engine) => engine.stop(grace),
            Engine::TinyHttp(engine) => engine.stop(grace),
        });
        // The process may end without having dropped the gate.
        self.gate.write_key_usage();
        stopped
    }

    /// Waits until another thread stops the server or it fails.
    ///
    /// # Errors
    /// Why it failed.
    pub fn wait(&self) -> Result<(), Error> {
        match &self.engine {
            #[cfg(target_os = "linux")]
            Engine::Pool(engine) => engine.wait(),
            Engine::TinyHttp(engine) => engine.wait(),
        }
    }
}

/// The engine to use, after every check that needs no bound address.
enum Plan {
    #[cfg(target_os = "linux")]
    Pool(Option<tls::TlsAcceptor>),
    TinyHttp,
}

impl Plan {
    fn of(settings: &Settings) -> Result<Self, Error> {
        #[cfg(target_os = "linux")]
        if settings.engine != EngineChoice::TinyHttp {
            return tls::TlsAcceptor::new(settings).map(Plan::Pool);
        }
        if settings.engine == EngineChoice::Pool {
            return Err(Error::Setting(
                "The engine pool needs Linux. Use tiny-http.".to_owned(),
            ));
        }
        if settings.tls_cert.is_some() {
            return Err(Error::Setting(
                "The engine tiny-http does not support TLS. Put a TLS proxy in front of it and unset SEALGATE_TLS_CERT."
                    .to_owned(),
            ));
        }
        tiny_http::check_exposure(settings)?;
        Ok(Plan::TinyHttp)
    }

    fn speaks_tls(&self) -> bool {
        match self {
            #[cfg(target_os = "linux")]
            Plan::Pool(tls) => tls.is_some(),
            Plan::TinyHttp => false,
        }
    }

    fn start(
        self,
        app: App,
        sockets: Vec<listen::Socket>,
        settings: &Settings,
    ) -> Result<Engine, Error> {
        match self {
            #[cfg(target_os = "linux")]
            Plan::Pool(tls) => pool::Engine::start(app, sockets, tls, settings).map(Engine::Pool),
            Plan::TinyHttp => {
                tiny_http::Engine::start(app, sockets, settings).map(Engine::TinyHttp)
            }
        }
    }
}
