//! Requests of web pages of other origins (CORS in the Fetch standard): the header fields by which a browser hands a
//! response to such a page, and lets it send more than an HTML form could. They open nothing to other clients, which
//! need no permission, and a request is checked in the same way with and without them.

use super::request::{Method, Request};
use super::response::Response;
use super::settings::Settings;

/// Request headers that pages may send, besides those that browsers always permit.
const ALLOWED: [&str; 6] = [
    "Authorization",
    "Content-Type",
    "X-Request-Id",
    "traceparent",
    "tracestate",
    "baggage",
];
/// Response headers that pages may read, besides those that browsers always permit.
const EXPOSED: &str =
    "Allow, RateLimit, RateLimit-Policy, Retry-After, WWW-Authenticate, X-Request-Id";
/// For how many seconds browsers may keep the response to a preflight. Chromium keeps none for longer.
const MAX_AGE: &str = "7200";

/// Adds the fields to the response to a request.
pub(super) fn add_fields(settings: &Settings, request: &Request<'_>, response: &mut Response) {
    let origins = &settings.cors_origins;
    if origins.is_none() {
        return;
    }
    let is_options = *request.method == Method::Options;
    // Also where no field follows: a cache must not hand the response to a page of a permitted origin.
    if !origins.is_all() {
        response.add_to_list("Vary", "Origin");
    }
    if is_options {
        response.add_to_list("Vary", "Access-Control-Request-Method");
    }
    let Some(origin) = origins.permitted(request.headers.all("Origin")) else {
        return;
    };
    // A host's route may decide otherwise.
    if response.header("Access-Control-Allow-Origin").is_some() {
        return;
    }
    response.set("Access-Control-Allow-Origin", origin.to_owned());
    if settings.cors_credentials {
        response.set("Access-Control-Allow-Credentials", "true");
    }
    let is_preflight = is_options
        && response.status().0 < 300
        && (request.headers.get("Access-Control-Request-Method")).is_some();
    match response.header("Allow").map(str::to_owned) {
        Some(methods) if is_preflight => {
            response.set("Access-Control-Allow-Methods", methods);
            let own = settings.cors_headers.iter().map(String::as_str);
            let headers: Vec<&str> = ALLOWED.into_iter().chain(own).collect();
            response.set("Access-Control-Allow-Headers", headers.join(", "));
            response.set("Access-Control-Max-Age", MAX_AGE);
        }
        _ => response.add_to_list("Access-Control-Expose-Headers", EXPOSED),
    }
}
