//! Keeps one address served: starts tiny_http's server and its workers, detects when its accept loop has ended, and
//! starts another on the same socket.
//!
//! The loop ends at the first accept error (out of descriptors, for example) or with a panic, and reports neither.
//! Connections of an ended server still carry requests, so one of its workers stays until they have been silent for a
//! while.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tiny_http::{Request, Server};

use super::exchange::Heard;
use super::shared::Shared;
use crate::Error;
use crate::base::sync::lock;
use crate::base::threads;
use crate::server::listen::{Address, Listener, Socket};

/// How often the keeper checks.
const LOOK: Duration = Duration::from_millis(200);
/// How often the keeper sends a probe request.
const PROBE_EVERY: Duration = Duration::from_secs(2);
const PROBE_PATIENCE: Duration = Duration::from_secs(1);
/// How long a worker serves the silent connections of an ended server.
const OLD_CONNECTIONS: Duration = Duration::from_secs(600);
/// More ended servers than this at a time are not normal.
const MAX_OLD: usize = 64;

/// One `tiny_http::Server` on the socket.
struct Generation {
    server: Server,
    intake: Mutex<()>,
    accept_ended: AtomicBool,
    /// Set by the one worker that stays after retirement.
    stayer: AtomicBool,
    /// `None` for a Unix socket.
    address: Option<SocketAddr>,
}

struct Keeper {
    shared: Arc<Shared>,
    socket: Socket,
    /// All generations, newest last. Ended ones are kept: dropping one on a Unix socket would remove the socket's file.
    generations: Vec<Arc<Generation>>,
    old_workers: Arc<AtomicUsize>,
    /// Workers of all generations, to join at the end.
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
    threads::spawn("sealgate-keep", move || keeper.run())
        .map_err(|error| Error::Io(format!("The server cannot be started: {error}.")))
}

impl Keeper {
    fn run(mut self) {
        let mut last_answer = Instant::now();
        // Stays set until a probe has been answered: a shortage a moment ago may have ended the loop.
        let mut suspect = false;
        while !self.wait_for_stop(LOOK) {
            // Other requests prove nothing: their connections may be older than the end of the loop.
            suspect |=
                self.socket.listener.try_clone().is_err() || last_answer.elapsed() > PROBE_EVERY;
            if !self.newest().accept_ended.load(Ordering::SeqCst) {
                if !suspect {
                    continue;
                }
                if self.accepts() {
                    (suspect, last_answer) = (false, Instant::now());
                    continue;
                }
            }
            if self.old_workers.load(Ordering::SeqCst) >= MAX_OLD {
                self.shared.begin_stop(Some(Error::Io(
                    "The accept loop ended too often; restart the server.".to_owned(),
                )));
                break;
            }
            match self.start_generation() {
                Ok(()) => {
                    log::warn!("the accept loop ended and was restarted");
                    suspect = true;
                }
                // Still out of descriptors: the next check tries again.
                Err(error) => log::debug!("the accept loop cannot be restarted yet: {error}"),
            }
        }
        // Repeatedly: a worker that takes the last requests may consume another's wake-up.
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
        // Joined, not only counted: a thread frees its OpenSSL contexts after its last line, and OpenSSL's exit handler
        // must not run at the same time.
        for worker in self.workers {
            let _ = worker.join();
        }
        self.socket.remove_file();
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
        // tiny_http starts its own threads.
        let server = match self.socket.listener.try_clone()? {
            Listener::Tcp(listener) => {
                threads::with_signals_blocked(|| Server::from_listener(listener, None))?
            }
            #[cfg(unix)]
            Listener::Unix(listener) => {
                threads::with_signals_blocked(|| Server::from_listener(listener, None))?
            }
        };
        let generation = Arc::new(Generation {
            server,
            intake: Mutex::default(),
            accept_ended: AtomicBool::new(false),
            stayer: AtomicBool::new(false),
            address: self.socket.address.tcp(),
        });
        for number in 0..self.shared.workers {
            let (shared, generation) = (self.shared.clone(), generation.clone());
            let old_workers = self.old_workers.clone();
            self.shared.workers_alive.fetch_add(1, Ordering::SeqCst);
            let work = move || work(&shared, &generation, &old_workers);
            let worker = threads::spawn(&format!("sealgate-{number}"), work).inspect_err(|_| {
                self.shared.workers_alive.fetch_sub(1, Ordering::SeqCst);
            })?;
            self.workers.push(worker);
        }
        if let Some(old) = self.generations.last() {
            for _ in 0..self.shared.workers {
                old.server.unblock();
            }
        }
        self.generations.push(generation);
        Ok(())
    }

    /// Whether a probe is answered. While all workers are busy, silence proves nothing.
    fn accepts(&self) -> bool {
        let (answered, answer) = mpsc::channel();
        let (address, probe) = (self.socket.address.clone(), self.shared.probe.clone());
        // In a separate thread: connecting to a Unix socket with a full backlog has no time limit.
        let asked = threads::spawn("sealgate-probe", move || {
            let _ = answered.send(ask(&address, &probe).is_ok());
        });
        (asked.is_ok() && answer.recv_timeout(PROBE_PATIENCE) == Ok(true))
            || self.shared.running.load(Ordering::SeqCst) >= self.shared.workers
    }
}

fn ask(address: &Address, probe: &str) -> io::Result<()> {
    match address {
        Address::Tcp(address) | Address::Tls(address) => {
            let address = Address::connectable(*address);
            let stream = TcpStream::connect_timeout(&address, PROBE_PATIENCE)?;
            stream.set_read_timeout(Some(PROBE_PATIENCE))?;
            ask_on(stream, probe)
        }
        #[cfg(unix)]
        Address::Unix(path) => {
            let stream = std::os::unix::net::UnixStream::connect(path)?;
            stream.set_read_timeout(Some(PROBE_PATIENCE))?;
            ask_on(stream, probe)
        }
        #[cfg(not(unix))]
        Address::Unix(_) => Ok(()),
    }
}

fn ask_on(mut stream: impl Read + Write, probe: &str) -> io::Result<()> {
    write!(
        stream,
        "GET {probe} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )?;
    stream.read_exact(&mut [0; 12])
}

/// Counts a worker while it runs, however it ends.
struct Alive<'a>(&'a AtomicUsize);

impl Drop for Alive<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A worker: answers requests of its generation until the engine stops or the generation no longer needs it.
fn work(shared: &Shared, generation: &Generation, old_workers: &AtomicUsize) {
    let _alive = Alive(&shared.workers_alive);
    while let Some(request) = next(shared, generation) {
        answer(shared, generation, request);
        if shared.is_stopping() {
            break;
        }
    }
    if !shared.is_stopping() && !generation.stayer.swap(true, Ordering::SeqCst) {
        old_workers.fetch_add(1, Ordering::SeqCst);
        // Another worker's wake-up does not count as silence.
        let mut last = Instant::now();
        while !shared.is_stopping() && last.elapsed() < OLD_CONNECTIONS {
            let left = OLD_CONNECTIONS.saturating_sub(last.elapsed());
            let request = take(shared, generation, |server| {
                server.recv_timeout(left).ok()?
            });
            if let Some(request) = request {
                answer(shared, generation, request);
                last = Instant::now();
            }
        }
        old_workers.fetch_sub(1, Ordering::SeqCst);
    }
    if shared.is_stopping() {
        answer_last(shared, generation);
    }
}

/// Answers requests that arrived before the stop; further requests on those connections are answered with `Connection:
/// close`.
fn answer_last(shared: &Shared, generation: &Generation) {
    loop {
        let mut over = false;
        let request = take(shared, generation, |server| {
            let left = shared.farewell_left();
            over = left.is_zero();
            let received = match over {
                true => server.try_recv(),
                false => server.recv_timeout(left),
            };
            received.ok()?
        });
        match request {
            Some(request) => answer(shared, generation, request),
            None if over => return,
            // Woken early: there is time left.
            None => {}
        }
    }
}

/// The next request; `None` if the worker was woken to end or the generation is retired.
fn next(shared: &Shared, generation: &Generation) -> Option<Heard> {
    take(shared, generation, |server| {
        loop {
            match server.recv() {
                Ok(request) => return Some(request),
                Err(error) if error.raw_os_error().is_some() => {
                    // The accept loop's final error. The other workers do not see it, and requests still arrive.
                    generation.accept_ended.store(true, Ordering::SeqCst);
                }
                Err(_) => return None,
            }
        }
    })
}

/// Takes a request from the queue and validates its head, one worker at a time, so that requests of one connection are
/// validated in the order they arrived.
fn take(
    shared: &Shared,
    generation: &Generation,
    pop: impl FnOnce(&Server) -> Option<Request>,
) -> Option<Heard> {
    let _turn = lock(&generation.intake);
    pop(&generation.server).map(|request| shared.exchange.hear(request))
}

fn answer(shared: &Shared, generation: &Generation, request: Heard) {
    if request.url() == shared.probe {
        let _ = request
            .into_request()
            .respond(tiny_http::Response::empty(204));
        return;
    }
    shared.running.fetch_add(1, Ordering::SeqCst);
    let answered = shared
        .exchange
        .answer(request, generation.address, &shared.stopping);
    shared.running.fetch_sub(1, Ordering::SeqCst);
    if let Err(error) = answered {
        shared.begin_stop(Some(error));
    }
}
