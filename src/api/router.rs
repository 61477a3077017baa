//! Finds a request's route, once, and enforces its checks: token, scope, limit.

use super::administration;
use super::caller::Caller;
use super::host::{Host, HostRoute};
use super::limit_headers::Counted;
use super::limits;
use super::permission::{may_be_client, permitted};
use super::problem::Problem;
use super::request::{Method, Request, path_of};
use super::response::Response;
use super::route::{
    Access, AppInner, Call, Cost, Door, LARGE, RequestLog, Route, RouteRef, Served,
};
use super::routes::{API, CONSOLE, admin};
use crate::{Claims, Error};

/// What `OPTIONS *` is answered with.
const ALL_METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// Named limits of the API's own routes.
const NO_OTHERS: &[limits::Use] = &[];

/// What a request's method and path lead to.
pub(super) enum Found {
    Route(RouteRef),
    /// OPTIONS: the methods that the path accepts. Without a route for the target `*`.
    Options(Option<RouteRef>, String),
    /// The path accepts only these methods.
    OtherMethods(RouteRef, String),
    Nothing,
}

/// What is known of a request whose head has passed all checks.
pub(super) struct Passed {
    target: Target,
    claims: Option<Claims>,
    /// The limits that have counted it.
    pub(super) counted: Counted,
    /// The route's limit on the body, in bytes.
    pub(super) max_body: usize,
}

/// What answers a request.
enum Target {
    Route(RouteRef),
    /// OPTIONS, with the methods that the path accepts.
    Options(String),
}

/// Finds the route for a method and a target. No path is compared anywhere else.
pub(super) fn find(app: &AppInner, door: Door, method: &Method, target: &str) -> Found {
    if *method == Method::Options && target == "*" {
        return Found::Options(None, ALL_METHODS.to_owned());
    }
    let path = path_of(target);
    let wanted = as_get(method);
    // The methods of the routes at this path.
    let mut first = None;
    let mut methods: Vec<&Method> = Vec::new();
    let tables = app.tables.iter();
    let tables = tables.filter(|table| path.starts_with(table.prefix));
    let own = tables.flat_map(|table| table.routes);
    let own = own.filter(|route| door.has(route) && route.takes_path(path));
    let own = own.map(|route| (RouteRef::Own(route), &route.method));
    let host = app.host.routes.iter().enumerate();
    let host = host.filter(|(_, route)| door == Door::Api && route.takes(path));
    let host = host.map(|(number, route)| (RouteRef::Host(number), &route.method));
    for (route, known) in own.chain(host) {
        if known == wanted || matches!(route, RouteRef::Own(route) if route.is_prefix) {
            return Found::Route(route);
        }
        first = first.or(Some(route));
        methods.push(known);
    }
    let Some(first) = first else {
        return Found::Nothing;
    };
    match method {
        Method::Options => Found::Options(Some(first), allowed(&methods)),
        _ => Found::OtherMethods(first, allowed(&methods)),
    }
}

/// Enforces the checks of the route found. Each request is counted here, once. `length`: of the body, if known. `at_once`: if
/// that means to wait for the shared store, it is left to [`count`].
pub(super) fn admit(
    app: &AppInner,
    door: Door,
    request: &Request<'_>,
    found: Found,
    (length, at_once): (Option<usize>, bool),
    seen: &mut RequestLog,
) -> Result<Passed, Problem> {
    let found = match found.route() {
        // As if it were not there.
        Some(RouteRef::Own(route))
            if route.served == Served::Administration
                && !administration::is_served(app, door, request) =>
        {
            Found::Nothing
        }
        _ => found,
    };
    seen.route = found.route();
    let target = match found {
        Found::Route(route) => Target::Route(route),
        Found::Options(_, allowed) => Target::Options(allowed),
        Found::OtherMethods(_, allowed) => return Err(Problem::method_not_allowed(allowed)),
        Found::Nothing => return Err(Problem::not_found()),
    };
    let mut passed = Passed {
        claims: enter(&target, app, request, seen)?,
        counted: Counted::new(at_once),
        max_body: match &target {
            Target::Route(RouteRef::Own(route)) if !route.takes_data => {
                app.settings.max_credentials
            }
            Target::Options(_) => app.settings.max_credentials,
            // The engine's limit applies.
            Target::Route(_) => usize::MAX,
        },
        target,
    };
    match count(app, request, &mut passed, length) {
        Err(_) if passed.counted.would_wait() => Ok(passed),
        Err(problem) => Err(problem),
        Ok(()) => Ok(passed),
    }
}

/// Counts a request that has not been counted, and checks what remains of its head.
pub(super) fn count(
    app: &AppInner,
    request: &Request<'_>,
    passed: &mut Passed,
    length: Option<usize>,
) -> Result<(), Problem> {
    let limits = match &passed.target {
        Target::Route(RouteRef::Own(route)) => {
            (matches!(route.access, Access::Token(_)), NO_OTHERS)
        }
        Target::Route(RouteRef::Host(number)) => {
            let route = &app.host.routes[*number];
            (route.limited, route.policies.as_slice())
        }
        Target::Options(_) => (false, NO_OTHERS),
    };
    let claims = passed.claims.as_ref();
    let counted = limits::count(app, request, claims, limits, &mut passed.counted);
    let fits = counted.and_then(|()| match &passed.target {
        Target::Route(RouteRef::Own(route)) => (route.takes)(request),
        _ => Ok(()),
    });
    let fits = fits.and_then(|()| match length {
        Some(length) if length > passed.max_body => Err(Problem::body_too_large(passed.max_body)),
        _ => Ok(()),
    });
    fits.map_err(|problem| problem.with_limits(&passed.counted))
}

/// Answers a request whose body is complete.
pub(super) fn answer(
    app: &AppInner,
    request: &Request<'_>,
    passed: &Passed,
    seen: &mut RequestLog,
    counted: &mut Counted,
) -> Result<Response, Problem> {
    let claims = passed.claims.as_ref();
    let mut response = if request.body.len() > passed.max_body {
        Err(Problem::body_too_large(passed.max_body))
    } else {
        match &passed.target {
            Target::Route(RouteRef::Own(route)) => (route.answer)(&mut Call {
                app,
                request,
                claims,
                seen,
                counted,
            }),
            Target::Route(RouteRef::Host(number)) => app.host.routes[*number]
                .call(
                    request,
                    claims,
                    Caller::of(request, &app.settings).address(),
                    (seen.id.as_str(), seen.trace.as_ref()),
                )
                .map_err(Problem::from),
            Target::Options(allowed) => Ok(options(allowed.clone())),
        }
    };
    counted.report(&mut response);
    response
}

/// How long the request may take: because its body or the returned data is large, or because the route blocks.
pub(super) fn cost(app: &AppInner, found: &Found, body: usize) -> Cost {
    match found {
        Found::Route(route) => cost_of(app, *route, body),
        _ => by_size(body),
    }
}

impl Passed {
    /// See [`cost`].
    pub(super) fn cost(&self, app: &AppInner, body: usize) -> Cost {
        match self.target {
            Target::Route(route) => cost_of(app, route, body),
            Target::Options(_) => by_size(body),
        }
    }
}

fn cost_of(app: &AppInner, route: RouteRef, body: usize) -> Cost {
    let cost = match route {
        RouteRef::Own(route) => (route.cost)(app),
        RouteRef::Host(number) if app.host.routes[number].blocking => Cost::Slow,
        RouteRef::Host(_) => Cost::Quick,
    };
    match (cost, by_size(body)) {
        (Cost::Quick, by_size) => by_size,
        (Cost::Growing, Cost::Quick) => Cost::Quick,
        (cost, _) => cost,
    }
}

fn by_size(body: usize) -> Cost {
    match body > LARGE {
        true => Cost::Large,
        false => Cost::Quick,
    }
}

/// HEAD is routed as GET; the engine omits the body.
fn as_get(method: &Method) -> &Method {
    match method {
        Method::Head => &Method::Get,
        other => other,
    }
}

/// Checks the token, as the route requires.
fn enter(
    target: &Target,
    app: &AppInner,
    request: &Request<'_>,
    seen: &mut RequestLog,
) -> Result<Option<Claims>, Problem> {
    let mut permitted = |scopes: &[&str]| permitted(app, request, scopes, seen).map(Some);
    match target {
        Target::Options(_) => Ok(None),
        Target::Route(RouteRef::Own(route)) => match route.access {
            Access::Anyone | Access::Demanded => Ok(None),
            Access::Token(scopes) => permitted(scopes),
            Access::UnlimitedOrClient(_) if may_be_client(request) => Ok(None),
            Access::Unlimited(scope) | Access::UnlimitedOrClient(scope) => permitted(&[scope]),
            Access::AsLogin => permitted(&[""]),
            Access::Administrator => administration::administrator(app, request, seen),
        },
        Target::Route(RouteRef::Host(number)) => match &app.host.routes[*number].scope {
            Some(scope) => permitted(&[scope]),
            None => Ok(None),
        },
    }
}

fn allowed(of_routes: &[&Method]) -> String {
    let mut methods = Vec::new();
    for method in of_routes {
        methods.push(method.as_str());
        if **method == Method::Get {
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

impl Door {
    /// Whether it leads to a route, for some requests at least.
    fn has(self, route: &Route) -> bool {
        match self {
            Door::Api => true,
            Door::Administration => route.served != Served::Api,
        }
    }
}

impl Found {
    /// The route at the path, whatever its method.
    pub(super) fn route(&self) -> Option<RouteRef> {
        match self {
            Found::Route(route) | Found::OtherMethods(route, _) => Some(*route),
            Found::Options(route, _) => *route,
            Found::Nothing => None,
        }
    }
}

impl Host {
    /// Adds a route.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] if it is malformed, a duplicate, or replaces one of the API's own; it is then not added.
    pub fn add_route(&mut self, route: HostRoute) -> Result<(), Error> {
        let own = [&API, &admin::ADMINISTRATION, &CONSOLE];
        let own = own.into_iter().flat_map(|table| table.routes);
        route.check(own.map(|route| route.path), &self.routes)?;
        self.routes.push(route);
        Ok(())
    }
}
