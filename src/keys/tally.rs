//! Counts the messages that a gate seals with a data key of the ring, and records the counts (`usage`) from time to time:
//! at once at first, then less and less often, and completely when the gate or its server shuts down.
//!
//! A killed process loses the messages not yet recorded: for each stripe at most as many as have been recorded, and never
//! more than [`STRIPES`] times [`BLOCK`] in all.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, TryLockError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use super::usage::{Fault, FlushMode, Journal, PATIENCE};
use crate::base::fork::forks;
use crate::base::sync::lock;

/// Up to this many threads count in separate slots: a single counter would bounce between processors.
const STRIPES: usize = 16;
/// How many messages of a stripe are recorded at once.
const BLOCK: u64 = 4096;

/// The message counts of one data key.
pub(super) struct Tally {
    journal: Arc<Journal>,
    id: String,
    stripes: [Stripe; STRIPES],
    /// How many threads are recording messages that they have taken.
    writers: AtomicUsize,
    /// The fork count of this process when counting began.
    forks: AtomicU64,
}

/// On cache lines of its own.
#[repr(align(128))]
#[derive(Default)]
struct Stripe {
    counted: AtomicU64,
    written: AtomicU64,
}

/// All live tallies, for the end of the process.
static ALL: Mutex<Vec<Weak<Tally>>> = Mutex::new(Vec::new());

impl Tally {
    pub(super) fn new(journal: &Arc<Journal>, id: String) -> Arc<Self> {
        let tally = Arc::new(Tally {
            journal: journal.clone(),
            id,
            stripes: Default::default(),
            writers: AtomicUsize::new(0),
            forks: AtomicU64::new(forks()),
        });
        let mut all = lock(&ALL);
        all.retain(|other| other.strong_count() > 0);
        all.push(Arc::downgrade(&tally));
        drop(all);
        tally
    }

    /// Counts one message, in a few nanoseconds.
    pub(super) fn count(&self) {
        self.forget_the_parents();
        let stripe = &self.stripes[stripe()];
        let now = stripe.counted.fetch_add(1, Ordering::SeqCst) + 1;
        // The batch size doubles each time, so a short-lived process records most of its messages even if it crashes.
        if now.is_power_of_two() || now.is_multiple_of(BLOCK) {
            self.write(FlushMode::Sealing);
        } else if stripe.written.load(Ordering::SeqCst) + 1 == now {
            // The first one that is not recorded: from now on there is something to do.
            self.journal.waker.wake();
        }
    }

    /// Records the messages not yet recorded.
    pub(super) fn write(&self, mode: FlushMode) {
        match self.write_quietly(mode) {
            Ok(Some(damage)) => log::warn!("{damage}"),
            Err(Fault::Trouble(sentence)) => self.journal.warn_once(&sentence),
            Ok(None) | Err(Fault::Busy) => {}
        }
    }

    /// Whether any messages are not yet recorded.
    pub(super) fn has_unwritten(&self) -> bool {
        self.forget_the_parents();
        let unwritten =
            |of: &Stripe| of.counted.load(Ordering::SeqCst) > of.written.load(Ordering::SeqCst);
        self.stripes.iter().any(unwritten)
    }

    /// The same without logging: returns the log line, because logging here would keep other threads waiting.
    fn write_quietly(&self, mode: FlushMode) -> Result<Option<String>, Fault> {
        self.forget_the_parents();
        let start = Instant::now();
        let mut damage = None;
        loop {
            self.writers.fetch_add(1, Ordering::AcqRel);
            let written = self.write_what_is_there(mode);
            let others = self.writers.fetch_sub(1, Ordering::AcqRel) - 1;
            let written = written.map(|now| damage.take().or(now));
            // Another thread has taken some of the messages and may have to put them back, or may exit with the process
            // before recording them.
            if mode == FlushMode::Sealing || others == 0 || start.elapsed() > PATIENCE {
                return written;
            }
            damage = written.unwrap_or_default();
            thread::sleep(Duration::from_millis(1));
        }
    }

    fn write_what_is_there(&self, mode: FlushMode) -> Result<Option<String>, Fault> {
        let taken = self.stripes.each_ref().map(Stripe::take);
        let messages = taken.iter().fold(0, |sum: u64, of| sum.saturating_add(*of));
        if messages == 0 {
            return Ok(None);
        }
        let added = self.journal.add(&self.id, messages, mode);
        match &added {
            Ok(_) => self.journal.is_well(),
            Err(_) => {
                for (stripe, taken) in self.stripes.iter().zip(taken) {
                    stripe.written.fetch_sub(taken, Ordering::SeqCst);
                }
            }
        }
        added
    }

    /// Messages counted before this process was forked are the parent's to record.
    fn forget_the_parents(&self) {
        let (known, forks) = (self.forks.load(Ordering::Relaxed), forks());
        if known == forks {
            return;
        }
        let ours = self
            .forks
            .compare_exchange(known, forks, Ordering::Relaxed, Ordering::Relaxed);
        if ours.is_ok() {
            for stripe in &self.stripes {
                stripe.take();
            }
            self.writers.store(0, Ordering::Release);
        }
    }
}

impl Stripe {
    /// Takes the messages not yet recorded; the caller has to record them.
    fn take(&self) -> u64 {
        let counted = self.counted.load(Ordering::SeqCst);
        let written = self.written.fetch_max(counted, Ordering::SeqCst);
        counted.saturating_sub(written)
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        self.write(FlushMode::Last);
    }
}

/// Runs at process exit, when gates may still exist. Logs nothing: the host's logger may be gone.
pub(crate) fn write_all_at_exit() {
    let all = match ALL.try_lock() {
        Err(TryLockError::Poisoned(all)) => all.into_inner(),
        Err(TryLockError::WouldBlock) => return,
        Ok(all) => all,
    };
    // The lock is released before the last reference is dropped: dropping takes the lock too.
    let alive: Vec<Arc<Tally>> = all.iter().filter_map(Weak::upgrade).collect();
    drop(all);
    for tally in alive {
        let _ = tally.write_quietly(FlushMode::Exit);
    }
}

/// The stripe of this thread.
fn stripe() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static MINE: Cell<usize> = const { Cell::new(usize::MAX) };
    }
    // A thread that is exiting has none.
    let mine = MINE.try_with(|mine| {
        if mine.get() == usize::MAX {
            mine.set(NEXT.fetch_add(1, Ordering::Relaxed) % STRIPES);
        }
        mine.get()
    });
    mine.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::keys::usage;

    const ID: &str = "5bd867bb";

    fn tally(folder: &Path) -> Arc<Tally> {
        Tally::new(&Arc::new(Journal::in_folder(folder)), ID.to_owned())
    }

    fn written(folder: &Path) -> u64 {
        usage::read(folder).messages(ID)
    }

    #[test]
    fn nothing_is_lost_between_threads() {
        let folder = tempfile::tempdir().unwrap();
        let tally = tally(folder.path());
        const EACH: u64 = 30_000;
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..EACH).for_each(|_| tally.count()));
            }
            scope.spawn(|| (0..50).for_each(|_| tally.write(FlushMode::Sealing)));
        });
        assert!(written(folder.path()) <= 4 * EACH);
        drop(tally);
        assert_eq!(written(folder.path()), 4 * EACH);
    }

    #[test]
    fn at_most_half_and_at_most_a_block_is_unrecorded() {
        let folder = tempfile::tempdir().unwrap();
        let tally = tally(folder.path());
        for counted in 1..=3 * BLOCK {
            tally.count();
            if counted < 40 || counted % 997 == 0 {
                let missing = counted - written(folder.path());
                assert!(missing <= counted / 2 && missing < BLOCK, "{missing}");
            }
        }
    }

    #[test]
    fn counts_that_cannot_be_recorded_stay_in_memory() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("later");
        let tally = tally(&place);
        (0..10).for_each(|_| tally.count());
        fs::create_dir(&place).unwrap();
        tally.write(FlushMode::Sealing);
        assert_eq!(written(&place), 10);
        tally.count();
        drop(tally);
        assert_eq!(written(&place), 11);
    }

    #[test]
    fn what_is_not_recorded_is_known_and_recorded_at_the_end_without_waiting() {
        let folder = tempfile::tempdir().unwrap();
        // On a stalled machine one of them may take long, but not all.
        let waits = |_| {
            let tally = tally(folder.path());
            assert!(!tally.has_unwritten());
            (0..7).for_each(|_| tally.count());
            assert!(tally.has_unwritten(), "4 of 7");
            let start = Instant::now();
            tally.write(FlushMode::Last);
            assert!(!tally.has_unwritten());
            start.elapsed() > Duration::from_secs(1)
        };
        assert!(!(0..5).all(waits));
    }

    #[test]
    fn the_end_waits_for_threads_that_are_recording() {
        let folder = tempfile::tempdir().unwrap();
        let tally = tally(folder.path());
        tally.writers.store(1, Ordering::Release);
        std::thread::scope(|scope| {
            let start = Instant::now();
            let waits = scope.spawn(|| tally.write(FlushMode::Last));
            thread::sleep(Duration::from_millis(100));
            assert!(!waits.is_finished() || start.elapsed() > PATIENCE);
            tally.writers.store(0, Ordering::Release);
        });
    }

    #[test]
    fn the_end_waits_for_them_for_a_moment_only() {
        let folder = tempfile::tempdir().unwrap();
        let tally = tally(folder.path());
        // A thread that never comes back.
        tally.writers.store(1, Ordering::Release);
        let (send, receive) = std::sync::mpsc::channel();
        thread::spawn(move || {
            tally.write(FlushMode::Last);
            tally.writers.store(0, Ordering::Release);
            send.send(())
        });
        assert!(receive.recv_timeout(Duration::from_secs(60)).is_ok());
    }

    #[test]
    fn threads_count_in_different_slots() {
        let slots: std::collections::BTreeSet<usize> = (0..2 * STRIPES)
            .map(|_| {
                let slot = || (stripe(), stripe());
                let (first, again) = thread::spawn(slot).join().unwrap();
                assert!(first == again && first < STRIPES);
                first
            })
            .collect();
        assert!(slots.len() > STRIPES / 2, "{slots:?}");
    }

    #[test]
    fn a_forked_child_leaves_the_parents_messages_alone() {
        let folder = tempfile::tempdir().unwrap();
        let tally = tally(folder.path());
        (0..7).for_each(|_| tally.count());
        // As if the process had just been forked.
        tally.forks.fetch_sub(1, Ordering::Relaxed);
        tally.count();
        drop(tally);
        assert_eq!(written(folder.path()), 4 + 1);
    }
}
