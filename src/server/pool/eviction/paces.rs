//! A worker's connections in mid-transfer, by their rate.

use std::time::Instant;

use super::slowest::{self, Slowest};
use crate::server::pool::buffered_memory::LARGE;

/// Connections that hold less than this are not asked to give it up.
pub(in crate::server::pool) const SMALL: usize = 1 << 10;

/// Connections in mid-transfer, slowest first: all of them, and those that hold memory.
#[derive(Default)]
pub(in crate::server::pool) struct Paces {
    pub(in crate::server::pool) all: Slowest,
    pub(in crate::server::pool) large: Slowest,
    pub(in crate::server::pool) small: Slowest,
}

impl Paces {
    /// The connection is no longer in mid-transfer.
    pub(in crate::server::pool) fn forget(&mut self, index: u32) {
        for slowest in [&mut self.all, &mut self.large, &mut self.small] {
            slowest.remove(index);
        }
    }

    /// Records that a connection has transferred so many more bytes and holds so much memory. `begins`: for something new.
    pub(in crate::server::pool) fn moved(
        &mut self,
        index: u32,
        bytes: u64,
        holds: usize,
        begins: bool,
    ) {
        let now = Instant::now();
        let before = self.all.get(index).filter(|_| !begins);
        let falls_behind = slowest::moved(before.unwrap_or(slowest::begun(now)), bytes, now);
        match before {
            Some(_) => self.all.set(index, falls_behind),
            None => self.all.begin(index, falls_behind, now),
        }
        let (kind, other) = match holds > LARGE {
            true => (&mut self.large, &mut self.small),
            false => (&mut self.small, &mut self.large),
        };
        other.remove(index);
        match holds >= SMALL {
            true => kind.set(index, falls_behind),
            false => kind.remove(index),
        }
    }
}
