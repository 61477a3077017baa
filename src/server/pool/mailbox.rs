//! Messages from other threads to a worker: new connections and finished jobs. An eventfd wakes the worker.

use std::mem;
use std::os::fd::OwnedFd;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, eventfd};

use super::connection::Connection;
use super::transport::Transport;
use crate::Error;
use crate::api::Peer;
use crate::base::address::Counted;
use crate::base::sync::lock;

/// A connection this far behind, in milliseconds, is evicted before any other.
const FAR_BEHIND: u64 = 750;
/// An idle connection is not evicted for this long, in milliseconds, while others are slow.
const RECENT: u64 = 15_000;
/// If more than three quarters of a worker's connections are in mid-transfer, those are evicted first: a flood that
/// reconnects as fast as it is closed does not push out idle connections.
const MOSTLY: usize = 3;
/// The same applies above this fraction (one in `MANY`) once they are known not to be a legitimate burst.
const MANY: usize = 8;
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
    /// See [`Spare`].
    slow: AtomicU64,
    idle: AtomicU64,
    slow_ones: AtomicUsize,
    /// How many connections the worker had when it published these.
    known: AtomicUsize,
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
            slow: AtomicU64::new(0),
            idle: AtomicU64::new(0),
            slow_ones: AtomicUsize::new(0),
            known: AtomicUsize::new(0),
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

    pub(super) fn publish_spare(&self, spare: Spare) {
        self.slow.store(spare.slow, Ordering::Release);
        self.idle.store(spare.idle, Ordering::Release);
        self.slow_ones.store(spare.slow_ones, Ordering::Release);
        self.known.store(spare.connections, Ordering::Release);
    }

    fn spare(&self) -> Spare {
        self.with_newcomers(Spare {
            slow: self.slow.load(Ordering::Acquire),
            idle: self.idle.load(Ordering::Acquire),
            slow_ones: self.slow_ones.load(Ordering::Acquire),
            connections: self.known.load(Ordering::Acquire),
        })
    }

    /// What the worker published, plus connections still on their way to it, which count as in mid-transfer.
    pub(super) fn with_newcomers(&self, known: Spare) -> Spare {
        let connections = self.connections.load(Ordering::Relaxed);
        Spare {
            slow_ones: known.slow_ones + connections.saturating_sub(known.connections),
            connections,
            ..known
        }
    }

    /// Whether many connections are in mid-transfer, but not so many that it is clear which to evict.
    pub(super) fn are_many_slow(mailboxes: &[Mailbox]) -> bool {
        let mut all = Spare::default();
        for mailbox in mailboxes {
            let spare = mailbox.spare();
            all.slow_ones += spare.slow_ones;
            all.connections += spare.connections;
        }
        all.are_many_slow() && !all.are_mostly_slow()
    }

    /// Waits briefly until at most `asked` requested evictions are outstanding.
    pub(super) fn wait_for_room(&self, asked: usize) {
        let deadline = Instant::now() + ROOM_PATIENCE;
        while self.to_make_room.load(Ordering::Acquire) > asked && Instant::now() < deadline {
            thread::sleep(Duration::from_micros(20));
        }
    }

    /// The worker with the best connection to evict; if none has one, the worker with the fewest connections.
    pub(super) fn most_spare(
        mailboxes: &[Mailbox],
        active: usize,
        now: u64,
        besieged: bool,
    ) -> &Mailbox {
        for mailbox in mailboxes {
            mailbox.wait_for_room(mailbox.spare().at_once(besieged));
        }
        mailboxes
            .iter()
            .filter_map(|mailbox| Some((mailbox.spare().choose(now, besieged)?.0, mailbox)))
            .min_by_key(|(rank, _)| *rank)
            .map_or_else(
                || Mailbox::least_busy(mailboxes, active, now),
                |(_, mailbox)| mailbox,
            )
    }
}

/// The connections that a worker could evict. Times are milliseconds since the engine started, zero if there is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Spare {
    /// When the slowest connection in mid-transfer fell or falls behind.
    pub(super) slow: u64,
    /// Since when the longest-idle connection has been idle.
    pub(super) idle: u64,
    /// How many are in mid-transfer, and how many there are in all.
    pub(super) slow_ones: usize,
    pub(super) connections: usize,
}

/// Which of the two to evict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Victim {
    Slow,
    Idle,
}

/// Orders the victims of several workers: the lowest is evicted.
pub(super) type Rank = (u8, u64);

impl Spare {
    /// The connection to evict. `besieged`: a flood that completes nothing is in progress.
    pub(super) fn choose(self, now: u64, besieged: bool) -> Option<(Rank, Victim)> {
        let slow = (self.slow > 0).then_some((self.slow, Victim::Slow));
        let idle = (self.idle > 0).then_some((self.idle, Victim::Idle));
        let behind = |by: u64| slow.filter(|(falls_behind, _)| falls_behind + by <= now);
        let in_order = [
            behind(FAR_BEHIND),
            slow.filter(|_| self.is_crowded_by_slow(besieged)),
            idle.filter(|(since, _)| since + RECENT <= now),
            behind(0),
            idle,
            slow,
        ];
        (0u8..)
            .zip(in_order)
            .find_map(|(rank, choice)| choice.map(|(time, victim)| ((rank, time), victim)))
    }

    /// Whether connections in mid-transfer are evicted before idle ones.
    pub(super) fn is_crowded_by_slow(self, besieged: bool) -> bool {
        besieged || self.are_mostly_slow()
    }

    /// Whether many are in mid-transfer.
    pub(super) fn are_many_slow(self) -> bool {
        self.slow_ones * MANY > self.connections
    }

    fn are_mostly_slow(self) -> bool {
        self.slow_ones * (MOSTLY + 1) > self.connections * MOSTLY
    }

    /// How many evictions can be outstanding without comparing victims again: with many slow connections, any of them
    /// will do.
    fn at_once(self, besieged: bool) -> usize {
        match self.is_crowded_by_slow(besieged) {
            true => self.slow_ones / 8,
            false => 0,
        }
    }

    /// Whether it is so far behind that nothing else matters.
    pub(super) fn is_far_behind(rank: Rank) -> bool {
        rank.0 == 0
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
