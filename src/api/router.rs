//! From a request to its route, and the gates on the way: token, scope, limit.

use super::problem::Problem;
use super::request::{Method, Request};
use super::response::Response;
use super::routes::ROUTES;
use super::{AppInner, Seen};
use crate::limiter::Admission;
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
    /// Holders of a token with this scope, as often as the limit admits.
    Token(&'static str),
}

/// What a route gets to see.
pub(super) struct Call<'a> {
    pub(super) app: &'a AppInner,
    pub(super) request: &'a Request<'a>,
    pub(super) seen: &'a mut Seen,
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
    let mut at_path = ROUTES.iter().filter(|route| route.path == path).peekable();
    seen.route = at_path.peek().map(|route| route.path);
    if seen.route.is_none() {
        return Err(Problem::not_found());
    }
    // HEAD is GET whose body the engine leaves out.
    let method = match request.method {
        Method::Head => &Method::Get,
        other => other,
    };
    match at_path.find(|route| route.method == *method) {
        Some(route) => run(route, app, request, seen),
        None if *request.method == Method::Options => Ok(options(allowed(path))),
        None => Err(Problem::method_not_allowed(allowed(path))),
    }
}

fn run(
    route: &Route,
    app: &AppInner,
    request: &Request<'_>,
    seen: &mut Seen,
) -> Result<Response, Problem> {
    let mut call = Call { app, request, seen };
    let Access::Token(scope) = route.access else {
        return (route.answer)(&mut call);
    };
    let claims = check_token(app, request)?;
    call.seen.user = Some(claims.subject().to_owned());
    if !claims.has_scope(scope) {
        return Err(Problem::insufficient_scope(scope));
    }
    let admission = app.gate.enforce_rate_limit(claims.subject());
    let mut response = match admission {
        Some(refused) if !refused.allowed => Err(Problem::rate_limited(refused.reset)),
        _ => (route.answer)(&mut call),
    };
    if let Some(admission) = admission {
        tell_limit(&mut response, "default", &admission);
    }
    response
}

/// The token of a request: exactly one `Authorization: Bearer` (RFC 6750, section 2.1), the scheme in any case.
fn check_token(app: &AppInner, request: &Request<'_>) -> Result<Claims, Problem> {
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
    let token =
        std::str::from_utf8(token).map_err(|_| Problem::unauthorized(TokenError::Malformed))?;
    app.gate.verify_token(token).map_err(Problem::unauthorized)
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

fn allowed(path: &str) -> String {
    let mut methods = Vec::new();
    for route in ROUTES.iter().filter(|route| route.path == path) {
        methods.push(route.method.as_str());
        if route.method == Method::Get {
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
