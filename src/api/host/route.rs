//! Routes of a host program, beside the API's own: which paths they take, who may use them, and the host's function that
//! answers. The gates in front of them (token, scope, limit) are the router's, the same as of every route.

use std::fmt;
use std::net::IpAddr;

use crate::api::request::{Method, Request};
use crate::api::response::Response;
use crate::base::names::valid_scope;
use crate::{Claims, Error};

/// The paths of the API's own routes, which no other may take.
pub(in crate::api) const OWN_PATHS: [&str; 12] = [
    "/",
    "/login",
    "/secure-data",
    "/encrypt",
    "/decrypt",
    "/rewrap",
    "/refresh",
    "/logout",
    "/introspect",
    "/.well-known/jwks.json",
    "/healthz",
    "/readyz",
];

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
    /// The scope that a token needs; empty where any token will do, `None` where none is needed.
    pub(in crate::api) scope: Option<String>,
    pub(in crate::api) limited: bool,
    pub(in crate::api) blocking: bool,
    answer: Box<Answer>,
}

type Answer = dyn Fn(&HostCall<'_>) -> Result<Response, Error> + Send + Sync;

#[derive(Debug, PartialEq, Eq)]
enum Segment {
    Fixed(String),
    /// Any text but a slash, under this name.
    Parameter(String),
}

/// What a host's route gets to see.
#[derive(Debug)]
pub struct HostCall<'a> {
    request: &'a Request<'a>,
    claims: Option<&'a Claims>,
    parameters: Vec<(&'a str, &'a str)>,
    client: Option<IpAddr>,
    id: &'a str,
}

impl HostRoute {
    /// A route for this method and path, open to everybody, whose answers `answer` gives on the server's threads, several
    /// at a time. HEAD is answered like GET.
    ///
    /// A segment of the path in braces takes any text: `/orders/{id}`. A panic of `answer` is answered with 500, and so is a
    /// status below 200 or above 599.
    pub fn new(
        method: Method,
        path: &str,
        answer: impl Fn(&HostCall<'_>) -> Response + Send + Sync + 'static,
    ) -> Self {
        HostRoute::fallible(method, path, move |call| Ok(answer(call)))
    }

    /// The same where `answer` may fail: the error is answered as one of the API's own.
    pub fn fallible(
        method: Method,
        path: &str,
        answer: impl Fn(&HostCall<'_>) -> Result<Response, Error> + Send + Sync + 'static,
    ) -> Self {
        HostRoute {
            method,
            path: path.to_owned(),
            segments: path.split('/').skip(1).map(Segment::of).collect(),
            scope: None,
            limited: false,
            blocking: false,
            answer: Box::new(answer),
        }
    }

    /// Only for holders of a token with this scope; with the empty scope, of any token.
    pub fn with_token(mut self, scope: &str) -> Self {
        self.scope = Some(scope.to_owned());
        self
    }

    /// Only as often as the gate's limit admits, counted with the user's other requests. Needs a token.
    pub fn limited(mut self) -> Self {
        self.limited = true;
        self
    }

    /// It may wait for something (a database, another server): it then runs where nobody else waits with it.
    pub fn blocking(mut self) -> Self {
        self.blocking = true;
        self
    }

    /// The parameters, if the path is this route's.
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
        id: &str,
    ) -> Result<Response, Error> {
        let response = (self.answer)(&HostCall {
            request,
            claims,
            client,
            id,
            parameters: self.matches(request.path()).unwrap_or_default(),
        })?;
        match response.status().0 {
            200..=599 => Ok(response),
            // Below 200 the client would go on waiting, and take the next request's answer for this one's.
            status => Err(Error::Io(format!(
                "The route {} answers with status {status}, which is none.",
                self.path
            ))),
        }
    }

    /// Whether some path would be this route's and the other's.
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

/// Refuses routes that could never be reached, or of which nobody could say which one is meant.
pub(in crate::api) fn check(routes: &[HostRoute]) -> Result<(), Error> {
    for (number, route) in routes.iter().enumerate() {
        let wrong = |what: &str| {
            Err(Error::InvalidInput(format!(
                "The route {} {what}.",
                route.path
            )))
        };
        let visible = |text: &str| text.bytes().all(|byte| matches!(byte, 0x21..=0x7e));
        if !route.path.starts_with('/') || !visible(&route.path) || route.path.contains(['?', '#'])
        {
            return wrong("must begin with / and have visible ASCII characters without ? and #");
        }
        if route
            .segments
            .iter()
            .any(|segment| !segment.is_well_formed())
        {
            return wrong("has a brace that is not around a whole segment's name");
        }
        if route
            .scope
            .as_deref()
            .is_some_and(|scope| !valid_scope(scope) || scope.contains(' '))
        {
            return wrong("has a scope that is not one name");
        }
        if route.limited && route.scope.is_none() {
            return wrong("is limited by user, and needs a token for that");
        }
        if route.method == Method::Head {
            return wrong("is for HEAD, which is answered by the route for GET");
        }
        let segments = |path: &str| path.split('/').skip(1).map(Segment::of).collect();
        let own: Vec<Vec<Segment>> = OWN_PATHS.into_iter().map(segments).collect();
        if own.iter().any(|own| route.overlaps(own)) {
            return wrong("is one of the API's own");
        }
        let same =
            |other: &HostRoute| other.method == route.method && route.overlaps(&other.segments);
        if routes[..number].iter().any(same) {
            return wrong("is there twice, or overlaps another of the same method");
        }
    }
    Ok(())
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
    /// The request as it came.
    pub fn request(&self) -> &'a Request<'a> {
        self.request
    }

    /// The checked claims of the token, where the route needs one.
    pub fn claims(&self) -> Option<&'a Claims> {
        self.claims
    }

    /// Who is asking, by whom limits count: the connection's other end or, where that is a trusted proxy, the client that it
    /// names. `None` on a Unix socket with nothing more known.
    pub fn client(&self) -> Option<IpAddr> {
        self.client
    }

    /// The request's id, which the answer's `X-Request-Id` and the line of the log have too.
    pub fn request_id(&self) -> &'a str {
        self.id
    }

    /// What the path has in the place of `{name}`, as it came: not empty, and percent-encoded where the client did so.
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
