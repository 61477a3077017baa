//! Validates the head of a request strictly (RFC 9112) and finds out the length of its body. Anything that two parsers
//! could read differently is refused.

use std::net::Ipv6Addr;
use std::str::FromStr;

use memchr::memchr;

use crate::api::{Headers, Method, Problem};
use crate::base::http_syntax::is_token;
use crate::server::settings::Settings;

/// Longest request target, in bytes.
pub(in crate::server) const MAX_TARGET: usize = 8192;

/// Limits on the size of a request.
#[derive(Debug, Clone, Copy)]
pub(in crate::server) struct Limits {
    /// Size of the head in bytes.
    pub(in crate::server) head: usize,
    /// Number of header fields.
    pub(in crate::server) fields: usize,
    /// Size of the body in bytes.
    pub(in crate::server) body: usize,
}

impl Limits {
    pub(in crate::server) fn of(settings: &Settings) -> Self {
        Limits {
            head: settings.max_head,
            fields: settings.max_fields,
            body: settings.max_body,
        }
    }
}

/// How to find the end of the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::server) enum BodyLength {
    None,
    Sized(usize),
    Chunked,
}

/// Checks a head and returns the length of its body. `target` is taken from the request line as it is.
pub(in crate::server) fn judge(
    method: &Method,
    target: &str,
    version_1_0: bool,
    headers: &Headers<'_>,
    limits: Limits,
) -> Result<BodyLength, Problem> {
    check_size(target, headers, limits)?;
    check_target(method, target)?;
    for (name, value) in &headers.0 {
        if !is_token(name) {
            return Err(Problem::bad_request("A header name is not a token."));
        }
        // No early exit, so that the loop is vectorised.
        if !value.iter().fold(true, |all, byte| {
            all & matches!(byte, b'\t' | 32..=126 | 128..)
        }) {
            return Err(Problem::bad_request(
                "A header value contains a control character.",
            ));
        }
    }
    match headers.all("Host").count() {
        // An absolute target names the host too (RFC 9112, section 3.2.2). If the two differ, two parsers could pick
        // different hosts.
        1 if authority(target).is_some_and(|named| {
            !headers
                .get("Host")
                .is_some_and(|host| host.trim_ascii().eq_ignore_ascii_case(named.as_bytes()))
        }) =>
        {
            return Err(Problem::bad_request(
                "The request target and the Host header name different hosts.",
            ));
        }
        1 => {}
        0 if version_1_0 => {}
        0 => return Err(Problem::bad_request("The Host header is missing.")),
        _ => return Err(Problem::bad_request("There is more than one Host header.")),
    }
    // Host may be empty if the target has no authority.
    let is_host = |value: &[u8]| value.trim_ascii().is_empty() || is_authority(value.trim_ascii());
    if !headers.all("Host").all(is_host) {
        return Err(Problem::bad_request("The Host header is malformed."));
    }
    if authority(target).is_some_and(|named| !is_authority(named.as_bytes())) {
        return Err(Problem::bad_request(
            "The host in the request target is malformed.",
        ));
    }
    body_length(version_1_0, headers, limits.body)
}

/// Whether it is a host with an optional port (RFC 9112, section 3.2; RFC 3986, section 3.2). What one parser takes for
/// a path, a user or a second host, another takes for part of a name. A comma is refused although the grammar allows it
/// in a name: an intermediary may have joined two Host headers.
fn is_authority(value: &[u8]) -> bool {
    if let Some(rest) = value.strip_prefix(b"[") {
        let Some(end) = memchr(b']', rest) else {
            return false;
        };
        let address = std::str::from_utf8(&rest[..end]);
        let is_address = address.is_ok_and(|address| Ipv6Addr::from_str(address).is_ok());
        return is_address && is_port(&rest[end + 1..]);
    }
    let end = value.iter().position(|byte| *byte == b':');
    let (name, port) = value.split_at(end.unwrap_or(value.len()));
    is_name(name) && is_port(port)
}

/// The bytes that a name consists of, apart from percent-encoded ones: looked up, because each request has a host.
const IN_NAMES: [bool; 256] = {
    let mut good = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        good[byte] = matches!(byte as u8,
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z'
            | b'!' | b'$' | b'&'..=b'+' | b'-' | b'.' | b';' | b'=' | b'_' | b'~');
        byte += 1;
    }
    good
};

/// A name or an IPv4 address (`reg-name`).
fn is_name(name: &[u8]) -> bool {
    let encoded = |rest: &[u8]| {
        rest.first_chunk::<2>()
            .is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    let is_good = |(at, byte): (usize, &u8)| {
        IN_NAMES[usize::from(*byte)] || (*byte == b'%' && encoded(&name[at + 1..]))
    };
    !name.is_empty() && name.iter().enumerate().all(is_good)
}

/// Empty, or a colon and an optional valid port number.
fn is_port(text: &[u8]) -> bool {
    let Some((b':', digits)) = text.split_first() else {
        return text.is_empty();
    };
    let port = digits.iter().try_fold(0_u16, |port, byte| {
        let digit = byte.wrapping_sub(b'0');
        (digit < 10).then_some(())?;
        port.checked_mul(10)?.checked_add(digit.into())
    });
    port.is_some()
}

fn check_size(target: &str, headers: &Headers<'_>, limits: Limits) -> Result<(), Problem> {
    if target.len() > MAX_TARGET {
        return Err(Problem::target_too_long());
    }
    let bytes: usize = headers
        .0
        .iter()
        .map(|(name, value)| name.len() + value.len() + ": \r\n".len())
        .sum();
    if headers.0.len() > limits.fields || bytes + target.len() > limits.head {
        return Err(Problem::head_too_large());
    }
    Ok(())
}

/// Origin form, absolute form, or `*` for OPTIONS (RFC 9112, section 3.2).
fn check_target(method: &Method, target: &str) -> Result<(), Problem> {
    if target
        .bytes()
        .any(|byte| !matches!(byte, 0x21..=0x7e) || byte == b'#')
    {
        return Err(Problem::bad_request(
            "The request target contains a forbidden character.",
        ));
    }
    let is_http =
        |scheme: &str| scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
    let is_absolute = || {
        target
            .split_once("://")
            .is_some_and(|(scheme, _)| is_http(scheme))
    };
    if target.starts_with('/') || is_absolute() {
        return Ok(());
    }
    if target == "*" && *method == Method::Options {
        return Ok(());
    }
    Err(Problem::bad_request("The request target is not a path."))
}

/// The authority of a target in absolute form.
fn authority(target: &str) -> Option<&str> {
    if target.starts_with('/') {
        return None;
    }
    let (_, rest) = target.split_once("://")?;
    rest.split(['/', '?']).next()
}

/// The path and query of a target that passed `judge`.
pub(in crate::server) fn origin_form(target: &str) -> &str {
    if target.starts_with('/') {
        return target;
    }
    let Some((_, rest)) = target.split_once("://") else {
        return target;
    };
    rest.find(['/', '?']).map_or("/", |at| match &rest[at..] {
        path if path.starts_with('/') => path,
        _ => "/",
    })
}

fn body_length(
    version_1_0: bool,
    headers: &Headers<'_>,
    max_body: usize,
) -> Result<BodyLength, Problem> {
    let mut lengths = headers.all("Content-Length");
    let mut codings = headers.all("Transfer-Encoding");
    let (length, coding) = (lengths.next(), codings.next());
    if lengths.next().is_some()
        || codings.next().is_some()
        || (length.is_some() && coding.is_some())
    {
        return Err(Problem::bad_request(
            "The body's length is given more than once.",
        ));
    }
    if let Some(coding) = coding {
        if version_1_0 || !coding.trim_ascii().eq_ignore_ascii_case(b"chunked") {
            return Err(Problem::bad_request(
                "The only supported transfer coding is chunked, and only in HTTP/1.1.",
            ));
        }
        return Ok(BodyLength::Chunked);
    }
    let Some(length) = length.map(<[u8]>::trim_ascii) else {
        return Ok(BodyLength::None);
    };
    if length.is_empty() || !length.iter().all(u8::is_ascii_digit) {
        return Err(Problem::bad_request("Content-Length is not a number."));
    }
    // A number that overflows is too large, not malformed.
    let length = std::str::from_utf8(length)
        .ok()
        .and_then(|digits| digits.parse().ok())
        .filter(|length| *length <= max_body)
        .ok_or_else(|| Problem::body_too_large(max_body))?;
    Ok(match length {
        0 => BodyLength::None,
        length => BodyLength::Sized(length),
    })
}

#[cfg(any(test, fuzzing))]
pub(in crate::server) mod fuzz;

#[cfg(test)]
mod tests;
