//! The other end of a connection: its address, and whether it is a process of the user that the server runs as.

use std::net::{IpAddr, SocketAddr};
use std::sync::OnceLock;

use crate::base::socket_owner::{self, Owner};

/// The other end of a connection.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Its address; `None` on a Unix socket.
    pub address: Option<IpAddr>,
    socket: Socket,
    /// Found out when it is asked for. A connection's ends stay whose they are.
    owner: OnceLock<Owner>,
}

/// What its owner can be found out by.
#[derive(Debug, Clone, Copy)]
enum Socket {
    /// None of this machine, or it cannot be told from one.
    Remote,
    /// Over loopback, from this port to this address.
    Loopback(u16, SocketAddr),
    /// Made by a process of this user.
    Of(u32),
    Unknown,
}

impl Peer {
    /// Of a TCP connection. `server`: the address that the server listens on.
    pub fn tcp(peer: SocketAddr, server: SocketAddr) -> Self {
        let socket = match is_loopback(server.ip()) {
            true => Socket::Loopback(peer.port(), server),
            false => Socket::Remote,
        };
        Peer::new(Some(peer.ip()), socket)
    }

    /// Of a connection that other machines cannot make, such as one on a Unix socket. `user`: the number of the user whose
    /// process made it, as the kernel says (`SO_PEERCRED`), never as the peer does; `None`: it is not known.
    pub fn local(address: Option<IpAddr>, user: Option<u32>) -> Self {
        Peer::new(address, user.map_or(Socket::Unknown, Socket::Of))
    }

    fn new(address: Option<IpAddr>, socket: Socket) -> Self {
        Peer {
            address,
            socket,
            owner: OnceLock::new(),
        }
    }

    /// Whether the listening socket can be reached from this machine only.
    pub fn is_local(&self) -> bool {
        !matches!(self.socket, Socket::Remote)
    }

    /// Whose process it is. Asks the kernel, the first time.
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

/// Whether an address to listen on is reached from this machine only.
pub(crate) fn is_loopback(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}
