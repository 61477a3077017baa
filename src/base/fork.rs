//! Fork safety: when the host process forks, no thread is inside the library, so the child finds every lock free and
//! nothing half-changed. This covers our locks, and those of OpenSSL, SQLite and the standard library.
//!
//! A thread that works for the library is in a [`Section`]. A fork waits until no other thread is in one, and threads that
//! want to start one wait for the fork. A section must therefore end on its own: anything that waits for something other
//! than a thread in a section (a host's callback, a socket, the end of a thread) runs [`outside`]. Code that takes the
//! host's locks is not called in a section either: it runs [`afterwards`].
//!
//! `ffi` registers [`before_fork`] and its counterparts with the system. Without them (a Rust program that forks) sections
//! have no effect except counting.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use crate::base::sync::lock;

/// Up to this many threads are counted in separate slots: a single counter would bounce between processors.
const PLACES: usize = 16;
/// How long a fork waits. If it takes longer, a lock may stay locked in the child, as it could without this module.
const PATIENCE: Duration = Duration::from_secs(10);

/// How many threads are in a section. On its own cache lines.
#[repr(align(128))]
struct Place(AtomicUsize);

static INSIDE: [Place; PLACES] = [const { Place(AtomicUsize::new(0)) }; PLACES];
static IS_FORKING: AtomicBool = AtomicBool::new(false);
/// Held by the forking thread from before the fork until after it.
static TURN: Mutex<()> = Mutex::new(());
static FORKS: AtomicU64 = AtomicU64::new(0);
static IS_WATCHED: AtomicBool = AtomicBool::new(false);

type Work = Box<dyn FnOnce()>;

thread_local! {
    static DEPTH: Cell<usize> = const { Cell::new(0) };
    static PLACE: Cell<usize> = const { Cell::new(usize::MAX) };
    /// Whether this thread is forking.
    static FORKS_NOW: Cell<bool> = const { Cell::new(false) };
    static HELD: RefCell<Option<MutexGuard<'static, ()>>> = const { RefCell::new(None) };
    static LATER: RefCell<VecDeque<Work>> = const { RefCell::new(VecDeque::new()) };
    static CATCHES_UP: Cell<bool> = const { Cell::new(false) };
}

/// While it exists, no other thread can fork the process. Sections nest.
#[must_use]
pub(crate) struct Section(PhantomData<*const ()>);

/// Starts a section; waits while the process is being forked.
pub(crate) fn section() -> Section {
    let depth = DEPTH.get();
    if depth == 0 {
        count_in();
    }
    DEPTH.set(depth + 1);
    Section(PhantomData)
}

impl Drop for Section {
    fn drop(&mut self) {
        let depth = DEPTH.get() - 1;
        DEPTH.set(depth);
        if depth == 0 {
            count_out();
            catch_up();
        }
    }
}

/// Runs work that a fork by another thread need not wait for. No lock is held during it.
pub(crate) fn outside<T>(work: impl FnOnce() -> T) -> T {
    struct Back(usize);
    impl Drop for Back {
        fn drop(&mut self) {
            count_in();
            DEPTH.set(self.0);
        }
    }
    let depth = DEPTH.replace(0);
    let _back = (depth > 0).then(|| {
        count_out();
        catch_up();
        Back(depth)
    });
    work()
}

/// Runs work once this thread has left all sections, so that no lock is held; at once if it is in none.
pub(crate) fn afterwards(work: impl FnOnce() + 'static) {
    if DEPTH.get() == 0 {
        return work();
    }
    // A thread that is exiting has no queue.
    let _ = LATER.try_with(|later| later.borrow_mut().push_back(Box::new(work)));
}

/// Runs the work deferred by [`afterwards`] now. No lock is held during it.
pub(crate) fn settle() {
    if LATER.try_with(|later| later.borrow().is_empty()) == Ok(false) {
        outside(|| ());
    }
}

/// How often this process and its ancestors were forked, as far as reported by the system: anything started under another
/// number belongs to the parent.
pub(crate) fn forks() -> u64 {
    FORKS.load(Ordering::Relaxed)
}

/// Notes that the system reports forks from now on.
pub(crate) fn set_watched() {
    IS_WATCHED.store(true, Ordering::Relaxed);
}

/// Whether [`forks`] counts every fork.
pub(crate) fn is_watched() -> bool {
    IS_WATCHED.load(Ordering::Relaxed)
}

/// The process that owns something.
pub(crate) struct Owner(AtomicU32);

impl Owner {
    pub(crate) fn this() -> Self {
        Owner(AtomicU32::new(process::id()))
    }

    /// Whether this process inherited it by a fork; this call then takes it over.
    pub(crate) fn changed(&self) -> bool {
        let now = process::id();
        self.0.swap(now, Ordering::AcqRel) != now
    }
}

/// Waits until no other thread is in a section, and prevents new ones.
pub(crate) fn before_fork() {
    let turn = lock(&TURN);
    FORKS_NOW.set(true);
    IS_FORKING.store(true, Ordering::SeqCst);
    let own = (DEPTH.get() > 0).then(place);
    let given_up = Instant::now() + PATIENCE;
    for (number, place) in INSIDE.iter().enumerate() {
        let expected = usize::from(own == Some(number));
        let mut tries = 0;
        while place.0.load(Ordering::SeqCst) > expected && Instant::now() < given_up {
            match tries {
                0..20 => thread::yield_now(),
                _ => thread::sleep(Duration::from_micros(50)),
            }
            tries += 1;
        }
    }
    // A thread that is exiting has no storage for it, and blocks nobody.
    let _ = HELD.try_with(|held| *held.borrow_mut() = Some(turn));
}

/// Ends what [`before_fork`] started, in the parent.
pub(crate) fn after_fork() {
    IS_FORKING.store(false, Ordering::SeqCst);
    FORKS_NOW.set(false);
    let _ = HELD.try_with(|held| held.borrow_mut().take());
}

/// The same in the child, which has only this thread.
pub(crate) fn after_fork_in_child() {
    FORKS.fetch_add(1, Ordering::Relaxed);
    let own = (DEPTH.get() > 0).then(place);
    for (number, place) in INSIDE.iter().enumerate() {
        place
            .0
            .store(usize::from(own == Some(number)), Ordering::SeqCst);
    }
    after_fork();
}

fn place() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let known = PLACE.get();
    if known < PLACES {
        return known;
    }
    let new = NEXT.fetch_add(1, Ordering::Relaxed) % PLACES;
    PLACE.set(new);
    new
}

fn count_in() {
    let place = &INSIDE[place()].0;
    loop {
        // Both this thread and the fork write first and then read what the other writes: one of them sees the other.
        place.fetch_add(1, Ordering::SeqCst);
        if !IS_FORKING.load(Ordering::SeqCst) || FORKS_NOW.get() {
            return;
        }
        place.fetch_sub(1, Ordering::SeqCst);
        drop(lock(&TURN));
    }
}

fn count_out() {
    INSIDE[place()].0.fetch_sub(1, Ordering::Release);
}

/// Runs the deferred work in order. Work added meanwhile runs last, even if it is added by deferred work.
fn catch_up() {
    let next = || {
        let taken = LATER.try_with(|later| later.borrow_mut().pop_front());
        taken.ok().flatten()
    };
    if CATCHES_UP.replace(true) {
        return;
    }
    while let Some(work) = next() {
        // This may run while a panic unwinds, and a second panic would abort the process.
        let _ = catch_unwind(AssertUnwindSafe(work));
    }
    CATCHES_UP.set(false);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc::channel;

    use super::*;

    // The counters are per process: concurrent tests would see each other's.
    static ALONE: Mutex<()> = Mutex::new(());

    #[test]
    fn a_fork_waits_for_sections_and_sections_wait_for_it() {
        let _alone = lock(&ALONE);
        let (entered, has_entered) = channel();
        let (go_on, goes_on) = channel::<()>();
        let ended = Arc::new(AtomicBool::new(false));
        let other = thread::spawn({
            let ended = ended.clone();
            move || {
                let section = section();
                entered.send(()).unwrap();
                // Work outside blocks nobody.
                outside(|| goes_on.recv().unwrap());
                thread::sleep(Duration::from_millis(20));
                ended.store(true, Ordering::SeqCst);
                drop(section);
            }
        });
        has_entered.recv().unwrap();
        before_fork();
        go_on.send(()).unwrap();
        thread::sleep(Duration::from_millis(50));
        assert!(!ended.load(Ordering::SeqCst));
        // The forking thread itself may use the library.
        drop(section());
        after_fork();
        other.join().unwrap();
        assert!(ended.load(Ordering::SeqCst));
    }

    #[test]
    fn deferred_work_runs_when_the_outermost_section_ends() {
        let done = Arc::new(Mutex::new(Vec::new()));
        let note = |number: u32| {
            let done = done.clone();
            afterwards(move || lock(&done).push(number));
        };
        note(1);
        {
            let _outer = section();
            note(2);
            drop(section());
            assert_eq!(*lock(&done), [1]);
            outside(|| assert_eq!(*lock(&done), [1, 2]));
            note(3);
            assert_eq!(*lock(&done), [1, 2]);
        }
        assert_eq!(*lock(&done), [1, 2, 3]);
    }

    #[test]
    fn a_child_has_no_threads_in_sections() {
        let _alone = lock(&ALONE);
        let before = forks();
        let _mine = section();
        before_fork();
        INSIDE[(place() + 1) % PLACES]
            .0
            .fetch_add(1, Ordering::SeqCst); // a thread of the parent
        after_fork_in_child();
        assert_eq!(forks(), before + 1);
        before_fork();
        after_fork();
    }
}
