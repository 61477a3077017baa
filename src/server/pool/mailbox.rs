//! What other threads have for a worker: new connections and finished jobs. An eventfd wakes the worker.

use std::mem;
use std::os::fd::OwnedFd;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, eventfd};

use super::connection::Connection;
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

/// The engine's time as threads tell it one another; never zero.
pub(super) fn milliseconds(time: Duration) -> u64 {
    time.as_millis() as u64 + 1
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
    /// A connection between two requests, from another worker.
    TakeOver(Box<Connection>),
    /// Descriptors ran out: close a connection that waits for nothing but time.
    MakeRoom,
    Answer {
        token: Token,
        answer: Vec<u8>,
        close: bool,
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
    /// Connections that the worker has or will get.
    pub(super) connections: AtomicUsize,
    /// Times that it was told to make room, and has not done so yet. Meanwhile what it says of `spare` is not true.
    pub(super) to_make_room: AtomicUsize,
    /// The connections that would be closed first to make room.
    spare: [AtomicU64; SPARE.len()],
    pub(super) load: Load,
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
            load: Load::default(),
        })
    }

    /// Becomes readable when there is something.
    pub(super) fn bell(&self) -> &OwnedFd {
        &self.wake
    }

    /// Leaves a message; what is left of it where the worker has ended.
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
        // It only fails where it has been rung so often that it rings anyway.
        let _ = rustix::io::write(&self.wake, &1u64.to_ne_bytes());
    }

    /// Everything that has come, with the bell silenced.
    pub(super) fn empty(&self) -> Vec<Message> {
        let _ = rustix::io::read(&self.wake, &mut [0u8; 8]);
        mem::take(&mut lock(&self.messages).waiting)
    }

    /// Nothing can be sent any more, unless something is there already: then false.
    pub(super) fn close_if_empty(&self) -> bool {
        let mut messages = lock(&self.messages);
        messages.closed = messages.waiting.is_empty();
        messages.closed
    }

    /// For a new connection: of the first `active` ones the one that has fewest. One whose worker is held up by a route is
    /// passed over, and where all are, another helps out.
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

    /// Says since when, in milliseconds of the engine's time and never zero, the worker's oldest connection of each kind of
    /// [`SPARE`] waits; zero where there is none.
    pub(super) fn publish_spare(&self, since: [u64; SPARE.len()]) {
        for (place, since) in self.spare.iter().zip(since) {
            place.store(since, Ordering::Release);
        }
    }

    /// The one of these that has the connection that can best be spared; without any, the one that has fewest.
    pub(super) fn most_spare(mailboxes: &[Mailbox], active: usize, now: u64) -> &Mailbox {
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
            .map_or_else(
                || Mailbox::least_busy(mailboxes, active, now),
                |(_, mailbox)| mailbox,
            )
    }
}

/// What a worker lets others know of its load. Times are milliseconds of the engine's time, and never zero.
#[derive(Default)]
pub(super) struct Load {
    /// Since when it is at work; zero while it waits.
    at_work: AtomicU64,
    /// Turns of connections so far.
    done: AtomicU64,
    /// At its last look, the part of its time in which it was at work, in thousandths, and when that was.
    busy: AtomicU64,
    looked: AtomicU64,
}

/// A worker that is at one turn for so long is held up.
const HELD_UP: u64 = 20;
/// What a worker knew so long ago of its load is not true any more.
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

    /// The part of its time in which the worker is at work.
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
