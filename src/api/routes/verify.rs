//! GET `/verify`: whether a reverse proxy may pass a request on. The proxy asks for each request (nginx `auth_request`,
//! Traefik ForwardAuth, Caddy `forward_auth`, HAProxy with Lua) and hands the response's headers to the application.
//!
//! Envoy's `ext_authz` appends the original path and query to the path that it is given and keeps the method. What is
//! required must then stand in front of the appended path, where the client cannot change it: `/verify/for/SCOPE/LIMIT/...`,
//! where `LIMIT` may be several policies with their costs: `default,exports:3`.

use std::borrow::Cow;
use std::fmt::Write;

use super::form;
use crate::api::limits::{Use, count};
use crate::api::permission::permitted;
use crate::api::problem::Problem;
use crate::api::request::{Request, path_of};
use crate::api::response::Response;
use crate::api::route::{Call, Original};
use crate::base::names::valid_scope;
use crate::limiter::DEFAULT;
use crate::{Error, Gate};

/// What the proxy requires of a request.
struct Required<'a> {
    /// The scope that the token needs; empty if any token will do.
    scope: Cow<'a, str>,
    /// The policies that count the request, and what it costs under each.
    limits: Vec<Use>,
}

/// The requirements are in the query.
pub(super) fn answer(call: &mut Call<'_>) -> Result<Response, Problem> {
    let query = call.request.target.split_once('?').map_or("", |(_, it)| it);
    let value = |name| {
        form::value(query.as_bytes(), name).map_err(|fault| Problem::bad_request(fault.about(name)))
    };
    let mut limits = Vec::new();
    match value("limit")?.as_deref() {
        None => {}
        Some(DEFAULT) => limits.push((DEFAULT.to_owned(), 1)),
        Some(_) => {
            return Err(Problem::bad_request(
                "There is no such limit. The limit of users is called default; policy=NAME names another.",
            ));
        }
    }
    match (value("policy")?, value("cost")?) {
        (Some(policy), None) => limits.push((policy, 1)),
        (Some(policy), Some(cost)) => limits.push((policy, cost_of(&cost)?)),
        (None, Some(_)) => return Err(Problem::bad_request("A cost needs a policy.")),
        (None, None) => {}
    }
    let required = required(value("scope")?.map(Cow::Owned), limits)?;
    call.seen.original = original(call.request);
    decide(call, required)
}

/// The requirements are in the path, and what follows them is the original path.
pub(super) fn answer_for(call: &mut Call<'_>) -> Result<Response, Problem> {
    // Behind /verify/for/.
    let mut parts = path_of(call.request.target).splitn(6, '/').skip(3);
    let (Some(scope), Some(limit), Some(path)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(Problem::bad_request(
            "The path must be /verify/for/SCOPE/LIMIT/..., with - for any token or no limit.",
        ));
    };
    let scope = (scope != "-").then_some(scope.into());
    let limits = match limit {
        "-" => Vec::new(),
        limits => limits
            .split(',')
            .map(|limit| match limit.split_once(':') {
                Some((policy, cost)) => Ok((policy.to_owned(), cost_of(cost)?)),
                None => Ok((limit.to_owned(), 1)),
            })
            .collect::<Result<_, Problem>>()?,
    };
    let required = required(scope, limits)?;
    call.seen.original = Some(Original {
        method: call.request.method_for_log(),
        path: format!("/{path}"),
    });
    decide(call, required)
}

fn cost_of(text: &str) -> Result<u32, Problem> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let cost = digits.then(|| text.parse().ok()).flatten();
    cost.ok_or_else(|| Problem::bad_request("The cost must be a whole number."))
}

/// Without a scope, any token will do. An empty one is refused: a proxy's variable may be empty by mistake.
fn required(scope: Option<Cow<'_, str>>, limits: Vec<Use>) -> Result<Required<'_>, Problem> {
    match scope.as_deref() {
        Some("") => Err(Problem::bad_request("The scope is empty.")),
        Some(scope) if !valid_scope(scope) => Err(Problem::bad_request("The scope is malformed.")),
        _ => Ok(Required {
            scope: scope.unwrap_or_default(),
            limits,
        }),
    }
}

/// Checks the policies, and takes out the limit of users if the request costs 1 under it: in most requests, the only one.
fn check_limits(gate: &Gate, limits: &mut Vec<Use>) -> Result<bool, Problem> {
    for (at, (policy, cost)) in limits.iter().enumerate() {
        if limits[..at].iter().any(|(other, _)| other == policy) {
            return Err(Problem::bad_request("A policy is named twice."));
        }
        gate.check_cost(policy, *cost)
            .map_err(|error| match error {
                Error::InvalidInput(sentence) => Problem::bad_request(sentence),
                other => other.into(),
            })?;
    }
    let default = limits
        .iter()
        .position(|limit| limit.0 == DEFAULT && limit.1 == 1);
    Ok(default.map(|at| limits.remove(at)).is_some())
}

fn decide(call: &mut Call<'_>, mut required: Required<'_>) -> Result<Response, Problem> {
    let claims = permitted(call.app, call.request, &[&*required.scope], call.seen)?;
    // Only now: whoever has no token does not learn which policies there are.
    let is_limited = check_limits(&call.app.gate, &mut required.limits)?;
    let limits = (is_limited, required.limits.as_slice());
    count(call.app, call.request, Some(&claims), limits, call.counted)?;
    let mut response = Response::empty(204).no_store();
    let [user, scope, expires] = call.app.settings.verify_headers.clone();
    response.set(user, in_header(claims.subject()));
    response.set(scope, claims.scope().to_owned());
    response.set(expires, claims.expires_at().to_string());
    Ok(response)
}

/// A name with everything percent-encoded that a header could change or lose: spaces at the ends, and all that is not ASCII.
fn in_header(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'%' | 0..=0x20 | 0x7f.. => {
                // Writing into memory does not fail.
                let _ = write!(text, "%{byte:02X}");
            }
            _ => text.push(char::from(byte)),
        }
    }
    text
}

/// The request that the proxy asks about, from the headers that it sends. Only logged.
fn original(request: &Request<'_>) -> Option<Original> {
    let text = |name: &str| request.headers.get_text(name);
    // Our configurations of nginx and HAProxy send X-Original-*; Traefik and Caddy send X-Forwarded-* by default.
    let method = text("X-Original-Method").or_else(|| text("X-Forwarded-Method"));
    let uri = text("X-Original-URI").or_else(|| text("X-Forwarded-Uri"));
    let known = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    let method = method.map_or("-", |method| {
        let known = known.into_iter().find(|known| *known == method);
        known.unwrap_or("other")
    });
    uri.map(|uri| Original {
        method,
        path: path_of(uri).into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_names_are_alike_in_a_header() {
        assert_eq!(in_header("alice"), "alice");
        assert_eq!(in_header(" alice "), "%20alice%20");
        assert_eq!(in_header("100%"), "100%25");
        assert_eq!(in_header("j\u{fc}rgen"), "j%C3%BCrgen");
    }
}
