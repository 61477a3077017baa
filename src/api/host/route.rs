//! Routes of a host program: which paths they match, who may use them, and the host's function that answers. The router
//! enforces token, scope and limit as for every other route.

use std::fmt;
use std::net::IpAddr;

use crate::api::request::{Method, Request};
use crate::api::response::Response;
use crate::base::names::valid_scope;
use crate::base::trace::TraceParent;
use crate::{Claims, Error};

/// A route that a host program adds to the API.
///
/// ```
/// # fn main() -> Result<(), sealgate::Error> {
/// use sealgate::api::{App, HostRoute, Method, Response};
/// use sealgate::{Config, Gate};
///
/// let mut config = Config::new();
/// config.set("keys", "ephemeral")?;
/// let settings = config.settings()?;
///
/// let order = HostRoute::new(Method::Get, "/orders/{id}", |call| {
///     let whose = call.claims().map_or("nobody", |claims| claims.subject());
///     let text = format!("order {} of {whose}\n", call.parameter("id").unwrap_or("?"));
///     Response::new(200, "text/plain; charset=utf-8", text.into_bytes())
/// })
/// .with_token("encrypt")
/// .blocking();
/// let app = App::with_routes(Gate::new(&settings.gate)?, &settings.app, vec![order])?;
/// # Ok(())
/// # }
/// ```
pub struct HostRoute {
    pub(in crate::api) method: Method,
    pub(in crate::api) path: String,
    segments: Vec<Segment>,
    /// The scope the token needs; empty if any token will do, `None` if no token is needed.
    pub(in crate::api) scope: Option<String>,
    pub(in crate::api) limited: bool,
    /// The named limits, with what a request costs under each.
    pub(in crate::api) policies: Vec<(String, u32)>,
    pub(in crate::api) blocking: bool,
    answer: Box<Answer>,
}

type Answer = dyn Fn(&HostCall<'_>) -> Result<Response, Error> + Send + Sync;

#[derive(Debug, PartialEq, Eq)]
enum Segment {
    Fixed(String),
    /// Any text without a slash, under this name.
    Parameter(String),
}

/// What a host's route receives.
#[derive(Debug)]
pub struct HostCall<'a> {
    request: &'a Request<'a>,
    claims: Option<&'a Claims>,
    parameters: Vec<(&'a str, &'a str)>,
    client: Option<IpAddr>,
    id: &'a str,
    trace: Option<&'a TraceParent>,
}

impl HostRoute {
    /// A route for this method and path, open to everyone. `answer` runs on the server's threads, several calls at once.
    /// HEAD is answered like GET.
    ///
    /// A path segment in braces matches any text: `/orders/{id}`. If `answer` panics or returns a status below 200 or above
    /// 599, the client receives 500.
    pub fn new(
        method: Method,
        path: &str,
        answer: impl Fn(&HostCall<'_>) -> Response + Send + Sync + 'static,
    ) -> Self {
        HostRoute::fallible(method, path, move |call| Ok(answer(call)))
    }

    /// The same for an `answer` that may fail: its error is answered like one of the API's own.
    pub fn fallible(
        method: Method,
        path: &str,
        answer: impl Fn(&HostCall<'_>) -> Result<Response, Error> + Send + Sync + 'static,
    ) -> Self {
        HostRoute {
            method,
            path: path.to_owned(),
            segments: segments(path),
            scope: None,
            limited: false,
            policies: Vec::new(),
            blocking: false,
            answer: Box::new(answer),
        }
    }

    /// Requires a token with this scope; with the empty scope, any token.
    pub fn with_token(mut self, scope: &str) -> Self {
        self.scope = Some(scope.to_owned());
        self
    }

    /// Applies the gate's rate limit, shared with the user's other requests. Needs a token.
    pub fn limited(mut self) -> Self {
        self.limited = true;
        self
    }

    /// Limits the route by a policy of the settings (`limits`), in addition to others: each request costs this much. Needs a
    /// token, unless the policy counts addresses. The app is not created if the gate has no such policy, or its limit is
    /// below the cost.
    pub fn limited_by(mut self, policy: &str, cost: u32) -> Self {
        self.policies.push((policy.to_owned(), cost));
        self
    }

    /// Marks a route that may block (on a database, another server): it then runs on separate threads.
    pub fn blocking(mut self) -> Self {
        self.blocking = true;
        self
    }

    /// The parameters, if the path matches.
    fn matches<'a>(&'a self, path: &'a str) -> Option<Vec<(&'a str, &'a str)>> {
        let mut parameters = Vec::new();
        let mut parts = path.strip_prefix('/')?.split('/');
        for segment in &self.segments {
            let part = parts.next()?;
            match segment {
                Segment::Fixed(text) if text == part => {}
                Segment::Parameter(name) if !part.is_empty() => parameters.push((&**name, part)),
                _ => return None,
            }
        }
        parts.next().is_none().then_some(parameters)
    }

    pub(in crate::api) fn takes(&self, path: &str) -> bool {
        self.matches(path).is_some()
    }

    pub(in crate::api) fn call(
        &self,
        request: &Request<'_>,
        claims: Option<&Claims>,
        client: Option<IpAddr>,
        (id, trace): (&str, Option<&TraceParent>),
    ) -> Result<Response, Error> {
        let response = (self.answer)(&HostCall {
            request,
            claims,
            client,
            id,
            trace,
            parameters: self.matches(request.path()).unwrap_or_default(),
        })?;
        match response.status().0 {
            200..=599 => Ok(response),
            // Below 200 the client would keep waiting and take the next response for this one.
            status => Err(Error::Io(format!(
                "The route {} returned status {status}; it must be from 200 to 599.",
                self.path
            ))),
        }
    }

    /// Refuses an unreachable or ambiguous route. `own`: the paths of the API's routes; `others`: the host's other routes.
    pub(in crate::api) fn check<'p>(
        &self,
        mut own: impl Iterator<Item = &'p str>,
        others: &[HostRoute],
    ) -> Result<(), Error> {
        let wrong = |what: &str| {
            Err(Error::InvalidInput(format!(
                "The route {} {what}.",
                self.path
            )))
        };
        let visible = |text: &str| text.bytes().all(|byte| matches!(byte, 0x21..=0x7e));
        if !self.path.starts_with('/') || !visible(&self.path) || self.path.contains(['?', '#']) {
            return wrong("must begin with / and contain only visible ASCII except ? and #");
        }
        if self
            .segments
            .iter()
            .any(|segment| !segment.is_well_formed())
        {
            return wrong("has a brace that does not enclose a whole segment");
        }
        if self
            .scope
            .as_deref()
            .is_some_and(|scope| !valid_scope(scope) || scope.contains(' '))
        {
            return wrong("has a scope that is not one name");
        }
        if self.limited && self.scope.is_none() {
            return wrong("is limited per user and therefore needs a token");
        }
        if self.policies.iter().any(|(_, cost)| *cost == 0) {
            return wrong("is limited by a policy with a cost of 0");
        }
        if self.method == Method::Head {
            return wrong("is for HEAD, which the route for GET answers");
        }
        if own.any(|path| self.overlaps(&segments(path))) {
            return wrong("is one of the API's own");
        }
        let same =
            |other: &HostRoute| other.method == self.method && self.overlaps(&other.segments);
        if others.iter().any(same) {
            return wrong("duplicates or overlaps another with the same method");
        }
        Ok(())
    }

    /// Whether some path would match both this route and the other.
    fn overlaps(&self, other: &[Segment]) -> bool {
        self.segments.len() == other.len()
            && self.segments.iter().zip(other).all(|pair| match pair {
                (Segment::Fixed(one), Segment::Fixed(other)) => one == other,
                (Segment::Parameter(_), Segment::Fixed(text))
                | (Segment::Fixed(text), Segment::Parameter(_)) => !text.is_empty(),
                (Segment::Parameter(_), Segment::Parameter(_)) => true,
            })
    }
}

fn segments(path: &str) -> Vec<Segment> {
    path.split('/').skip(1).map(Segment::of).collect()
}

impl Segment {
    fn of(text: &str) -> Self {
        match text
            .strip_prefix('{')
            .and_then(|text| text.strip_suffix('}'))
        {
            Some(name) => Segment::Parameter(name.to_owned()),
            None => Segment::Fixed(text.to_owned()),
        }
    }

    fn is_well_formed(&self) -> bool {
        match self {
            Segment::Fixed(text) => !text.contains(['{', '}']),
            Segment::Parameter(name) => !name.is_empty() && !name.contains(['{', '}']),
        }
    }
}

impl<'a> HostCall<'a> {
    /// The request as received.
    pub fn request(&self) -> &'a Request<'a> {
        self.request
    }

    /// The token's verified claims, if the route needs a token.
    pub fn claims(&self) -> Option<&'a Claims> {
        self.claims
    }

    /// The client's address, which limits count by: that of the connection's peer or, if that is a trusted proxy, the client
    /// it names. `None` on a Unix socket if nothing more is known.
    pub fn client(&self) -> Option<IpAddr> {
        self.client
    }

    /// The request's id, also in the response's `X-Request-Id` and the access log.
    pub fn request_id(&self) -> &'a str {
        self.id
    }

    /// The trace that the request belongs to, if it has a valid `traceparent`.
    pub fn trace(&self) -> Option<&'a TraceParent> {
        self.trace
    }

    /// The part of the path that `{name}` matched: not empty, and still percent-encoded.
    pub fn parameter(&self, name: &str) -> Option<&'a str> {
        self.parameters
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| *value)
    }
}

impl fmt::Debug for HostRoute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostRoute")
            .field("method", &self.method)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}
