//! A bounded number of connections, each used by one call at a time and kept for the next.

use std::collections::VecDeque;
use std::fs;
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Weak};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use super::fault::Fault;
use super::io::{Io, Listening, open};
use super::link::Link;
use super::url::Place;
use crate::base::fork::{self, Owner};
use crate::base::sync::lock;
use crate::store::SharedSettings;

/// Connections that nobody has used for this long are closed.
const IDLE: Duration = Duration::from_secs(60);

/// The shortest time between two notifications.
const NOTIFY_EVERY: Duration = Duration::from_millis(5);
/// How often a connection is looked for to send one; by then the others have read the log anyway.
const NOTIFY_TRIES: u32 = 50;

pub(super) struct Pool {
    place: Arc<Place>,
    password_file: Option<PathBuf>,
    most: usize,
    owner: Owner,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    io: Option<Arc<Io>>,
    /// The last one was used last.
    idle: Vec<(Link, Instant)>,
    /// How many there are, with those being made.
    open: usize,
    /// Who waits for one, first come first served.
    waiting: VecDeque<Thread>,
    /// Whether a notification is about to be sent, and when the last one was.
    notifies: bool,
    notified: Option<Instant>,
}

/// A connection in use. It is closed when dropped, unless it is to be kept.
pub(super) struct Lent {
    link: Option<Link>,
    keep: bool,
    state: Arc<Mutex<State>>,
    io: Arc<Io>,
}

impl Pool {
    pub(super) fn new(place: Place, settings: &SharedSettings) -> Self {
        Pool {
            place: Arc::new(place),
            password_file: settings.password_file.clone(),
            most: settings.connections.max(1) as usize,
            owner: Owner::this(),
            state: Arc::default(),
        }
    }

    /// A connection: an idle one unless `new`, or another one. Waits while all are in use.
    pub(super) fn take(
        &self,
        deadline: Instant,
        longest: Duration,
        new: bool,
    ) -> Result<Lent, Fault> {
        let mut waits = false;
        loop {
            let state = self.state();
            let mut pool = lock(&state);
            let io = io_of(&mut pool, &state)?;
            // A dead connection often is not the only one.
            let unused: Vec<_> = match new {
                true => pool.idle.drain(..).collect(),
                false => pool
                    .idle
                    .extract_if(.., |(link, used)| {
                        link.is_closed() || used.elapsed() >= IDLE
                    })
                    .collect(),
            };
            pool.open -= unused.len();
            let idle = pool.idle.pop();
            let may_open = idle.is_none() && pool.open < self.most;
            if may_open {
                pool.open += 1;
            }
            if idle.is_some() || may_open {
                drop(pool);
                drop(unused);
                let mut lent = Lent {
                    link: idle.map(|(link, _)| link),
                    keep: false,
                    state,
                    io,
                };
                if lent.link.is_none() {
                    lent.link = Some(self.connect_by(&lent.io, deadline, longest)?.link);
                }
                return Ok(lent);
            }
            if Instant::now() >= deadline {
                pool.waiting
                    .retain(|thread| thread.id() != thread::current().id());
                return Err(Fault::Busy(longest));
            }
            // Whoever was woken and found nothing goes to the front again.
            match waits {
                true => pool.waiting.push_front(thread::current()),
                false => pool.waiting.push_back(thread::current()),
            }
            waits = true;
            drop(pool);
            let left = deadline.saturating_duration_since(Instant::now());
            fork::outside(|| thread::park_timeout(left));
            lock(&state)
                .waiting
                .retain(|thread| thread.id() != thread::current().id());
        }
    }

    /// A connection beside those that are counted.
    pub(super) fn connect(&self, deadline: Instant, longest: Duration) -> Result<Listening, Fault> {
        let state = self.state();
        let io = io_of(&mut lock(&state), &state)?;
        self.connect_by(&io, deadline, longest)
    }

    fn connect_by(
        &self,
        io: &Io,
        deadline: Instant,
        longest: Duration,
    ) -> Result<Listening, Fault> {
        let password = read_password(self.password_file.as_deref())?;
        io.connect(&self.place, password, deadline, longest)
    }

    /// Closes the connections that nobody uses: where one has failed, its server may be gone, and then all are dead.
    pub(super) fn close_idle(&self) {
        let state = self.state();
        let mut pool = lock(&state);
        let idle = mem::take(&mut pool.idle);
        pool.open -= idle.len();
        for next in pool.waiting.drain(..) {
            next.unpark();
        }
        drop(pool);
    }

    /// Sends a notification soon, without waiting for it.
    pub(super) fn notify_soon(&self, timeout: Duration) {
        let state = self.state();
        let mut pool = lock(&state);
        if pool.notifies {
            return;
        }
        // Whoever misses it reads the log of changes four times a second anyway.
        let Ok(io) = io_of(&mut pool, &state) else {
            return;
        };
        pool.notifies = true;
        let passed = pool.notified.map(|last| last.elapsed());
        let pause = passed.map_or(Duration::ZERO, |passed| NOTIFY_EVERY.saturating_sub(passed));
        drop(pool);
        let notify = Notify {
            state,
            place: Arc::clone(&self.place),
            password_file: self.password_file.clone(),
            most: self.most,
            timeout,
        };
        io.run(notify.send(pause));
    }

    /// This process's connections.
    fn state(&self) -> Arc<Mutex<State>> {
        if self.owner.changed() {
            // Even to drop a client would write to the parent's connection.
            mem::forget(mem::take(&mut *lock(&self.state)));
        }
        Arc::clone(&self.state)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        // Forgets what belongs to a parent.
        let state = mem::take(&mut *lock(&self.state()));
        drop(state.idle);
        drop(state.io);
    }
}

fn io_of(pool: &mut State, state: &Arc<Mutex<State>>) -> Result<Arc<Io>, Fault> {
    if let Some(io) = &pool.io {
        return Ok(Arc::clone(io));
    }
    let io = Arc::new(Io::start()?);
    io.run(sweep(Arc::downgrade(state)));
    pool.io = Some(Arc::clone(&io));
    Ok(io)
}

/// Closes connections that nobody uses any more, as long as there is a pool.
async fn sweep(state: Weak<Mutex<State>>) {
    loop {
        tokio::time::sleep(IDLE / 4).await;
        let Some(state) = state.upgrade() else {
            return;
        };
        let mut pool = lock(&state);
        let unused: Vec<_> = pool
            .idle
            .extract_if(.., |(link, used)| {
                link.is_closed() || used.elapsed() >= IDLE
            })
            .collect();
        pool.open -= unused.len();
        drop(pool);
        drop(unused);
    }
}

fn read_password(file: Option<&Path>) -> Result<Option<Vec<u8>>, Fault> {
    let password = file.map(fs::read).transpose();
    let mut password = password.map_err(|error| {
        Fault::Refused(format!(
            "The file that SEALGATE_STORE_PASSWORD_FILE names cannot be read: {error}."
        ))
    })?;
    if let Some(password) = &mut password {
        while password.last().is_some_and(|byte| b"\r\n".contains(byte)) {
            password.pop();
        }
    }
    Ok(password)
}

/// A notification that the thread for input and output sends.
struct Notify {
    state: Arc<Mutex<State>>,
    place: Arc<Place>,
    password_file: Option<PathBuf>,
    most: usize,
    timeout: Duration,
}

impl Notify {
    async fn send(self, mut pause: Duration) {
        for _ in 0..NOTIFY_TRIES {
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
            pause = NOTIFY_EVERY;
            let Some(idle) = self.take() else {
                continue;
            };
            let link = match idle {
                Some(link) => Some(link),
                None => self.connect().await,
            };
            let sent = match &link {
                Some(link) => {
                    let sent = link.batch_execute("NOTIFY sealgate");
                    matches!(tokio::time::timeout(self.timeout, sent).await, Ok(Ok(())))
                }
                None => false,
            };
            return give_back(&self.state, link.filter(|_| sent));
        }
        lock(&self.state).notifies = false;
    }

    /// The place of a connection, and an idle one if there is one; a later change then needs another notification.
    fn take(&self) -> Option<Option<Link>> {
        let mut pool = lock(&self.state);
        let idle = pool.idle.pop().map(|(link, _)| link);
        if idle.is_none() {
            if pool.open >= self.most {
                return None;
            }
            pool.open += 1;
        }
        pool.notifies = false;
        pool.notified = Some(Instant::now());
        Some(idle.filter(|link| !link.is_closed()))
    }

    async fn connect(&self) -> Option<Link> {
        let password = read_password(self.password_file.as_deref()).ok()?;
        let opened = open(&self.place, password.as_deref(), self.timeout, self.timeout).await;
        Some(opened.ok()?.link)
    }
}

impl Lent {
    pub(super) fn link(&self) -> &Link {
        self.link.as_ref().expect("it is there until it is dropped")
    }

    /// Returns it to the pool when it is dropped.
    pub(super) fn keep(&mut self) {
        self.keep = true;
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let link = self.link.take();
        let (kept, closed) = match self.keep {
            true => (link, None),
            false => (None, link),
        };
        give_back(&self.state, kept);
        drop(closed);
    }
}

/// Returns a connection, or its place, to the pool.
fn give_back(state: &Mutex<State>, link: Option<Link>) {
    let mut pool = lock(state);
    match link {
        Some(link) => pool.idle.push((link, Instant::now())),
        None => pool.open = pool.open.saturating_sub(1),
    }
    if let Some(next) = pool.waiting.pop_front() {
        next.unpark();
    }
}
