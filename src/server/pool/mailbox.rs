//! What other threads have for a worker: new connections and finished jobs. An eventfd wakes the worker.

use std::mem;
use std::os::fd::OwnedFd;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, eventfd};

use super::deadlines::Wait;
use super::transport::Transport;
use crate::Error;
use crate::address::Counted;
use crate::api::Peer;
use crate::sync::lock;

/// Where room is needed, connections that wait for this are closed, in this order and the oldest first; those with `true`
/// only after [`SLOW`]. Halves of bodies cost a client no more than halves of heads, and would keep everybody out for longer.
pub(super) const SPARE: [(Wait, bool); 5] = [
    (Wait::Head, true),
    (Wait::Linger, true),
    (Wait::Idle, false),
    (Wait::Body, true),
    (Wait::Write, true),
];
/// How long a client may take for what others do at once.
pub(super) const SLOW: Duration = Duration::from_secs(1);
/// How long the listener waits for a worker to make room for one connection before it asks for the next.
const ROOM_PATIENCE: Duration = Duration::from_millis(5);

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
    pub(super) address: Option<Counted>,
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
    /// Times that it was told to make room, and has not done so yet. Meanwhile what it says of `spare` is not true.
    pub(super) to_make_room: AtomicUsize,
    /// The connections that would be closed first to make room.
    spare: [AtomicU64; SPARE.len()],
}

impl Mailbox {
    pub(super) fn new() -> Result<Self, Error> {
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
            .map_err(|error| Error::Io(format!("A worker cannot be made: {error}.")))?;
        Ok(Mailbox {
            messages: Mutex::default(),
            wake,
            connections: AtomicUsize::new(0),
            to_make_room: AtomicUsize::new(0),
            spare: Default::default(),
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

    /// Says since when, in milliseconds of the engine's time and never zero, the worker's oldest connection of each kind of
    /// [`SPARE`] waits; zero where there is none.
    pub(super) fn publish_spare(&self, since: [u64; SPARE.len()]) {
        for (place, since) in self.spare.iter().zip(since) {
            place.store(since, Ordering::Release);
        }
    }

    /// The one of these that has the connection that can best be spared; without any, the one that has fewest.
    pub(super) fn most_spare(mailboxes: &[Mailbox], now: u64) -> &Mailbox {
        let deadline = Instant::now() + ROOM_PATIENCE;
        let is_asked = |mailbox: &Mailbox| mailbox.to_make_room.load(Ordering::Acquire) > 0;
        while mailboxes.iter().any(is_asked) && Instant::now() < deadline {
            thread::sleep(Duration::from_micros(20));
        }
        let rank = |mailbox: &Mailbox| {
            let spare = SPARE.iter().zip(&mailbox.spare).enumerate();
            spare
                .map(|(rank, ((_, slow), since))| (rank, *slow, since.load(Ordering::Acquire)))
                .find(|&(_, slow, since)| {
                    since > 0 && (!slow || since + SLOW.as_millis() as u64 <= now)
                })
                .map(|(rank, _, since)| (rank, since))
        };
        mailboxes
            .iter()
            .filter_map(|mailbox| Some((rank(mailbox)?, mailbox)))
            .min_by_key(|(rank, _)| *rank)
            .map_or_else(|| Mailbox::least_busy(mailboxes), |(_, mailbox)| mailbox)
    }
}
