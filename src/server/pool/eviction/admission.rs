//! How the listener chooses the worker that evicts a connection for a new one, and how long it waits before that.

use std::thread;
use std::time::{Duration, Instant};

use super::choice::{Rank, Spare, Victim};
use super::slowest::GRACE;
use crate::server::pool::mailbox::{Mailbox, milliseconds};
use crate::server::pool::shared::Shared;

/// With many connections in mid-transfer, how long new connections wait to see whether this is a legitimate burst,
/// answered by then, or a flood that completes nothing.
const DOUBT: Duration = Duration::from_millis(400);
/// The longest wait before one eviction, so that a full accept queue (4,096 connections, `net.core.somaxconn`) takes
/// about a second.
const PACE: Duration = Duration::from_micros(250);
/// Shorter waits are put off and made together: a thread cannot sleep for so little.
const SHORT: Duration = Duration::from_millis(1);

/// See the module.
pub(in crate::server::pool) struct Admission {
    started: Instant,
    /// When the next connection that is not behind may be evicted.
    next: Instant,
}

impl Admission {
    pub(in crate::server::pool) fn new(started: Instant) -> Self {
        Admission {
            started,
            next: started,
        }
    }

    /// The worker with the best connection to evict; if none has one, the worker with the fewest connections. Waits for
    /// as long as the choice needs. The caller is about to ask that worker for it.
    pub(in crate::server::pool) fn most_spare<'a>(
        &mut self,
        mailboxes: &'a [Mailbox],
        shared: &Shared,
    ) -> &'a Mailbox {
        self.wait_in_doubt(mailboxes, shared);
        let besieged = shared.siege.lasts(self.now());
        for mailbox in mailboxes {
            mailbox.wait_for_room(mailbox.spare().at_once(besieged));
        }
        let now = self.now();
        let choices = mailboxes.iter().filter_map(|mailbox| {
            let (rank, victim) = mailbox.spare().choose(now, besieged)?;
            Some((rank, victim, mailbox))
        });
        let Some((rank, victim, mailbox)) = choices.min_by_key(|(rank, ..)| *rank) else {
            return Mailbox::least_busy(mailboxes, shared.balance.active(), now);
        };
        if victim == Victim::Slow && !is_behind(rank, now) {
            let slow_ones = mailboxes.iter().map(|mailbox| mailbox.spare().slow_ones);
            self.keep_pace(slow_ones.sum());
        }
        mailbox
    }

    /// Waits until it is clear which connections to evict.
    fn wait_in_doubt(&self, mailboxes: &[Mailbox], shared: &Shared) {
        let begun = Instant::now();
        while !shared.siege.lasts(self.now()) && are_many_slow(mailboxes) && !shared.is_stopping() {
            if begun.elapsed() >= DOUBT {
                shared.siege.notice(self.now());
                return;
            }
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Waits so that as many connections as are in mid-transfer are not evicted within less than the grace of each.
    fn keep_pace(&mut self, slow_ones: usize) {
        let now = Instant::now();
        self.next = self.next.max(now) + pause(slow_ones);
        let wait = self.next - now;
        if wait > SHORT {
            thread::sleep(wait);
        }
    }

    /// Milliseconds since the engine started.
    pub(in crate::server::pool) fn now(&self) -> u64 {
        milliseconds(self.started.elapsed())
    }
}

/// Whether many connections are in mid-transfer, but not so many that it is clear which to evict.
fn are_many_slow(mailboxes: &[Mailbox]) -> bool {
    let mut all = Spare::default();
    for mailbox in mailboxes {
        let spare = mailbox.spare();
        all.slow_ones += spare.slow_ones;
        all.connections += spare.connections;
    }
    all.are_many_slow() && !all.are_mostly_slow()
}

/// Between two evictions of connections that are not behind.
fn pause(slow_ones: usize) -> Duration {
    (GRACE / slow_ones.clamp(1, 1 << 20) as u32).min(PACE)
}

fn is_behind((_, falls_behind): Rank, now: u64) -> bool {
    falls_behind <= now
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_newcomer_has_its_grace_unless_the_queue_would_grow() {
        assert_eq!(pause(1000) * 1000, GRACE);
        assert_eq!(pause(10_000) * 10_000, GRACE);
        assert_eq!(pause(0), PACE);
        assert_eq!(pause(10), PACE);
        assert!(PACE * 4096 < Duration::from_millis(1100));
    }
}
