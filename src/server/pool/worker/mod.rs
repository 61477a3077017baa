//! A worker: its own epoll and its own connections. It drives each as its socket gets ready, closes what is overdue, and
//! waits no longer than the nearest deadline. `moving` gives connections to other workers, `room` closes some for others.

mod moving;
mod room;

use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustix::io::Errno;

use super::blocking::Pools;
use super::connection::{Connection, Next, Ready, Turn};
use super::deadlines::{Deadlines, Wait};
use super::mailbox::{Incoming, Mailbox, Message, Token, milliseconds};
use super::shared::{LARGE, Shared};
use super::transport::Transport;
use crate::Error;
use crate::base::address::Counted;
use crate::base::fork;

use moving::{Giving, Look};
use room::Paces;

/// Events taken at a time: few, so that a request that has come meanwhile does not wait behind many.
const EVENTS: usize = 8;
/// Most bytes read at a time.
const SCRATCH: usize = 64 << 10;
/// An answers' buffer that has grown beyond this is made anew.
const KEPT_OUT: usize = 256 << 10;
/// The bell's data; no connection has it.
const BELL: u64 = u64::MAX;
/// Said to a connection for which there is no room; nothing about it is known.
const CROWDED: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nCache-Control: no-store\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// How long connections may wait for each thing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
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
    epoll: OwnedFd,
    places: Vec<Place>,
    free: Vec<u32>,
    deadlines: Deadlines,
    /// How those get on that are in the middle of something.
    paces: Paces,
    /// Where the last search for connections of an address ended.
    looked_at: usize,
    /// Connections to be driven again when others have had their turn.
    again: Vec<Token>,
    scratch: Vec<u8>,
    out: Vec<u8>,
    started: Instant,
    stopping: bool,
    /// Turns of connections so far.
    done: u64,
    giving: Giving,
    look: Look,
}

#[derive(Default)]
struct Place {
    generation: u32,
    connection: Option<Box<Connection>>,
    /// What its socket is watched for; `None` while it is not.
    watched: Option<Ready>,
    /// Whether it stands among those to be driven again.
    again: bool,
}

impl Worker {
    pub(super) fn new(
        number: usize,
        shared: Arc<Shared>,
        patience: Patience,
        started: Instant,
    ) -> Result<Self, Error> {
        let impossible = |error: Errno| Error::Io(format!("A worker cannot be made: {error}."));
        let epoll = epoll::create(CreateFlags::CLOEXEC).map_err(impossible)?;
        let bell = shared.mailboxes[number].bell();
        epoll::add(&epoll, bell, EventData::new_u64(BELL), EventFlags::IN).map_err(impossible)?;
        Ok(Worker {
            number,
            shared,
            epoll,
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
            done: 0,
            giving: Giving::Nothing,
            look: Look::new(started),
        })
    }

    /// Works until the engine stops and no connection is left.
    pub(super) fn run(mut self) -> Result<(), Error> {
        let mut events: Vec<Event> = Vec::with_capacity(EVENTS);
        let mut now = Instant::now();
        let _section = fork::section();
        loop {
            self.publish_spare();
            let timeout = self.timeout(now);
            self.mailbox().load.waits(self.done);
            let waited = fork::outside(|| {
                epoll::wait(&self.epoll, spare_capacity(&mut events), timeout.as_ref())
            });
            match waited {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(Error::Io(format!("A worker cannot wait: {error}."))),
            }
            let woken = Instant::now();
            self.look.asleep += woken - now;
            self.mailbox()
                .load
                .begins(milliseconds(woken - self.started));
            let mut rung = false;
            for event in events.drain(..) {
                match event.data.u64() {
                    BELL => rung = true,
                    data => self.drive_ready(token(data)),
                }
            }
            self.drive_again();
            if rung {
                self.read_mail();
            }
            now = Instant::now();
            self.close_overdue(now);
            self.look_round(now);
            if self.shared.is_stopping() && self.has_stopped(now) {
                return Ok(());
            }
        }
    }

    fn mailbox(&self) -> &Mailbox {
        &self.shared.mailboxes[self.number]
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
            // Rounded up: a deadline that is nearly there must not be looked at over and over.
            tv_nsec: (wait.subsec_nanos().div_ceil(1_000_000) * 1_000_000)
                .min(999_000_000)
                .into(),
        })
    }

    fn read_mail(&mut self) {
        for message in self.mailbox().empty() {
            match message {
                Message::Adopt(incoming) => self.adopt(incoming),
                Message::TakeOver(connection) => self.take_over(connection),
                Message::Shed => self.told_to_shed(),
                Message::MakeRoom => {
                    self.make_room();
                    self.made_room();
                }
                Message::Answer {
                    token,
                    answer,
                    close,
                    reserved,
                } => {
                    // From now on the connection counts it, if it has to be kept.
                    self.shared.buffered.change(answer.capacity(), 0);
                    self.with(token, |connection, turn| {
                        connection.answered(turn, answer, close)
                    });
                    self.shared.buffered.release(reserved);
                }
            }
        }
    }

    fn adopt(&mut self, incoming: Incoming) {
        let Incoming {
            mut transport,
            peer,
            address,
            crowded,
        } = incoming;
        let has_room = !crowded || self.make_room();
        if crowded {
            self.made_room();
        }
        if !has_room {
            if let Transport::Plain(_) = transport {
                let _ = transport.write(CROWDED);
            }
            self.let_go(address);
            return;
        }
        let connection = Box::new(Connection::new(transport, peer, address));
        self.house(connection, Wait::Head);
    }

    /// Finds a place for a connection, and gives it its first turn: most clients send at once, and their request is here
    /// already.
    fn house(&mut self, connection: Box<Connection>, wait: Wait) {
        let index = self.free.pop().unwrap_or_else(|| {
            self.places.push(Place::default());
            (self.places.len() - 1) as u32
        });
        self.places[index as usize].connection = Some(connection);
        self.deadlines.set(index, wait, Instant::now());
        self.drive(self.token(index));
    }

    /// Drives a connection whose socket is ready, unless it is to have its turn anyway: who sends without end would get one
    /// more in each round.
    fn drive_ready(&mut self, token: Token) {
        if !self.place(token).is_some_and(|place| place.again) {
            self.drive(token);
        }
    }

    /// Drives those that were to wait until others have had their turn.
    fn drive_again(&mut self) {
        for token in mem::take(&mut self.again) {
            if let Some(place) = self.place(token) {
                place.again = false;
                self.drive(token);
            }
        }
    }

    /// The place of this connection; `None` where it is gone.
    fn place(&mut self, token: Token) -> Option<&mut Place> {
        self.places
            .get_mut(token.index as usize)
            .filter(|place| place.generation == token.generation)
    }

    fn drive(&mut self, token: Token) {
        self.with(token, |connection, turn| connection.drive(turn));
    }

    /// Gives a connection its turn and does what it wants next. One that is gone meanwhile gets none.
    fn with(&mut self, token: Token, act: impl FnOnce(&mut Connection, &mut Turn<'_>) -> Next) {
        if let Some((next, grown)) = self.lend(token, act) {
            self.go_on(token, next);
            if grown {
                self.keep_tls_ceiling(token);
            }
        }
    }

    /// Lends a connection what it needs for its turn. Beside what it wants next: whether its TLS state has grown.
    fn lend(
        &mut self,
        token: Token,
        act: impl FnOnce(&mut Connection, &mut Turn<'_>) -> Next,
    ) -> Option<(Next, bool)> {
        let place = self.places.get_mut(token.index as usize)?;
        let connection = place
            .connection
            .as_mut()
            .filter(|_| place.generation == token.generation)?;
        let mut turn = Turn {
            shared: &self.shared,
            scratch: &mut self.scratch,
            out: &mut self.out,
        };
        let next = act(connection, &mut turn);
        let grown = connection.count_tls(&self.shared);
        self.done += 1;
        self.out.clear();
        if self.out.capacity() > KEPT_OUT {
            self.out = Vec::new();
        }
        Some((next, grown))
    }

    fn go_on(&mut self, token: Token, next: Next) {
        match next {
            Next::Wait {
                wait: Wait::Idle,
                on: Ready::Read,
                anew: true,
            } if self.gives(token) => self.give_away(token),
            Next::Wait { wait, on, anew } => {
                let begins = anew || self.deadlines.get(token.index) != Some(wait);
                if begins {
                    self.deadlines.set(token.index, wait, Instant::now());
                }
                match self.watch(token, Some(on)) {
                    true => self.keep_pace(token, wait, begins),
                    false => self.close(token),
                }
            }
            Next::Again => {
                let connection = self.places[token.index as usize].connection.as_ref();
                if connection.is_some_and(|connection| connection.counted() > LARGE) {
                    self.keep_pace(token, Wait::Body, false);
                }
                // Its time goes on: who sends fast may be slow all the same.
                let queued = self
                    .place(token)
                    .is_none_or(|place| mem::replace(&mut place.again, true));
                if !queued {
                    self.again.push(token);
                }
            }
            Next::Nothing => {}
            Next::Blocked(job) => {
                self.deadlines.clear(token.index);
                self.paces.forget(token.index);
                // A client that hangs up meanwhile would be reported over and over.
                self.watch(token, None);
                let is_large = job.bytes() > LARGE;
                // The queues bound how many small ones there are.
                let refused = if !self.keep_ceiling(is_large) && is_large {
                    Err(job.refuse(&self.shared))
                } else {
                    Pools::submit(&self.shared, job, self.number, token)
                };
                let Err(refusal) = refused else {
                    return;
                };
                // A refused job ends its connection, so it brings no other job.
                let refused = |connection: &mut Connection, turn: &mut Turn<'_>| {
                    connection.answered(turn, refusal, true)
                };
                if let Some((next, _)) = self.lend(token, refused) {
                    self.go_on(token, next);
                }
            }
            Next::Close => self.close(token),
        }
    }

    /// Watches the connection's socket for this; false where that is not possible.
    fn watch(&mut self, token: Token, on: Option<Ready>) -> bool {
        let place = &mut self.places[token.index as usize];
        let Some(connection) = &place.connection else {
            return false;
        };
        let watched = mem::replace(&mut place.watched, on);
        if watched == on {
            return true;
        }
        let socket = connection.transport();
        let data = EventData::new_u64(u64::from(token.generation) << 32 | u64::from(token.index));
        let flags = |ready: Ready| match ready {
            Ready::Read => EventFlags::IN,
            Ready::Write => EventFlags::OUT,
        };
        let done = match (watched, on) {
            (None, Some(ready)) => epoll::add(&self.epoll, socket, data, flags(ready)),
            (Some(_), Some(ready)) => epoll::modify(&self.epoll, socket, data, flags(ready)),
            (_, None) => epoll::delete(&self.epoll, socket),
        };
        done.is_ok()
    }

    fn close_overdue(&mut self, now: Instant) {
        while let Some((index, wait)) = self.deadlines.due(now) {
            self.deadlines.clear(index);
            let token = self.token(index);
            self.with(token, |connection, turn| connection.overdue(turn, wait));
        }
    }

    /// Takes a connection out of its place.
    fn remove(&mut self, token: Token) -> Option<Box<Connection>> {
        self.deadlines.clear(token.index);
        self.paces.forget(token.index);
        // Closing the descriptor would end the watch too, but for processes that a host has forked off: their copies would
        // keep this worker awake.
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

    /// Lets go of what waits for nothing but a request, when it is time to; true when no connection is left and none can
    /// come.
    fn has_stopped(&mut self, now: Instant) -> bool {
        if !mem::replace(&mut self.stopping, true) {
            for index in 0..self.places.len() as u32 {
                // What has come already is still answered.
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
                if aborting || connection.is_between_requests() {
                    self.close(self.token(index as u32));
                }
            }
        }
        // In this order: what was sent before the listener ended is in the mailbox.
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
