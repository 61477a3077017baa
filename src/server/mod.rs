//! Sockets: where the API meets the network. An engine reads bytes into requests and writes answers; it knows no route.
//!
//! `pool` is the engine of Linux, `tiny_http` that of every platform. Both use `http1`, which has the bytes of HTTP; `tls` has
//! those of TLS. `listen` binds addresses, `socket` is one that never blocks, and `housekeeping` is what is done beside
//! requests. The library never touches the process's signals: whoever runs a server calls [`Server::stop`].

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
    /// Binds every address of the settings and starts to serve.
    ///
    /// # Errors
    /// [`Error::Setting`] where an address cannot be had, or must not be used with this engine.
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

    /// Whether a server may be started with these settings; binds nothing.
    ///
    /// # Errors
    /// [`Error::Setting`] where an address must not be used with this engine, the engine is not to be had, or a file of TLS
    /// is not fit for use.
    pub fn check(settings: &Settings) -> Result<(), Error> {
        Plan::of(settings).map(drop)
    }

    /// The addresses served, with the ports that were chosen where port 0 was asked for.
    pub fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// The port of the first TCP address.
    pub fn port(&self) -> Option<u16> {
        self.addresses.iter().find_map(Address::port)
    }

    /// The sockets that clients connect to; until it is stopped they are open.
    #[cfg(target_os = "linux")]
    pub(crate) fn listening(&self) -> &[SocketId] {
        &self.listening
    }

    /// Whether the system says, at one of the addresses, which user's process a caller is: where there are no accounts, only
    /// processes of the server's own user may log in.
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

    /// Stops: no new requests are taken, running ones may take `grace`. May be called more than once.
    ///
    /// # Errors
    /// [`Error::Io`] where requests were still running when the time was over.
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

    /// Waits until the server has been stopped from another thread or cannot go on.
    ///
    /// # Errors
    /// Why it cannot go on.
    pub fn wait(&self) -> Result<(), Error> {
        match &self.engine {
            #[cfg(target_os = "linux")]
            Engine::Pool(engine) => engine.wait(),
            Engine::TinyHttp(engine) => engine.wait(),
        }
    }
}

/// Which engine is to serve, with all that can be judged before an address is bound.
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
                "The engine tiny-http speaks no TLS. Put a proxy that does in front, and unset SEALGATE_TLS_CERT."
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
