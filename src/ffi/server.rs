//! `sealgate_server`: the HTTP API and the host's routes, served in the host's process.

use std::mem::ManuallyDrop;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::buffer::SealgateBuffer;
use super::callback::{is_inside, is_inside_any};
use super::config::{SealgateConfig, settings_of};
use super::gate::SealgateGate;
use super::input::{handle, output};
use super::{Failure, SealgateStatus, boundary, boundary_of, free_handle};
use crate::MetricsFormat;
use crate::api::{App, Host};
use crate::base::sync::lock;
use crate::server::Server;
use crate::{Gate, Settings};

/// How long requests may continue when their server is freed without having been stopped. Without any time its threads
/// could not be joined, and `drop` would be called a moment after `sealgate_server_free` returned.
const FREED_WITHIN: Duration = Duration::from_secs(1);

/// Serves the HTTP API and the host's routes on its own threads.
///
/// The order of calls is: `sealgate_server_new`, routes and callbacks, `sealgate_server_start`, `sealgate_server_stop`,
/// `sealgate_server_free`. Its threads block all signals except those caused by a fault, and never deliver SIGPIPE to the
/// host. In a forked child its functions return FORKED; gates work there.
///
/// Thread safety: may be shared; all functions except `sealgate_server_free` may be called from any thread.
pub struct SealgateServer {
    /// Identifies the server in callbacks.
    id: u64,
    /// The process that created it.
    process: u32,
    /// A call panicked, so the state is unknown.
    broken: AtomicBool,
    /// Not dropped in another process, where that would tear down what the parent still uses.
    parts: ManuallyDrop<Parts>,
}

struct Parts {
    gate: Gate,
    settings: Settings,
    state: Mutex<State>,
    /// It was asked to stop, so freeing it waits for nothing more.
    stopped: AtomicBool,
}

enum State {
    Preparing(Host),
    /// Also after it has been stopped: its addresses can still be queried.
    Started(Arc<Server>),
    /// Being started, or starting has failed.
    Unusable,
}

/// Creates a server that does not serve yet.
///
/// `gate` may be freed afterwards: the server keeps what it needs. From `config` it takes the server's settings ("listen",
/// "login", ...), but not the gate's; `config` may be freed too. With NULL the settings come from the environment. `*out`
/// receives the server; free it with `sealgate_server_free`. On failure `*out` is NULL.
/// Statuses: NULL_POINTER, SETTING, PANIC. Thread safety: any thread. Since 0.1.
///
/// ```c
/// sealgate_server *server = NULL;
/// uint16_t port = 0;
/// if (sealgate_server_new(gate, config, &server) == SEALGATE_STATUS_OK &&
///     sealgate_server_route(server, SEALGATE_LITERAL("GET"), SEALGATE_LITERAL("/orders/{id}"), SEALGATE_ROUTE_TOKEN, NULL, 0, show_order, NULL, NULL) ==
///         SEALGATE_STATUS_OK &&
///     sealgate_server_start(server) == SEALGATE_STATUS_OK && sealgate_server_port(server, &port) == SEALGATE_STATUS_OK) {
///     printf("listening on port %d\n", port);
///     // ... serve for a while; then give running requests half a second to finish.
///     if (sealgate_server_stop(server, 500) != SEALGATE_STATUS_OK) {
///         puts("requests were still running");
///     }
/// }
/// sealgate_server_free(server);
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_server_new(
    gate: *const SealgateGate,
    config: *const SealgateConfig,
    out: *mut *mut SealgateServer,
) -> SealgateStatus {
    static IDS: AtomicU64 = AtomicU64::new(1);
    boundary(|| {
        // SAFETY: by this function's contract, for all three.
        let (out, gate, config) = unsafe {
            let out = output(out, ptr::null_mut(), "out")?;
            (out, handle(gate, "gate")?, config.as_ref())
        };
        let parts = Parts {
            gate: gate.usable()?.clone(),
            settings: settings_of(config)?,
            state: Mutex::new(State::Preparing(Host::new())),
            stopped: AtomicBool::new(false),
        };
        *out = Box::into_raw(Box::new(SealgateServer {
            id: IDS.fetch_add(1, Ordering::Relaxed),
            process: std::process::id(),
            broken: AtomicBool::new(false),
            parts: ManuallyDrop::new(parts),
        }));
        Ok(())
    })
}

/// Binds the addresses of the setting "listen" and starts serving. Routes and callbacks cannot be added afterwards.
///
/// It returns once clients can connect. After a failure the server can only be freed.
/// Statuses: NULL_POINTER, SETTING (an address is unavailable, a file is unusable), IO, WRONG_STATE (it has already been
/// started), FORKED. Thread safety: any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_server_start(server: *const SealgateServer) -> SealgateStatus {
    // SAFETY: by this function's contract.
    unsafe {
        guarded(server, |server| {
            let parts = server.usable()?;
            let mut state = lock(&parts.state);
            if !matches!(*state, State::Preparing(_)) {
                return Err(wrong_state("The server has already been started."));
            }
            let State::Preparing(host) = std::mem::replace(&mut *state, State::Unusable) else {
                return Ok(());
            };
            // The lock is released so that calls made meanwhile, also from a log callback, return at once.
            drop(state);
            let app = App::with_host(parts.gate.clone(), &parts.settings.app, host)?;
            let started = Server::start(app, &parts.settings.server)?;
            *lock(&parts.state) = State::Started(Arc::new(started));
            Ok(())
        })
    }
}

/// The port of the server's first TCP address: the actual one if port 0 was configured; 0 if it serves only Unix sockets.
///
/// On failure `*out` is 0. Statuses: NULL_POINTER, WRONG_STATE (not started), FORKED. Thread safety: any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_server_port(
    server: *const SealgateServer,
    out: *mut u16,
) -> SealgateStatus {
    // SAFETY: by this function's contract, for both.
    unsafe {
        let out = output(out, 0, "out");
        guarded(server, |server| {
            let out = out?;
            *out = server.started()?.port().unwrap_or(0);
            Ok(())
        })
    }
}

/// An address that is served, as "http://127.0.0.1:5000", "https://..." or "unix:/path". The addresses of the setting
/// "listen" are numbered from 0; past the last one the text is empty.
///
/// `*out` receives the text; free it with `sealgate_buffer_free`. On failure it is empty.
/// Statuses: NULL_POINTER, WRONG_STATE (not started), FORKED. Thread safety: any thread. Since 0.1.
///
/// ```c
/// sealgate_buffer address = {0};
/// for (size_t number = 0; sealgate_server_address(server, number, &address) == SEALGATE_STATUS_OK && address.size > 0; number++) {
///     puts(address.data);
///     sealgate_buffer_free(&address);
/// }
/// sealgate_buffer_free(&address);
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_server_address(
    server: *const SealgateServer,
    number: usize,
    out: *mut SealgateBuffer,
) -> SealgateStatus {
    // SAFETY: by this function's contract, for both.
    unsafe {
        let out = output(out, SealgateBuffer::EMPTY, "out");
        guarded(server, |server| {
            let (out, server) = (out?, server.started()?);
            if let Some(address) = server.addresses().get(number) {
                *out = SealgateBuffer::new(address.to_string().into_bytes(), false);
            }
            Ok(())
        })
    }
}

/// The metrics of the server, its gate and the process in the Prometheus text format 0.0.4, as GET /metrics returns them
/// at the address of the setting "metrics_listen". This needs no such address.
///
/// `*out` receives the text; free it with `sealgate_buffer_free`. On failure it is empty.
/// Statuses: NULL_POINTER, WRONG_STATE (not started), FORKED. Thread safety: any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_server_metrics(
    server: *const SealgateServer,
    out: *mut SealgateBuffer,
) -> SealgateStatus {
    // SAFETY: by this function's contract, for both.
    unsafe {
        let out = output(out, SealgateBuffer::EMPTY, "out");
        guarded(server, |server| {
            let (out, server) = (out?, server.started()?);
            let text = server.metrics(MetricsFormat::Prometheus);
            *out = SealgateBuffer::new(text.into_bytes(), false);
            Ok(())
        })
    }
}

/// Stops the server: it accepts no new requests, and running ones have `drain_ms` milliseconds to finish. It returns when
/// all have finished or the time is up, at most about a second later. It may be called more than once, and before the
/// start.
///
/// After TIMED_OUT a callback may still be running; what it uses must stay valid until its `drop` has been called.
/// Statuses: NULL_POINTER, TIMED_OUT (requests were still running; they get no response), WOULD_DEADLOCK (from one of the
/// server's own callbacks, or a log callback), WRONG_STATE (another thread is starting it), FORKED.
/// Thread safety: any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_server_stop(
    server: *const SealgateServer,
    drain_ms: u32,
) -> SealgateStatus {
    // SAFETY: by this function's contract.
    unsafe {
        guarded(server, |server| {
            let parts = server.parts()?;
            server.not_from_inside()?;
            let started = match &*lock(&parts.state) {
                State::Preparing(_) => return Ok(()),
                State::Started(started) => started.clone(),
                State::Unusable => return Err(wrong_state("The server is not running.")),
            };
            parts.stopped.store(true, Ordering::Relaxed);
            started
                .stop(Duration::from_millis(drain_ms.into()))
                .map_err(|error| Failure::new(SealgateStatus::TimedOut, error.to_string()))
        })
    }
}

/// Frees a server. If it has not been stopped, it is stopped first, with 1,000 milliseconds for running requests. NULL does
/// nothing.
///
/// A callback that is still running afterwards continues, and its `drop` is called when it returns. In a forked child the
/// handle is freed and the child's copies of the listening sockets are closed, so that they do not keep the parent's
/// addresses in use. Nothing else is touched: no thread is joined and no `drop` is called. A child forked in one of the
/// server's own callbacks may free the server there.
/// Statuses: WOULD_DEADLOCK (from one of the server's own callbacks, or a log callback): the server is then not freed.
/// Thread safety: no other thread may use the server. Since 0.1.
///
/// # Safety
/// `server` is NULL or came from `sealgate_server_new`, and is not used again unless the status is not OK.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_server_free(server: *mut SealgateServer) -> SealgateStatus {
    boundary(|| {
        // SAFETY: by this function's contract.
        let Some(live) = (unsafe { server.as_ref() }) else {
            return Ok(());
        };
        live.not_from_inside()?;
        // SAFETY: by this function's contract.
        unsafe { free_handle(server) };
        Ok(())
    })
}

impl Drop for SealgateServer {
    fn drop(&mut self) {
        if self.process != std::process::id() {
            self.close_copies();
            return;
        }
        // SAFETY: nothing uses it again: the handle is being dropped.
        let parts = unsafe { ManuallyDrop::take(&mut self.parts) };
        // Callbacks that are still running may query the address meanwhile, so the lock is not held while stopping.
        let started = match &*lock(&parts.state) {
            State::Started(server) => Some(server.clone()),
            _ => None,
        };
        if let Some(server) = started.filter(|_| !parts.stopped.load(Ordering::Relaxed)) {
            // Requests that are still running then keep what they need alive.
            let _ = server.stop(FREED_WITHIN);
        }
    }
}

impl SealgateServer {
    /// In a forked child, closes the copies of the listening sockets, so that their addresses are free once the parent's
    /// server has stopped.
    fn close_copies(&self) {
        #[cfg(target_os = "linux")]
        if let State::Started(server) = &*lock(&self.parts.state) {
            super::process::close_all(server.listening());
        }
    }

    /// Its parts, in the process that created it only.
    fn parts(&self) -> Result<&Parts, Failure> {
        if self.process != std::process::id() {
            return Err(Failure::new(
                SealgateStatus::Forked,
                "The server belongs to the process that created it; this process is a fork of it.",
            ));
        }
        Ok(&self.parts)
    }

    fn usable(&self) -> Result<&Parts, Failure> {
        if self.broken.load(Ordering::Relaxed) {
            return Err(Failure::new(
                SealgateStatus::Panic,
                "An earlier fault inside the library left this server unusable. Free it and make a new one.",
            ));
        }
        self.parts()
    }

    pub(super) fn started(&self) -> Result<Arc<Server>, Failure> {
        match &*lock(&self.usable()?.state) {
            State::Started(server) => Ok(server.clone()),
            _ => Err(wrong_state("The server is not running.")),
        }
    }

    fn not_from_inside(&self) -> Result<(), Failure> {
        // A child forked in a callback has nothing to wait for; but a call that logs may be using the server.
        let waits = match self.process == std::process::id() {
            true => is_inside(self.id),
            false => is_inside_any(),
        };
        if waits {
            return Err(Failure::new(
                SealgateStatus::WouldDeadlock,
                "The server would wait for the callback that makes this call.",
            ));
        }
        Ok(())
    }

    pub(super) fn id(&self) -> u64 {
        self.id
    }

    /// Changes the routes and callbacks that the server will start with.
    pub(super) fn prepare(
        &self,
        change: impl FnOnce(&mut Host) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        match &mut *lock(&self.usable()?.state) {
            State::Preparing(host) => change(host),
            _ => Err(wrong_state(
                "The server has been started: add routes and callbacks before that.",
            )),
        }
    }
}

fn wrong_state(sentence: &str) -> Failure {
    Failure::new(SealgateStatus::WrongState, sentence)
}

/// Runs one call on a server. After a panic the server can only be stopped and freed.
///
/// # Safety
/// `server` is NULL or live.
pub(super) unsafe fn guarded(
    server: *const SealgateServer,
    work: impl FnOnce(&SealgateServer) -> Result<(), Failure>,
) -> SealgateStatus {
    // SAFETY: by this function's contract.
    let server = unsafe { handle(server, "server") };
    let broken = server.as_ref().ok().map(|server| &server.broken);
    boundary_of(broken, || work(server?))
}
