//! Evicts connections of this worker when there is no room for connections, descriptors or bytes, as the policy in
//! `pool/eviction` has it.

use std::sync::atomic::Ordering;
use std::time::Instant;

use super::Worker;
use crate::base::address::Counted;
use crate::server::pool::buffered_memory::LARGE;
use crate::server::pool::deadlines::Wait;
use crate::server::pool::eviction::choice::{Spare, Victim};
use crate::server::pool::eviction::paces::SMALL;
use crate::server::pool::mailbox::{Mailbox, Message, Token, milliseconds};

/// Connections examined in one search for those of an address.
const LOOKED_AT: usize = 64;

impl Worker {
    /// While the TLS state of all connections exceeds its limit, evicts connections of this worker. If it has none to
    /// evict, the other workers must, and the connection that exceeded the limit is closed.
    pub(super) fn keep_tls_ceiling(&mut self, token: Token) {
        while !self.shared.tls.has_room(false) {
            if self.make_room() {
                continue;
            }
            for (number, mailbox) in self.hub.mailboxes.iter().enumerate() {
                if number != self.number {
                    mailbox.to_make_room.fetch_add(1, Ordering::Relaxed);
                    // Fails only when the engine stops, and then no room is needed.
                    let _ = mailbox.send(Message::MakeRoom);
                }
            }
            if self
                .place(token)
                .is_some_and(|place| place.connection.is_some())
            {
                self.close(token);
            }
            return;
        }
    }

    /// Records the progress of a connection that waits for this. `begins`: the wait is for something new.
    pub(super) fn keep_pace(&mut self, token: Token, wait: Wait, begins: bool) {
        let index = token.index;
        if wait == Wait::Idle {
            self.paces.forget(index);
            return;
        }
        let Some(connection) = &mut self.places[index as usize].connection else {
            return;
        };
        let bytes = connection.take_moved();
        let holds = connection.counted();
        self.paces.moved(index, bytes, holds, begins);
        if holds >= SMALL {
            self.keep_ceiling(holds > LARGE);
        }
    }

    /// Sheds the slowest connections until there is room for those that hold much, or little; false if none is left to
    /// shed.
    pub(super) fn keep_ceiling(&mut self, for_large: bool) -> bool {
        while !self.shared.buffered.has_room(for_large) {
            let large = self.paces.large.first();
            if self.leaves_to_another(large.map(|(_, behind)| behind)) {
                return true;
            }
            let small = || self.paces.small.first().filter(|_| !for_large);
            let Some((index, _)) = large.or_else(small) else {
                return false;
            };
            self.shed(index);
        }
        true
    }

    /// Whether another worker has a slower connection and, having been asked to shed it, still has a little time to do
    /// so.
    fn leaves_to_another(&self, own: Option<Instant>) -> bool {
        let own = own.map_or(u64::MAX, |behind| self.time(behind));
        let slower = |(number, mailbox): (usize, &Mailbox)| {
            let behind = mailbox.large.load(Ordering::Acquire);
            (number != self.number && behind > 0 && behind < own).then_some((behind, number))
        };
        let mailboxes = self.hub.mailboxes.iter().enumerate();
        let Some((_, number)) = mailboxes.filter_map(slower).min() else {
            return false;
        };
        let mailbox = &self.hub.mailboxes[number];
        let is_told = mailbox.to_shed.swap(true, Ordering::AcqRel);
        if !is_told {
            let _ = mailbox.send(Message::Shed);
        }
        !is_told || self.shared.buffered.has_room(false)
    }

    /// Sheds the slowest connection that holds much memory, at another worker's request.
    pub(super) fn told_to_shed(&mut self) {
        self.mailbox().to_shed.store(false, Ordering::Release);
        if !self.shared.buffered.has_room(true)
            && let Some((index, _)) = self.paces.large.first()
        {
            self.shed(index);
            self.keep_ceiling(true);
        }
        self.publish_spare();
    }

    fn shed(&mut self, index: u32) {
        self.paces.forget(index);
        let token = self.token(index);
        self.with(token, |connection, turn| connection.shed(turn));
    }

    /// Evicts the connection that can best be spared.
    pub(super) fn make_room(&mut self) -> bool {
        let Some(index) = self.victim() else {
            return false;
        };
        self.shared.evicted.add(1);
        self.close(self.token(index));
        true
    }

    fn victim(&mut self) -> Option<u32> {
        let now = milliseconds(self.started.elapsed());
        let besieged = self.shared.siege.lasts(now);
        let connections = self.mailbox().connections.load(Ordering::Relaxed);
        let spare = self.spare().with_newcomers(connections);
        let (rank, victim) = spare.choose(now, besieged)?;
        if victim == Victim::Slow && spare.are_many_slow() {
            self.shared.siege.notice(now);
        }
        let (index, _) = match victim {
            Victim::Slow => self.paces.all.first()?,
            Victim::Idle => self.deadlines.oldest(Wait::Idle)?,
        };
        if Spare::is_far_behind(rank) {
            return Some(index);
        }
        // A crowd gives up a connection before anybody else has to.
        let of_crowd = self.shared.addresses.largest_crowd().and_then(|crowd| {
            let is_member = self.address(index) == Some(crowd);
            // Connections that complete nothing do not push out idle ones, even from the same address.
            let idle_too = !spare.is_crowded_by_slow(besieged);
            (!is_member)
                .then(|| self.slowest_of(crowd, idle_too))
                .flatten()
        });
        of_crowd.or(Some(index))
    }

    fn address(&self, index: u32) -> Option<Counted> {
        self.places[index as usize].connection.as_ref()?.address
    }

    /// Finds a connection of a crowd among a few examined: one that is behind, else the longest idle (unless only
    /// connections in mid-transfer count), else the slowest.
    fn slowest_of(&mut self, crowd: Counted, idle_too: bool) -> Option<u32> {
        let now = Instant::now();
        let places = self.places.len();
        let found = (0..LOOKED_AT.min(places)).filter_map(|step| {
            let index = ((self.looked_at + step) % places) as u32;
            if self.address(index) != Some(crowd) {
                return None;
            }
            match (self.paces.all.compared(index), self.deadlines.get(index)) {
                (Some(behind), _) => Some(((if behind <= now { 0 } else { 2 }, behind), index)),
                (None, Some(Wait::Idle)) if idle_too => {
                    Some(((1, self.deadlines.since(index)?), index))
                }
                _ => None,
            }
        });
        let found = found.min().map(|(_, index)| index);
        self.looked_at = (self.looked_at + LOOKED_AT) % places.max(1);
        found
    }

    /// Reports an eviction as done: the listener may rely on the published values again.
    pub(super) fn made_room(&mut self) {
        self.publish_spare();
        self.mailbox().to_make_room.fetch_sub(1, Ordering::Release);
    }

    pub(super) fn publish_spare(&mut self) {
        let large = self.paces.large.first();
        let large = large.map_or(0, |(_, behind)| self.time(behind));
        self.mailbox().large.store(large, Ordering::Release);
        let spare = self.spare();
        self.mailbox().spare.publish(spare);
    }

    fn spare(&mut self) -> Spare {
        self.paces.all.end_grace(Instant::now());
        let time = |at: Instant| self.time(at);
        let slow = self.paces.all.first();
        let idle = self.deadlines.oldest(Wait::Idle);
        Spare {
            slow: slow.map_or(0, |(_, behind)| time(behind)),
            idle: idle.map_or(0, |(_, since)| time(since)),
            slow_ones: self.paces.all.len(),
            connections: self.places.len() - self.free.len(),
        }
    }

    /// The time in the form that threads exchange.
    fn time(&self, at: Instant) -> u64 {
        milliseconds(at.saturating_duration_since(self.started))
    }
}
