//! Accepts connections for the threads that do: the active workers while there is room, otherwise the listener.

use std::mem;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use rustix::event::epoll::{self, Event, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{SocketFlags, acceptfrom_with, sockopt};

use super::mailbox::Incoming;
use super::shared::Shared;
use super::transport::Transport;
use crate::api::Peer;
use crate::base::address::is_loopback;
use crate::base::sync::lock;
use crate::server::listen::{Address, Socket as ListeningSocket};
use crate::server::socket::Socket;
use crate::server::tls::TlsAcceptor;

/// Index in a worker's event data of a listening socket; no connection has it. The number of the socket follows.
const LISTENING: u32 = u32::MAX;

/// The listening socket of a worker's event, if it is one's.
pub(super) fn listening(event: &Event) -> Option<usize> {
    let data = event.data.u64();
    // The mailbox has all bits set.
    (data as u32 == LISTENING && data != u64::MAX).then_some((data >> 32) as usize)
}

/// See the module.
pub(super) struct Acceptor {
    shared: Arc<Shared>,
    tls: Option<TlsAcceptor>,
    /// Empty once the listener has ended.
    sockets: Mutex<Vec<ListeningSocket>>,
    /// Workers accept while there are fewer connections than this. From there on the listener does, because a new
    /// connection may have to wait for room.
    roomy: AtomicUsize,
    /// The epolls of the workers that accept.
    workers: Mutex<Vec<Arc<OwnedFd>>>,
    /// Connections that a worker accepted while another thread took the last room: the listener finds them a place.
    returned: Mutex<Vec<Incoming>>,
}

impl Acceptor {
    pub(super) fn new(
        shared: Arc<Shared>,
        tls: Option<TlsAcceptor>,
        sockets: Vec<ListeningSocket>,
    ) -> Self {
        Acceptor {
            shared,
            tls,
            sockets: Mutex::new(sockets),
            roomy: AtomicUsize::new(0),
            workers: Mutex::default(),
            returned: Mutex::default(),
        }
    }

    /// The next waiting connection; `Ok(None)` if it is refused.
    ///
    /// # Errors
    /// `AGAIN` if none waits, else those of accept(2).
    pub(super) fn accept(&self, number: usize) -> Result<Option<Incoming>, Errno> {
        let sockets = lock(&self.sockets);
        let Some(ListeningSocket {
            address, listener, ..
        }) = sockets.get(number)
        else {
            return Err(Errno::AGAIN);
        };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let (socket, peer) = acceptfrom_with(listener, flags)?;
        let peer = peer.and_then(|peer| SocketAddr::try_from(peer).ok());
        let is_unix = matches!(address, Address::Unix(_));
        let server = address.tcp();
        drop(sockets);
        Ok(self.take_in(socket, peer, server, is_unix))
    }

    fn take_in(
        &self,
        socket: OwnedFd,
        peer: Option<SocketAddr>,
        server: Option<SocketAddr>,
        is_unix: bool,
    ) -> Option<Incoming> {
        if !is_unix {
            // Responses are written in one piece: delaying them to coalesce writes would only add latency.
            let _ = sockopt::set_tcp_nodelay(&socket, true);
        }
        let mut who = match (peer, server) {
            (Some(peer), Some(server)) => Peer::tcp(peer, server),
            _ => Peer::local(None, user_of(&socket)),
        };
        let shared = &self.shared;
        let ip = peer.map(|peer| peer.ip());
        let is_here =
            ip.is_none_or(|ip| is_loopback(ip) || server.is_some_and(|server| server.ip() == ip));
        let awaited = match shared.proxies.expects(&shared.app, &who, is_here) {
            Ok(awaited) => awaited,
            Err(why) => {
                shared.proxies.refused(&who, why);
                return None;
            }
        };
        // A connection whose header is awaited is counted once that has named the client.
        let counted = ip.filter(|_| awaited.is_none());
        let address = shared.enter(counted).ok()?;
        let socket = Socket(socket);
        let transport = match &self.tls {
            Some(tls) if !is_unix => {
                who = who.over_tls();
                Transport::Tls(Box::new(tls.start(socket)))
            }
            _ => Transport::Plain(socket),
        };
        shared.accepted.add(1);
        let connections = shared.connections.fetch_add(1, Ordering::SeqCst);
        Some(Incoming {
            transport,
            peer: who,
            address,
            awaited,
            crowded: connections >= shared.max_connections.load(Ordering::Relaxed),
        })
    }

    /// Whether a worker may accept: there is room, whatever the other threads do.
    pub(super) fn is_roomy(&self) -> bool {
        self.shared.connections.load(Ordering::SeqCst) < self.roomy.load(Ordering::Relaxed)
    }

    /// The same, with some distance, so that a worker does not begin and end with each connection.
    pub(super) fn is_roomy_again(&self) -> bool {
        let roomy = self.roomy.load(Ordering::Relaxed);
        self.shared.connections.load(Ordering::SeqCst) < roomy - roomy / 8
    }

    /// Returns a connection for which there is no room. Back if the listener has ended.
    pub(super) fn give_back(&self, incoming: Incoming) -> Option<Incoming> {
        let sockets = lock(&self.sockets);
        if sockets.is_empty() {
            return Some(incoming);
        }
        lock(&self.returned).push(incoming);
        None
    }

    /// What workers have returned.
    pub(super) fn returned(&self) -> Vec<Incoming> {
        mem::take(&mut *lock(&self.returned))
    }

    pub(super) fn set_roomy(&self, below: usize) {
        self.roomy.store(below, Ordering::Relaxed);
    }

    /// Whether any worker accepts.
    pub(super) fn has_workers(&self) -> bool {
        !lock(&self.workers).is_empty()
    }

    /// Has a worker's epoll wait for connections, as [`watch`](Self::watch) does; false if that fails.
    pub(super) fn begin(&self, epoll: &Arc<OwnedFd>) -> bool {
        let data = |socket| (socket as u64) << 32 | u64::from(LISTENING);
        if self.watch(epoll, data).is_err() {
            self.ignore(epoll);
            return false;
        }
        lock(&self.workers).push(Arc::clone(epoll));
        true
    }

    /// Ends that.
    pub(super) fn end(&self, epoll: &Arc<OwnedFd>) {
        self.ignore(epoll);
        lock(&self.workers).retain(|known| !Arc::ptr_eq(known, epoll));
    }

    /// Removes the sockets from the workers' epolls, and returns them. Closing them would not be enough: if another process
    /// has them open too, they stay in the epolls.
    pub(super) fn close(&self) -> Vec<ListeningSocket> {
        for epoll in lock(&self.workers).drain(..) {
            self.ignore(&epoll);
        }
        mem::take(&mut *self.sockets())
    }

    /// Has an epoll wait for connections; `data` makes the event data from the number of a socket. The kernel wakes one
    /// thread for a connection: of those that are waiting, the one that came first.
    pub(super) fn watch(&self, epoll: &OwnedFd, data: fn(usize) -> u64) -> Result<(), Errno> {
        for (number, socket) in self.sockets().iter().enumerate() {
            let (descriptor, data) = (socket.listener.as_fd(), EventData::new_u64(data(number)));
            epoll::add(
                epoll,
                descriptor,
                data,
                EventFlags::IN | EventFlags::EXCLUSIVE,
            )?;
        }
        Ok(())
    }

    /// Has it wait for them no longer.
    pub(super) fn ignore(&self, epoll: &OwnedFd) {
        for socket in self.sockets().iter() {
            // Fails if it did not wait.
            let _ = epoll::delete(epoll, socket.listener.as_fd());
        }
    }

    /// The sockets; whoever holds them keeps other threads from accepting.
    pub(super) fn sockets(&self) -> MutexGuard<'_, Vec<ListeningSocket>> {
        lock(&self.sockets)
    }
}

/// The user ID of the process that connected to this Unix socket.
fn user_of(socket: &OwnedFd) -> Option<u32> {
    let credentials = sockopt::socket_peercred(socket).ok()?;
    Some(credentials.uid.as_raw())
}
