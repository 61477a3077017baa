//! A worker's part in the balance: it samples its load and gives idle connections to other workers.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::Worker;
use super::look::Giving;
use crate::server::pool::balance::{Balance, LOOK, View};
use crate::server::pool::connection::Connection;
use crate::server::pool::deadlines::Wait;
use crate::server::pool::mailbox::{Message, Token, milliseconds};

/// How long a worker gives away half of the connections it serves.
const GIVES_FOR: Duration = Duration::from_millis(40);

impl Worker {
    /// Samples its load if it is time to, and follows what the workers have decided.
    pub(super) fn sample_load(&mut self, now: Instant) {
        let since = now - self.look.at;
        if since >= LOOK {
            let asleep = self.look.asleep.as_secs_f64() / since.as_secs_f64();
            self.look.at = now;
            self.look.asleep = Duration::ZERO;
            self.look_at_load(now, (1.0 - asleep).max(0.0));
        }
        if self.look.version != self.shared.balance.version() {
            self.take_part(now);
        }
        if let Giving::Half { until, .. } = self.giving
            && now >= until
        {
            self.giving = Giving::Nothing;
        }
    }

    fn look_at_load(&mut self, now: Instant, busy: f64) {
        let time = now - self.started;
        let mailboxes = &self.hub.mailboxes;
        let own = &mailboxes[self.number].load;
        own.looked(milliseconds(time), busy);
        let done = self.all_done();
        self.look.loaded = if Balance::is_loaded(busy) {
            self.look.loaded + 1
        } else {
            0
        };
        let given = self.shared.balance.look(&View {
            number: self.number,
            now: time,
            busy,
            loaded_looks: self.look.loaded,
            done,
            load: &|number| mailboxes[number].load.busy(milliseconds(time)),
        });
        if let Some(to) = given
            && self.giving == Giving::Nothing
        {
            self.give_half(to, now);
        }
    }

    /// Turns of all workers' connections so far.
    fn all_done(&self) -> u64 {
        let mailboxes = self.hub.mailboxes.iter().enumerate();
        mailboxes
            .filter(|(number, _)| *number != self.number)
            .map(|(_, mailbox)| mailbox.load.done())
            .sum::<u64>()
            + self.done
    }

    /// Reacts to a change in the number of active workers.
    fn take_part(&mut self, now: Instant) {
        let before = self.look.active;
        self.look.version = self.shared.balance.version();
        self.look.active = self.shared.balance.active();
        // Earlier samples say nothing about the new load.
        self.look.loaded = 0;
        let joins = self.number + before;
        if self.number >= self.look.active {
            self.giving = Giving::All;
        } else if self.number < before && joins < self.look.active {
            self.give_half(joins, now);
        } else {
            self.giving = Giving::Nothing;
        }
    }

    fn give_half(&mut self, to: usize, now: Instant) {
        self.giving = Giving::Half {
            to,
            until: now + GIVES_FOR,
            salt: (now - self.started).subsec_nanos(),
        };
    }

    /// Whether to give away this connection, which has just been served.
    pub(super) fn gives(&self, token: Token) -> bool {
        if self.giving == Giving::Nothing || self.shared.is_stopping() {
            return false;
        }
        let place = &self.places[token.index as usize];
        let may_go = place.connection.as_ref().is_some_and(|c| c.may_move());
        may_go
            && match self.giving {
                Giving::Nothing => false,
                Giving::All => true,
                // The same decision in each of its turns.
                Giving::Half { salt, .. } => {
                    (token.index ^ salt).wrapping_mul(0x9e37_79b9) >> 31 == 0
                }
            }
    }

    pub(super) fn give_away(&mut self, token: Token) {
        let to = match self.giving {
            Giving::Half { to, .. } => to,
            _ => token.index as usize % self.look.active,
        };
        self.watch(token, None);
        let Some(connection) = self.remove(token) else {
            return;
        };
        let receiver = &self.hub.mailboxes[to];
        receiver.connections.fetch_add(1, Ordering::Relaxed);
        match receiver.send(Message::TakeOver(connection)) {
            Ok(()) => {
                self.mailbox().connections.fetch_sub(1, Ordering::Relaxed);
            }
            // The receiver has ended, because the engine stops.
            Err(Message::TakeOver(connection)) => {
                receiver.connections.fetch_sub(1, Ordering::Relaxed);
                self.end(connection);
            }
            Err(_) => {}
        }
    }

    pub(super) fn take_over(&mut self, connection: Box<Connection>) {
        self.house(connection, Wait::Idle);
    }
}
