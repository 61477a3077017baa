//! Who has to go where there is no room: for new connections, for descriptors, for bytes.

use std::sync::atomic::Ordering;
use std::time::Instant;

use super::Worker;
use crate::server::pool::deadlines::Wait;
use crate::server::pool::mailbox::{SLOW, SPARE, milliseconds};

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

    /// The connection that can best be spared.
    fn spare(&self) -> Option<(u32, Instant)> {
        SPARE.iter().find_map(|(wait, slow)| {
            self.deadlines
                .oldest(*wait)
                .filter(|(_, since)| !slow || since.elapsed() >= SLOW)
        })
    }

    pub(super) fn make_room(&mut self) -> bool {
        let Some((index, _)) = self.spare() else {
            return false;
        };
        self.close(self.token(index));
        true
    }

    /// The listener may count on what it is told of this worker again.
    pub(super) fn made_room(&self) {
        self.publish_spare();
        self.mailbox().to_make_room.fetch_sub(1, Ordering::Release);
    }

    pub(super) fn publish_spare(&self) {
        let since = SPARE.map(|(wait, _)| {
            self.deadlines.oldest(wait).map_or(0, |(_, since)| {
                milliseconds(since.saturating_duration_since(self.started))
            })
        });
        self.mailbox().publish_spare(since);
    }
}
