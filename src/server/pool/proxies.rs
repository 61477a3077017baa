//! Which connections begin with a header of the PROXY protocol, and whom it is believed from. What the header says is read
//! by `connection/proxy_header.rs`.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::api::{App, Peer};
use crate::base::sync::lock;
use crate::server::proxy_protocol::Reader;
use crate::server::settings::ProxyProtocol;

/// Minimum time between two warnings about refused connections; the others are logged at the level debug.
const WARN_EVERY: Duration = Duration::from_secs(10);

/// See the module.
pub(super) struct Proxies {
    mode: ProxyProtocol,
    /// When a refused connection was last logged as a warning.
    warned: Mutex<Option<Instant>>,
}

/// The header that a connection begins with.
pub(super) struct Awaited {
    pub(super) reader: Reader,
    /// Whether a connection without it is refused.
    pub(super) required: bool,
    /// Whether it may name a client.
    pub(super) may_name: bool,
}

impl Proxies {
    pub(super) fn new(mode: ProxyProtocol) -> Self {
        Proxies {
            mode,
            warned: Mutex::default(),
        }
    }

    /// The header that a connection of this peer begins with, if any; an error if it must not connect. `is_here`: whether it
    /// is a process of this machine. Such a one may always say that it speaks for itself, as `sealgate healthcheck` does.
    pub(super) fn expects(
        &self,
        app: &App,
        peer: &Peer,
        is_here: bool,
    ) -> Result<Option<Box<Awaited>>, &'static str> {
        let is_trusted = || app.trusts_peer(peer);
        let (required, may_name) = match self.mode {
            ProxyProtocol::Off => return Ok(None),
            ProxyProtocol::Accept if is_trusted() => (false, true),
            ProxyProtocol::Accept => return Ok(None),
            ProxyProtocol::Require if is_trusted() => (true, true),
            ProxyProtocol::Require if is_here => (true, false),
            ProxyProtocol::Require => {
                return Err("SEALGATE_TRUSTED_PROXIES does not have its address");
            }
        };
        Ok(Some(Box::new(Awaited {
            reader: Reader::default(),
            required,
            may_name,
        })))
    }

    /// Logs that a connection is refused.
    pub(super) fn refused(&self, peer: &Peer, why: &str) {
        let mut warned = lock(&self.warned);
        let level = match *warned {
            Some(at) if at.elapsed() < WARN_EVERY => log::Level::Debug,
            _ => log::Level::Warn,
        };
        if level == log::Level::Warn {
            *warned = Some(Instant::now());
        }
        drop(warned);
        let peer = peer.shown();
        log::log!(
            level,
            "refused a connection from {peer} (SEALGATE_PROXY_PROTOCOL): {why}"
        );
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a test that panics has failed
mod tests {
    use super::*;
    use crate::{Config, Gate};

    #[test]
    fn only_trusted_peers_may_name_a_client() {
        let mut config = Config::new();
        config.set("keys", "ephemeral").unwrap();
        config.set("trusted_proxies", "192.0.2.1, unix").unwrap();
        let settings = config.settings().unwrap();
        let app = App::new(Gate::new(&settings.gate).unwrap(), &settings.app).unwrap();
        let expects = |mode, address: &str, is_here| {
            let peer = Peer::local(address.parse().ok(), None);
            let awaited = Proxies::new(mode).expects(&app, &peer, is_here);
            awaited.map(|awaited| awaited.map(|awaited| (awaited.required, awaited.may_name)))
        };
        use ProxyProtocol::{Accept, Off, Require};
        for trusted in ["192.0.2.1", "::ffff:192.0.2.1", "unix"] {
            assert_eq!(expects(Off, trusted, true), Ok(None));
            assert_eq!(expects(Accept, trusted, true), Ok(Some((false, true))));
            assert_eq!(expects(Require, trusted, true), Ok(Some((true, true))));
        }
        for (stranger, is_here) in [("192.0.2.2", false), ("127.0.0.1", true)] {
            assert_eq!(expects(Off, stranger, is_here), Ok(None));
            assert_eq!(expects(Accept, stranger, is_here), Ok(None));
        }
        assert!(expects(Require, "192.0.2.2", false).is_err());
        assert_eq!(expects(Require, "127.0.0.1", true), Ok(Some((true, false))));
    }
}
