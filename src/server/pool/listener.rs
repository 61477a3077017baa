//! The listener: one thread that accepts the connections of all addresses and hands each to a worker.
//! Nothing ends it but a stop. It takes no more connections than the process has descriptors for; where they run out all
//! the same, others have to go, and only where nobody can does it rest a moment.

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
use super::hub::Hub;
use super::mailbox::{Incoming, Mailbox, Message, milliseconds};
use super::shared::Shared;
use super::transport::Transport;
use crate::Error;
use crate::api::Peer;
use crate::server::listen::{self, Address};
use crate::server::socket::Socket;
use crate::server::tls::TlsAcceptor;

/// Connections that may wait to be accepted: as many as the system permits.
const BACKLOG: i32 = 65_535;
/// Accepted from one address before the others have their turn.
const TURN: usize = 64;
/// How long to wait for a descriptor where nobody can make room.
const REST: Duration = Duration::from_millis(50);
/// How often a shortage is told.
const TELL_EVERY: Duration = Duration::from_secs(10);
/// How often it is counted anew how many connections there are descriptors for, where that may be fewer than permitted.
const FIT_EVERY: Duration = Duration::from_secs(1);
/// With more open files permitted than this many times the connections, it is not counted: the host would have to hold most.
const PLENTY: usize = 2;
/// How long newcomers wait, where there is no room and many are in the middle of something, until it is plain whether that
/// is a good burst, which is answered by then, or a crowd that finishes nothing.
const DOUBT: Duration = Duration::from_millis(400);
const BELL: u64 = u64::MAX;

/// See the module.
pub(super) struct Listener {
    shared: Arc<Shared>,
    hub: Arc<Hub>,
    tls: Option<TlsAcceptor>,
    sockets: Vec<listen::Socket>,
    epoll: OwnedFd,
    /// Most connections by the settings, and by the descriptors that are there for them.
    permitted: usize,
    max_connections: usize,
    /// When the latter was counted, and whether that may change.
    fitted: Instant,
    scarce: bool,
    /// When the engine's time began.
    started: Instant,
    /// When the last shortage was told.
    told: Option<Instant>,
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
        let bell = EventData::new_u64(BELL);
        epoll::add(&epoll, &hub.bell.0, bell, EventFlags::IN).map_err(impossible)?;
        for (number, socket) in (0u64..).zip(&sockets) {
            let descriptor = socket.listener.as_fd();
            rustix::io::ioctl_fionbio(descriptor, true).map_err(impossible)?;
            // Listening again only makes the backlog longer: bursts come faster than any thread is scheduled.
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
            started,
            told: None,
        };
        if let Some(room) = listener.fit() {
            log::warn!(
                "SEALGATE_MAX_CONNECTIONS permits {max_connections} connections, but the limit of {} open files leaves room for {}: raise that limit (ulimit -n, LimitNOFILE= of systemd) or lower the setting",
                room.files,
                room.connections
            );
        }
        Ok(listener)
    }

    /// Counts how many connections there are descriptors for; the count where that is fewer than are permitted.
    fn fit(&mut self) -> Option<Room> {
        self.fitted = Instant::now();
        let connections = self.shared.connections.load(Ordering::SeqCst);
        let room = Room::now(connections);
        self.scarce = room.is_some_and(|room| room.files / PLENTY < self.permitted);
        let room = room.filter(|room| room.connections < self.permitted);
        self.set_max(room.map_or(self.permitted, |room| room.connections));
        room
    }

    /// Whether the host's files may take the room of connections: then it is counted anew from time to time.
    fn is_short(&self) -> bool {
        let connections = self.shared.connections.load(Ordering::SeqCst);
        self.scarce && connections > self.max_connections / 2
    }

    /// Counts anew, and has connections go that there are no descriptors for any more.
    fn fit_anew(&mut self) {
        self.fit();
        let connections = self.shared.connections.load(Ordering::SeqCst);
        // Whoever comes meanwhile does not wait for all of that.
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
        self.shared.addresses.fit(connections);
    }

    /// Accepts until the engine stops; then what has come already, and no more.
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
            for event in events.drain(..) {
                if event.data.u64() != BELL {
                    self.accept_from(event.data.u64() as usize);
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
                // Gone before it was accepted, or a signal: the next one.
                Err(Errno::CONNABORTED | Errno::INTR | Errno::PROTO) => {}
                Err(error @ (Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM)) => {
                    if !self.find_descriptor(error) {
                        return;
                    }
                }
                Err(error) => {
                    self.tell(error);
                    thread::sleep(REST);
                    return;
                }
            }
        }
    }

    fn hand_over(&mut self, socket: OwnedFd, peer: Option<SocketAddr>, number: usize) {
        let is_unix = matches!(self.sockets[number].address, Address::Unix(_));
        if !is_unix {
            // Answers are written whole: waiting for more to send with them would only delay them.
            let _ = sockopt::set_tcp_nodelay(&socket, true);
        }
        let who = match (peer, self.sockets[number].address.tcp()) {
            (Some(peer), Some(server)) => Peer::tcp(peer, server),
            _ => Peer::local(None, user_of(&socket)),
        };
        let Ok(address) = self
            .shared
            .addresses
            .enter(peer.map(|peer| peer.ip()), |ip| {
                self.shared.app.trusts_proxy(ip)
            })
        else {
            log::debug!("a connection is refused: its address has as many as it may");
            return;
        };
        let socket = Socket(socket);
        let transport = match &self.tls {
            Some(tls) if !is_unix => Transport::Tls(Box::new(tls.start(socket))),
            _ => Transport::Plain(socket),
        };
        let connections = self.shared.connections.fetch_add(1, Ordering::SeqCst);
        let crowded = connections >= self.max_connections;
        if connections > self.max_connections {
            // Two for one, until there are no more than there is room for.
            let _ = self.most_spare().send(Message::MakeRoom);
        }
        let mailbox = if crowded {
            self.most_spare()
        } else {
            let active = self.shared.balance.active();
            Mailbox::least_busy(&self.hub.mailboxes, active, self.now())
        };
        mailbox.connections.fetch_add(1, Ordering::Relaxed);
        // Workers end after the listener.
        let _ = mailbox.send(Message::Adopt(Incoming {
            transport,
            peer: who,
            address,
            crowded,
        }));
    }

    /// Waits until it is plain who has to make room.
    fn wait_in_doubt(&self) {
        let begun = Instant::now();
        while !self.shared.siege.lasts(self.now())
            && Mailbox::are_many_slow(&self.hub.mailboxes)
            && !self.shared.is_stopping()
        {
            if begun.elapsed() >= DOUBT {
                self.shared.siege.notice(self.now());
                return;
            }
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Makes somebody give up a descriptor; false where nobody can, after a rest.
    fn find_descriptor(&mut self, error: Errno) -> bool {
        self.tell(error);
        self.fit();
        let before = self.shared.connections.load(Ordering::SeqCst);
        // From now on each that comes takes the place of another.
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

    fn tell(&mut self, error: Errno) {
        if self.told.is_none_or(|told| told.elapsed() >= TELL_EVERY) {
            self.told = Some(Instant::now());
            log::warn!("connections cannot be accepted now: {error}; trying on");
        }
    }

    /// The worker that makes room, by the message that it is about to get.
    fn most_spare(&self) -> &Mailbox {
        self.wait_in_doubt();
        let active = self.shared.balance.active();
        let now = self.now();
        let besieged = self.shared.siege.lasts(now);
        let mailbox = Mailbox::most_spare(&self.hub.mailboxes, active, now, besieged);
        mailbox.to_make_room.fetch_add(1, Ordering::Relaxed);
        mailbox
    }

    fn now(&self) -> u64 {
        milliseconds(self.started.elapsed())
    }
}

/// The user whose process connected to this Unix socket.
fn user_of(socket: &OwnedFd) -> Option<u32> {
    let credentials = sockopt::socket_peercred(socket).ok()?;
    Some(credentials.uid.as_raw())
}

fn impossible(error: Errno) -> Error {
    Error::Io(format!("The listener cannot be made: {error}."))
}
