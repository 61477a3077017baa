//! What other threads have for a worker: new connections and finished jobs. An eventfd wakes the worker.

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

/// A connection this far behind makes room before anybody else.
const FAR_BEHIND: u64 = 750;
/// An idle connection is left alone for so long while others are slow.
const RECENT: u64 = 15_000;
/// Where more than three quarters of a worker's connections are in the middle of something, they make room for one another: a
/// crowd that comes back as fast as it is closed does not push out who is between two requests.
const MOSTLY: usize = 3;
/// The same holds for more than this part of them once they are known to be no good burst.
const MANY: usize = 8;
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
    /// Memory has run out, and the slowest of those that keep much of it is this worker's.
    Shed,
    Answer {
        token: Token,
        answer: Vec<u8>,
        close: bool,
        /// Room for it that it needs no longer.
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
    /// Connections that the worker has or will get.
    pub(super) connections: AtomicUsize,
    /// Times that it was told to make room, and has not done so yet. Meanwhile what it says of `spare` is not true.
    pub(super) to_make_room: AtomicUsize,
    /// See [`Spare`].
    slow: AtomicU64,
    idle: AtomicU64,
    slow_ones: AtomicUsize,
    /// How many connections the worker had when it told of these.
    known: AtomicUsize,
    /// When the slowest of those that keep much memory fell or falls behind; zero where there is none.
    pub(super) large: AtomicU64,
    /// Whether it has been told to shed that one and has not done so yet.
    pub(super) to_shed: AtomicBool,
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
            slow: AtomicU64::new(0),
            idle: AtomicU64::new(0),
            slow_ones: AtomicUsize::new(0),
            known: AtomicUsize::new(0),
            large: AtomicU64::new(0),
            to_shed: AtomicBool::new(false),
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

    /// What the worker knows of its connections, and those that are on their way to it: they are in the middle of something.
    pub(super) fn with_newcomers(&self, known: Spare) -> Spare {
        let connections = self.connections.load(Ordering::Relaxed);
        Spare {
            slow_ones: known.slow_ones + connections.saturating_sub(known.connections),
            connections,
            ..known
        }
    }

    /// Whether many connections are in the middle of something, but not so many that it is plain who has to make room.
    pub(super) fn are_many_slow(mailboxes: &[Mailbox]) -> bool {
        let mut all = Spare::default();
        for mailbox in mailboxes {
            let spare = mailbox.spare();
            all.slow_ones += spare.slow_ones;
            all.connections += spare.connections;
        }
        all.are_many_slow() && !all.are_mostly_slow()
    }

    /// Waits a little until the worker has made room as often as it was asked to, but for `asked` times.
    pub(super) fn wait_for_room(&self, asked: usize) {
        let deadline = Instant::now() + ROOM_PATIENCE;
        while self.to_make_room.load(Ordering::Acquire) > asked && Instant::now() < deadline {
            thread::sleep(Duration::from_micros(20));
        }
    }

    /// The one of these that has the connection that can best be spared; without any, the one that has fewest.
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

/// The connections that a worker could close to make room for another. Times are milliseconds of the engine's time, zero
/// where there is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Spare {
    /// When the slowest of those that are in the middle of something fell or falls behind.
    pub(super) slow: u64,
    /// Since when the one that has been idle for longest waits.
    pub(super) idle: u64,
    /// How many are in the middle of something, and how many there are.
    pub(super) slow_ones: usize,
    pub(super) connections: usize,
}

/// Which of the two goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Victim {
    Slow,
    Idle,
}

/// Whose victim goes, where several workers have one: the lowest.
pub(super) type Rank = (u8, u64);

impl Spare {
    /// Who makes room now. `besieged`: a crowd pushes in that finishes nothing.
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

    /// Whether those that are in the middle of something make room for one another.
    pub(super) fn is_crowded_by_slow(self, besieged: bool) -> bool {
        besieged || self.are_mostly_slow()
    }

    /// Whether many are in the middle of something.
    pub(super) fn are_many_slow(self) -> bool {
        self.slow_ones * MANY > self.connections
    }

    fn are_mostly_slow(self) -> bool {
        self.slow_ones * (MOSTLY + 1) > self.connections * MOSTLY
    }

    /// How often room can be made without a look at whose victim goes: of many slow ones any will do.
    fn at_once(self, besieged: bool) -> usize {
        match self.is_crowded_by_slow(besieged) {
            true => self.slow_ones / 8,
            false => 0,
        }
    }

    /// Whether it is so far behind that nothing else counts.
    pub(super) fn is_far_behind(rank: Rank) -> bool {
        rank.0 == 0
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
