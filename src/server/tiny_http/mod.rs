//! The portable engine: `tiny_http::Server` with a fixed pool of workers for each address, and [`Mount`] for hosts that
//! already have such a server.
//!
//! It is for loopback addresses, Unix sockets and servers behind a proxy with limits of its own: tiny_http has no time
//! limits, no limit on the length of lines, and a thread for each connection. An error of `accept` ends it, and so do 256
//! refused requests that claim more than 64 MiB: the server then stops with an error so that its supervisor restarts it.
//! If its accept thread panics, for lack of descriptors or threads, only a health check notices.
//!
//! It answers malformed heads and unknown expectations itself, without a JSON body, a request id or a log line, and
//! accepts some that the other engine refuses: it trims lines. It cannot be made to close a connection: we answer a
//! refused request with `Connection: close` and refuse whatever comes from the same address and port for 10 seconds. On
//! a Unix socket, where peers have no address, such bytes are read as the next request.
//!
//! `docs/architecture.md` has the whole list.

mod exchange;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use ::tiny_http::Server;

use crate::Error;
use crate::api::App;
use crate::base::sync::lock;
use crate::base::threads;
use crate::server::http1::head::Limits;
use crate::server::listen::{Listener, Socket};
use crate::server::settings::{self, Listen, Settings};

pub use exchange::Mount;
use exchange::{Exchange, Heard};

/// The least that a stop waits: the time in which threads without a request end.
const WAKING: Duration = Duration::from_millis(250);

/// Refuses addresses that this engine must not serve.
pub(super) fn check_exposure(settings: &Settings) -> Result<(), Error> {
    let exposed = settings.listen.iter().find_map(|listen| match listen {
        Listen::Tcp(address) if !listen.is_local() => Some(address),
        _ => None,
    });
    match exposed {
        Some(address) if !settings.behind_proxy => Err(Error::Setting(format!(
            "The engine tiny-http does not serve {address} directly: it cannot limit slow clients. Put a proxy \
             in front and name its address in SEALGATE_TRUSTED_PROXIES, or listen on 127.0.0.1."
        ))),
        _ => Ok(()),
    }
}

/// The running engine.
pub(super) struct Engine {
    shared: Arc<Shared>,
    workers: Mutex<Vec<JoinHandle<()>>>,
}

impl Engine {
    pub(super) fn start(
        app: App,
        sockets: Vec<Socket>,
        settings: &Settings,
    ) -> Result<Self, Error> {
        let cannot_start = |error| Error::Io(format!("The server cannot be started: {error}."));
        let workers = match settings.workers {
            0 => thread::available_parallelism().map_or(8, |cores| (4 * cores.get()).max(8)),
            workers => workers,
        };
        let queues = sockets.into_iter().map(Queue::start);
        let queues: Vec<_> = queues.collect::<Result<_, _>>().map_err(cannot_start)?;
        let engine = Engine {
            shared: Arc::new(Shared {
                exchange: Exchange::new(app, Limits::of(settings)),
                queues: Mutex::new(queues.clone()),
                stop: OnceLock::new(),
            }),
            workers: Mutex::default(),
        };
        for queue in queues {
            for number in 0..workers {
                let (shared, queue) = (engine.shared.clone(), queue.clone());
                let work = move || shared.work(&queue);
                // If one cannot be started, dropping the engine ends the others.
                let worker = threads::spawn(&format!("sealgate-{number}"), work)
                    .map_err(|error| cannot_start(error.into()))?;
                lock(&engine.workers).push(worker);
            }
        }
        Ok(engine)
    }

    pub(super) fn stop(&self, grace: Duration) -> Result<(), Error> {
        let deadline = Instant::now() + grace.max(WAKING);
        self.shared.begin_stop(settings::farewell(grace), None);
        let mut workers = lock(&self.workers);
        while workers.iter().any(|worker| !worker.is_finished()) {
            if Instant::now() >= deadline {
                return Err(Error::Io(
                    "Requests were still running when the grace period was over.".to_owned(),
                ));
            }
            thread::sleep(Duration::from_millis(10));
        }
        // Joined, not only finished: a thread frees its OpenSSL contexts after its last line, and OpenSSL's exit handler
        // must not run at the same time.
        for worker in workers.drain(..) {
            let _ = worker.join();
        }
        lock(&self.shared.queues).clear();
        Ok(())
    }

    pub(super) fn is_running(&self) -> bool {
        !self.shared.is_stopping()
    }

    pub(super) fn wait(&self) -> Result<(), Error> {
        self.shared.stop.wait().failure.clone().map_or(Ok(()), Err)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.shared.begin_stop(Duration::ZERO, None);
    }
}

/// One address and the requests that arrived there. Dropping it closes the address and removes the file of a Unix socket.
struct Queue {
    server: Server,
    /// Held while a request is taken and its head validated, so that requests of one connection are validated in the
    /// order they arrived.
    intake: Mutex<()>,
    /// `None` for a Unix socket.
    address: Option<SocketAddr>,
}

impl Queue {
    fn start(socket: Socket) -> Result<Arc<Self>, Box<dyn std::error::Error + Send + Sync>> {
        // tiny_http starts its own threads.
        let server = threads::with_signals_blocked(|| match socket.listener {
            Listener::Tcp(listener) => Server::from_listener(listener, None),
            #[cfg(unix)]
            Listener::Unix(listener) => Server::from_listener(listener, None),
        })?;
        Ok(Arc::new(Queue {
            server,
            intake: Mutex::default(),
            address: socket.address.tcp(),
        }))
    }
}

/// Why the engine stops and until when it waits for last requests.
struct Stop {
    farewell_ends: Instant,
    failure: Option<Error>,
}

/// What the workers share.
struct Shared {
    exchange: Exchange,
    queues: Mutex<Vec<Arc<Queue>>>,
    stop: OnceLock<Stop>,
}

impl Shared {
    fn begin_stop(&self, farewell: Duration, failure: Option<Error>) {
        self.stop.get_or_init(|| Stop {
            farewell_ends: Instant::now() + farewell,
            failure,
        });
        // One worker of each queue waits without a time limit.
        for queue in lock(&self.queues).iter() {
            queue.server.unblock();
        }
    }

    fn is_stopping(&self) -> bool {
        self.stop.get().is_some()
    }

    /// A worker: answers the requests of its queue until the engine has stopped and none are left.
    fn work(&self, queue: &Queue) {
        loop {
            // Read first: a request that arrives before the end is answered, with `Connection: close`.
            let over = self
                .stop
                .get()
                .is_some_and(|stop| stop.farewell_ends <= Instant::now());
            let answered = match self.next(queue) {
                Ok(Some(request)) => self
                    .exchange
                    .answer(request, queue.address, &|| self.is_stopping()),
                Ok(None) if over => return,
                Ok(None) => Ok(()),
                Err(failure) => Err(failure),
            };
            if let Err(failure) = answered {
                self.begin_stop(Duration::ZERO, Some(failure));
            }
        }
    }

    /// Waits for a request; once the engine is stopping, only until the farewell ends.
    fn next(&self, queue: &Queue) -> Result<Option<Heard>, Error> {
        let _turn = lock(&queue.intake);
        let received = match self.stop.get() {
            None => queue.server.recv().map(Some),
            Some(stop) => match stop.farewell_ends.saturating_duration_since(Instant::now()) {
                Duration::ZERO => queue.server.try_recv(),
                left => queue.server.recv_timeout(left),
            },
        };
        match received {
            Ok(request) => Ok(request.map(|request| self.exchange.hear(request))),
            // The last message of tiny_http's accept thread; `unblock` causes an error without a number.
            Err(error) if error.raw_os_error().is_some() => Err(Error::Io(format!(
                "tiny_http accepts no more connections: {error}. Restart the server."
            ))),
            Err(_) => Ok(None),
        }
    }
}
