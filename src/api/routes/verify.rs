//! GET `/verify`: whether a reverse proxy may pass a request on. The proxy asks for each request (nginx `auth_request`,
//! Traefik ForwardAuth, Caddy `forward_auth`, HAProxy with Lua) and hands the response's headers to the application.
//!
//! Envoy's `ext_authz` appends the original path and query to the path that it is given and keeps the method. What is
//! required must then stand in front of the appended path, where the client cannot change it: `/verify/for/SCOPE/LIMIT/...`.

use std::borrow::Cow;
use std::fmt::Write;

use super::form;
use crate::api::permission::{admitted, permitted};
use crate::api::problem::Problem;
use crate::api::request::{Request, path_of};
use crate::api::response::Response;
use crate::api::route::{Call, Original, add_rate_limit_headers};
use crate::base::names::valid_scope;

/// What the proxy requires of a request.
struct Required<'a> {
    /// The scope that the token needs; empty if any token will do.
    scope: Cow<'a, str>,
    /// Whether the request counts against the user's limit.
    counts: bool,
}

/// The requirements are in the query.
pub(super) fn answer(call: &mut Call<'_>) -> Result<Response, Problem> {
    let query = call.request.target.split_once('?').map_or("", |(_, it)| it);
    let value = |name| {
        form::value(query.as_bytes(), name).map_err(|fault| Problem::bad_request(fault.about(name)))
    };
    let required = required(value("scope")?.unwrap_or_default().into(), value("limit")?)?;
    call.seen.original = original(call.request);
    decide(call, &required)
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
    let scope = if scope == "-" { "" } else { scope };
    let limit = (limit != "-").then(|| limit.to_owned());
    let required = required(scope.into(), limit)?;
    call.seen.original = Some(Original {
        method: call.request.method_for_log(),
        path: format!("/{path}"),
    });
    decide(call, &required)
}

fn required(scope: Cow<'_, str>, limit: Option<String>) -> Result<Required<'_>, Problem> {
    if !valid_scope(&scope) {
        return Err(Problem::bad_request("The scope is malformed."));
    }
    let counts = match limit.as_deref() {
        None => false,
        Some("default") => true,
        Some(_) => {
            return Err(Problem::bad_request(
                "There is no such limit. The limit of users is called default.",
            ));
        }
    };
    Ok(Required { scope, counts })
}

fn decide(call: &mut Call<'_>, required: &Required<'_>) -> Result<Response, Problem> {
    let claims = permitted(call.app, call.request, &[&*required.scope], call.seen)?;
    let admission = match required.counts {
        true => admitted(call.app, &claims)?,
        false => None,
    };
    let mut response = Response::empty(204).no_store();
    let [user, scope, expires] = call.app.settings.verify_headers.clone();
    response.set(user, in_header(claims.subject()));
    response.set(scope, claims.scope().to_owned());
    response.set(expires, claims.expires_at().to_string());
    let mut response = Ok(response);
    if let Some(admission) = &admission {
        add_rate_limit_headers(&mut response, "default", admission);
    }
    response
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
