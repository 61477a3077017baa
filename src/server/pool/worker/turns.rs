//! The turns of a worker's connections: delivers messages, and does what a connection wants after its turn.

use std::mem;
use std::time::Instant;

use rustix::event::epoll::{self, EventData, EventFlags};

use super::{Place, Worker};
use crate::server::pool::buffered_memory::LARGE;
use crate::server::pool::connection::{Connection, Next, Ready, Turn};
use crate::server::pool::deadlines::Wait;
use crate::server::pool::mailbox::{Incoming, Message, Token};
use crate::server::pool::transport::Transport;

/// A response buffer that has grown beyond this is freed.
const KEPT_OUT: usize = 256 << 10;
/// Sent to a connection for which there is no room; nothing has been read from it.
const AT_CAPACITY: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nCache-Control: no-store\r\nRetry-After: 1\r\n\
                         Content-Length: 0\r\nConnection: close\r\n\r\n";

impl Worker {
    pub(super) fn read_mail(&mut self) {
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
                    // From now on the connection counts it, if it keeps it.
                    self.shared.buffered.change(answer.capacity(), 0);
                    self.with(token, |connection, turn| {
                        connection.answered(turn, answer, close)
                    });
                    self.shared.buffered.release(reserved);
                }
            }
        }
    }

    pub(super) fn adopt(&mut self, incoming: Incoming) {
        let Incoming {
            mut transport,
            peer,
            address,
            awaited,
            crowded,
        } = incoming;
        let has_room = !crowded || self.make_room();
        if crowded {
            self.made_room();
        }
        if !has_room {
            if let Transport::Plain(_) = transport {
                let _ = transport.write(AT_CAPACITY);
            }
            self.let_go(address);
            return;
        }
        let connection = Box::new(Connection::new(transport, peer, address, awaited));
        self.house(connection, Wait::Head);
    }

    /// Puts a connection in a slot and gives it its first turn: most clients send at once, so their request is usually
    /// here already.
    pub(super) fn house(&mut self, connection: Box<Connection>, wait: Wait) {
        let index = self.free.pop().unwrap_or_else(|| {
            self.places.push(Place::default());
            (self.places.len() - 1) as u32
        });
        self.places[index as usize].connection = Some(connection);
        self.deadlines.set(index, wait, Instant::now());
        self.drive(self.token(index));
    }

    /// Drives a connection whose socket is ready, unless it is queued anyway: a client that sends without pause would
    /// get an extra turn in each round.
    pub(super) fn drive_ready(&mut self, token: Token) {
        if !self.place(token).is_some_and(|place| place.again) {
            self.drive(token);
        }
    }

    /// Drives the connections that waited for others to have their turn.
    pub(super) fn drive_again(&mut self) {
        for token in mem::take(&mut self.again) {
            if let Some(place) = self.place(token) {
                place.again = false;
                self.drive(token);
            }
        }
    }

    /// The slot of this connection; `None` if it is closed.
    pub(super) fn place(&mut self, token: Token) -> Option<&mut Place> {
        self.places
            .get_mut(token.index as usize)
            .filter(|place| place.generation == token.generation)
    }

    pub(super) fn drive(&mut self, token: Token) {
        self.with(token, |connection, turn| connection.drive(turn));
    }

    /// Gives a connection its turn and does what it wants next. Does nothing if it has been closed.
    pub(super) fn with(
        &mut self,
        token: Token,
        act: impl FnOnce(&mut Connection, &mut Turn<'_>) -> Next,
    ) {
        if let Some((next, grown)) = self.lend(token, act) {
            self.go_on(token, next);
            if grown {
                self.keep_tls_ceiling(token);
            }
        }
    }

    /// Runs a connection's turn. Returns what it wants next, and whether its TLS state has grown.
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
                // Its deadline stays: a client that sends fast may still take too long.
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
                // Otherwise a client that hangs up meanwhile would be reported repeatedly.
                self.watch(token, None);
                let is_large = job.bytes() > LARGE;
                // The number of small ones is bounded by the queues.
                let refused = if !self.keep_ceiling(is_large) && is_large {
                    Err(job.refuse(&self.shared))
                } else {
                    self.hub.blocking.submit(job, self.number, token)
                };
                let Err(refusal) = refused else {
                    return;
                };
                // A refused job ends its connection, so no other job follows.
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

    /// Polls the connection's socket for this, or not at all; false if that fails.
    pub(super) fn watch(&mut self, token: Token, on: Option<Ready>) -> bool {
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
}
