//! Who has to go where there is no room: for new connections, for descriptors, for bytes.

use std::sync::atomic::Ordering;
use std::time::Instant;

use super::Worker;
use crate::address::Counted;
use crate::server::pool::deadlines::Wait;
use crate::server::pool::mailbox::{Spare, Token, Victim, milliseconds};
use crate::server::pool::slowest;

/// Connections that are looked at for one of a certain address.
const LOOKED_AT: usize = 64;

impl Worker {
    /// Answers that are made are kept whatever room there is; past the ceiling those have to go whose readers are slowest.
    pub(super) fn keep_ceiling(&mut self) {
        while !self.shared.buffered.has_room(0) {
            let Some((index, _)) = self.deadlines.oldest(Wait::Write) else {
                return;
            };
            self.close(self.token(index));
        }
    }

    /// Notes how a connection gets on that waits for this. `begins`: with something new.
    pub(super) fn keep_pace(&mut self, token: Token, wait: Wait, begins: bool) {
        let index = token.index;
        if wait == Wait::Idle {
            self.slowest.remove(index);
            return;
        }
        let Some(connection) = &mut self.places[index as usize].connection else {
            return;
        };
        let now = Instant::now();
        let bytes = connection.take_moved();
        let falls_behind = match self.slowest.get(index) {
            Some(before) if !begins => slowest::moved(before, bytes, now),
            _ => slowest::begun(now, connection.is_proven()),
        };
        self.slowest.set(index, falls_behind);
    }

    /// Closes the connection that can best be spared.
    pub(super) fn make_room(&mut self) -> bool {
        let Some(index) = self.victim() else {
            return false;
        };
        self.close(self.token(index));
        true
    }

    fn victim(&mut self) -> Option<u32> {
        let now = milliseconds(self.started.elapsed());
        let (rank, victim) = self.spare().choose(now)?;
        let (index, _) = match victim {
            Victim::Slow => self.slowest.first()?,
            Victim::Idle => self.deadlines.oldest(Wait::Idle)?,
        };
        if Spare::is_far_behind(rank) {
            return Some(index);
        }
        // Whoever has a large part of all places gives one up before anybody else has to.
        let of_crowd = self.shared.addresses.largest_crowd().and_then(|crowd| {
            let is_member = self.address(index) == Some(crowd);
            (!is_member).then(|| self.slowest_of(crowd)).flatten()
        });
        of_crowd.or(Some(index))
    }

    fn address(&self, index: u32) -> Option<Counted> {
        self.places[index as usize].connection.as_ref()?.address
    }

    /// Of an address that has so many connections that some are soon found: one that is behind, else the one idle for
    /// longest, else the slowest, among those found.
    fn slowest_of(&mut self, crowd: Counted) -> Option<u32> {
        let now = Instant::now();
        let places = self.places.len();
        let found = (0..LOOKED_AT.min(places)).filter_map(|step| {
            let index = ((self.looked_at + step) % places) as u32;
            if self.address(index) != Some(crowd) {
                return None;
            }
            match (self.slowest.get(index), self.deadlines.get(index)) {
                (Some(behind), _) => Some(((if behind <= now { 0 } else { 2 }, behind), index)),
                (None, Some(Wait::Idle)) => Some(((1, self.deadlines.since(index)?), index)),
                _ => None,
            }
        });
        let found = found.min().map(|(_, index)| index);
        self.looked_at = (self.looked_at + LOOKED_AT) % places.max(1);
        found
    }

    /// The listener may count on what it is told of this worker again.
    pub(super) fn made_room(&self) {
        self.publish_spare();
        self.mailbox().to_make_room.fetch_sub(1, Ordering::Release);
    }

    pub(super) fn publish_spare(&self) {
        self.mailbox().publish_spare(self.spare());
    }

    fn spare(&self) -> Spare {
        let time = |at: Instant| milliseconds(at.saturating_duration_since(self.started));
        Spare::new(
            self.slowest.first().map_or(0, |(_, behind)| time(behind)),
            self.slowest.len(),
            self.deadlines
                .oldest(Wait::Idle)
                .map_or(0, |(_, since)| time(since)),
            self.places.len() - self.free.len(),
        )
    }
}
