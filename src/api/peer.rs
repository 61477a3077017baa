//! The other end of a connection: its address, and whether its process runs as the server's user.

use std::net::{IpAddr, SocketAddr};
use std::sync::OnceLock;

use crate::base::address::is_loopback;
use crate::base::socket_owner::{self, Owner};

/// The other end of a connection.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Its address; `None` on a Unix socket.
    pub address: Option<IpAddr>,
    socket: Socket,
    secure: bool,
    serves: Serves,
    /// Looked up on first use. The owner of a connection does not change.
    owner: OnceLock<Owner>,
}

/// Whom a connection serves.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Serves {
    /// As far as is known, the process at its other end.
    #[default]
    Peer,
    /// The client that a proxy named before the first request (PROXY protocol).
    Client(IpAddr),
    /// The proxy itself, or a client whose address it does not know.
    Nobody,
}

/// How to look up the owner.
#[derive(Debug, Clone, Copy)]
enum Socket {
    /// From another machine, or indistinguishable from that.
    Remote,
    /// Over loopback, from this port to this address.
    Loopback(u16, SocketAddr),
    /// Opened by a process of this user.
    Of(u32),
    Unknown,
}

impl Peer {
    /// The peer of a TCP connection. `server` is the address that the server listens on.
    pub fn tcp(peer: SocketAddr, server: SocketAddr) -> Self {
        let socket = match is_loopback(server.ip()) {
            true => Socket::Loopback(peer.port(), server),
            false => Socket::Remote,
        };
        Peer::new(Some(peer.ip()), socket)
    }

    /// The peer of a connection that other machines cannot open, such as one on a Unix socket. `user` is the UID of the
    /// connecting process as reported by the kernel (`SO_PEERCRED`), never by the peer; `None` if unknown.
    pub fn local(address: Option<IpAddr>, user: Option<u32>) -> Self {
        Peer::new(address, user.map_or(Socket::Unknown, Socket::Of))
    }

    fn new(address: Option<IpAddr>, socket: Socket) -> Self {
        Peer {
            address,
            socket,
            secure: false,
            serves: Serves::Peer,
            owner: OnceLock::new(),
        }
    }

    /// The same over TLS.
    #[cfg(target_os = "linux")]
    pub(crate) fn over_tls(self) -> Self {
        Peer {
            secure: true,
            ..self
        }
    }

    /// From now on it serves the client that a proxy named before the first request; `None` if that named nobody.
    #[cfg(any(test, target_os = "linux"))]
    pub(crate) fn serve(&mut self, client: Option<IpAddr>) {
        self.serves = client.map_or(Serves::Nobody, Serves::Client);
    }

    /// Whom it serves.
    pub(super) fn serves(&self) -> Serves {
        self.serves
    }

    /// Whether the connection is encrypted by TLS.
    pub(super) fn is_secure(&self) -> bool {
        self.secure
    }

    /// Whether the listening socket is reachable from this machine only.
    pub fn is_local(&self) -> bool {
        !matches!(self.socket, Socket::Remote)
    }

    /// The owner of its process. The first call asks the kernel.
    pub(super) fn owner(&self) -> Owner {
        *self
            .owner
            .get_or_init(|| match (self.socket, self.address) {
                (Socket::Loopback(port, server), Some(ip)) => {
                    socket_owner::of_connection(SocketAddr::new(ip, port), server)
                }
                (Socket::Of(user), _) => socket_owner::owner(user),
                (Socket::Remote, _) => Owner::Another,
                (Socket::Unknown | Socket::Loopback(..), _) => Owner::Unknown,
            })
    }
}
