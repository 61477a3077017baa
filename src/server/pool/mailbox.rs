//! What other threads have for a worker: new connections and finished jobs. An eventfd wakes the worker.

use std::mem;
use std::os::fd::OwnedFd;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use rustix::event::{EventfdFlags, eventfd};

use super::shared::Address;
use super::transport::Transport;
use crate::Error;
use crate::api::Peer;
use crate::sync::lock;

/// Which connection of a worker: its place, and how often the place had been used before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) index: u32,
    pub(super) generation: u32,
}

/// A connection that has just been accepted.
pub(super) struct Incoming {
    pub(super) transport: Transport,
    pub(super) peer: Peer,
    pub(super) address: Option<Address>,
    /// There are as many connections as there may be: one has to go.
    pub(super) crowded: bool,
}

/// A letter to a worker.
pub(super) enum Message {
    Adopt(Incoming),
    /// Descriptors ran out: close a connection that waits for nothing but time.
    MakeRoom,
    Answer {
        token: Token,
        answer: Vec<u8>,
        close: bool,
    },
}

/// See the module.
pub(super) struct Mailbox {
    messages: Mutex<Vec<Message>>,
    wake: OwnedFd,
    /// Connections that the worker has or will get.
    pub(super) connections: AtomicUsize,
    /// Since when, in milliseconds of the engine's time and never zero, the connection waits that would be closed first to
    /// make room; zero where there is none.
    pub(super) spare_since: AtomicU64,
}

impl Mailbox {
    pub(super) fn new() -> Result<Self, Error> {
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
            .map_err(|error| Error::Io(format!("A worker cannot be made: {error}.")))?;
        Ok(Mailbox {
            messages: Mutex::default(),
            wake,
            connections: AtomicUsize::new(0),
            spare_since: AtomicU64::new(0),
        })
    }

    /// Becomes readable when there is something.
    pub(super) fn bell(&self) -> &OwnedFd {
        &self.wake
    }

    pub(super) fn send(&self, message: Message) {
        let mut messages = lock(&self.messages);
        messages.push(message);
        let first = messages.len() == 1;
        drop(messages);
        if first {
            self.wake();
        }
    }

    pub(super) fn wake(&self) {
        // It only fails where it has been rung so often that it rings anyway.
        let _ = rustix::io::write(&self.wake, &1u64.to_ne_bytes());
    }

    /// Everything that has come, with the bell silenced.
    pub(super) fn empty(&self) -> Vec<Message> {
        let _ = rustix::io::read(&self.wake, &mut [0u8; 8]);
        mem::take(&mut *lock(&self.messages))
    }

    pub(super) fn is_empty(&self) -> bool {
        lock(&self.messages).is_empty()
    }

    /// The one of these that has fewest connections.
    pub(super) fn least_busy(mailboxes: &[Mailbox]) -> &Mailbox {
        let by_connections = |mailbox: &&Mailbox| mailbox.connections.load(Ordering::Relaxed);
        mailboxes
            .iter()
            .min_by_key(by_connections)
            .expect("an engine has workers")
    }

    /// The one of these whose spare connection has waited for longest, else the one that has fewest.
    pub(super) fn most_spare(mailboxes: &[Mailbox]) -> &Mailbox {
        let since = |mailbox: &Mailbox| mailbox.spare_since.load(Ordering::Relaxed);
        mailboxes
            .iter()
            .filter(|mailbox| since(mailbox) > 0)
            .min_by_key(|mailbox| since(mailbox))
            .unwrap_or_else(|| Mailbox::least_busy(mailboxes))
    }
}
