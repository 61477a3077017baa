//! Counts requests for the metrics: how many are being answered, and how long each kind took.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use super::request::{Method, Request};
use crate::base::sync::lock;
use crate::metrics::{Count, Histogram, Page, Sharded};

/// See the module.
#[derive(Debug)]
pub(super) struct Observed {
    /// The paths of all routes, with their number.
    routes: HashMap<Box<str>, u16>,
    shards: Sharded<Shard>,
}

#[derive(Debug, Default)]
struct Shard {
    begun: Count,
    ended: Count,
    answered: Mutex<HashMap<Kind, Histogram>>,
}

/// What is counted apart. None of it can be chosen freely by clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Kind {
    /// `None`: no route has the path.
    route: Option<u16>,
    method: &'static str,
    status: u16,
    secure: bool,
    version_1_0: bool,
}

/// A request that is being answered, until this is dropped.
pub(super) struct Active<'a>(&'a Observed);

impl Drop for Active<'_> {
    fn drop(&mut self) {
        self.0.shards.own().ended.add(1);
    }
}

impl Observed {
    pub(super) fn new<'a>(paths: impl Iterator<Item = &'a str>) -> Self {
        let mut routes = HashMap::new();
        for path in paths {
            let next = routes.len() as u16;
            routes.entry(path.into()).or_insert(next);
        }
        Observed {
            routes,
            shards: Sharded::default(),
        }
    }

    pub(super) fn begin(&self) -> Active<'_> {
        self.shards.own().begun.add(1);
        Active(self)
    }

    /// Counts a response. `route`: the path of the route that the request was for.
    pub(super) fn answered(
        &self,
        request: &Request<'_>,
        route: Option<&str>,
        status: u16,
        took: Duration,
    ) {
        let kind = Kind {
            route: route.and_then(|path| self.routes.get(path)).copied(),
            method: match request.method {
                Method::NonStandard(_) => "_OTHER",
                _ => request.method_for_log(),
            },
            status,
            secure: request.peer.is_secure(),
            version_1_0: request.version_1_0,
        };
        let mut answered = lock(&self.shards.own().answered);
        answered.entry(kind).or_default().add(took);
    }

    /// Adds the metrics, under the names of OpenTelemetry's HTTP server metrics.
    pub(super) fn collect(&self, page: &mut Page) {
        let ended = self.shards.sum(|shard| &shard.ended);
        let begun = self.shards.sum(|shard| &shard.begun);
        page.gauge(
            "http_server_active_requests",
            "Requests that are being answered",
            begun.saturating_sub(ended) as f64,
        );
        let mut all: HashMap<Kind, Histogram> = HashMap::new();
        for shard in self.shards.all() {
            for (kind, durations) in &*lock(&shard.answered) {
                all.entry(*kind).or_default().merge(durations);
            }
        }
        let mut all: Vec<_> = all.into_iter().collect();
        all.sort_unstable_by_key(|(kind, _)| *kind);
        let path_of = |number: u16| {
            let route = self.routes.iter().find(|(_, route)| **route == number);
            route.map_or("", |(path, _)| path).to_owned()
        };
        let samples = all.into_iter().map(|(kind, durations)| {
            let version = if kind.version_1_0 { "1.0" } else { "1.1" };
            let labels = vec![
                ("http_request_method", kind.method.to_owned()),
                ("http_route", kind.route.map_or(String::new(), path_of)),
                ("http_response_status_code", kind.status.to_string()),
                (
                    "url_scheme",
                    if kind.secure { "https" } else { "http" }.to_owned(),
                ),
                ("network_protocol_version", version.to_owned()),
            ];
            (labels, durations)
        });
        page.histograms(
            "http_server_request_duration_seconds",
            "Time to answer a request, without receiving it and sending the response",
            samples,
        );
    }
}
