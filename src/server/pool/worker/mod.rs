//! A worker: its own epoll and its own connections. It drives each connection when its socket is ready, closes overdue
//! ones, and never waits past the next deadline.
//!
//! `accepting` accepts connections, `turns` gives each connection its turn, `moving` moves connections to other workers based on the load recorded in
//! `look`, and `evicting` closes those for which there is no room.

mod accepting;
mod evicting;
mod look;
mod moving;
mod spin;
mod turns;

use std::hint;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustix::io::Errno;

use super::acceptor::listening;
use super::connection::{Connection, Ready};
use super::deadlines::{Deadlines, Wait};
use super::eviction::paces::Paces;
use super::hub::Hub;
use super::mailbox::{Mailbox, Token, milliseconds};
use super::shared::Shared;
use crate::Error;
use crate::base::address::Counted;
use crate::base::fork;

use look::{Giving, Look};
use spin::Spin;

/// Events taken at a time: few, so that a new request does not wait behind many.
const EVENTS: usize = 8;
/// Maximum bytes per read.
const SCRATCH: usize = 64 << 10;
/// Event data of the mailbox; no connection has it.
const MAILBOX: u64 = u64::MAX;
const AT_ONCE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 0,
};

/// The timeout of each kind of wait.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timeouts {
    pub(super) head: Duration,
    pub(super) body: Duration,
    pub(super) idle: Duration,
    pub(super) write: Duration,
    pub(super) linger: Duration,
}

/// See the module.
pub(super) struct Worker {
    number: usize,
    shared: Arc<Shared>,
    hub: Arc<Hub>,
    epoll: Arc<OwnedFd>,
    places: Vec<Place>,
    free: Vec<u32>,
    deadlines: Deadlines,
    /// Transfer progress of the connections in mid-transfer.
    paces: Paces,
    /// Where the last search for connections of one address ended.
    looked_at: usize,
    /// Connections to drive again after others have had their turn.
    again: Vec<Token>,
    scratch: Vec<u8>,
    out: Vec<u8>,
    started: Instant,
    stopping: bool,
    /// Whether it accepts connections.
    accepts: bool,
    /// Not before this time, after an error.
    accepts_from: Instant,
    /// Turns of connections so far.
    done: u64,
    giving: Giving,
    look: Look,
    spin: Spin,
}

#[derive(Default)]
struct Place {
    generation: u32,
    connection: Option<Box<Connection>>,
    /// The readiness for which its socket is polled, if it is.
    watched: Option<Ready>,
    /// Whether it is queued to be driven again.
    again: bool,
}

impl Worker {
    pub(super) fn new(
        number: usize,
        hub: Arc<Hub>,
        patience: Timeouts,
        started: Instant,
    ) -> Result<Self, Error> {
        let impossible = |error: Errno| Error::Io(format!("A worker cannot be created: {error}."));
        let epoll = epoll::create(CreateFlags::CLOEXEC).map_err(impossible)?;
        let waker = hub.mailboxes[number].waker();
        epoll::add(&epoll, waker, EventData::new_u64(MAILBOX), EventFlags::IN)
            .map_err(impossible)?;
        Ok(Worker {
            number,
            shared: hub.shared.clone(),
            hub,
            epoll: Arc::new(epoll),
            places: Vec::new(),
            free: Vec::new(),
            deadlines: Deadlines::new(|wait| match wait {
                Wait::Head => patience.head,
                Wait::Body => patience.body,
                Wait::Idle => patience.idle,
                Wait::Write => patience.write,
                Wait::Linger => patience.linger,
            }),
            paces: Paces::default(),
            looked_at: 0,
            again: Vec::new(),
            scratch: vec![0; SCRATCH],
            out: Vec::new(),
            started,
            stopping: false,
            accepts: false,
            accepts_from: started,
            done: 0,
            giving: Giving::Nothing,
            look: Look::new(started),
            spin: Spin::new(started),
        })
    }

    /// Runs until the engine stops and no connection is left.
    pub(super) fn run(mut self) -> Result<(), Error> {
        let mut events: Vec<Event> = Vec::with_capacity(EVENTS);
        let mut now = Instant::now();
        let _section = fork::section();
        loop {
            self.choose_to_accept();
            self.publish_spare();
            self.mailbox().load.waits(self.done);
            let woken = self.wait(&mut events, now)?;
            self.look.asleep += woken - now;
            self.mailbox()
                .load
                .begins(milliseconds(woken - self.started));
            // New connections first: while a route holds this worker up, the listener would not know of them.
            for socket in events.iter().filter_map(listening) {
                self.accept_from(socket);
            }
            let mut rung = false;
            for event in events.drain(..) {
                match event.data.u64() {
                    MAILBOX => rung = true,
                    _ if listening(&event).is_some() => {}
                    data => self.drive_ready(token(data)),
                }
            }
            self.drive_again();
            if rung {
                self.read_mail();
            }
            self.hub.heartbeat.count(self.number);
            now = Instant::now();
            self.close_overdue(now);
            self.sample_load(now);
            if self.shared.is_stopping() && self.has_stopped(now) {
                return Ok(());
            }
        }
    }

    /// Waits for events until the next deadline; returns the time after that.
    fn wait(&mut self, events: &mut Vec<Event>, now: Instant) -> Result<Instant, Error> {
        let timeout = self.timeout(now);
        let limit = match self.again.is_empty() {
            true => self.spin.limit(now),
            false => Duration::ZERO,
        };
        let mut polled = Duration::ZERO;
        let waited = fork::outside(|| {
            while polled < limit {
                let found = epoll::wait(&self.epoll, spare_capacity(events), Some(&AT_ONCE));
                if found != Ok(0) {
                    return found;
                }
                // Not by `sched_yield`: Linux then takes a whole time slice from a thread that has company.
                (0..20).for_each(|_| hint::spin_loop());
                polled = now.elapsed();
            }
            epoll::wait(&self.epoll, spare_capacity(events), timeout.as_ref())
        });
        if let Err(error) = waited
            && error != Errno::INTR
        {
            return Err(Error::Io(format!("A worker cannot wait: {error}.")));
        }
        let woken = Instant::now();
        self.spin.waited(woken, polled, polled < limit, woken - now);
        Ok(woken)
    }

    fn mailbox(&self) -> &Mailbox {
        &self.hub.mailboxes[self.number]
    }

    fn timeout(&self, now: Instant) -> Option<Timespec> {
        let closes_idle = self.shared.closes_idle().filter(|closes| *closes > now);
        let wait = if self.again.is_empty() {
            let next = self.deadlines.next().into_iter().chain(closes_idle).min();
            next?.saturating_duration_since(now)
        } else {
            Duration::ZERO
        };
        Some(Timespec {
            tv_sec: wait.as_secs().try_into().unwrap_or(3600),
            // Rounded up, so as not to spin just before a deadline.
            tv_nsec: (wait.subsec_nanos().div_ceil(1_000_000) * 1_000_000)
                .min(999_000_000)
                .into(),
        })
    }

    fn close_overdue(&mut self, now: Instant) {
        while let Some((index, wait)) = self.deadlines.due(now) {
            self.deadlines.clear(index);
            let token = self.token(index);
            self.with(token, |connection, turn| connection.overdue(turn, wait));
        }
    }

    /// Removes a connection from its slot.
    fn remove(&mut self, token: Token) -> Option<Box<Connection>> {
        self.deadlines.clear(token.index);
        self.paces.forget(token.index);
        // Closing the descriptor is not enough: copies in child processes forked by the host would keep it in epoll and
        // this worker awake.
        self.watch(token, None);
        let place = &mut self.places[token.index as usize];
        let connection = place.connection.take()?;
        place.generation = place.generation.wrapping_add(1);
        place.watched = None;
        place.again = false;
        self.free.push(token.index);
        Some(connection)
    }

    fn close(&mut self, token: Token) {
        let Some(connection) = self.remove(token) else {
            return;
        };
        self.end(connection);
    }

    fn end(&self, mut connection: Box<Connection>) {
        connection.uncount(&self.shared);
        let address = connection.address;
        connection.transport().cut();
        drop(connection);
        self.let_go(address);
    }

    fn let_go(&self, address: Option<Counted>) {
        self.shared.addresses.leave(address);
        self.mailbox().connections.fetch_sub(1, Ordering::Relaxed);
        self.shared.connections.fetch_sub(1, Ordering::SeqCst);
    }

    fn token(&self, index: u32) -> Token {
        Token {
            index,
            generation: self.places[index as usize].generation,
        }
    }

    /// Closes idle connections when it is time to; true when no connection is left and none can come.
    fn has_stopped(&mut self, now: Instant) -> bool {
        if !mem::replace(&mut self.stopping, true) {
            for index in 0..self.places.len() as u32 {
                // Requests already received are still answered.
                self.drive(self.token(index));
            }
        }
        let aborting = self.shared.is_aborting();
        let closes_idle = self.shared.closes_idle().is_none_or(|closes| closes <= now);
        if aborting || closes_idle {
            for index in 0..self.places.len() {
                let Some(connection) = &self.places[index].connection else {
                    continue;
                };
                if aborting && connection.owes_a_response() {
                    self.shared.set_cut_off();
                }
                if aborting || connection.is_between_requests() {
                    self.close(self.token(index as u32));
                }
            }
        }
        // In this order: messages sent before the listener ended are in the mailbox.
        self.shared.listened.load(Ordering::SeqCst)
            && (aborting || self.free.len() == self.places.len())
            && self.mailbox().close_if_empty()
    }
}

fn token(data: u64) -> Token {
    Token {
        index: data as u32,
        generation: (data >> 32) as u32,
    }
}
