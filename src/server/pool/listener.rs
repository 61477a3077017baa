//! The listener: one thread that accepts connections on all addresses and hands each to a worker. Only a stop ends it.
//! It accepts no more connections than the process has descriptors for. If descriptors run out anyway, it evicts
//! connections, and pauses only if none can be evicted.

use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{SocketFlags, acceptfrom_with, sockopt};

use super::descriptors::Room;
use super::eviction::admission::Admission;
use super::hub::Hub;
use super::mailbox::{Incoming, Mailbox, Message};
use super::shared::Shared;
use super::transport::Transport;
use crate::Error;
use crate::api::Peer;
use crate::base::address::is_loopback;
use crate::server::listen::{self, Address};
use crate::server::socket::Socket;
use crate::server::tls::TlsAcceptor;

/// The accept backlog: as long as the system allows.
const BACKLOG: i32 = 65_535;
/// Connections accepted on one address before the others get their turn.
const TURN: usize = 64;
/// How long to pause if no connection can be evicted to free a descriptor.
const REST: Duration = Duration::from_millis(50);
/// Minimum time between log lines about a shortage.
const REPORT_EVERY: Duration = Duration::from_secs(10);
/// How often the room for connections is recounted while descriptors may be scarce.
const FIT_EVERY: Duration = Duration::from_secs(1);
/// No recount if the limit on open files is more than this many times the connection limit: the host would have to hold
/// most of them.
const PLENTY: usize = 2;
/// Event data of the waker; no socket has it.
const WAKER: u64 = u64::MAX;

/// See the module.
pub(super) struct Listener {
    shared: Arc<Shared>,
    hub: Arc<Hub>,
    tls: Option<TlsAcceptor>,
    sockets: Vec<listen::Socket>,
    epoll: OwnedFd,
    /// Connection limit from the settings, and from the available descriptors.
    permitted: usize,
    max_connections: usize,
    /// When the latter was counted, and whether it may change.
    fitted: Instant,
    scarce: bool,
    admission: Admission,
    /// When a shortage was last logged.
    reported: Option<Instant>,
}

impl Listener {
    pub(super) fn new(
        hub: Arc<Hub>,
        tls: Option<TlsAcceptor>,
        sockets: Vec<listen::Socket>,
        max_connections: usize,
        started: Instant,
    ) -> Result<Self, Error> {
        let epoll = epoll::create(CreateFlags::CLOEXEC).map_err(impossible)?;
        let waker = EventData::new_u64(WAKER);
        epoll::add(&epoll, &hub.waker.0, waker, EventFlags::IN).map_err(impossible)?;
        for (number, socket) in (0u64..).zip(&sockets) {
            let descriptor = socket.listener.as_fd();
            rustix::io::ioctl_fionbio(descriptor, true).map_err(impossible)?;
            // A second listen only extends the backlog: bursts arrive faster than any thread is scheduled.
            rustix::net::listen(descriptor, BACKLOG).map_err(impossible)?;
            epoll::add(
                &epoll,
                descriptor,
                EventData::new_u64(number),
                EventFlags::IN,
            )
            .map_err(impossible)?;
        }
        let mut listener = Listener {
            shared: hub.shared.clone(),
            hub,
            tls,
            sockets,
            epoll,
            permitted: max_connections,
            max_connections,
            fitted: Instant::now(),
            scarce: false,
            admission: Admission::new(started),
            reported: None,
        };
        if let Some(room) = listener.fit() {
            log::warn!(
                "SEALGATE_MAX_CONNECTIONS permits {max_connections} connections, but the limit of {} open files leaves room \
                 for {}: raise that limit (ulimit -n, LimitNOFILE= of systemd) or lower the setting",
                room.files,
                room.connections
            );
        }
        Ok(listener)
    }

    /// Counts how many connections fit the available descriptors; returns the count if that is below the configured
    /// limit.
    fn fit(&mut self) -> Option<Room> {
        self.fitted = Instant::now();
        let connections = self.shared.connections.load(Ordering::SeqCst);
        let room = Room::now(connections);
        self.scarce = room.is_some_and(|room| room.files / PLENTY < self.permitted);
        let room = room.filter(|room| room.connections < self.permitted);
        self.set_max(room.map_or(self.permitted, |room| room.connections));
        room
    }

    /// Whether the host's files may reduce the room for connections, so that it must be recounted regularly.
    fn is_short(&self) -> bool {
        let connections = self.shared.connections.load(Ordering::SeqCst);
        self.scarce && connections > self.max_connections / 2
    }

    /// Recounts, and evicts connections that no longer fit.
    fn fit_anew(&mut self) {
        self.fit();
        let connections = self.shared.connections.load(Ordering::SeqCst);
        // Bounded, so that new connections do not wait for all evictions.
        let until = Instant::now() + REST;
        for _ in self.max_connections..connections {
            let _ = self.most_spare().send(Message::MakeRoom);
            if Instant::now() > until {
                return;
            }
        }
    }

    fn set_max(&mut self, connections: usize) {
        self.max_connections = connections;
        let shown = &self.shared.max_connections;
        shown.store(connections, Ordering::Relaxed);
        self.shared.addresses.fit(connections);
    }

    /// Accepts until the engine stops, then accepts what is already queued and closes the sockets.
    pub(super) fn run(mut self) {
        let mut events: Vec<Event> = Vec::with_capacity(8);
        while !self.shared.is_stopping() {
            let timeout = self.is_short().then_some(Timespec {
                tv_sec: FIT_EVERY.as_secs() as i64,
                tv_nsec: 0,
            });
            match epoll::wait(&self.epoll, spare_capacity(&mut events), timeout.as_ref()) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => {
                    log::error!("the listener cannot wait for connections: {error}");
                    thread::sleep(REST);
                }
            }
            self.hub.heartbeat.count_listener();
            for event in events.drain(..) {
                match event.data.u64() {
                    WAKER => self.hub.waker.reset(),
                    number => self.accept_from(number as usize),
                }
            }
            if self.fitted.elapsed() >= FIT_EVERY && self.is_short() {
                self.fit_anew();
            }
        }
        for number in 0..self.sockets.len() {
            self.accept_from(number);
        }
        for socket in &self.sockets {
            socket.remove_file();
        }
        self.sockets.clear();
        self.shared.listened.store(true, Ordering::SeqCst);
        self.hub.wake_all();
    }

    fn accept_from(&mut self, number: usize) {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        for _ in 0..TURN {
            match acceptfrom_with(&self.sockets[number].listener, flags) {
                Ok((socket, peer)) => {
                    let peer = peer.and_then(|peer| SocketAddr::try_from(peer).ok());
                    self.hand_over(socket, peer, number);
                }
                Err(Errno::AGAIN) => return,
                // The client left before the accept, or a signal arrived: try the next one.
                Err(Errno::CONNABORTED | Errno::INTR | Errno::PROTO) => {}
                Err(error @ (Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM)) => {
                    if !self.find_descriptor(error) {
                        return;
                    }
                }
                Err(error) => {
                    self.report(error);
                    thread::sleep(REST);
                    return;
                }
            }
        }
    }

    fn hand_over(&mut self, socket: OwnedFd, peer: Option<SocketAddr>, number: usize) {
        let is_unix = matches!(self.sockets[number].address, Address::Unix(_));
        if !is_unix {
            // Responses are written in one piece: delaying them to coalesce writes would only add latency.
            let _ = sockopt::set_tcp_nodelay(&socket, true);
        }
        let mut who = match (peer, self.sockets[number].address.tcp()) {
            (Some(peer), Some(server)) => Peer::tcp(peer, server),
            _ => Peer::local(None, user_of(&socket)),
        };
        let shared = &self.shared;
        let (ip, server) = (
            peer.map(|peer| peer.ip()),
            self.sockets[number].address.tcp(),
        );
        let is_here =
            ip.is_none_or(|ip| is_loopback(ip) || server.is_some_and(|server| server.ip() == ip));
        let awaited = match shared.proxies.expects(&shared.app, &who, is_here) {
            Ok(awaited) => awaited,
            Err(why) => return shared.proxies.refused(&who, why),
        };
        // A connection whose header is awaited is counted once that has named the client.
        let counted = ip.filter(|_| awaited.is_none());
        let Ok(address) = shared.enter(counted) else {
            return;
        };
        let socket = Socket(socket);
        let transport = match &self.tls {
            Some(tls) if !is_unix => {
                who = who.over_tls();
                Transport::Tls(Box::new(tls.start(socket)))
            }
            _ => Transport::Plain(socket),
        };
        self.shared.accepted.add(1);
        let connections = self.shared.connections.fetch_add(1, Ordering::SeqCst);
        let crowded = connections >= self.max_connections;
        if connections > self.max_connections {
            // Above the limit: evict one more, until the count is back at the limit.
            let _ = self.most_spare().send(Message::MakeRoom);
        }
        let mailbox = if crowded {
            self.most_spare()
        } else {
            let active = self.shared.balance.active();
            Mailbox::least_busy(&self.hub.mailboxes, active, self.admission.now())
        };
        mailbox.connections.fetch_add(1, Ordering::Relaxed);
        // Cannot fail: workers end after the listener.
        let _ = mailbox.send(Message::Adopt(Incoming {
            transport,
            peer: who,
            address,
            awaited,
            crowded,
        }));
    }

    /// Evicts a connection to free a descriptor; false, after a pause, if that failed.
    fn find_descriptor(&mut self, error: Errno) -> bool {
        self.report(error);
        self.fit();
        let before = self.shared.connections.load(Ordering::SeqCst);
        // From now on each new connection replaces another.
        self.set_max(self.max_connections.min(before).max(1));
        let mailbox = self.most_spare();
        let _ = mailbox.send(Message::MakeRoom);
        mailbox.wait_for_room(0);
        let found = self.shared.connections.load(Ordering::SeqCst) < before;
        if !found {
            thread::sleep(REST);
        }
        found
    }

    fn report(&mut self, error: Errno) {
        if self
            .reported
            .is_none_or(|reported| reported.elapsed() >= REPORT_EVERY)
        {
            self.reported = Some(Instant::now());
            log::warn!("cannot accept connections: {error}; still trying");
        }
    }

    /// The worker that has to evict a connection; the caller is about to send it the message.
    fn most_spare(&mut self) -> &Mailbox {
        let mailbox = self.admission.most_spare(&self.hub.mailboxes, &self.shared);
        mailbox.to_make_room.fetch_add(1, Ordering::Relaxed);
        mailbox
    }
}

/// The user ID of the process that connected to this Unix socket.
fn user_of(socket: &OwnedFd) -> Option<u32> {
    let credentials = sockopt::socket_peercred(socket).ok()?;
    Some(credentials.uid.as_raw())
}

fn impossible(error: Errno) -> Error {
    Error::Io(format!("The listener cannot be created: {error}."))
}
