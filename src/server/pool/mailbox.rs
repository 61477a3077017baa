//! Messages from other threads to a worker: new connections and finished jobs. An eventfd wakes the worker.

use std::mem;
use std::os::fd::OwnedFd;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, eventfd};

use super::connection::Connection;
use super::eviction::choice::Spare;
use super::eviction::published::Published;
use super::proxies::Awaited;
use super::transport::Transport;
use crate::Error;
use crate::api::Peer;
use crate::base::address::Counted;
use crate::base::sync::lock;

/// How long the listener waits for a worker to evict one connection before it asks for the next.
const ROOM_PATIENCE: Duration = Duration::from_millis(5);

/// Identifies a connection of a worker: its slot, and how often the slot was reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) index: u32,
    pub(super) generation: u32,
}

/// Time since the engine started, as threads exchange it; never zero.
pub(super) fn milliseconds(time: Duration) -> u64 {
    time.as_millis() as u64 + 1
}

/// A connection that has just been accepted.
pub(super) struct Incoming {
    pub(super) transport: Transport,
    pub(super) peer: Peer,
    pub(super) address: Option<Counted>,
    pub(super) awaited: Option<Box<Awaited>>,
    /// The connection limit is reached: another connection has to be evicted.
    pub(super) crowded: bool,
}

/// A message to a worker.
pub(super) enum Message {
    Adopt(Incoming),
    /// An idle connection from another worker.
    TakeOver(Box<Connection>),
    /// There is no room: evict a connection.
    MakeRoom,
    /// Memory has run out, and the slowest of the connections that hold much of it is this worker's.
    Shed,
    Answer {
        token: Token,
        answer: Vec<u8>,
        close: bool,
        /// Bytes reserved for it, to be released.
        reserved: usize,
    },
}

#[derive(Default)]
struct Messages {
    waiting: Vec<Message>,
    /// The worker has ended.
    closed: bool,
}

/// See the module.
pub(super) struct Mailbox {
    messages: Mutex<Messages>,
    wake: OwnedFd,
    /// Connections that the worker has or is about to get.
    pub(super) connections: AtomicUsize,
    /// Evictions requested and not yet done. Meanwhile `spare` is out of date.
    pub(super) to_make_room: AtomicUsize,
    /// What it could evict.
    pub(super) spare: Published,
    /// When the slowest of the connections that hold much memory fell or falls behind; zero if there is none.
    pub(super) large: AtomicU64,
    /// Whether it was asked to shed that connection and has not done so yet.
    pub(super) to_shed: AtomicBool,
    pub(super) load: Load,
}

impl Mailbox {
    pub(super) fn new() -> Result<Self, Error> {
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
            .map_err(|error| Error::Io(format!("A worker cannot be created: {error}.")))?;
        Ok(Mailbox {
            messages: Mutex::default(),
            wake,
            connections: AtomicUsize::new(0),
            to_make_room: AtomicUsize::new(0),
            spare: Published::default(),
            large: AtomicU64::new(0),
            to_shed: AtomicBool::new(false),
            load: Load::default(),
        })
    }

    /// Becomes readable when there are messages.
    pub(super) fn waker(&self) -> &OwnedFd {
        &self.wake
    }

    /// Queues a message; returns it if the worker has ended.
    pub(super) fn send(&self, message: Message) -> Result<(), Message> {
        let mut messages = lock(&self.messages);
        if messages.closed {
            return Err(message);
        }
        messages.waiting.push(message);
        let first = messages.waiting.len() == 1;
        drop(messages);
        if first {
            self.wake();
        }
        Ok(())
    }

    pub(super) fn wake(&self) {
        // Fails only if the counter is full, and then the eventfd is readable anyway.
        let _ = rustix::io::write(&self.wake, &1u64.to_ne_bytes());
    }

    /// Takes all messages and resets the eventfd.
    pub(super) fn empty(&self) -> Vec<Message> {
        let _ = rustix::io::read(&self.wake, &mut [0u8; 8]);
        mem::take(&mut lock(&self.messages).waiting)
    }

    /// Closes the mailbox if it is empty; otherwise returns false.
    pub(super) fn close_if_empty(&self) -> bool {
        let mut messages = lock(&self.messages);
        messages.closed = messages.waiting.is_empty();
        messages.closed
    }

    /// The worker for a new connection: of the first `active` ones, the one with the fewest connections. A worker held
    /// up by a route is skipped; if all are, an inactive one helps out.
    pub(super) fn least_busy(mailboxes: &[Mailbox], active: usize, now: u64) -> &Mailbox {
        let rank = |(number, mailbox): &(usize, &Mailbox)| {
            let connections = mailbox.connections.load(Ordering::Relaxed);
            (mailbox.load.is_held_up(now), *number >= active, connections)
        };
        let (_, mailbox) = mailboxes
            .iter()
            .enumerate()
            .min_by_key(rank)
            .expect("an engine has workers");
        mailbox
    }

    /// What the worker published, plus connections still on their way to it.
    pub(super) fn spare(&self) -> Spare {
        let connections = self.connections.load(Ordering::Relaxed);
        self.spare.read().with_newcomers(connections)
    }

    /// Waits briefly until at most `asked` requested evictions are outstanding.
    pub(super) fn wait_for_room(&self, asked: usize) {
        let deadline = Instant::now() + ROOM_PATIENCE;
        while self.to_make_room.load(Ordering::Acquire) > asked && Instant::now() < deadline {
            thread::sleep(Duration::from_micros(20));
        }
    }
}

/// The load that a worker publishes. Times are milliseconds since the engine started, and never zero.
#[derive(Default)]
pub(super) struct Load {
    /// Since when it has been working; zero while it waits.
    at_work: AtomicU64,
    /// Turns of connections so far.
    done: AtomicU64,
    /// The fraction of time it was working, in thousandths, at its last sample, and when that was.
    busy: AtomicU64,
    looked: AtomicU64,
}

/// A worker that spends longer than this on one turn, in milliseconds, is held up.
const HELD_UP: u64 = 20;
/// A load sample older than this, in milliseconds, is out of date.
const OUTDATED: u64 = 100;

impl Load {
    pub(super) fn begins(&self, now: u64) {
        self.at_work.store(now, Ordering::Relaxed);
    }

    pub(super) fn waits(&self, done: u64) {
        self.done.store(done, Ordering::Relaxed);
        self.at_work.store(0, Ordering::Relaxed);
    }

    pub(super) fn looked(&self, now: u64, busy: f64) {
        self.busy.store((busy * 1000.0) as u64, Ordering::Relaxed);
        self.looked.store(now, Ordering::Relaxed);
    }

    pub(super) fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    fn is_held_up(&self, now: u64) -> bool {
        let since = self.at_work.load(Ordering::Relaxed);
        since > 0 && since + HELD_UP < now
    }

    /// The fraction of time the worker is working.
    pub(super) fn busy(&self, now: u64) -> f64 {
        if self.is_held_up(now) {
            1.0
        } else if self.looked.load(Ordering::Relaxed) + OUTDATED < now {
            0.0
        } else {
            self.busy.load(Ordering::Relaxed) as f64 / 1000.0
        }
    }
}
