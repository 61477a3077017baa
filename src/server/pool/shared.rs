//! What all threads of an engine share: the API, the limits, and counts over all connections.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use super::balance::Balance;
use super::buffered_memory::Buffered;
use super::eviction::siege::Siege;
use super::proxies::Proxies;
use crate::api::{App, Method};
use crate::base::address::{Counted, counted};
use crate::base::sync::lock;
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

    pub(super) fn set_aborting(&self) {
        self.phase.fetch_max(ABORTING, Ordering::SeqCst);
    }
}

/// Counts the connections of each address.
pub(super) struct Addresses {
    /// Zero: no fixed limit.
    max: usize,
    counts: Mutex<Counts>,
}

struct Counts {
    of: HashMap<Counted, usize>,
    /// An address with this many connections is a crowd; with a fixed limit, none is.
    crowd: usize,
    /// The addresses that are crowds: at most three, unless there are more connections than the limit.
    crowds: Vec<Counted>,
}

/// An address with more than one in this many of all connections is a crowd.
const CROWD_PART: usize = 4;

impl Addresses {
    /// `max`: connection limit per address. Zero means no fixed limit; then, with a limit of `places` connections in
    /// all, connections of crowds are evicted first.
    pub(super) fn new(max: usize, places: usize) -> Self {
        let addresses = Addresses {
            max,
            counts: Mutex::new(Counts {
                of: HashMap::new(),
                crowd: usize::MAX,
                crowds: Vec::new(),
            }),
        };
        addresses.fit(places);
        addresses
    }

    /// Changes the total connection limit.
    pub(super) fn fit(&self, places: usize) {
        let crowd = places / CROWD_PART + 1;
        let counts = &mut *lock(&self.counts);
        if self.max > 0 || counts.crowd == crowd {
            return;
        }
        counts.crowd = crowd;
        let is_crowd = |(_, count): &(&Counted, &usize)| **count >= crowd;
        let crowds = counts.of.iter().filter(is_crowd).map(|(key, _)| *key);
        counts.crowds = crowds.collect();
    }

    /// Counts a connection of this address; an error if the address has reached its limit. A trusted proxy stands for
    /// many clients, so only a fixed limit applies to it.
    pub(super) fn enter(
        &self,
        address: Option<IpAddr>,
        is_trusted: impl Fn(&IpAddr) -> bool,
    ) -> Result<Option<Counted>, ()> {
        let Some(ip) = address.filter(|ip| self.max > 0 || !is_trusted(ip)) else {
            return Ok(None);
        };
        let key = counted(ip);
        let counts = &mut *lock(&self.counts);
        let count = counts.of.entry(key).or_default();
        if self.max > 0 && *count == self.max {
            return Err(());
        }
        *count += 1;
        if *count == counts.crowd {
            counts.crowds.push(key);
        }
        Ok(Some(key))
    }

    /// Uncounts a closed connection of this address.
    pub(super) fn leave(&self, address: Option<Counted>) {
        let Some(key) = address else {
            return;
        };
        let counts = &mut *lock(&self.counts);
        if let Some(count) = counts.of.get_mut(&key) {
            let before = *count;
            *count -= 1;
            if before == 1 {
                counts.of.remove(&key);
            }
            if before == counts.crowd {
                counts.crowds.retain(|crowd| *crowd != key);
            }
        }
    }

    /// The crowd with the most connections, if there is one.
    pub(super) fn largest_crowd(&self) -> Option<Counted> {
        let counts = lock(&self.counts);
        let crowds = counts.crowds.iter();
        crowds.max_by_key(|crowd| counts.of.get(*crowd)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_with_a_large_part_of_all_connections_is_a_crowd() {
        let addresses = Addresses::new(0, 40);
        let ip = |last: u8| IpAddr::from([192, 0, 2, last]);
        let enter = |last| addresses.enter(Some(ip(last)), |_| false).unwrap();
        let one: Vec<_> = (0..10).map(|_| enter(1)).collect();
        assert_eq!(addresses.largest_crowd(), None);
        let first = enter(1);
        assert_eq!(addresses.largest_crowd(), first);
        let other: Vec<_> = (0..12).map(|_| enter(2)).collect();
        assert_eq!(addresses.largest_crowd(), other[0]);
        other.into_iter().for_each(|key| addresses.leave(key));
        assert_eq!(addresses.largest_crowd(), first);
        one.into_iter()
            .chain([first])
            .for_each(|key| addresses.leave(key));
        assert_eq!(addresses.largest_crowd(), None);
        assert!(lock(&addresses.counts).of.is_empty());
        // The threshold of a crowd follows the total limit.
        let few: Vec<_> = (0..6).map(|_| enter(4)).collect();
        assert_eq!(addresses.largest_crowd(), None);
        addresses.fit(20);
        assert_eq!(addresses.largest_crowd(), few[0]);
        addresses.fit(40);
        assert_eq!(addresses.largest_crowd(), None);
        addresses.fit(20);
        few.into_iter().for_each(|key| addresses.leave(key));
        assert_eq!(addresses.largest_crowd(), None);
        // A trusted proxy is never a crowd; only a fixed limit applies to it.
        assert_eq!(addresses.enter(Some(ip(3)), |_| true), Ok(None));
        let fixed = Addresses::new(1, 40);
        assert!(fixed.enter(Some(ip(3)), |_| true).is_ok());
        assert_eq!(fixed.enter(Some(ip(3)), |_| true), Err(()));
    }
}
