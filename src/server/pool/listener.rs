//! The listener: one thread that accepts connections on all addresses and hands each to a worker. While the workers accept
//! for themselves, it only checks now and then that they do. Only a stop ends it.
//! It accepts no more connections than the process has descriptors for. If descriptors run out anyway, it evicts
//! connections, and pauses only if none can be evicted.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;

use super::descriptors::Room;
use super::eviction::admission::Admission;
use super::hub::Hub;
use super::mailbox::{Incoming, Mailbox, Message};
use super::shared::Shared;
use crate::Error;

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
/// How often the listener checks that busy workers accept.
const CHECK_EVERY: Duration = Duration::from_millis(5);
/// No recount if the limit on open files is more than this many times the connection limit: the host would have to hold
/// most of them.
const PLENTY: usize = 2;
/// Event data of the waker; no socket has it.
const WAKER: u64 = u64::MAX;

/// Event data of this socket.
fn data(socket: usize) -> u64 {
    socket as u64
}

/// What the workers have done so far.
#[derive(Clone, Copy)]
struct Progress {
    /// The rounds of the active ones.
    rounds: u64,
    /// The connections of all threads.
    accepted: u64,
}

/// See the module.
pub(super) struct Listener {
    shared: Arc<Shared>,
    hub: Arc<Hub>,
    /// How many sockets it listens on.
    sockets: usize,
    epoll: OwnedFd,
    /// Connection limit from the settings, and from the available descriptors.
    permitted: usize,
    max_connections: usize,
    /// When the latter was counted, and whether it may change.
    fitted: Instant,
    scarce: bool,
    admission: Admission,
    /// While it only checks that the workers accept: what they had done at the last check.
    checks: Option<Progress>,
    /// When a shortage was last logged.
    reported: Option<Instant>,
}

impl Listener {
    pub(super) fn new(
        hub: Arc<Hub>,
        max_connections: usize,
        started: Instant,
    ) -> Result<Self, Error> {
        let epoll = epoll::create(CreateFlags::CLOEXEC).map_err(impossible)?;
        let waker = EventData::new_u64(WAKER);
        epoll::add(&epoll, &hub.waker.0, waker, EventFlags::IN).map_err(impossible)?;
        let sockets = hub.acceptor.sockets();
        for socket in &*sockets {
            let descriptor = socket.listener.as_fd();
            rustix::io::ioctl_fionbio(descriptor, true).map_err(impossible)?;
            // A second listen only extends the backlog: bursts arrive faster than any thread is scheduled.
            rustix::net::listen(descriptor, BACKLOG).map_err(impossible)?;
        }
        let count = sockets.len();
        drop(sockets);
        hub.acceptor.watch(&epoll, data).map_err(impossible)?;
        let mut listener = Listener {
            shared: hub.shared.clone(),
            hub,
            sockets: count,
            epoll,
            permitted: max_connections,
            max_connections,
            fitted: Instant::now(),
            scarce: false,
            admission: Admission::new(started),
            checks: None,
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
        // While descriptors are scarce, this thread recounts them after each connection.
        let roomy = if self.scarce {
            connections / 2
        } else {
            connections
        };
        self.hub.acceptor.set_roomy(roomy);
        self.shared.addresses.fit(connections);
    }

    /// Accepts until the engine stops, then accepts what is already queued and closes the sockets.
    pub(super) fn run(mut self) {
        let mut events: Vec<Event> = Vec::with_capacity(8);
        while !self.shared.is_stopping() {
            match epoll::wait(
                &self.epoll,
                spare_capacity(&mut events),
                self.timeout().as_ref(),
            ) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => {
                    log::error!("the listener cannot wait for connections: {error}");
                    thread::sleep(REST);
                }
            }
            let is_quiet = events.is_empty();
            for event in events.drain(..) {
                match event.data.u64() {
                    WAKER => {
                        self.hub.waker.reset();
                        self.wait_behind_workers();
                        self.accept_from_all();
                    }
                    _ if self.checks.is_some() => {}
                    _ if self.hub.acceptor.has_workers() => self.begin_checks(),
                    number => self.accept_from(number as usize),
                }
            }
            self.hub.heartbeat.count_listener();
            if is_quiet && self.checks.is_some() {
                self.check_workers();
            }
            if self.fitted.elapsed() >= FIT_EVERY && self.is_short() {
                self.fit_anew();
            }
        }
        self.accept_from_all();
        let sockets = self.hub.acceptor.close();
        self.take_returned();
        for socket in &sockets {
            socket.remove_file();
        }
        drop(sockets);
        self.shared.listened.store(true, Ordering::SeqCst);
        self.hub.wake_all();
    }

    fn timeout(&self) -> Option<Timespec> {
        let wait = match self.checks {
            Some(_) => CHECK_EVERY,
            None if self.is_short() => FIT_EVERY,
            None => return None,
        };
        Timespec::try_from(wait).ok()
    }

    /// The kernel has woken this thread because all workers that accept are at work. They soon look for new connections,
    /// so that from now on this thread need not wake for each of them: it checks instead that the workers go on.
    fn begin_checks(&mut self) {
        self.hub.acceptor.ignore(&self.epoll);
        self.checks = Some(self.progress());
    }

    fn check_workers(&mut self) {
        let now = self.progress();
        let Some(before) = self.checks.replace(now) else {
            return;
        };
        if now.rounds == before.rounds {
            // A route holds them up, or there is nothing to do.
            self.accept_from_all();
        }
        if now.accepted == before.accepted || !self.hub.acceptor.has_workers() {
            self.wait_behind_workers();
        }
    }

    fn progress(&self) -> Progress {
        let rounds = self.hub.heartbeat.rounds();
        let active = self.shared.balance.active();
        Progress {
            rounds: rounds.iter().take(active).sum(),
            accepted: self.shared.accepted.get(),
        }
    }

    /// Waits for connections that none of the waiting workers is woken for.
    fn wait_behind_workers(&mut self) {
        self.checks = None;
        self.hub.acceptor.ignore(&self.epoll);
        if let Err(error) = self.hub.acceptor.watch(&self.epoll, data) {
            log::error!("the listener cannot wait for connections: {error}");
        }
    }

    fn take_returned(&mut self) {
        for incoming in self.hub.acceptor.returned() {
            self.hand_over(incoming);
        }
    }

    fn accept_from_all(&mut self) {
        self.take_returned();
        for number in 0..self.sockets {
            self.accept_from(number);
        }
    }

    fn accept_from(&mut self, number: usize) {
        for _ in 0..TURN {
            match self.hub.acceptor.accept(number) {
                Ok(Some(incoming)) => self.hand_over(incoming),
                Ok(None) => {}
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

    fn hand_over(&mut self, incoming: Incoming) {
        let connections = self.shared.connections.load(Ordering::SeqCst);
        if connections > self.max_connections + 1 {
            // Above the limit: evict one more, until the count is back at the limit.
            let _ = self.most_spare().send(Message::MakeRoom);
        }
        let mailbox = if incoming.crowded {
            self.most_spare()
        } else {
            let active = self.shared.balance.active();
            Mailbox::least_busy(&self.hub.mailboxes, active, self.admission.now())
        };
        mailbox.connections.fetch_add(1, Ordering::Relaxed);
        // Cannot fail: workers end after the listener.
        let _ = mailbox.send(Message::Adopt(incoming));
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

fn impossible(error: Errno) -> Error {
    Error::Io(format!("The listener cannot be created: {error}."))
}
