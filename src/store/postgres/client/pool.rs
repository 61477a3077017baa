//! A bounded number of connections, each used by one call at a time and kept for the next.

use std::collections::VecDeque;
use std::fs;
use std::mem;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use tokio_postgres::Client;

use super::fault::Fault;
use super::io::{Io, Listening};
use super::url::Place;
use crate::base::fork::{self, Owner};
use crate::base::sync::lock;
use crate::store::SharedSettings;

/// Connections that nobody has used for this long are closed.
const IDLE: Duration = Duration::from_secs(60);

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
    idle: Vec<(Client, Instant)>,
    /// How many there are, with those being made.
    open: usize,
    /// Who waits for one, first come first served.
    waiting: VecDeque<Thread>,
}

/// A connection in use. It is closed when dropped, unless it is to be kept.
pub(super) struct Lent {
    client: Option<Client>,
    keep: bool,
    /// Whether somebody else gives its place back.
    lent_on: bool,
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
            let io = io_of(&mut pool)?;
            // A dead connection often is not the only one.
            let unused: Vec<_> = match new {
                true => pool.idle.drain(..).collect(),
                false => pool
                    .idle
                    .extract_if(.., |(client, used)| {
                        client.is_closed() || used.elapsed() >= IDLE
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
                    client: idle.map(|(client, _)| client),
                    keep: false,
                    lent_on: false,
                    state,
                    io,
                };
                if lent.client.is_none() {
                    lent.client = Some(self.connect_by(&lent.io, deadline, longest)?.client);
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
        let io = io_of(&mut lock(&self.state()))?;
        self.connect_by(&io, deadline, longest)
    }

    fn connect_by(
        &self,
        io: &Io,
        deadline: Instant,
        longest: Duration,
    ) -> Result<Listening, Fault> {
        let password = self.password_file.as_ref().map(fs::read).transpose();
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
        io.connect(&self.place, password, deadline, longest)
    }

    /// Closes the connections that nobody uses: where one has failed, its server may be gone, and then all are dead.
    pub(super) fn close_idle(&self) {
        let state = self.state();
        let mut pool = lock(&state);
        let idle = mem::take(&mut pool.idle);
        pool.open -= idle.len();
        drop(pool);
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

fn io_of(pool: &mut State) -> Result<Arc<Io>, Fault> {
    if pool.io.is_none() {
        pool.io = Some(Arc::new(Io::start()?));
    }
    pool.io.clone().ok_or(Fault::Down)
}

impl Lent {
    pub(super) fn client(&self) -> &Client {
        self.client
            .as_ref()
            .expect("it is there until it is dropped")
    }

    /// Returns it to the pool when it is dropped.
    pub(super) fn keep(&mut self) {
        self.keep = true;
    }

    /// Lends it to work in the thread for input and output, and returns at once.
    pub(super) fn lend_to_io<F: Future<Output = Client> + Send + 'static>(
        mut self,
        work: impl FnOnce(Client) -> F + Send + 'static,
    ) {
        let Some(client) = self.client.take() else {
            return;
        };
        let state = Arc::clone(&self.state);
        self.lent_on = true;
        self.io.run(async move {
            let client = work(client).await;
            give_back(&state, Some(client).filter(|client| !client.is_closed()));
        });
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if self.lent_on {
            return;
        }
        let client = self.client.take();
        let (kept, closed) = match self.keep {
            true => (client, None),
            false => (None, client),
        };
        give_back(&self.state, kept);
        drop(closed);
    }
}

/// Returns a connection, or its place, to the pool.
fn give_back(state: &Mutex<State>, client: Option<Client>) {
    let mut pool = lock(state);
    match client {
        Some(client) => pool.idle.push((client, Instant::now())),
        None => pool.open = pool.open.saturating_sub(1),
    }
    if let Some(next) = pool.waiting.pop_front() {
        next.unpark();
    }
}
