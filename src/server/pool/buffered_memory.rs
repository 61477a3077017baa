//! The memory that requests and responses of all connections may take together.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::base::sync::lock;

/// Bytes held by all connections together: requests and responses in flight, or TLS state.
pub(super) struct Buffered {
    bytes: AtomicUsize,
    /// Expected size of the responses being produced or on their way to their worker.
    reserved: AtomicUsize,
    /// Held by the thread that waits to reserve: those that come later wait behind it, however little they want.
    reserving: Mutex<()>,
    max: usize,
}

/// Connections that hold more bytes than this share a smaller part of the room.
pub(super) const LARGE: usize = 32 << 10;
/// One part in this many is reserved for connections that hold no more than that.
const FOR_SMALL: usize = 8;
/// Large responses being produced use at most one part in this many.
const FOR_ANSWERS: usize = 8;

impl Buffered {
    pub(super) fn new(max: usize) -> Self {
        Buffered {
            bytes: AtomicUsize::new(0),
            reserved: AtomicUsize::new(0),
            reserving: Mutex::default(),
            max,
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Whether there is room for connections that hold much, or for those that hold little.
    pub(super) fn has_room(&self, for_large: bool) -> bool {
        let reserved = if for_large { self.max / FOR_SMALL } else { 0 };
        self.bytes.load(Ordering::Relaxed) <= self.max - reserved
    }

    /// Waits until there is room, for at most `patience`.
    pub(super) fn wait_for_room(&self, patience: Duration) {
        let begun = Instant::now();
        while !self.has_room(false) && begun.elapsed() < patience {
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Waits until a response of this size may be produced, for at most `patience`, and returns what was reserved. Only a few
    /// are produced at a time, so that no connection is shed for responses that merely wait to be written; two always fit.
    pub(super) fn reserve(&self, bytes: usize, patience: Duration) -> usize {
        let begun = Instant::now();
        let most = self.max / FOR_ANSWERS;
        let bytes = bytes.min(most / 2);
        let fits = |taken| (taken + bytes <= most).then_some(taken + bytes);
        let relaxed = Ordering::Relaxed;
        let _turn = lock(&self.reserving);
        while self.reserved.fetch_update(relaxed, relaxed, fits).is_err() {
            if begun.elapsed() >= patience {
                self.reserved.fetch_add(bytes, relaxed);
                break;
            }
            thread::sleep(Duration::from_millis(1));
        }
        bytes
    }

    /// Releases the reservation of a response that has reached its connection.
    pub(super) fn release(&self, bytes: usize) {
        self.reserved.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Records that a holder of `before` bytes now holds `now`.
    pub(super) fn change(&self, before: usize, now: usize) {
        if now > before {
            self.bytes.fetch_add(now - before, Ordering::Relaxed);
        } else if before > now {
            self.bytes.fetch_sub(before - now, Ordering::Relaxed);
        }
    }
}
