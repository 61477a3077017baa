//! Connections to the database, for callers that block. Every call has a deadline, which also holds if the database accepts
//! connections and never answers.
//!
//! `connection` runs the statements, `io` is the thread that connects and moves bytes, `pool` hands out connections, `wait` waits with a deadline, `breaker` lets
//! calls fail at once while the database is down, `url` reads addresses and sets up TLS, `fault` has the errors and their
//! sentences. A forked child touches none of its parent's connections: it forgets them and makes its own.
//!
//! Statements have no names, so that a pooler in transaction mode (PgBouncer) may stand between.

mod breaker;
mod connection;
mod fault;
mod io;
mod link;
mod pool;
pub(in crate::store) mod url;
mod wait;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use crate::Error;
use crate::base::fork;
use crate::store::{SharedSettings, StoreUrl};
use breaker::Breaker;
pub(super) use connection::{Connection, Parameters};
pub(super) use fault::Fault;
use link::Link;
use pool::Pool;

#[cfg(test)]
thread_local! {
    static CALLS: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// How often this thread has used a database.
#[cfg(test)]
pub(super) fn calls() -> u64 {
    CALLS.get()
}

/// A database. Cheap to share: its thread starts with the first call and ends with the last handle.
pub(super) struct Database {
    pool: Pool,
    breaker: Breaker,
    timeout: Duration,
    /// For messages.
    name: String,
    /// Of calls with a shorter deadline of their own: if they miss it, the database may well be up.
    quick: Breaker,
    /// Answered, and failed.
    calls: [AtomicU64; 2],
}

/// How often a transaction is tried again that others made impossible.
const TRIES: u32 = 4;

impl Database {
    /// Connects to nobody yet.
    pub(super) fn new(url: &StoreUrl, settings: &SharedSettings) -> Result<Self, Error> {
        let place = url::read(url.expose())
            .map_err(|wrong| Error::Setting(format!("SEALGATE_STORE {wrong}.")))?;
        Ok(Database {
            pool: Pool::new(place, settings),
            breaker: Breaker::default(),
            timeout: settings.timeout,
            name: url.to_string(),
            quick: Breaker::default(),
            calls: Default::default(),
        })
    }

    /// Runs statements outside a transaction, on one connection. They are run again if the connection proves dead.
    pub(super) fn read<T>(
        &self,
        work: impl FnMut(&mut Connection<'_>) -> Result<T, Fault>,
    ) -> Result<T, Error> {
        self.read_within(self.timeout, work)
    }

    /// The same with another deadline.
    pub(super) fn read_within<T>(
        &self,
        longest: Duration,
        mut work: impl FnMut(&mut Connection<'_>) -> Result<T, Fault>,
    ) -> Result<T, Error> {
        let deadline = Instant::now() + longest;
        self.lend((deadline, longest), |connection| {
            let done = work(connection);
            let again = done.as_ref().is_err_and(Fault::is_dead);
            (done, again)
        })
    }

    /// Runs a transaction, which begins with the statements of `prologue`. It is run again if others made it impossible, or if
    /// the connection proves dead before the end of the transaction was sent. A statement that fails undoes it, whatever work
    /// makes of the failure.
    ///
    /// # Errors
    /// [`Error::Store`]; if the sentence does not say otherwise, nothing was changed.
    pub(super) fn change<T>(
        &self,
        prologue: &str,
        mut work: impl FnMut(&mut Connection<'_>) -> Result<T, Fault>,
    ) -> Result<T, Error> {
        let longest = self.timeout;
        let deadline = Instant::now() + longest;
        // What an abandoned transaction holds must not outlive its caller by much.
        let begin = format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL statement_timeout = {0}; SET LOCAL lock_timeout = {0};
             SET LOCAL idle_in_transaction_session_timeout = {0}; {prologue}",
            longest.as_millis()
        );
        self.lend((deadline, longest), |connection| {
            let done = connection.batch(&begin).and_then(|()| work(connection));
            let done = match done {
                Ok(done) => done,
                Err(fault) => {
                    let again = fault.is_dead() || fault.is_conflict();
                    connection.roll_back();
                    return (Err(fault), again);
                }
            };
            if connection.failed {
                // COMMIT would be answered as if all were well, and undo everything.
                connection.roll_back();
                return (Err(Fault::Undone), false);
            }
            connection.link.take_warning();
            let unknown = match connection.batch("COMMIT") {
                Ok(()) => connection.link.take_warning(),
                Err(fault) if fault.breaks() => true,
                Err(fault) => {
                    let again = fault.is_conflict();
                    return (Err(fault), again);
                }
            };
            match unknown {
                false => (Ok(done), false),
                // Not answered; or an administrator ended its wait for a standby, which may not have it.
                true => (Err(Fault::Unknown), false),
            }
        })
    }

    /// How many calls were answered, and how many failed.
    pub(super) fn calls(&self) -> (u64, u64) {
        let counts = self.calls.each_ref();
        counts.map(|count| count.load(Ordering::Relaxed)).into()
    }

    /// Lends a connection to work, which also returns whether it may be tried again.
    fn lend<T>(
        &self,
        times: (Instant, Duration),
        work: impl FnMut(&mut Connection<'_>) -> (Result<T, Fault>, bool),
    ) -> Result<T, Error> {
        let done = self.lend_uncounted(times, work);
        self.calls[usize::from(done.is_err())].fetch_add(1, Ordering::Relaxed);
        done
    }

    fn lend_uncounted<T>(
        &self,
        (deadline, longest): (Instant, Duration),
        mut work: impl FnMut(&mut Connection<'_>) -> (Result<T, Fault>, bool),
    ) -> Result<T, Error> {
        let _section = fork::section();
        #[cfg(test)]
        CALLS.set(CALLS.get() + 1);
        let breaker = match longest < self.timeout {
            true => &self.quick,
            false => &self.breaker,
        };
        if !breaker.permits() {
            return Err(self.explain(&Fault::Down));
        }
        let mut tries = 0;
        loop {
            tries += 1;
            let (fault, again) = match self.pool.take(deadline, longest, tries > 1) {
                Err(fault) => (fault, false),
                Ok(mut lent) => {
                    let mut connection = Connection {
                        link: lent.link(),
                        deadline,
                        longest,
                        broken: false,
                        failed: false,
                    };
                    let (done, again) = work(&mut connection);
                    let broken = connection.broken
                        || done.as_ref().is_err_and(Fault::breaks)
                        || connection.link.is_closed();
                    if !broken {
                        lent.keep();
                    }
                    match done {
                        Ok(done) => {
                            self.answered();
                            return Ok(done);
                        }
                        Err(fault) => (fault, again),
                    }
                }
            };
            if again && tries < TRIES && Instant::now() < deadline {
                continue;
            }
            match &fault {
                outage if outage.is_outage() => {
                    // A short wait says little about the server.
                    if longest >= self.timeout {
                        self.pool.close_idle();
                    }
                    breaker.failed();
                }
                // An answer is an answer.
                Fault::Database(_) => self.answered(),
                _ => {}
            }
            return Err(self.explain(&fault));
        }
    }

    fn answered(&self) {
        self.breaker.succeeded();
        self.quick.succeeded();
    }

    /// A connection that the caller keeps, with a channel for its notifications.
    pub(super) fn dedicated(&self) -> Result<Dedicated, Error> {
        let _section = fork::section();
        let deadline = Instant::now() + self.timeout;
        let made = self.pool.connect(deadline, self.timeout);
        let listening = made.map_err(|fault| {
            self.breaker.failed();
            self.explain(&fault)
        })?;
        self.answered();
        Ok(Dedicated {
            link: Some(listening.link),
            notified: listening.notified,
            timeout: self.timeout,
            forks: fork::forks(),
            process: std::process::id(),
        })
    }

    /// Whether calls fail at once, because the last ones did.
    pub(super) fn is_down(&self) -> bool {
        self.breaker.is_open()
    }

    /// The address, without a password.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn explain(&self, fault: &Fault) -> Error {
        fault.explain(&self.name)
    }

    /// Notifies the other processes of a change soon. In a transaction of its own: those that notify are committed one
    /// after the other.
    pub(super) fn wake_others(&self) {
        let _section = fork::section();
        self.pool.notify_soon(self.timeout);
    }
}

/// A connection that its owner keeps.
pub(super) struct Dedicated {
    /// Always there until it is dropped.
    link: Option<Link>,
    notified: Receiver<()>,
    timeout: Duration,
    forks: u64,
    process: u32,
}

impl Dedicated {
    /// Runs statements with a new deadline.
    pub(super) fn run<T>(
        &mut self,
        work: impl FnOnce(&mut Connection<'_>) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let _section = fork::section();
        let Some(link) = self.link.as_ref().filter(|_| self.is_ours()) else {
            return Err(Fault::Down);
        };
        work(&mut Connection {
            link,
            deadline: Instant::now() + self.timeout,
            longest: self.timeout,
            broken: false,
            failed: false,
        })
    }

    /// Waits for a notification, at most this long.
    pub(super) fn wait(&self, longest: Duration) -> bool {
        fork::outside(|| self.notified.recv_timeout(longest)).is_ok()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.link.as_ref().is_none_or(|link| link.is_closed()) || !self.is_ours()
    }

    fn is_ours(&self) -> bool {
        self.forks == fork::forks() && self.process == std::process::id()
    }
}

impl Drop for Dedicated {
    fn drop(&mut self) {
        // To drop it would write to the parent's connection.
        if !self.is_ours() {
            std::mem::forget(self.link.take());
        }
    }
}

#[cfg(test)]
mod tests;
