//! Finds a request's route and enforces its checks: token, scope, limit.

use super::caller::Caller;
use super::host::HostRoute;
use super::problem::Problem;
use super::request::{Method, Request};
use super::response::Response;
use super::route::{
    Access, AppInner, Call, Cost, LazyCaller, RequestLog, Route, add_rate_limit_headers,
    bearer_token,
};
use crate::Claims;
use crate::gate::audit::{Asker, AuditEvent};
use crate::limiter::Admission;

/// What is known of a request whose head has passed all checks.
pub(super) struct Passed {
    target: Target,
    claims: Option<Claims>,
    /// How many requests the user has left, if they are limited.
    admission: Option<Admission>,
    /// The route's limit on the body, in bytes.
    pub(super) max_body: usize,
}

/// What answers a request.
enum Target {
    Own(&'static Route),
    /// The host's route with this index.
    Host(usize),
    /// OPTIONS, with the methods that the path accepts.
    Options(String),
}

/// Finds the route and enforces its checks. Each request is counted here, once. `length`: of the body, if known.
pub(super) fn admit(
    app: &AppInner,
    request: &Request<'_>,
    length: Option<usize>,
    seen: &mut RequestLog,
) -> Result<Passed, Problem> {
    let target = find(app, request, seen)?;
    let (claims, admission) = enter(&target, app, request, seen)?;
    let max_body = match &target {
        Target::Own(route) if !route.takes_data => app.settings.max_credentials,
        Target::Options(_) => app.settings.max_credentials,
        // The engine's limit applies.
        Target::Own(_) | Target::Host(_) => usize::MAX,
    };
    let fits = match &target {
        Target::Own(route) => (route.takes)(request),
        Target::Host(_) | Target::Options(_) => Ok(()),
    };
    let fits = fits.and_then(|()| match length {
        Some(length) if length > max_body => Err(Problem::body_too_large(max_body)),
        _ => Ok(()),
    });
    if let Err(problem) = fits {
        return Err(match &admission {
            Some(admission) => problem.with_limit("default", admission),
            None => problem,
        });
    }
    Ok(Passed {
        target,
        claims,
        admission,
        max_body,
    })
}

/// Answers a request whose body is complete.
pub(super) fn answer(
    app: &AppInner,
    request: &Request<'_>,
    passed: &Passed,
    seen: &mut RequestLog,
) -> Result<Response, Problem> {
    let claims = passed.claims.as_ref();
    let mut response = if request.body.len() > passed.max_body {
        Err(Problem::body_too_large(passed.max_body))
    } else {
        match &passed.target {
            Target::Own(route) => (route.answer)(&mut Call {
                app,
                request,
                claims,
                seen,
            }),
            Target::Host(number) => app.host.routes[*number]
                .call(
                    request,
                    claims,
                    Caller::of(request, &app.settings).address(),
                    seen.id.as_str(),
                )
                .map_err(Problem::from),
            Target::Options(allowed) => Ok(options(allowed.clone())),
        }
    };
    if let Some(admission) = &passed.admission {
        add_rate_limit_headers(&mut response, "default", admission);
    }
    response
}

fn find(app: &AppInner, request: &Request<'_>, seen: &mut RequestLog) -> Result<Target, Problem> {
    if *request.method == Method::Options && request.target == "*" {
        return Ok(Target::Options("GET, HEAD, POST, OPTIONS".to_owned()));
    }
    let path = request.path();
    let method = as_get(request.method);
    let mut at_path = app
        .routes
        .iter()
        .filter(|route| route.path == path)
        .peekable();
    if let Some(route) = at_path.peek() {
        seen.route = Some(route.path.into());
        if let Some(route) = at_path.find(|route| route.method == *method) {
            return Ok(Target::Own(route));
        }
    } else {
        let routes = app.host.routes.iter().enumerate();
        let mut at_path = routes.filter(|(_, route)| route.takes(path)).peekable();
        seen.route = at_path.peek().map(|(_, route)| route.path.clone().into());
        if seen.route.is_none() {
            return Err(Problem::not_found());
        }
        if let Some((number, _)) = at_path.find(|(_, route)| route.method == *method) {
            return Ok(Target::Host(number));
        }
    }
    match request.method {
        Method::Options => Ok(Target::Options(allowed(app, path))),
        _ => Err(Problem::method_not_allowed(allowed(app, path))),
    }
}

/// How long the route for this method and path may take.
pub(super) fn cost(app: &AppInner, method: &Method, path: &str) -> Cost {
    let host = &app.host;
    let hooked = |hook: bool, of: Method, at: &str| hook && of == *as_get(method) && at == path;
    let slow = hooked(host.authenticate.is_some(), Method::Post, "/login")
        || hooked(host.secure_data.is_some(), Method::Get, "/secure-data")
        // They write to disk.
        || hooked(true, Method::Post, "/refresh")
        || hooked(true, Method::Post, "/logout")
        || (hooked(true, Method::Get, "/readyz") && !app.gate.store_was_writable())
        || host
            .routes
            .iter()
            .any(|route| route.blocking && route.method == *as_get(method) && route.takes(path));
    if slow {
        return Cost::Slow;
    }
    match hooked(true, Method::Post, "/login") {
        true if app.gate.wants_passwords() => Cost::Hashing,
        // If all of a user's tokens have just been revoked, a new one waits for the next second.
        true if app.gate.has_store() => Cost::Slow,
        _ => Cost::Quick,
    }
}

/// HEAD is routed as GET; the engine omits the body.
fn as_get(method: &Method) -> &Method {
    match method {
        Method::Head => &Method::Get,
        other => other,
    }
}

/// Checks the token and counts the request, as the route requires.
fn enter(
    target: &Target,
    app: &AppInner,
    request: &Request<'_>,
    seen: &mut RequestLog,
) -> Result<(Option<Claims>, Option<Admission>), Problem> {
    let mut permitted = |scopes: &[&str]| permitted(app, request, scopes, seen);
    let (claims, is_limited) = match target {
        Target::Options(_) => return Ok((None, None)),
        Target::Own(route) => match route.access {
            Access::Anyone => return Ok((None, None)),
            Access::Token(scopes) => (permitted(scopes)?, true),
            Access::Unlimited(scope) => (permitted(&[scope])?, false),
        },
        Target::Host(number) => match &app.host.routes[*number] {
            HostRoute { scope: None, .. } => return Ok((None, None)),
            HostRoute {
                scope: Some(scope),
                limited,
                ..
            } => (permitted(&[scope])?, *limited),
        },
    };
    let admission = is_limited
        .then(|| app.gate.enforce_rate_limit(claims.subject()))
        .flatten();
    match &admission {
        Some(refused) if !refused.allowed => {
            Err(Problem::rate_limited(refused.reset).with_limit("default", refused))
        }
        _ => Ok((Some(claims), admission)),
    }
}

/// The claims of a request whose token has one of these scopes, or all scopes of a set; every token has the empty one.
fn permitted(
    app: &AppInner,
    request: &Request<'_>,
    scopes: &[&str],
    seen: &mut RequestLog,
) -> Result<Claims, Problem> {
    let caller = LazyCaller {
        request,
        settings: &app.settings,
    };
    let asker = Asker {
        peer: &caller,
        id: seen.id.as_str(),
    };
    // A header that the gate never sees.
    let token = bearer_token(request).inspect_err(|problem| {
        let trail = app.gate.pseudonyms();
        trail.record(AuditEvent::Denied, problem.code(), None, asker);
    })?;
    let checked = app.gate.permit(token, scopes, asker);
    seen.user = match &checked {
        Ok(claims) => Some(claims.subject().to_owned()),
        Err(denied) => denied.user.clone(),
    };
    checked.map_err(|denied| match denied.why {
        Some(error) => Problem::unauthorized(error),
        None => Problem::insufficient_scope(scopes.first().copied().unwrap_or_default()),
    })
}

fn allowed(app: &AppInner, path: &str) -> String {
    let own = app
        .routes
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
