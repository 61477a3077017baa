//! From a request to its route, and the gates on the way: token, scope, limit.

use std::fmt;

use super::caller::Caller;
use super::host::HostRoute;
use super::problem::Problem;
use super::request::{Method, Request};
use super::response::Response;
use super::routes::ROUTES;
use super::{AppInner, Seen};
use crate::audit::{AUDIT, Asker, Event};
use crate::config::AppSettings;
use crate::limiter::Admission;
use crate::token::TokenUse;
use crate::{Claims, TokenError};

/// A route of the API.
pub(super) struct Route {
    pub(super) method: Method,
    pub(super) path: &'static str,
    pub(super) access: Access,
    /// What `GET /` says of it.
    pub(super) about: &'static str,
    pub(super) answer: fn(&mut Call<'_>) -> Result<Response, Problem>,
}

/// Who may use a route.
pub(super) enum Access {
    Anyone,
    /// Holders of a token with one of these scopes, or sets of scopes, as often as the limit admits.
    Token(&'static [&'static str]),
    /// Holders of a token with this scope (the empty one: of any token), as often as they like.
    Unlimited(&'static str),
}

/// How long an answer may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// At most about a millisecond.
    Quick,
    /// It may wait for something.
    Slow,
    /// It hashes a password: that takes a core and much memory for some time.
    Hashing,
}

/// What a route gets to see.
pub(super) struct Call<'a> {
    pub(super) app: &'a AppInner,
    pub(super) request: &'a Request<'a>,
    /// What the token says, where the route asks for one.
    pub(super) claims: Option<&'a Claims>,
    pub(super) seen: &'a mut Seen,
}

/// The caller's address, found where it is written: nobody may want it.
pub(super) struct Peer<'a> {
    request: &'a Request<'a>,
    settings: &'a AppSettings,
}

impl fmt::Display for Peer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Caller::of(self.request, self.settings).fmt(f)
    }
}

impl Call<'_> {
    pub(super) fn peer(&self) -> Peer<'_> {
        Peer {
            request: self.request,
            settings: &self.app.settings,
        }
    }

    /// Who asks, for what the gate tells the audit trail.
    pub(super) fn asker<'a>(&'a self, peer: &'a Peer<'a>) -> Asker<'a> {
        Asker {
            peer,
            id: self.seen.id.as_str(),
        }
    }

    /// Tells an event of the audit trail about the request's user.
    pub(super) fn audit(&self, event: &'static str, result: &str) {
        audit(self.app, self.request, self.seen, event, result);
    }
}

fn audit(app: &AppInner, request: &Request<'_>, seen: &Seen, event: &'static str, result: &str) {
    if !log::log_enabled!(target: AUDIT, log::Level::Info) {
        return;
    }
    app.gate.pseudonyms().tell(&Event {
        event,
        result,
        user: seen.user.as_deref(),
        peer: &Caller::of(request, &app.settings),
        id: seen.id.as_str(),
    });
}

pub(super) fn answer(
    app: &AppInner,
    request: &Request<'_>,
    seen: &mut Seen,
) -> Result<Response, Problem> {
    if *request.method == Method::Options && request.target == "*" {
        return Ok(options("GET, HEAD, POST, OPTIONS".to_owned()));
    }
    let path = request.path();
    let method = as_get(request.method);
    let mut at_path = ROUTES.iter().filter(|route| route.path == path).peekable();
    if let Some(route) = at_path.peek() {
        seen.route = Some(route.path.into());
        if let Some(route) = at_path.find(|route| route.method == *method) {
            return run(route, app, request, seen);
        }
    } else {
        let mut at_path = app
            .host
            .routes
            .iter()
            .filter(|route| route.takes(path))
            .peekable();
        seen.route = at_path.peek().map(|route| route.path.clone().into());
        if seen.route.is_none() {
            return Err(Problem::not_found());
        }
        if let Some(route) = at_path.find(|route| route.method == *method) {
            return run_host(route, app, request, seen);
        }
    }
    match request.method {
        Method::Options => Ok(options(allowed(app, path))),
        _ => Err(Problem::method_not_allowed(allowed(app, path))),
    }
}

/// How long the route that this leads to may take.
pub(super) fn pace(app: &AppInner, method: &Method, path: &str) -> Pace {
    let host = &app.host;
    let hooked = |hook: bool, of: Method, at: &str| hook && of == *as_get(method) && at == path;
    let slow = hooked(host.authenticate.is_some(), Method::Post, "/login")
        || hooked(host.secure_data.is_some(), Method::Get, "/secure-data")
        // They wait for the disk.
        || hooked(true, Method::Post, "/refresh")
        || hooked(true, Method::Post, "/logout")
        || host
            .routes
            .iter()
            .any(|route| route.blocking && route.method == *as_get(method) && route.takes(path));
    if slow {
        return Pace::Slow;
    }
    match hooked(true, Method::Post, "/login") {
        true if app.gate.wants_passwords() => Pace::Hashing,
        // Where all of a user's tokens were just taken back, a new one waits for the next second.
        true if app.gate.has_store() => Pace::Slow,
        _ => Pace::Quick,
    }
}

/// HEAD is GET whose body the engine leaves out.
fn as_get(method: &Method) -> &Method {
    match method {
        Method::Head => &Method::Get,
        other => other,
    }
}

fn run(
    route: &Route,
    app: &AppInner,
    request: &Request<'_>,
    seen: &mut Seen,
) -> Result<Response, Problem> {
    let (scopes, is_limited) = match route.access {
        Access::Anyone => (None, false),
        Access::Token(scopes) => (Some(scopes), true),
        Access::Unlimited(ref scope) => (Some(std::slice::from_ref(scope)), false),
    };
    let claims = scopes
        .map(|scopes| permitted(app, request, scopes, seen))
        .transpose()?;
    let mut answer = || {
        (route.answer)(&mut Call {
            app,
            request,
            claims: claims.as_ref(),
            seen,
        })
    };
    match &claims {
        Some(claims) if is_limited => limited(app, claims, answer),
        _ => answer(),
    }
}

fn run_host(
    route: &HostRoute,
    app: &AppInner,
    request: &Request<'_>,
    seen: &mut Seen,
) -> Result<Response, Problem> {
    let Some(scope) = &route.scope else {
        return Ok(route.call(request, None)?);
    };
    let claims = permitted(app, request, &[scope], seen)?;
    let answer = || Ok(route.call(request, Some(&claims))?);
    match route.limited {
        true => limited(app, &claims, answer),
        false => answer(),
    }
}

/// The claims of a request whose token has one of these scopes, or all of a set; the empty one has every token.
fn permitted(
    app: &AppInner,
    request: &Request<'_>,
    scopes: &[&str],
    seen: &mut Seen,
) -> Result<Claims, Problem> {
    let checked = check_token(app, request, seen).and_then(|claims| {
        seen.user = Some(claims.subject().to_owned());
        let has =
            |set: &&str| set.is_empty() || set.split(' ').all(|scope| claims.has_scope(scope));
        if scopes.iter().any(has) {
            return Ok(claims);
        }
        Err(Problem::insufficient_scope(
            scopes.first().copied().unwrap_or_default(),
        ))
    });
    checked.inspect_err(|problem| audit(app, request, seen, "denied", problem.code()))
}

/// Answers as often as the user's limit admits, and says how often that still is.
fn limited(
    app: &AppInner,
    claims: &Claims,
    answer: impl FnOnce() -> Result<Response, Problem>,
) -> Result<Response, Problem> {
    let admission = app.gate.enforce_rate_limit(claims.subject());
    let mut response = match admission {
        Some(refused) if !refused.allowed => Err(Problem::rate_limited(refused.reset)),
        _ => answer(),
    };
    if let Some(admission) = admission {
        tell_limit(&mut response, "default", &admission);
    }
    response
}

fn check_token(app: &AppInner, request: &Request<'_>, seen: &mut Seen) -> Result<Claims, Problem> {
    let token = bearer_token(request)?;
    app.gate.verify_token(token).map_err(|error| {
        if error == TokenError::Revoked {
            seen.user = app.gate.subject_of(token, TokenUse::Access);
        }
        Problem::unauthorized(error)
    })
}

/// The token of a request: exactly one `Authorization: Bearer` (RFC 6750, section 2.1), the scheme in any case.
pub(super) fn bearer_token<'r>(request: &Request<'r>) -> Result<&'r str, Problem> {
    let mut values = request.headers.all("Authorization");
    let value = values.next();
    if values.next().is_some() {
        return Err(Problem::bad_request(
            "There is more than one Authorization header.",
        ));
    }
    let token = value
        .and_then(|value| value.split_first_chunk::<6>())
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"bearer"))
        .filter(|(_, rest)| rest.is_empty() || rest.starts_with(b" "))
        .map(|(_, rest)| rest.trim_ascii())
        .unwrap_or_default();
    std::str::from_utf8(token).map_err(|_| Problem::unauthorized(TokenError::Malformed))
}

/// Says the limit (draft-ietf-httpapi-ratelimit-headers-11) in an answer or an error.
pub(super) fn tell_limit(
    response: &mut Result<Response, Problem>,
    policy: &'static str,
    admission: &Admission,
) {
    let fields = [
        (
            "RateLimit-Policy",
            format!(
                r#""{policy}";q={};w={}"#,
                admission.limit,
                admission.window.as_secs()
            ),
        ),
        (
            "RateLimit",
            format!(
                r#""{policy}";r={};t={}"#,
                admission.remaining,
                crate::whole_seconds(admission.reset)
            ),
        ),
    ];
    for (name, value) in fields {
        match response {
            Ok(response) => response.set(name, value),
            Err(problem) => problem.add_header(name, value),
        }
    }
}

fn allowed(app: &AppInner, path: &str) -> String {
    let own = ROUTES
        .iter()
        .filter(|route| route.path == path)
        .map(|route| &route.method);
    let host = app
        .host
        .routes
        .iter()
        .filter(|route| route.takes(path))
        .map(|route| &route.method);
    let mut methods = Vec::new();
    for method in own.chain(host) {
        methods.push(method.as_str());
        if *method == Method::Get {
            methods.push("HEAD");
        }
    }
    methods.push("OPTIONS");
    methods.join(", ")
}

fn options(allowed: String) -> Response {
    let mut response = Response::empty(204);
    response.set("Allow", allowed);
    response
}
