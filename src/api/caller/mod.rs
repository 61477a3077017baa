//! The caller's address: that of the socket's peer, or the client that a trusted proxy names, at the start of the connection
//! (PROXY protocol) or in a header.

mod forwarded_header;

use std::fmt;
use std::net::IpAddr;

use super::Request;
use crate::api::peer::Peer;
use crate::api::settings::Settings;
use crate::base::address::{Counted, counted, network};

/// The caller's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Caller {
    Address(IpAddr),
    /// On a Unix socket, with nothing more known.
    Unix,
}

impl Caller {
    /// The key that limits count under. All callers on Unix sockets share one.
    pub(super) fn limit_key(self) -> Counted {
        match self {
            Caller::Unix => Counted::default(),
            Caller::Address(address) => counted(address),
        }
    }

    /// The address, if there is one.
    pub(super) fn address(self) -> Option<IpAddr> {
        match self {
            Caller::Address(address) => Some(address),
            Caller::Unix => None,
        }
    }

    /// The site of an IPv6 address: its /48, which holds too many networks to count each.
    pub(super) fn site(self) -> Option<Counted> {
        match self {
            Caller::Address(address) if address.is_ipv6() => Some(network(address)),
            _ => None,
        }
    }

    /// The socket's peer, even if it is a proxy.
    pub(super) fn peer(request: &Request<'_>) -> Caller {
        Caller::at(request.peer)
    }

    /// The other end of a connection, even if it is a proxy.
    pub(super) fn at(peer: &Peer) -> Caller {
        peer.address.map_or(Caller::Unix, |address| {
            Caller::Address(address.to_canonical())
        })
    }

    /// Whether it is a trusted proxy.
    pub(super) fn is_trusted(self, settings: &Settings) -> bool {
        match self {
            Caller::Unix => settings.trust_unix_peers,
            Caller::Address(address) => settings
                .trusted_proxies
                .iter()
                .any(|range| range.contains(&address)),
        }
    }
}

#[cfg(target_os = "linux")]
impl Peer {
    /// As the log shows it.
    pub(crate) fn shown(&self) -> impl fmt::Display {
        Caller::at(self)
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Caller::Address(address) => address.fmt(f),
            Caller::Unix => f.write_str("unix"),
        }
    }
}

#[cfg(any(test, fuzzing))]
pub(super) mod fuzz;
