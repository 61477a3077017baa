//! Which of a worker's connections are slowest.

use std::time::Instant;

use crate::server::pool::shared::LARGE;
use crate::server::pool::slowest::Slowest;

/// Connections that hold less than this are not asked to give it up.
pub(super) const SMALL: usize = 1 << 10;

/// Connections in mid-transfer, slowest first: all of them, and those that hold memory.
#[derive(Default)]
pub(super) struct Paces {
    pub(super) all: Slowest,
    pub(super) large: Slowest,
    pub(super) small: Slowest,
}

impl Paces {
    /// The connection is no longer in mid-transfer.
    pub(super) fn forget(&mut self, index: u32) {
        for slowest in [&mut self.all, &mut self.large, &mut self.small] {
            slowest.remove(index);
        }
    }

    pub(super) fn set(&mut self, index: u32, falls_behind: Instant, keeps: usize) {
        self.all.set(index, falls_behind);
        let (kind, other) = match keeps > LARGE {
            true => (&mut self.large, &mut self.small),
            false => (&mut self.small, &mut self.large),
        };
        other.remove(index);
        match keeps >= SMALL {
            true => kind.set(index, falls_behind),
            false => kind.remove(index),
        }
    }
}
