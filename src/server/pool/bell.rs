//! Wakes the listener.

use std::os::fd::OwnedFd;

use rustix::event::{EventfdFlags, eventfd};

use crate::Error;

/// An eventfd that wakes the listener when the engine stops.
pub(super) struct Bell(pub(super) OwnedFd);

impl Bell {
    pub(super) fn new() -> Result<Self, Error> {
        eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
            .map(Bell)
            .map_err(|error| Error::Io(format!("The listener cannot be created: {error}.")))
    }

    pub(super) fn ring(&self) {
        let _ = rustix::io::write(&self.0, &1u64.to_ne_bytes());
    }
}
