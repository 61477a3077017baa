//! Administration on addresses of its own: an engine with one worker and few threads, so that it holds up no other request.

use super::engine::{Engine, Plan};
use super::listen::{self, Address};
use super::settings::{EngineChoice, ProxyProtocol, Settings};
use crate::Error;
use crate::api::App;

/// The addresses of administration, bound.
pub(super) struct Endpoint {
    plan: Plan,
    sockets: Vec<listen::Socket>,
    settings: Settings,
}

impl Endpoint {
    /// The one that the settings want, if any. `servers`: the server's plan, with whose certificate it speaks TLS.
    pub(super) fn bind(settings: &Settings, servers: &Plan) -> Result<Option<Self>, Error> {
        let Some(own) = own_settings(settings) else {
            return Ok(None);
        };
        let plan = Plan::beside(servers, &own)?;
        let sockets = own.listen.iter();
        let sockets =
            sockets.map(|listen| listen::bind(listen, own.socket_mode, plan.speaks_tls()));
        Ok(Some(Endpoint {
            sockets: sockets.collect::<Result<_, _>>()?,
            plan,
            settings: own,
        }))
    }

    /// Checks the settings without binding anything.
    pub(super) fn check(settings: &Settings) -> Result<(), Error> {
        own_settings(settings).map_or(Ok(()), |own| Plan::of(&own).map(drop))
    }

    pub(super) fn addresses(&self) -> Vec<Address> {
        let addresses = self.sockets.iter();
        addresses.map(|socket| socket.address.clone()).collect()
    }

    pub(super) fn start(self, app: &App) -> Result<Engine, Error> {
        let app = app.for_administration();
        self.plan.start(app, self.sockets, &self.settings)
    }
}

/// The server's settings with what a few administrators need; `None` if they have no address of their own.
fn own_settings(settings: &Settings) -> Option<Settings> {
    let listen = settings.admin_listen.clone();
    let own = Settings {
        listen,
        engine: EngineChoice::Auto,
        workers: 1,
        blocking_workers: 4,
        max_connections: 256,
        max_connections_per_address: 0,
        // Administrators ask without a proxy.
        proxy_protocol: ProxyProtocol::Off,
        ..settings.clone()
    };
    (!own.listen.is_empty()).then_some(own)
}
