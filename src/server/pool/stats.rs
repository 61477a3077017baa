//! The engine's metrics.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::hub::Hub;
use crate::metrics::Page;

/// Reads the counts of an engine, also after it has stopped.
#[derive(Clone)]
pub(in crate::server) struct Stats(Arc<Hub>);

impl Stats {
    pub(super) fn of(hub: &Arc<Hub>) -> Self {
        Stats(hub.clone())
    }

    pub(in crate::server) fn collect(&self, page: &mut Page) {
        let shared = &self.0.shared;
        let mut gauge = |name, help, value: usize| page.gauge(name, help, value as f64);
        gauge(
            "sealgate_connections",
            "Open connections",
            shared.connections.load(Ordering::Relaxed),
        );
        gauge(
            "sealgate_connections_max",
            "Connections that there is room for",
            shared.max_connections.load(Ordering::Relaxed),
        );
        gauge(
            "sealgate_buffered_bytes",
            "Memory of requests and responses in transit",
            shared.buffered.bytes(),
        );
        gauge(
            "sealgate_tls_bytes",
            "Estimated memory of TLS connections",
            shared.tls.bytes(),
        );
        gauge(
            "sealgate_workers_active",
            "Workers that new connections go to",
            shared.balance.active(),
        );
        gauge(
            "sealgate_blocking_queue",
            "Requests that wait for a thread of the second pool",
            self.0.blocking.waiting(),
        );
        page.counter(
            "sealgate_connections_accepted",
            "Connections accepted",
            shared.accepted.get(),
        );
        page.counter(
            "sealgate_connections_evicted",
            "Connections closed because there was no room for all",
            shared.evicted.get(),
        );
    }
}
