//! The API as engines and host programs see it: it answers requests and writes the access log.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use once_cell::sync::OnceCell;

use super::access_log;
use super::caller::Caller;
use super::console::first_code::FirstCode;
use super::console::guard;
use super::cors;
use super::figures::Figures;
use super::host::{Host, HostRoute};
use super::limits;
use super::observed::Observed;
use super::origins::AllowedOrigins;
#[cfg(target_os = "linux")]
use super::peer::Peer;
use super::problem::Problem;
use super::request::Request;
use super::response::Response;
use super::route::{AppInner, Door, RequestLog, RouteRef, Served, Table};
use super::routes::{API, CONSOLE, admin};
use super::secure_data::SecureData;
use super::settings::{AccessLog, Settings};
use crate::base::clock::unix_now;
use crate::base::fork;
use crate::limiter::Limiter;
use crate::metrics::Page;
use crate::{Error, Gate};

/// The API over a gate. Cheap to clone; `Send` and `Sync`.
#[derive(Clone)]
pub struct App {
    pub(super) inner: Arc<AppInner>,
    pub(super) door: Door,
}

/// How many times as many logins an IPv6 site (/48) may make as one of its networks (/64).
const SITE: u32 = 4;

impl App {
    /// Mounts the API on a gate.
    ///
    /// # Errors
    /// [`Error::Setting`] if the file behind `/secure-data` cannot be read.
    pub fn new(gate: Gate, settings: &Settings) -> Result<Self, Error> {
        App::with_routes(gate, settings, Vec::new())
    }

    /// Mounts the API on a gate and adds the host's routes.
    ///
    /// # Errors
    /// Those of [`new`](Self::new); [`Error::InvalidInput`] if a route is malformed, a duplicate, or replaces one of the
    /// API's own.
    pub fn with_routes(
        gate: Gate,
        settings: &Settings,
        routes: Vec<HostRoute>,
    ) -> Result<Self, Error> {
        let mut host = Host::new();
        for route in routes {
            host.add_route(route)?;
        }
        App::with_host(gate, settings, host)
    }

    /// Mounts the API on a gate, with everything a host adds to it.
    ///
    /// # Errors
    /// [`Error::Setting`] if the file behind `/secure-data` cannot be read; [`Error::Store`] if the account store exists
    /// but cannot be read or trusted.
    pub fn with_host(gate: Gate, settings: &Settings, host: Host) -> Result<Self, Error> {
        match gate.check_store() {
            // It is logged.
            Err(_) if gate.starts_without_store() => {}
            checked => checked?,
        }
        limits::check(&gate, &host)?;
        gate.keep_for_administrators();
        let mut tables = vec![&API, &admin::ADMINISTRATION];
        let mut first_code = FirstCode::default();
        if settings.console {
            tables.push(&CONSOLE);
            first_code = FirstCode::for_gate(&gate)?;
        }
        App::with_tables(gate, settings, host, (tables, first_code))
    }

    /// The same API for a listener of its own that serves administration, and what administrators need besides.
    pub(crate) fn for_administration(&self) -> Self {
        App {
            inner: self.inner.clone(),
            door: Door::Administration,
        }
    }

    /// An API on the same gate with the host's routes and no others, and for no web pages.
    pub(crate) fn with_host_alone(&self, host: Host) -> Result<Self, Error> {
        let settings = Settings {
            cors_origins: AllowedOrigins::default(),
            ..self.inner.settings.clone()
        };
        App::with_tables(self.gate().clone(), &settings, host, Default::default())
    }

    fn with_tables(
        gate: Gate,
        settings: &Settings,
        host: Host,
        (tables, first_code): (Vec<&'static Table>, FirstCode),
    ) -> Result<Self, Error> {
        let limiter = |times: u32| match settings.login_max_requests.saturating_mul(times) {
            0 => Ok(None),
            limit => Limiter::new(limit, settings.login_window, settings.limiter_memory).map(Some),
        };
        Ok(App {
            inner: Arc::new(AppInner {
                gate,
                secure_data: SecureData::new(settings)?,
                settings: settings.clone(),
                login_limiter: limiter(1)?,
                site_limiter: limiter(SITE)?,
                observed: Observed::new(
                    (tables.iter().flat_map(|table| table.routes))
                        .map(|route| route.path)
                        .chain(host.routes.iter().map(|route| &*route.path)),
                ),
                host,
                tables,
                figures: Figures::new(),
                started: unix_now(),
                certificate: OnceCell::new(),
                first_code,
            }),
            door: Door::Api,
        })
    }

    /// Lets administrators see when the server's certificate expires.
    #[cfg(target_os = "linux")]
    pub(crate) fn watch_certificate(&self, end: impl Fn() -> Option<i64> + Send + Sync + 'static) {
        // A second server on the same app has the same certificate.
        let _ = self.inner.certificate.set(Box::new(end));
    }

    /// Checks these settings without creating anything.
    ///
    /// # Errors
    /// [`Error::Setting`] if the file behind `/secure-data` cannot be read.
    pub fn check(settings: &Settings) -> Result<(), Error> {
        SecureData::new(settings).map(drop)
    }

    /// The gate the API is mounted on.
    pub fn gate(&self) -> &Gate {
        &self.inner.gate
    }

    /// Samples the figures of the last hour, at most once in ten seconds.
    pub(crate) fn sample(&self) {
        self.inner
            .figures
            .sample(&self.inner.observed, &self.inner.gate);
    }

    /// Adds the metrics of requests, logins and the gate.
    pub(crate) fn collect(&self, page: &mut Page) {
        self.inner.observed.collect(page);
        self.inner.gate.collect(page);
    }

    /// Whether this address belongs to a trusted proxy, which serves many clients.
    pub(crate) fn trusts_proxy(&self, address: &IpAddr) -> bool {
        Caller::Address(address.to_canonical()).is_trusted(&self.inner.settings)
    }

    /// Whether the other end of a connection is a trusted proxy.
    #[cfg(target_os = "linux")]
    pub(crate) fn trusts_peer(&self, peer: &Peer) -> bool {
        Caller::at(peer).is_trusted(&self.inner.settings)
    }

    /// Whether there is a page for administrators, which shows the last hour.
    pub(crate) fn has_console(&self) -> bool {
        self.inner.settings.console
    }

    /// How many passwords may be hashed at once.
    pub(crate) fn hashing_places(&self) -> usize {
        self.inner.gate.hashing_places()
    }

    /// Answers a request that the engine could not read: too large, truncated, not HTTP. `request` holds what is known.
    pub fn refuse(&self, request: &Request<'_>, problem: Problem) -> Response {
        let seen = RequestLog::of(request);
        let response = problem.into_response(&seen.id);
        self.finish(request, &seen, Instant::now(), response)
    }

    /// The path of the request's route, with names in place of parameters.
    fn route_path(&self, seen: &RequestLog) -> Option<&str> {
        match seen.route? {
            RouteRef::Own(route) => Some(route.path),
            RouteRef::Host(number) => Some(&self.inner.host.routes[number].path),
        }
    }

    /// Whether the access log omits this request.
    fn leaves_out(&self, seen: &RequestLog, response: &Response) -> bool {
        self.inner.settings.access_log == AccessLog::NoHealth
            && response.status().0 < 400
            && matches!(seen.route, Some(RouteRef::Own(route)) if route.is_health_check)
    }

    /// Adds the headers common to all responses and writes the access log line.
    pub(super) fn finish(
        &self,
        request: &Request<'_>,
        seen: &RequestLog,
        started: Instant,
        mut response: Response,
    ) -> Response {
        let took = started.elapsed();
        let route = self.route_path(seen);
        let status = response.status().0;
        (self.inner.observed).answered(request, route, status, took);
        let id = &seen.id;
        response.set("X-Request-Id", id.as_str().to_owned());
        response.set("X-Content-Type-Options", "nosniff");
        // Otherwise a cache may store some errors (RFC 9110, section 15.1), and the next request might succeed.
        if response.status().0 >= 400 && response.header("Cache-Control").is_none() {
            response = response.no_store();
        }
        if matches!(seen.route, Some(RouteRef::Own(route)) if route.path.starts_with(CONSOLE.prefix))
        {
            guard::protect(&mut response);
        }
        // No page of another origin administers the server.
        if !matches!(seen.route, Some(RouteRef::Own(route)) if route.served == Served::Administration)
        {
            cors::add_fields(&self.inner.settings, request, &mut response);
        }
        if access_log::is_on() && !self.leaves_out(seen, &response) {
            access_log::write(request, &self.inner.settings, seen, route, status, took);
        }
        // A host's log function receives this line before the client receives the response.
        fork::settle();
        response
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App")
            .field("gate", &self.inner.gate)
            .finish_non_exhaustive()
    }
}
