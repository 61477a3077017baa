//! Sockets: where the API meets the network. An engine reads bytes into requests and writes answers; it knows no route.
//!
//! `listen` binds addresses, `framing` judges what a head promises, `encode` writes answers, `tiny_http` is the engine of
//! every platform. The library never touches the process's signals: whoever runs a server calls [`Server::stop`].

mod encode;
mod framing;
mod listen;
pub mod tiny_http;

use std::time::Duration;

use crate::Error;
use crate::api::App;
use crate::config::ServerSettings;

pub use listen::Address;

/// A running server. Dropping it stops it without waiting.
pub struct Server {
    engine: tiny_http::Engine,
    addresses: Vec<Address>,
}

impl Server {
    /// Binds every address of the settings and starts to serve.
    ///
    /// # Errors
    /// [`Error::Setting`] where an address cannot be had, or must not be used with this engine.
    pub fn start(app: App, settings: &ServerSettings) -> Result<Self, Error> {
        tiny_http::check_exposure(settings)?;
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
            engine: tiny_http::Engine::start(app, sockets, settings)?,
            addresses,
        })
    }

    /// Whether a server may be started with these settings; binds nothing.
    ///
    /// # Errors
    /// [`Error::Setting`] where an address must not be used with this engine.
    pub fn check(settings: &ServerSettings) -> Result<(), Error> {
        tiny_http::check_exposure(settings)
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
        "tiny-http"
    }

    /// Stops: no new requests are taken, running ones may take `grace`. May be called more than once.
    ///
    /// # Errors
    /// [`Error::Io`] where requests were still running when the time was over.
    pub fn stop(&self, grace: Duration) -> Result<(), Error> {
        self.engine.stop(grace)
    }

    /// Waits until the server has been stopped from another thread or cannot go on.
    ///
    /// # Errors
    /// Why it cannot go on.
    pub fn wait(&self) -> Result<(), Error> {
        self.engine.wait()
    }
}
