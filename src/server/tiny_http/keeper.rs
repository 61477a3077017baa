//! Keeps one address served: starts tiny_http's server and its workers, notices when its accept loop has ended, and starts
//! another on the same socket.
//!
//! The loop ends at the first accept error (no descriptors left, say) or by a panic of which nobody is told. Connections
//! of an ended server still bring requests, so one of its workers stays until they have been silent for a while.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tiny_http::{Request, Server};

use super::Shared;
use crate::Error;
use crate::server::listen::{Address, Listener, Socket};

/// How often the keeper looks.
const LOOK: Duration = Duration::from_millis(200);
/// Without any request for this long, the keeper sends one.
const PROBE_EVERY: Duration = Duration::from_secs(3);
const PROBE_PATIENCE: Duration = Duration::from_secs(1);
/// How long a worker waits for the old connections of an ended server.
const OLD_CONNECTIONS: Duration = Duration::from_secs(600);
/// More ended servers than that at a time are not normal life.
const MAX_OLD: usize = 64;

/// One `tiny_http::Server` on the socket.
struct Generation {
    server: Server,
    accept_ended: AtomicBool,
    retired: AtomicBool,
    /// Taken by the one worker that stays after retirement.
    stayer: AtomicBool,
    requests: AtomicUsize,
    local: bool,
}

struct Keeper {
    shared: Arc<Shared>,
    socket: Socket,
    /// All generations, the newest last. Ended ones are kept: dropping one on a Unix socket would remove the socket's file.
    generations: Vec<Arc<Generation>>,
    old_workers: Arc<AtomicUsize>,
    /// Workers of all generations, to be joined.
    workers: Vec<JoinHandle<()>>,
}

pub(super) fn start(shared: Arc<Shared>, socket: Socket) -> Result<JoinHandle<()>, Error> {
    let mut keeper = Keeper {
        shared,
        socket,
        generations: Vec::new(),
        old_workers: Arc::default(),
        workers: Vec::new(),
    };
    keeper
        .start_generation()
        .map_err(|error| Error::Io(format!("The server cannot be started: {error}.")))?;
    thread::Builder::new()
        .name("sealgate-keep".to_owned())
        .spawn(move || keeper.run())
        .map_err(|error| Error::Io(format!("The server cannot be started: {error}.")))
}

impl Keeper {
    fn run(mut self) {
        let mut last_requests = 0;
        let mut last_sign_of_life = Instant::now();
        // Stays until a request of our own has been answered: what was short a moment ago may have ended the loop.
        let mut suspect = false;
        while !self.wait_for_stop(LOOK) {
            let newest = self.newest();
            let requests = newest.requests.load(Ordering::Relaxed);
            if requests != last_requests {
                (last_requests, last_sign_of_life) = (requests, Instant::now());
            }
            // Without a descriptor to spare the accept loop may be dying right now.
            suspect |= self.socket.listener.try_clone().is_err()
                || last_sign_of_life.elapsed() > PROBE_EVERY;
            if !newest.accept_ended.load(Ordering::SeqCst) {
                if !suspect {
                    continue;
                }
                if self.accepts() {
                    (suspect, last_sign_of_life) = (false, Instant::now());
                    continue;
                }
            }
            if self.old_workers.load(Ordering::SeqCst) >= MAX_OLD {
                self.shared.begin_stop(Some(Error::Io(
                    "The accept loop ended too often; the server has to be started anew."
                        .to_owned(),
                )));
                break;
            }
            match self.start_generation() {
                Ok(()) => {
                    log::warn!("the accept loop had ended and was started again");
                    (last_requests, last_sign_of_life) = (0, Instant::now());
                    suspect = true;
                }
                // No descriptors yet: the next look tries again.
                Err(error) => log::debug!("the accept loop cannot be started yet: {error}"),
            }
        }
        // Again and again: a worker that looks for last requests takes a wake-up that was another's.
        let mut rest = Duration::from_millis(1);
        while self.shared.workers_alive.load(Ordering::SeqCst) > 0 {
            for generation in &self.generations {
                for _ in 0..self.shared.workers {
                    generation.server.unblock();
                }
            }
            thread::sleep(rest);
            rest = (rest * 2).min(LOOK);
        }
        // Joined, not only counted: a thread frees its OpenSSL contexts after its last line, and OpenSSL's own clean-up at
        // the end of the process must not run beside that.
        for worker in self.workers {
            let _ = worker.join();
        }
        #[cfg(unix)]
        if let Address::Unix(path) = &self.socket.address {
            let _ = std::fs::remove_file(path);
        }
    }

    fn newest(&self) -> &Arc<Generation> {
        self.generations
            .last()
            .expect("the first is started before the keeper runs")
    }

    fn wait_for_stop(&self, patience: Duration) -> bool {
        let state = self.shared.state();
        let (state, _) = self
            .shared
            .changed
            .wait_timeout_while(state, patience, |state| !state.stopped)
            .unwrap_or_else(PoisonError::into_inner);
        state.stopped
    }

    fn start_generation(&mut self) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let server = match self.socket.listener.try_clone()? {
            Listener::Tcp(listener) => Server::from_listener(listener, None)?,
            #[cfg(unix)]
            Listener::Unix(listener) => Server::from_listener(listener, None)?,
        };
        let generation = Arc::new(Generation {
            server,
            accept_ended: AtomicBool::new(false),
            retired: AtomicBool::new(false),
            stayer: AtomicBool::new(false),
            requests: AtomicUsize::new(0),
            local: self.socket.address.is_local(),
        });
        for number in 0..self.shared.workers {
            let (shared, generation) = (self.shared.clone(), generation.clone());
            let old_workers = self.old_workers.clone();
            self.shared.workers_alive.fetch_add(1, Ordering::SeqCst);
            let worker = thread::Builder::new()
                .name(format!("sealgate-{number}"))
                .spawn(move || work(&shared, &generation, &old_workers))
                .inspect_err(|_| {
                    self.shared.workers_alive.fetch_sub(1, Ordering::SeqCst);
                })?;
            self.workers.push(worker);
        }
        if let Some(old) = self.generations.last() {
            old.retired.store(true, Ordering::SeqCst);
            for _ in 0..self.shared.workers {
                old.server.unblock();
            }
        }
        self.generations.push(generation);
        Ok(())
    }

    /// Whether a connection of our own gets an answer. While all workers are busy, silence proves nothing.
    fn accepts(&self) -> bool {
        let answered = match &self.socket.address {
            Address::Tcp(address) => {
                TcpStream::connect_timeout(&Address::connectable(*address), PROBE_PATIENCE)
                    .and_then(|stream| {
                        stream.set_read_timeout(Some(PROBE_PATIENCE))?;
                        self.ask(stream)
                    })
            }
            #[cfg(unix)]
            Address::Unix(path) => {
                std::os::unix::net::UnixStream::connect(path).and_then(|stream| {
                    stream.set_read_timeout(Some(PROBE_PATIENCE))?;
                    self.ask(stream)
                })
            }
            #[cfg(not(unix))]
            Address::Unix(_) => Ok(()),
        };
        answered.is_ok() || self.shared.running.load(Ordering::SeqCst) >= self.shared.workers
    }

    fn ask(&self, mut stream: impl Read + Write) -> std::io::Result<()> {
        let probe = &self.shared.probe;
        write!(
            stream,
            "GET {probe} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        )?;
        stream.read_exact(&mut [0; 12])
    }
}

/// Counts a worker for as long as it lives, whatever ends it.
struct Alive<'a>(&'a AtomicUsize);

impl Drop for Alive<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A worker: answers requests of its generation until the engine stops or the generation needs it no more.
fn work(shared: &Shared, generation: &Generation, old_workers: &AtomicUsize) {
    let _alive = Alive(&shared.workers_alive);
    while let Some(request) = next(generation) {
        answer(shared, generation, request);
        if shared.is_stopping() {
            break;
        }
    }
    if !shared.is_stopping() && !generation.stayer.swap(true, Ordering::SeqCst) {
        old_workers.fetch_add(1, Ordering::SeqCst);
        while !shared.is_stopping()
            && let Ok(Some(request)) = generation.server.recv_timeout(OLD_CONNECTIONS)
        {
            answer(shared, generation, request);
        }
        old_workers.fetch_sub(1, Ordering::SeqCst);
    }
    // What was asked before the stop still gets its answer.
    while shared.is_stopping()
        && let Ok(Some(request)) = generation.server.try_recv()
    {
        answer(shared, generation, request);
    }
}

/// The next request; `None` where the worker was woken to end or the generation is retired.
fn next(generation: &Generation) -> Option<Request> {
    loop {
        match generation.server.recv() {
            Ok(request) => return Some(request),
            Err(error) if error.raw_os_error().is_some() => {
                // The accept loop's last words. The other workers know nothing of it, and requests still come.
                generation.accept_ended.store(true, Ordering::SeqCst);
            }
            Err(_) => return None,
        }
    }
}

fn answer(shared: &Shared, generation: &Generation, request: Request) {
    generation.requests.fetch_add(1, Ordering::Relaxed);
    if request.url() == shared.probe {
        let _ = request.respond(tiny_http::Response::empty(204));
        return;
    }
    shared.running.fetch_add(1, Ordering::SeqCst);
    let answered = shared
        .exchange
        .answer(request, generation.local, &shared.stopping);
    shared.running.fetch_sub(1, Ordering::SeqCst);
    if let Err(error) = answered {
        shared.begin_stop(Some(error));
    }
}
