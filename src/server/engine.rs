//! The choice between the engines.

use super::listen;
use super::settings::{EngineChoice, ProxyProtocol, Settings};
use super::tiny_http;
#[cfg(target_os = "linux")]
use super::{pool, tls};
use crate::Error;
use crate::api::App;
#[cfg(target_os = "linux")]
use std::sync::Arc;
use std::time::Duration;

/// A running engine.
pub(super) enum Engine {
    #[cfg(target_os = "linux")]
    Pool(pool::Engine),
    TinyHttp(tiny_http::Engine),
}

impl Engine {
    pub(super) fn name(&self) -> &'static str {
        match self {
            #[cfg(target_os = "linux")]
            Engine::Pool(_) => "pool",
            Engine::TinyHttp(_) => "tiny-http",
        }
    }

    pub(super) fn is_alive(&self, within: Duration) -> bool {
        match self {
            #[cfg(target_os = "linux")]
            Engine::Pool(engine) => engine.is_alive(within),
            Engine::TinyHttp(engine) => engine.is_running(),
        }
    }

    pub(super) fn wait(&self) -> Result<(), Error> {
        match self {
            #[cfg(target_os = "linux")]
            Engine::Pool(engine) => engine.wait(),
            Engine::TinyHttp(engine) => engine.wait(),
        }
    }

    pub(super) fn stop(&self, grace: Duration) -> Result<(), Error> {
        match self {
            #[cfg(target_os = "linux")]
            Engine::Pool(engine) => engine.stop(grace),
            Engine::TinyHttp(engine) => engine.stop(grace),
        }
    }
}

/// The engine to use, after every check that needs no bound address.
#[derive(Clone)]
pub(super) enum Plan {
    #[cfg(target_os = "linux")]
    Pool(Option<tls::TlsAcceptor>),
    TinyHttp,
}

impl Plan {
    /// For addresses beside those of a server with the plan `servers`, with whose certificate they speak TLS.
    pub(super) fn beside(servers: &Plan, own: &Settings) -> Result<Self, Error> {
        match own.tls_cert {
            Some(_) => Ok(servers.clone()),
            None => Plan::of(own),
        }
    }

    pub(super) fn of(settings: &Settings) -> Result<Self, Error> {
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
        if settings.proxy_protocol != ProxyProtocol::Off {
            return Err(Error::Setting(
                "The engine tiny-http does not support the PROXY protocol. Unset SEALGATE_PROXY_PROTOCOL, and have the proxy \
                 name the client in a header."
                    .to_owned(),
            ));
        }
        tiny_http::check_exposure(settings)?;
        Ok(Plan::TinyHttp)
    }

    pub(super) fn speaks_tls(&self) -> bool {
        match self {
            #[cfg(target_os = "linux")]
            Plan::Pool(tls) => tls.is_some(),
            Plan::TinyHttp => false,
        }
    }

    #[cfg(target_os = "linux")]
    pub(super) fn certificates(&self) -> Option<Arc<tls::Certificates>> {
        match self {
            Plan::Pool(tls) => tls.as_ref().map(tls::TlsAcceptor::certificates),
            Plan::TinyHttp => None,
        }
    }

    pub(super) fn start(
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_portable_engine_refuses_what_it_does_not_support() {
        let with = |change: fn(&mut Settings)| {
            let mut settings = Settings {
                engine: EngineChoice::TinyHttp,
                behind_proxy: true,
                ..Settings::default()
            };
            change(&mut settings);
            Plan::of(&settings).err().map(|error| error.to_string())
        };
        assert_eq!(with(|_| {}), None);
        for (change, what) in [
            (
                (|settings| settings.tls_cert = Some("cert.pem".into())) as fn(&mut Settings),
                "does not support TLS",
            ),
            (
                |settings| settings.proxy_protocol = ProxyProtocol::Accept,
                "does not support the PROXY protocol",
            ),
        ] {
            let said = with(change).unwrap_or_default();
            assert!(said.contains(what), "{said}");
        }
    }
}
