//! The access log: one line for each request.

use std::fmt;
use std::time::Duration;

use log::kv::Value;
use log::{Level, Record};

use super::caller::Caller;
use super::request::Request;
use super::route::RequestLog;
use super::settings::Settings;
use crate::logging::mask::MaskedForLog;

/// The log target of the access log, which has one line per request.
pub const ACCESS: &str = "sealgate::access";

/// Whether anybody wants the lines.
pub(super) fn is_on() -> bool {
    log::log_enabled!(target: ACCESS, Level::Info)
}

/// Writes the line of a request. `route`: the path of its route.
pub(super) fn write(
    request: &Request<'_>,
    settings: &Settings,
    seen: &RequestLog,
    route: Option<&str>,
    status: u16,
    took: Duration,
) {
    let caller = Caller::of(request, settings);
    // Only known paths and methods are logged verbatim: an unknown one may be a misplaced secret.
    let path = route.map_or(Shown::Masked(request.path()), Shown::Whole);
    let user = seen.user.as_deref();
    let user = user.map_or(Shown::Whole("-"), Shown::Masked);
    let original = seen.original.as_ref();
    let original_path = original.map(|original| Shown::Masked(&original.path));
    let mut fields: Vec<(&str, Value<'_>)> = Vec::with_capacity(12);
    fields.push(("id", seen.id.as_str().into()));
    fields.push(("peer", Value::from_display(&caller)));
    fields.push(("user", Value::from_display(&user)));
    // These are named only if there are any.
    if let Some(key) = &seen.api_key {
        fields.push(("key", key.as_str().into()));
    }
    if let Some(subject) = request.certificate {
        fields.push(("certificate", subject.into()));
    }
    if let Some(trace) = &seen.trace {
        fields.push(("trace", trace.trace_id().into()));
        fields.push(("span", trace.span_id().into()));
    }
    fields.push(("method", request.method_for_log().into()));
    fields.push(("path", Value::from_display(&path)));
    if let (Some(original), Some(path)) = (original, &original_path) {
        fields.push(("for_method", original.method.into()));
        fields.push(("for_path", Value::from_display(path)));
    }
    fields.push(("status", status.into()));
    fields.push(("us", (took.as_micros() as u64).into()));
    log::logger().log(
        &Record::builder()
            .target(ACCESS)
            .level(Level::Info)
            .args(format_args!("request"))
            .key_values(&fields)
            .build(),
    );
}

/// A name as the access log shows it.
enum Shown<'a> {
    Whole(&'a str),
    Masked(&'a str),
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Shown::Whole(name) => f.write_str(name),
            Shown::Masked(name) => MaskedForLog(name).fmt(f),
        }
    }
}
