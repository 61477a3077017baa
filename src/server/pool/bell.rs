//! How the listener is woken.

use std::os::fd::OwnedFd;

use rustix::event::{EventfdFlags, eventfd};

use crate::Error;

/// Wakes the listener, so that it sees that the engine stops.
pub(super) struct Bell(pub(super) OwnedFd);

impl Bell {
    pub(super) fn new() -> Result<Self, Error> {
        eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
            .map(Bell)
            .map_err(|error| Error::Io(format!("The listener cannot be made: {error}.")))
    }

    pub(super) fn ring(&self) {
        let _ = rustix::io::write(&self.0, &1u64.to_ne_bytes());
    }
}
