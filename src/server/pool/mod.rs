//! The Linux engine: a fixed pool of workers, each with its own epoll and connections, and a second pool for slow
//! requests. Routes are written as plain blocking code.
//!
//! `listener` accepts connections and distributes them, `worker` drives them, `balance` decides how many workers are
//! active, `connection` is the state of one connection, `transport` its bytes in the clear or over TLS, `answer` hands
//! a request to the API. `deadlines` finds expired waits, `descriptors` computes how many connections fit, `eviction`
//! decides which of them is closed for a new one. `proxies` decides which of them begin with a header of the PROXY protocol.
//! `blocking` is the second pool, and `job` its work item. `stats` is what the metrics show of all this. `shared` has the
//! counts that all threads share, of which `buffered_memory` bounds what all connections hold and `connections_by_address`
//! how many of them an address has. `hub` has the ways to reach other threads: a worker through its `mailbox`, the listener
//! through its `waker`. `heartbeat` shows that all of them go on.
//!
//! # What it protects against
//! Receiving the head, receiving the body, sending the response and idling each have an overall deadline, so trickling
//! bytes does not extend it. Heads, bodies, connections and all buffered bytes together are bounded. A connection costs
//! a descriptor and, while idle, no buffer; never a thread.

mod acceptor;
mod answer;
mod balance;
mod blocking;
mod buffered_memory;
mod connection;
mod connections_by_address;
mod deadlines;
mod descriptors;
mod eviction;
mod heartbeat;
mod hub;
mod job;
mod listener;
mod mailbox;
mod proxies;
mod shared;
mod stats;
mod transport;
mod waker;
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

use acceptor::Acceptor;
use blocking::Pools;
use connections_by_address::Addresses;
use hub::Hub;
use listener::Listener;
use mailbox::Mailbox;
use shared::Shared;
pub(super) use stats::Stats;
use worker::{Timeouts, Worker};

/// How long a client may keep sending after we have closed our side, before the connection is cut.
const LINGER: Duration = Duration::from_secs(2);

/// How long a stop waits for threads after it aborts them.
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
        let acceptor = Acceptor::new(shared.clone(), tls, sockets);
        let hub = Arc::new(Hub::new(shared, mailboxes, blocking, acceptor)?);
        let patience = Timeouts {
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
        // Last, because it counts the descriptors that are left.
        let listener = Listener::new(hub.clone(), settings.max_connections, started)?;
        // Everything that can fail is done, except for starting the threads.
        let engine = Engine {
            hub: hub.clone(),
            threads: Mutex::default(),
        };
        // First: without it the workers would wait for ever for the listener to end.
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
        let ended = in_time || within(ABORT);
        // A thread still in a route cannot be ended, and may be the caller. It ends with its route, as threads of the
        // blocking pool end with their jobs.
        if ended {
            // Joined, not only counted: a thread frees its OpenSSL contexts after its last line, and OpenSSL's exit
            // handler must not run at the same time.
            for thread in std::mem::take(&mut *lock(&self.threads)) {
                let _ = thread.join();
            }
        }
        // Otherwise a route may still be running on the second pool; a later stop does not wait for it either.
        if ended && !self.hub.shared.has_cut_off() {
            if in_time {
                self.hub.blocking.join();
            }
            return Ok(());
        }
        Err(Error::Io(
            "Requests were still running when the grace period was over.".to_owned(),
        ))
    }

    pub(super) fn stats(&self) -> Stats {
        Stats::of(&self.hub)
    }

    pub(super) fn is_alive(&self, within: Duration) -> bool {
        self.hub.is_alive(within)
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
    use std::io::Write;
    use std::net::{SocketAddr, TcpStream};

    use super::*;
    use crate::{Config, Gate};

    fn engine() -> (Engine, SocketAddr) {
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
        let address = socket.address.tcp().unwrap();
        let engine = Engine::start(app, vec![socket], None, &settings.server).unwrap();
        (engine, address)
    }

    /// No client connects to wake the listener.
    #[test]
    fn the_engine_ends_when_a_worker_fails() {
        let (engine, _) = engine();
        engine.hub.worker_ended(Some(Error::Io("lost".to_owned())));
        for thread in std::mem::take(&mut *lock(&engine.threads)) {
            thread.join().unwrap();
        }
        assert_eq!(engine.wait(), Err(Error::Io("lost".to_owned())));
    }

    /// Another wake, a moment before, must not be taken for the one that asks.
    #[test]
    fn threads_that_were_woken_just_now_are_alive() {
        let (engine, _) = engine();
        let hub = engine.hub.clone();
        let (ask, asked) = std::sync::mpsc::channel();
        let waking = thread::spawn(move || {
            for () in asked {
                hub.waker.ring();
                hub.wake_all();
            }
        });
        for round in 0..1_000 {
            ask.send(()).unwrap();
            assert!(engine.is_alive(Duration::from_secs(30)), "round {round}");
        }
        drop(ask);
        waking.join().unwrap();
    }

    #[test]
    fn a_stop_without_grace_fails_only_if_it_cuts_a_request_off() {
        for _ in 0..20 {
            let (engine, address) = engine();
            let idle = TcpStream::connect(address).unwrap();
            let begun = Instant::now();
            let stopped = engine.stop(Duration::ZERO);
            // Threads that get no core for so long may be in a route.
            assert!(stopped.is_ok() || begun.elapsed() >= ABORT, "{stopped:?}");
            drop(idle);
        }
        let (engine, address) = engine();
        let mut asking = TcpStream::connect(address).unwrap();
        asking.write_all(b"GET /healthz HTTP/1.1\r\n").unwrap();
        let begun = Instant::now();
        while engine.hub.shared.buffered.bytes() == 0 {
            assert!(begun.elapsed() < Duration::from_secs(60));
            thread::sleep(Duration::from_millis(1));
        }
        assert!(engine.stop(Duration::ZERO).is_err());
        assert!(engine.stop(Duration::ZERO).is_err());
    }
}
