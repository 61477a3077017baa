//! The engine of Linux: a fixed pool of workers, each with its own epoll and its own connections, and a second pool for what
//! takes long. To the author of a route all of it is plain blocking code.
//!
//! `listener` accepts and hands out, `worker` drives its connections, `balance` says how many workers take part, `connection`
//! is the state of one, `transport` its bytes in the clear or through TLS, `answer` hands a request to the API. `deadlines`
//! says who is overdue, `slowest` who is furthest behind, `siege` whether a crowd finishes nothing, `descriptors` how many
//! connections there is room for. `blocking` is the second pool, and `job` what it does. `shared` is what all threads count
//! together, `hub` how they reach one another: a worker by its `mailbox`, the listener by its `bell`.
//!
//! # What it protects from
//! Head, body, the reading of an answer and idleness have deadlines that hold for the whole of each, so a byte now and then
//! does not help. Heads, bodies, connections and all buffered bytes together are bounded. A connection costs a descriptor
//! and, while it is idle, no buffer; never a thread.

mod answer;
mod balance;
mod bell;
mod blocking;
mod connection;
mod deadlines;
mod descriptors;
mod hub;
mod job;
mod listener;
mod mailbox;
mod shared;
mod siege;
mod slowest;
mod transport;
mod worker;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::Error;
use crate::api::App;
use crate::base::sync::lock;
use crate::base::threads;
use crate::server::listen;
use crate::server::settings::{self, Settings};
use crate::server::tls::TlsAcceptor;

use blocking::Pools;
use hub::Hub;
use listener::Listener;
use mailbox::Mailbox;
use shared::{Addresses, Shared};
use worker::{Patience, Worker};

/// How long a client that was told that the connection is over may go on sending before it is cut off.
const LINGER: Duration = Duration::from_secs(2);

/// How long a stop waits for threads that were told to drop everything.
const ABORT: Duration = Duration::from_secs(1);

/// The running engine.
pub(super) struct Engine {
    hub: Arc<Hub>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Engine {
    pub(super) fn start(
        app: App,
        sockets: Vec<listen::Socket>,
        tls: Option<TlsAcceptor>,
        settings: &Settings,
    ) -> Result<Self, Error> {
        let workers = match settings.workers {
            0 => thread::available_parallelism().map_or(2, usize::from),
            workers => workers,
        };
        let hashing = app.hashing_places();
        let shared = Arc::new(Shared::new(
            app,
            settings,
            Addresses::new(
                settings.max_connections_per_address,
                settings.max_connections,
            ),
            workers,
        ));
        let mailboxes = (0..workers).map(|_| Mailbox::new());
        let mailboxes: Arc<[Mailbox]> = mailboxes.collect::<Result<_, _>>()?;
        let blocking = Pools::new(settings.blocking_workers, hashing, &shared, &mailboxes);
        let hub = Arc::new(Hub::new(shared, mailboxes, blocking)?);
        let patience = Patience {
            head: settings.head_timeout,
            body: settings.body_timeout,
            idle: settings.idle_timeout,
            write: settings.write_timeout,
            linger: LINGER,
        };
        let started = Instant::now();
        let workers = (0..workers)
            .map(|number| Worker::new(number, hub.clone(), patience, started))
            .collect::<Result<Vec<_>, _>>()?;
        // Last: it counts the descriptors that are left.
        let listener = Listener::new(hub.clone(), tls, sockets, settings.max_connections, started)?;
        // All that can fail has been made; what is left is to start the threads.
        let engine = Engine {
            hub: hub.clone(),
            threads: Mutex::default(),
        };
        // First: without it the workers would wait for its word that no connection can come any more.
        engine.spawn("sealgate-listen", move || listener.run())?;
        for worker in workers {
            let hub = hub.clone();
            engine.spawn("sealgate-worker", move || {
                let ended = catch_unwind(AssertUnwindSafe(|| worker.run()));
                let failure = match ended {
                    Ok(ended) => ended.err(),
                    Err(_panic) => Some(Error::Io("A worker panicked.".to_owned())),
                };
                hub.worker_ended(failure);
            })?;
        }
        Ok(engine)
    }

    fn spawn(&self, name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), Error> {
        let thread = threads::spawn(name, work)
            .map_err(|error| Error::Io(format!("A thread cannot be started: {error}.")))?;
        lock(&self.threads).push(thread);
        Ok(())
    }

    pub(super) fn stop(&self, grace: Duration) -> Result<(), Error> {
        self.hub.stop(settings::farewell(grace));
        let within = |time| self.hub.wait_for_workers(Instant::now().checked_add(time));
        let in_time = within(grace);
        if !in_time {
            self.hub.abort();
            self.hub.blocking.clear();
        }
        self.hub.blocking.close();
        // Who is still in a route then cannot be ended, and may be the caller: that thread ends with its route, as those of
        // the blocking pool do with their jobs.
        if in_time || within(ABORT) {
            // Joined, not only counted: a thread frees its OpenSSL contexts after its last line, and OpenSSL's own clean-up at
            // the end of the process must not run beside that.
            for thread in std::mem::take(&mut *lock(&self.threads)) {
                let _ = thread.join();
            }
        }
        // After a stop that was cut short, a route may still run on a thread of the second pool: a later stop does not wait
        // for it either.
        if in_time && !self.hub.shared.is_aborting() {
            self.hub.blocking.join();
            return Ok(());
        }
        Err(Error::Io(
            "Requests were still running when the grace period was over.".to_owned(),
        ))
    }

    pub(super) fn wait(&self) -> Result<(), Error> {
        self.hub.wait_for_workers(None);
        self.hub.failure().map_or(Ok(()), Err)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.hub.stop(Duration::ZERO);
        self.hub.blocking.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Config, Gate};

    /// Without a client whose coming would wake it.
    #[test]
    fn all_ends_when_a_worker_does() {
        let mut config = Config::new();
        for (name, value) in [
            ("keys", "ephemeral"),
            ("listen", "127.0.0.1:0"),
            ("workers", "2"),
        ] {
            config.set(name, value).unwrap();
        }
        let settings = config.settings().unwrap();
        let app = App::new(Gate::new(&settings.gate).unwrap(), &settings.app).unwrap();
        let socket = listen::bind(&settings.server.listen[0], 0o600, false).unwrap();
        let engine = Engine::start(app, vec![socket], None, &settings.server).unwrap();
        engine.hub.worker_ended(Some(Error::Io("lost".to_owned())));
        for thread in std::mem::take(&mut *lock(&engine.threads)) {
            thread.join().unwrap();
        }
        assert_eq!(engine.wait(), Err(Error::Io("lost".to_owned())));
    }
}
