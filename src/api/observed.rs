//! Counts requests for the metrics: how many are being answered, and how long each kind took.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;
use std::time::Duration;

use foldhash::fast::FixedState;

use super::request::Request;
use crate::base::sync::lock;
use crate::metrics::{Count, Histogram, Page, Sharded};

/// See the module.
#[derive(Debug)]
pub(super) struct Observed {
    /// The paths of all routes, by where their texts are.
    routes: HashMap<usize, Box<str>>,
    shards: Sharded<Shard>,
}

#[derive(Debug, Default)]
struct Shard {
    begun: Count,
    ended: Count,
    answered: Mutex<HashMap<Kind, Histogram, FixedState>>,
}

/// What is counted apart. None of it can be chosen freely by clients. The route is a number, because this is looked up for each
/// request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Kind {
    /// Where the text of the route's path is; zero if no route has the path.
    route: usize,
    /// As the log names it.
    method: &'static str,
    status: u16,
    secure: bool,
    version_1_0: bool,
}

/// What is counted, from the start of the server.
#[derive(Debug, Clone, Default)]
pub(super) struct Totals {
    pub(super) requests: u64,
    /// Answered with 401, 403 or 429.
    pub(super) refused: u64,
    /// Answered with 429.
    pub(super) limited: u64,
    /// Answered with 5xx.
    pub(super) errors: u64,
    pub(super) logins: u64,
    pub(super) failed_logins: u64,
    pub(super) durations: Histogram,
}

/// A request that is being answered, until this is dropped.
pub(super) struct Active<'a>(&'a Observed);

impl Drop for Active<'_> {
    fn drop(&mut self) {
        self.0.shards.own().ended.add(1);
    }
}

impl Observed {
    /// `paths`: the very texts with which [`answered`](Self::answered) is called; they stay where they are.
    pub(super) fn new<'a>(paths: impl Iterator<Item = &'a str>) -> Self {
        Observed {
            routes: paths
                .map(|path| (path.as_ptr() as usize, path.into()))
                .collect(),
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
            route: route.map_or(0, |path| path.as_ptr() as usize),
            method: request.method_for_log(),
            status,
            secure: request.peer.is_secure(),
            version_1_0: request.version_1_0,
        };
        let mut answered = lock(&self.shards.own().answered);
        answered.entry(kind).or_default().add(took);
    }

    /// What has been counted, for the figures of the last hour.
    pub(super) fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for shard in self.shards.all() {
            for (kind, durations) in &*lock(&shard.answered) {
                let count = durations.count();
                totals.requests += count;
                totals.durations.merge(durations);
                match kind.status {
                    401 | 403 => totals.refused += count,
                    429 => {
                        totals.refused += count;
                        totals.limited += count;
                    }
                    500.. => totals.errors += count,
                    _ => {}
                }
            }
        }
        totals
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
        let all = all.into_iter().map(|(kind, durations)| {
            let version = if kind.version_1_0 { "1.0" } else { "1.1" };
            let route = self.routes.get(&kind.route);
            let method = match kind.method {
                "other" => "_OTHER",
                standard => standard,
            };
            let labels = vec![
                ("http_request_method", method.to_owned()),
                (
                    "http_route",
                    route.map_or(String::new(), |path| path.to_string()),
                ),
                ("http_response_status_code", kind.status.to_string()),
                (
                    "url_scheme",
                    if kind.secure { "https" } else { "http" }.to_owned(),
                ),
                ("network_protocol_version", version.to_owned()),
            ];
            (labels, durations)
        });
        // Two routes of different methods may have the same path at different places.
        let mut samples: BTreeMap<Vec<_>, Histogram> = BTreeMap::new();
        for (labels, durations) in all {
            samples.entry(labels).or_default().merge(&durations);
        }
        page.histograms(
            "http_server_request_duration_seconds",
            "Time to answer a request, without receiving it and sending the response",
            samples,
        );
    }
}
