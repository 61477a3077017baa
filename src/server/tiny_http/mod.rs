//! The portable engine: `tiny_http::Server` with a fixed pool of workers for each address, and [`Mount`] for hosts that
//! already have such a server.
//!
//! # What it does not protect against
//! tiny_http uses a thread per connection and sets no timeout on its sockets: an idle or slow client holds a thread
//! until it disconnects, and one that sends its body slowly holds a worker. Header lines, chunk-size lines and chunk
//! extensions have no length limit while they are read. A request for HTTP/2.0 leaks a thread and two descriptors.
//! Keep-alive connections that arrive in bursts may wait for a response until others close.
//!
//! It trims the lines of a head, so it accepts folded lines, white space before a name, words after the version, and
//! HTTP/0.9. It answers malformed heads and unknown expectations itself, without a JSON body, a request id or a log
//! line; it does not answer a head with a non-ASCII byte at all. It cannot be made to close a connection: we answer a
//! refused request with `Connection: close` and refuse whatever comes from the same address and port for 10 seconds. On
//! a Unix socket, where peers have no address, such bytes are read as the next request.
//!
//! It therefore serves only loopback addresses and Unix sockets, and other addresses only if `SEALGATE_TRUSTED_PROXIES`
//! is set: a proxy with its own limits stands in front.
//!
//! What can be fixed from outside is fixed: an accept loop that ends is restarted, and requests whose refusal would
//! make tiny_http allocate more than 64 MiB, because they claim to send that much, are leaked. Each leaked request
//! costs a descriptor and a thread; **after 256 of them the server stops with an error** so that its supervisor
//! restarts it. Any client that can connect can trigger this.

mod exchange;
mod keeper;
mod shared;

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::Error;
use crate::api::App;
use crate::base::sync::lock;
use crate::server::http1::head::Limits;
use crate::server::listen::Socket;
use crate::server::settings::{self, Listen, Settings};

use exchange::Exchange;
pub use exchange::Mount;
use shared::Shared;

/// Refuses addresses that this engine must not serve.
pub(super) fn check_exposure(settings: &Settings) -> Result<(), Error> {
    let exposed = settings.listen.iter().find_map(|listen| match listen {
        Listen::Tcp(address) if !address.ip().to_canonical().is_loopback() => Some(address),
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
    keepers: Mutex<Vec<JoinHandle<()>>>,
}

impl Engine {
    pub(super) fn start(
        app: App,
        sockets: Vec<Socket>,
        settings: &Settings,
    ) -> Result<Self, Error> {
        let workers = match settings.workers {
            0 => std::thread::available_parallelism().map_or(8, |cores| (4 * cores.get()).max(8)),
            workers => workers,
        };
        let random = || RandomState::new().build_hasher().finish();
        let shared = Arc::new(Shared {
            exchange: Exchange::new(app, Limits::of(settings)),
            workers,
            probe: format!("/{:016x}{:016x}", random(), random()),
            stopping: AtomicBool::new(false),
            farewell_ends: OnceLock::new(),
            running: AtomicUsize::new(0),
            workers_alive: AtomicUsize::new(0),
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let mut keepers = Vec::new();
        for socket in sockets {
            let keeper = keeper::start(shared.clone(), socket);
            // If one address cannot be served, the others stop too.
            keepers.push(keeper.inspect_err(|_| shared.begin_stop(None))?);
        }
        Ok(Engine {
            shared,
            keepers: Mutex::new(keepers),
        })
    }

    pub(super) fn stop(&self, grace: Duration) -> Result<(), Error> {
        let deadline = Instant::now() + grace;
        let ends = || Instant::now() + settings::farewell(grace);
        self.shared.farewell_ends.get_or_init(ends);
        self.shared.begin_stop(None);
        let mut state = self.shared.state();
        while self.shared.workers_alive.load(Ordering::SeqCst) > 0 {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Error::Io(
                    "Requests were still running when the grace period was over.".to_owned(),
                ));
            }
            // Short waits, because an ending worker does not signal.
            let (next, _) = self
                .shared
                .changed
                .wait_timeout(state, left.min(Duration::from_millis(10)))
                .unwrap_or_else(PoisonError::into_inner);
            state = next;
        }
        drop(state);
        let keepers = std::mem::take(&mut *lock(&self.keepers));
        for keeper in keepers {
            let _ = keeper.join();
        }
        Ok(())
    }

    pub(super) fn is_running(&self) -> bool {
        !self.shared.state().stopped
    }

    pub(super) fn wait(&self) -> Result<(), Error> {
        let mut state = self.shared.state();
        while !state.stopped {
            state = self
                .shared
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        state.failure.clone().map_or(Ok(()), Err)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.shared.begin_stop(None);
    }
}
