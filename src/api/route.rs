//! What a route is, what it receives, and what several of them share: who is asking.

use std::fmt;

use once_cell::sync::OnceCell;

use super::caller::Caller;
use super::console::first_code::FirstCode;
use super::figures::Figures;
use super::host::Host;
use super::limit_headers::Counted;
use super::observed::Observed;
use super::problem::Problem;
use super::request::{Method, Request};
use super::request_id::RequestId;
use super::response::Response;
use super::secure_data::SecureData;
use super::settings::Settings;
use crate::base::trace::TraceParent;
use crate::gate::audit::{Asker, Author};
use crate::limiter::Limiter;
use crate::{Claims, Error, Gate};

pub(super) use super::limit_headers::add_rate_limit_headers;

/// What routes need to answer requests.
pub(super) struct AppInner {
    pub(super) gate: Gate,
    pub(super) settings: Settings,
    pub(super) secure_data: SecureData,
    /// `None`: logins are not limited.
    pub(super) login_limiter: Option<Limiter>,
    /// The same for a whole IPv6 site (/48).
    pub(super) site_limiter: Option<Limiter>,
    pub(super) host: Host,
    /// The routes of the API and of administration.
    pub(super) tables: Vec<&'static Table>,
    /// When it was made, in seconds since 1970-01-01 UTC.
    pub(super) started: u64,
    /// When the server's certificate expires, in the same seconds; empty without a server.
    pub(super) certificate: OnceCell<Box<CertificateEnd>>,
    pub(super) observed: Observed,
    pub(super) figures: Figures,
    /// With which the console's first administrator is created.
    pub(super) first_code: FirstCode,
}

impl AppInner {
    /// Whether the console waits for its first administrator. Once there is a user, it never does again.
    pub(super) fn awaits_first(&self) -> Result<bool, Error> {
        if !self.first_code.is_there() {
            return Ok(false);
        }
        let is_empty = self.gate.users().list("", 1)?.is_empty();
        if !is_empty {
            self.first_code.end();
        }
        Ok(is_empty)
    }
}

pub(super) type CertificateEnd = dyn Fn() -> Option<i64> + Send + Sync;

/// What the access log records in addition to the request itself.
pub(super) struct RequestLog {
    pub(super) id: RequestId,
    /// The route at the request's path, whatever its method.
    pub(super) route: Option<RouteRef>,
    pub(super) user: Option<String>,
    /// The id of the API key that was presented.
    pub(super) api_key: Option<String>,
    /// The request that a proxy asks about.
    pub(super) original: Option<Original>,
    pub(super) trace: Option<TraceParent>,
    /// Who administers the server with this request.
    pub(super) administrator: Option<Administrator>,
}

/// A request to another server, as far as the access log shows it.
pub(super) struct Original {
    pub(super) method: &'static str,
    /// Without the query; anything may be in it.
    pub(super) path: String,
}

impl RequestLog {
    pub(super) fn of(request: &Request<'_>) -> Self {
        RequestLog {
            id: RequestId::of(request),
            route: None,
            user: None,
            api_key: None,
            original: None,
            trace: trace_of(request),
            administrator: None,
        }
    }

    /// Who asks, for the audit trail.
    pub(super) fn asker<'a>(&'a self, caller: &'a LazyCaller<'a>) -> Asker<'a> {
        Asker {
            peer: caller,
            id: self.id.as_str(),
            trace: self.trace.as_ref(),
            by: self.administrator.as_ref().map(|by| match by {
                Administrator::User(name) => Author::User(name),
                Administrator::Certificate(name) => Author::Certificate(name),
            }),
        }
    }
}

/// The trace that a request belongs to, if it names exactly one.
fn trace_of(request: &Request<'_>) -> Option<TraceParent> {
    let mut values = request.headers.all("traceparent");
    let value = values.next().filter(|_| values.next().is_none())?;
    TraceParent::parse(value)
}

/// Routes whose paths have the same beginning.
pub(super) struct Table {
    pub(super) prefix: &'static str,
    pub(super) routes: &'static [Route],
}

/// A route of the API.
pub(super) struct Route {
    pub(super) method: Method,
    /// A segment in braces stands for any text without a slash.
    pub(super) path: &'static str,
    pub(super) access: Access,
    /// Whether it accepts the kind of body that the head declares.
    pub(super) takes: fn(&Request<'_>) -> Result<(), Problem>,
    /// Whether only the engine's limit applies to the body; otherwise the limit on credentials does.
    pub(super) takes_data: bool,
    /// How long it may take, apart from the size of the request.
    pub(super) cost: fn(&AppInner) -> Cost,
    /// Whether it takes every path that begins with `path`, and every method: those are another server's.
    pub(super) is_prefix: bool,
    /// Through which doors.
    pub(super) served: Served,
    /// Whether supervisors call it, again and again: the setting `access_log` can leave it out.
    pub(super) is_health_check: bool,
    /// Its description in `GET /`.
    pub(super) about: &'static str,
    pub(super) answer: fn(&mut Call<'_>) -> Result<Response, Problem>,
}

impl Route {
    pub(super) fn takes_path(&self, path: &str) -> bool {
        if self.is_prefix {
            return path.starts_with(self.path);
        }
        if !self.path.contains('{') {
            return path == self.path;
        }
        let mut parts = path.split('/');
        let fits = |segment: &str| {
            let part = parts.next();
            part.is_some_and(|part| segment.starts_with('{') || segment == part)
        };
        self.path.split('/').all(fits) && parts.next().is_none()
    }
}

/// Through which doors a route is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Served {
    /// The API's.
    Api,
    /// Administration's too.
    Both,
    /// Administration's alone; without one of its own, the API's where only this machine reaches it.
    Administration,
}

/// Which listeners a request came through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Door {
    /// Those of the settings `listen`.
    Api,
    /// Those of the setting `admin_listen`.
    Administration,
}

/// Who administers the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Administrator {
    /// With a token.
    User(String),
    /// With a certificate; its common name.
    Certificate(String),
}

/// A route of the API or of the host.
#[derive(Clone, Copy)]
pub(super) enum RouteRef {
    Own(&'static Route),
    /// The host's route with this index.
    Host(usize),
}

/// Who may use a route.
pub(super) enum Access {
    Anyone,
    /// Holders of a token with one of these scopes, or sets of scopes, within the rate limit.
    Token(&'static [&'static str]),
    /// Holders of a token as the request itself demands; the route checks that.
    Demanded,
    /// Holders of a token with this scope (if empty, of any token), without a rate limit.
    Unlimited(&'static str),
    /// The same, or a client with this scope, which the route authenticates.
    UnlimitedOrClient(&'static str),
    /// Holders of any token, within the limit on logins, which the route counts.
    AsLogin,
    /// Administrators, without a rate limit.
    Administrator,
}

/// How long a response may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cost {
    /// At most about a millisecond.
    Quick,
    /// Longer, because the request or the response is large.
    Large,
    /// The same, and the response may be several times as large as the request.
    Growing,
    /// It may block.
    Slow,
    /// It hashes a password, which occupies a core and much memory for some time.
    Hashing,
}

/// Above this size, reading, sealing or opening, and writing take more than about a millisecond on a slow machine.
pub(super) const LARGE: usize = 64 << 10;

/// The cost of routes that only compute.
pub(super) fn quick(_app: &AppInner) -> Cost {
    Cost::Quick
}

/// The cost of routes that only compute, and return text in which JSON may need an escape for each byte.
pub(super) fn growing(_app: &AppInner) -> Cost {
    Cost::Growing
}

/// The cost of routes that write to disk.
pub(super) fn slow(_app: &AppInner) -> Cost {
    Cost::Slow
}

/// What a route receives.
pub(super) struct Call<'a> {
    pub(super) app: &'a AppInner,
    pub(super) request: &'a Request<'a>,
    /// The token's claims, if the route requires a token.
    pub(super) claims: Option<&'a Claims>,
    pub(super) seen: &'a mut RequestLog,
    /// The limits that have counted the request; the response reports them.
    pub(super) counted: &'a mut Counted,
}

/// The caller's address, computed only when it is written, since often nothing needs it.
pub(super) struct LazyCaller<'a> {
    pub(super) request: &'a Request<'a>,
    pub(super) settings: &'a Settings,
}

impl fmt::Display for LazyCaller<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Caller::of(self.request, self.settings).fmt(f)
    }
}

impl Call<'_> {
    pub(super) fn caller(&self) -> LazyCaller<'_> {
        LazyCaller {
            request: self.request,
            settings: &self.app.settings,
        }
    }

    /// Who asks, for the audit trail.
    pub(super) fn asker<'a>(&'a self, caller: &'a LazyCaller<'a>) -> Asker<'a> {
        self.seen.asker(caller)
    }
}
