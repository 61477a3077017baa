//! The thread that keeps the replica current. It survives whatever happens to the store.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::reader::Reader;
use crate::base::clock::unix_now;
use crate::base::encoding::encode_hex;
use crate::base::fork::{outside, section};
use crate::base::random::random;
use crate::store::shared::Node;

/// How often the log of changes is read, even if no notification has come.
const READ_EVERY: Duration = Duration::from_millis(250);
/// How often the thread looks whether it shall end.
const SLICE: Duration = Duration::from_millis(50);
/// How often it reports that this process is alive, which also shows whether the store takes changes.
const REPORT_EVERY: Duration = Duration::from_secs(5);
/// When a report that failed is repeated: the others believe for 15 seconds only that a process is there, and share limits by
/// how many are.
const REPORT_AGAIN: Duration = Duration::from_secs(1);
/// How often what has expired is removed.
const FORGET_EVERY: Duration = Duration::from_secs(60);
/// How many readings a second all processes together may cause by notifying one another.
const READINGS: f64 = 5_000.0;

/// What the thread shares with the rest of the process.
pub(super) struct Follower {
    pub(super) reader: Reader,
    pub(super) ends: AtomicBool,
    /// How many processes use the store; 0: not known.
    pub(super) nodes: AtomicU32,
    /// Whether the last report of this process could be written.
    pub(super) is_writable: AtomicBool,
}

impl Follower {
    pub(super) fn new(reader: Reader) -> Self {
        Follower {
            reader,
            ends: AtomicBool::new(false),
            nodes: AtomicU32::new(0),
            is_writable: AtomicBool::new(true),
        }
    }

    /// Follows the store until the process no longer uses it.
    pub(super) fn run(self: &Arc<Self>) {
        let mut work = Work::new();
        while !self.ends() {
            let _section = section();
            let done = catch_unwind(AssertUnwindSafe(|| self.go_on(&mut work)));
            if done.is_err() {
                log::error!("Following the store failed unexpectedly; it goes on.");
                outside(|| std::thread::sleep(READ_EVERY));
            }
        }
    }

    fn go_on(&self, work: &mut Work) {
        let begun = Instant::now();
        // Failures are logged there.
        let _ = self.reader.look();
        if work.report.is_due() && !self.report(&work.node) {
            work.report.next = Instant::now() + REPORT_AGAIN;
        }
        if work.forget.is_due() {
            self.reader.replica.forget(unix_now());
            if let Err(error) = self.reader.feed().maintain() {
                log::debug!("The log of changes was not shortened: {error}");
            }
        }
        self.pause(begun);
    }

    /// Waits for a notification, and for the time of the next reading, counted from the last one.
    fn pause(&self, begun: Instant) {
        let next = begun + READ_EVERY;
        let left = |until: Instant| until.saturating_duration_since(Instant::now());
        while !self.ends() && !left(next).is_zero() {
            if self.reader.feed().wait(left(next).min(SLICE)) {
                break;
            }
        }
        // If there are many processes, a notification makes each read: they take more of them at a time.
        let earliest = begun + self.gap();
        while !self.ends() && !left(earliest).is_zero() {
            outside(|| std::thread::sleep(left(earliest).min(SLICE)));
        }
    }

    /// The least time between the beginnings of two readings.
    fn gap(&self) -> Duration {
        let nodes = f64::from(self.nodes.load(Ordering::Relaxed));
        Duration::from_secs_f64(nodes / READINGS).min(READ_EVERY)
    }

    /// Whether it succeeds.
    fn report(&self, node: &Node) -> bool {
        match self.reader.feed().report(node) {
            Ok(nodes) => {
                self.nodes.store(nodes, Ordering::Relaxed);
                self.is_writable.store(true, Ordering::Relaxed);
                true
            }
            Err(error) => {
                // That it does not answer at all has been logged.
                if self.is_writable.swap(false, Ordering::Relaxed) && self.reader.is_fresh() {
                    log::error!("{error} Logins and revocations fail until it can be written.");
                }
                false
            }
        }
    }

    fn ends(&self) -> bool {
        self.ends.load(Ordering::Acquire)
    }
}

/// What the thread remembers.
struct Work {
    node: Node,
    report: Every,
    forget: Every,
}

impl Work {
    fn new() -> Self {
        let mut id = [0; 16];
        // Without random bytes, the process shares its entry with others in the same trouble.
        let _ = random(&mut id);
        // Processes that were started together do not do the work together.
        let first = FORGET_EVERY.mul_f64(f64::from(id[0]) / 256.0);
        Work {
            node: Node {
                id: encode_hex(&id),
                host: host(),
            },
            report: Every::new(REPORT_EVERY, Duration::ZERO),
            forget: Every::new(FORGET_EVERY, first),
        }
    }
}

/// Something that happens regularly.
struct Every {
    period: Duration,
    next: Instant,
}

impl Every {
    fn new(period: Duration, first: Duration) -> Self {
        Every {
            period,
            next: Instant::now() + first,
        }
    }

    fn is_due(&mut self) -> bool {
        let now = Instant::now();
        let is_due = now >= self.next;
        if is_due {
            self.next = now + self.period;
        }
        is_due
    }
}

#[cfg(unix)]
fn host() -> String {
    let names = rustix::system::uname();
    names.nodename().to_string_lossy().into_owned()
}

#[cfg(not(unix))]
fn host() -> String {
    String::new()
}
