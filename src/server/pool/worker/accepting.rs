//! A worker's part in accepting connections. While there is room, each active worker accepts for itself: it needs no wake-up
//! by the listener, and as long as it works, new connections wait until it looks for them. The kernel wakes only one of
//! the workers that wait.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::Worker;
use crate::server::pool::mailbox::{Incoming, Mailbox, Message, milliseconds};

/// Connections accepted on one socket in a row.
const TURN: usize = 8;
/// A worker keeps what it accepts unless another has fewer connections than it, less one part in this many.
const FEWER: usize = 8;
/// How long a worker leaves accepting to the listener after an error.
const REST: Duration = Duration::from_millis(50);

impl Worker {
    /// Begins or ends accepting: only active workers do, and only while the engine runs and has room.
    pub(super) fn choose_to_accept(&mut self) {
        let acceptor = &self.hub.acceptor;
        let is_active = self.number < self.shared.balance.active() && !self.shared.is_stopping();
        if self.accepts && !is_active {
            self.accepts = false;
            acceptor.end(&self.epoll);
        } else if !self.accepts
            && is_active
            && acceptor.is_roomy_again()
            && Instant::now() >= self.accepts_from
        {
            self.accepts = acceptor.begin(&self.epoll);
            // The listener goes back behind this worker.
            self.hub.waker.ring();
        }
    }

    pub(super) fn accept_from(&mut self, socket: usize) {
        for _ in 0..TURN {
            if !self.accepts || !self.hub.acceptor.is_roomy() {
                return self.leave_to_listener();
            }
            match self.hub.acceptor.accept(socket) {
                // Another thread has just taken the last room.
                Ok(Some(incoming)) if incoming.crowded => {
                    if let Some(mut incoming) = self.hub.acceptor.give_back(incoming) {
                        incoming.crowded = false;
                        self.place_incoming(incoming);
                    }
                    return self.leave_to_listener();
                }
                Ok(Some(incoming)) => self.place_incoming(incoming),
                // Refused, or the client left before the accept, or a signal arrived: try the next one.
                Ok(None) | Err(Errno::CONNABORTED | Errno::INTR | Errno::PROTO) => {}
                Err(Errno::AGAIN) => return,
                // It has the time to deal with them.
                Err(_) => {
                    self.accepts_from = Instant::now() + REST;
                    return self.leave_to_listener();
                }
            }
        }
    }

    /// Keeps the connection, or hands it to a worker with fewer.
    fn place_incoming(&mut self, incoming: Incoming) {
        let now = milliseconds(self.started.elapsed());
        let active = self.shared.balance.active();
        let least_busy = Mailbox::least_busy(&self.hub.mailboxes, active, now);
        let fewest = least_busy.connections.load(Ordering::Relaxed);
        let own = self.mailbox().connections.load(Ordering::Relaxed);
        if own - own / FEWER <= fewest {
            self.mailbox().connections.fetch_add(1, Ordering::Relaxed);
            self.adopt(incoming);
        } else {
            least_busy.connections.fetch_add(1, Ordering::Relaxed);
            // Fails if that worker has just ended, because the engine stops.
            if let Err(Message::Adopt(incoming)) = least_busy.send(Message::Adopt(incoming)) {
                least_busy.connections.fetch_sub(1, Ordering::Relaxed);
                self.mailbox().connections.fetch_add(1, Ordering::Relaxed);
                self.adopt(incoming);
            }
        }
    }

    fn leave_to_listener(&mut self) {
        if self.accepts {
            self.accepts = false;
            self.hub.acceptor.end(&self.epoll);
        }
        self.hub.waker.ring();
    }
}
