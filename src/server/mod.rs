//! Sockets: where the API meets the network. An engine reads bytes into requests and writes answers; it knows no route.
//!
//! `listen` binds addresses, `head` judges what a head promises, `encode` writes answers; `pool` is the engine of Linux,
//! `tiny_http` that of every platform. The library never touches the process's signals: whoever runs a server calls [`Server::stop`].

mod encode;
mod head;
mod listen;
#[cfg(target_os = "linux")]
mod pool;
pub mod tiny_http;

use std::time::Duration;

use crate::Error;
use crate::api::App;
use crate::config::{EngineChoice, ServerSettings};

pub use listen::Address;

/// A running server. Dropping it stops it without waiting.
pub struct Server {
    engine: Engine,
    addresses: Vec<Address>,
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
    pub fn start(app: App, settings: &ServerSettings) -> Result<Self, Error> {
        Server::check(settings)?;
        let sockets = settings
            .listen
            .iter()
            .map(|listen| listen::bind(listen, settings.socket_mode))
            .collect::<Result<Vec<_>, Error>>()?;
        let addresses = sockets
            .iter()
            .map(|socket| socket.address.clone())
            .collect();
        Ok(Server {
            engine: Engine::start(app, sockets, settings)?,
            addresses,
        })
    }

    /// Whether a server may be started with these settings; binds nothing.
    ///
    /// # Errors
    /// [`Error::Setting`] where an address must not be used with this engine, or the engine is not to be had.
    pub fn check(settings: &ServerSettings) -> Result<(), Error> {
        match engine_of(settings) {
            EngineChoice::TinyHttp => tiny_http::check_exposure(settings),
            _ if cfg!(target_os = "linux") => Ok(()),
            _ => Err(Error::Setting(
                "The engine pool needs Linux. Use tiny-http.".to_owned(),
            )),
        }
    }

    /// The addresses served, with the ports that were chosen where port 0 was asked for.
    pub fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// The port of the first TCP address.
    pub fn port(&self) -> Option<u16> {
        self.addresses.iter().find_map(Address::port)
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
        match &self.engine {
            #[cfg(target_os = "linux")]
            Engine::Pool(engine) => engine.stop(grace),
            Engine::TinyHttp(engine) => engine.stop(grace),
        }
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

impl Engine {
    fn start(
        app: App,
        sockets: Vec<listen::Socket>,
        settings: &ServerSettings,
    ) -> Result<Self, Error> {
        #[cfg(target_os = "linux")]
        if engine_of(settings) == EngineChoice::Pool {
            return pool::Engine::start(app, sockets, settings).map(Engine::Pool);
        }
        tiny_http::Engine::start(app, sockets, settings).map(Engine::TinyHttp)
    }
}

/// The engine that the settings mean on this platform.
fn engine_of(settings: &ServerSettings) -> EngineChoice {
    match settings.engine {
        EngineChoice::Auto if cfg!(target_os = "linux") => EngineChoice::Pool,
        EngineChoice::Auto => EngineChoice::TinyHttp,
        chosen => chosen,
    }
}
