//! Wakes the listener.

use std::os::fd::OwnedFd;

use rustix::event::{EventfdFlags, eventfd};

use crate::Error;

/// An eventfd that wakes the listener: when the engine stops, or to see that it goes on.
pub(super) struct Waker(pub(super) OwnedFd);

impl Waker {
    pub(super) fn new() -> Result<Self, Error> {
        eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
            .map(Waker)
            .map_err(|error| Error::Io(format!("The listener cannot be created: {error}.")))
    }

    pub(super) fn ring(&self) {
        let _ = rustix::io::write(&self.0, &1u64.to_ne_bytes());
    }

    /// After it has woken the listener.
    pub(super) fn reset(&self) {
        let _ = rustix::io::read(&self.0, &mut [0u8; 8]);
    }
}
