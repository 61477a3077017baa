//! What all threads of an engine share: the API, the limits, and counts over all connections.

use std::net::IpAddr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::balance::Balance;
use super::buffered_memory::Buffered;
use super::connections_by_address::Addresses;
use super::eviction::siege::Siege;
use super::proxies::Proxies;
use crate::api::{App, Method};
use crate::base::address::Counted;
use crate::metrics::Count;
use crate::server::http1::head::Limits;
use crate::server::settings::Settings;

/// See the module.
pub(super) struct Shared {
    pub(super) app: App,
    pub(super) limits: Limits,
    pub(super) buffered: Buffered,
    /// Memory of all TLS connections.
    pub(super) tls: Buffered,
    pub(super) addresses: Addresses,
    pub(super) proxies: Proxies,
    pub(super) siege: Siege,
    pub(super) balance: Balance,
    /// Logged in place of a method that could not be parsed.
    pub(super) unknown_method: Method,
    /// Connections of all workers, including those on their way to a worker.
    pub(super) connections: AtomicUsize,
    /// How many there is room for now.
    pub(super) max_connections: AtomicUsize,
    pub(super) accepted: Count,
    pub(super) evicted: Count,
    /// Set when the listener has ended: no new connections will come.
    pub(super) listened: AtomicBool,
    phase: AtomicU8,
    /// Whether an aborted stop has left a request without its response.
    cut_off: AtomicBool,
    /// Set when the engine stops: until then, requests on idle connections are still answered.
    closes_idle: OnceLock<Instant>,
}

const RUNNING: u8 = 0;
const STOPPING: u8 = 1;
const ABORTING: u8 = 2;

impl Shared {
    pub(super) fn new(app: App, settings: &Settings, addresses: Addresses, workers: usize) -> Self {
        Shared {
            app,
            limits: Limits::of(settings),
            buffered: Buffered::new(settings.max_buffered),
            tls: Buffered::new(settings.max_tls_memory),
            addresses,
            proxies: Proxies::new(settings.proxy_protocol),
            siege: Siege::default(),
            balance: Balance::new(workers),
            unknown_method: "?".parse().unwrap_or(Method::Get),
            connections: AtomicUsize::new(0),
            max_connections: AtomicUsize::new(settings.max_connections),
            accepted: Count::default(),
            evicted: Count::default(),
            listened: AtomicBool::new(false),
            phase: AtomicU8::new(RUNNING),
            cut_off: AtomicBool::new(false),
            closes_idle: OnceLock::new(),
        }
    }

    /// Counts a connection of this address; an error, which is logged, if the address has reached its limit.
    pub(super) fn enter(&self, address: Option<IpAddr>) -> Result<Option<Counted>, ()> {
        let entered = self
            .addresses
            .enter(address, |ip| self.app.trusts_proxy(ip));
        entered.inspect_err(|()| {
            log::debug!("connection refused: its address has reached its limit");
        })
    }

    /// Whether the engine accepts no more connections and requests.
    pub(super) fn is_stopping(&self) -> bool {
        self.phase.load(Ordering::SeqCst) >= STOPPING
    }

    /// When it closes idle connections, if it is stopping.
    pub(super) fn closes_idle(&self) -> Option<Instant> {
        self.closes_idle.get().copied()
    }

    /// Whether everything left is to be dropped.
    pub(super) fn is_aborting(&self) -> bool {
        self.phase.load(Ordering::SeqCst) >= ABORTING
    }

    /// Begins the stop. `farewell`: how long idle connections stay open.
    pub(super) fn set_stopping(&self, farewell: Duration) {
        let closes = || Instant::now() + farewell;
        self.closes_idle.get_or_init(closes);
        self.phase.fetch_max(STOPPING, Ordering::SeqCst);
    }

    pub(super) fn has_cut_off(&self) -> bool {
        self.cut_off.load(Ordering::SeqCst)
    }

    pub(super) fn set_cut_off(&self) {
        self.cut_off.store(true, Ordering::SeqCst);
    }

    pub(super) fn set_aborting(&self) {
        self.phase.fetch_max(ABORTING, Ordering::SeqCst);
    }
}
