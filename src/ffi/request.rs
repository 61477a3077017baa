//! `sealgate_request`: the request that a route's callback receives.

use std::ffi::{c_char, c_void};
use std::net::IpAddr;
use std::ptr;

use super::claims::SealgateClaims;
use super::input::{handle, lend, output, text};
use super::{SealgateStatus, boundary};
use crate::api::HostCall;

/// A request, valid during a route's callback.
///
/// Thread safety: may be read by any number of threads, during the callback only. It belongs to the library: do not free it.
pub struct SealgateRequest<'a> {
    call: &'a HostCall<'a>,
    claims: Option<SealgateClaims>,
    peer: String,
    client: String,
}

impl<'a> SealgateRequest<'a> {
    pub(super) fn new(call: &'a HostCall<'a>) -> Self {
        let peer = call.request().peer.address;
        SealgateRequest {
            call,
            claims: call
                .claims()
                .cloned()
                .map(|claims| SealgateClaims { claims }),
            peer: address_text(peer),
            client: address_text(call.client()),
        }
    }
}

pub(super) fn address_text(address: Option<IpAddr>) -> String {
    address.map_or("unix".to_owned(), |address| address.to_string())
}

/// The method, such as "GET", not NUL-terminated. A HEAD request has "HEAD" and is answered like GET: the library omits the
/// body.
///
/// `*out` is valid during the callback; `*out_size` is its length. On failure they are NULL and 0.
/// Statuses: NULL_POINTER. Thread safety: any thread, during the callback. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_request_method(
    request: *const SealgateRequest<'_>,
    out: *mut *const c_char,
    out_size: *mut usize,
) -> SealgateStatus {
    // SAFETY: the contract is the same.
    unsafe {
        lend(request, "request", out, out_size, |request| {
            Ok(Some(request.call.request().method.as_str().as_bytes()))
        })
    }
}

/// The path as received, percent-encoded if the client encoded it, without the query, not NUL-terminated.
///
/// `*out` is valid during the callback; `*out_size` is its length. On failure they are NULL and 0.
/// Statuses: NULL_POINTER. Thread safety: any thread, during the callback. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_request_path(
    request: *const SealgateRequest<'_>,
    out: *mut *const c_char,
    out_size: *mut usize,
) -> SealgateStatus {
    // SAFETY: the contract is the same.
    unsafe {
        lend(request, "request", out, out_size, |request| {
            Ok(Some(request.call.request().path().as_bytes()))
        })
    }
}

/// The part of the target after the first question mark, as received, not NUL-terminated.
///
/// `*out` is valid during the callback; `*out_size` is its length. If there is no question mark, they are
/// NULL and 0, as on failure.
/// Statuses: NULL_POINTER. Thread safety: any thread, during the callback. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_request_query(
    request: *const SealgateRequest<'_>,
    out: *mut *const c_char,
    out_size: *mut usize,
) -> SealgateStatus {
    // SAFETY: the contract is the same.
    unsafe {
        lend(request, "request", out, out_size, |request| {
            Ok(request
                .call
                .request()
                .target
                .split_once('?')
                .map(|(_, query)| query.as_bytes()))
        })
    }
}

/// The value of the first header field of this name, in any case, as received. The bytes need not be UTF-8.
///
/// `*out` is valid during the callback; `*out_size` is its length. If there is no such field, they are NULL
/// and 0, as on failure; an empty value is not NULL.
/// Statuses: NULL_POINTER, INVALID_UTF8. Thread safety: any thread, during the callback. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_request_header(
    request: *const SealgateRequest<'_>,
    name: *const c_char,
    name_size: usize,
    out: *mut *const c_char,
    out_size: *mut usize,
) -> SealgateStatus {
    // SAFETY: the contract is the same.
    unsafe {
        lend(request, "request", out, out_size, |request| {
            let name = text(name, name_size, "name")?;
            Ok(request.call.request().headers.get(name))
        })
    }
}

/// The part of the path that matches `{name}`, as received, percent-encoded if the client encoded it.
///
/// `*out` is valid during the callback; `*out_size` is its length. If the route has no such parameter, they are NULL and 0,
/// as on failure.
/// Statuses: NULL_POINTER, INVALID_UTF8. Thread safety: any thread, during the callback. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_request_parameter(
    request: *const SealgateRequest<'_>,
    name: *const c_char,
    name_size: usize,
    out: *mut *const c_char,
    out_size: *mut usize,
) -> SealgateStatus {
    // SAFETY: the contract is the same.
    unsafe {
        lend(request, "request", out, out_size, |request| {
            let name = text(name, name_size, "name")?;
            Ok(request.call.parameter(name).map(str::as_bytes))
        })
    }
}

/// The whole body, with its transfer coding removed; any bytes.
///
/// `*out` is valid during the callback; `*out_size` is its length. On failure they are NULL and 0.
/// Statuses: NULL_POINTER. Thread safety: any thread, during the callback. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_request_body(
    request: *const SealgateRequest<'_>,
    out: *mut *const c_void,
    out_size: *mut usize,
) -> SealgateStatus {
    // SAFETY: the contract is the same.
    unsafe {
        lend(request, "request", out.cast(), out_size, |request| {
            Ok(Some(request.call.request().body))
        })
    }
}

/// The other end of the connection: an IP address as text, or "unix" on a Unix socket, not NUL-terminated. Behind a
/// proxy it is the proxy.
///
/// `*out` is valid during the callback; `*out_size` is its length. On failure they are NULL and 0.
/// Statuses: NULL_POINTER. Thread safety: any thread, during the callback. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_request_peer(
    request: *const SealgateRequest<'_>,
    out: *mut *const c_char,
    out_size: *mut usize,
) -> SealgateStatus {
    // SAFETY: the contract is the same.
    unsafe {
        lend(request, "request", out, out_size, |request| {
            Ok(Some(request.peer.as_bytes()))
        })
    }
}

/// The client that limits apply to: the other end of the connection or, if that is a trusted proxy (setting
/// trusted_proxies), the client that the proxy names. An IP address as text, or "unix", not NUL-terminated.
///
/// `*out` is valid during the callback; `*out_size` is its length. On failure they are NULL and 0.
/// Statuses: NULL_POINTER. Thread safety: any thread, during the callback. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_request_client(
    request: *const SealgateRequest<'_>,
    out: *mut *const c_char,
    out_size: *mut usize,
) -> SealgateStatus {
    // SAFETY: the contract is the same.
    unsafe {
        lend(request, "request", out, out_size, |request| {
            Ok(Some(request.client.as_bytes()))
        })
    }
}

/// The request's id, not NUL-terminated, as in the response's X-Request-Id and in the log line.
///
/// `*out` is valid during the callback; `*out_size` is its length. On failure they are NULL and 0.
/// Statuses: NULL_POINTER. Thread safety: any thread, during the callback. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_request_id(
    request: *const SealgateRequest<'_>,
    out: *mut *const c_char,
    out_size: *mut usize,
) -> SealgateStatus {
    // SAFETY: the contract is the same.
    unsafe {
        lend(request, "request", out, out_size, |request| {
            Ok(Some(request.call.request_id().as_bytes()))
        })
    }
}

/// The id of the trace that the request belongs to, from its header traceparent (W3C Trace Context): 32 lowercase hexadecimal
/// digits, not NUL-terminated, as in the log line. NULL and 0 if there is no such header or it is not valid.
///
/// `*out` is valid during the callback; `*out_size` is its length. On failure they are NULL and 0.
/// Statuses: NULL_POINTER. Thread safety: any thread, during the callback. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_request_trace_id(
    request: *const SealgateRequest<'_>,
    out: *mut *const c_char,
    out_size: *mut usize,
) -> SealgateStatus {
    // SAFETY: the contract is the same.
    unsafe {
        lend(request, "request", out, out_size, |request| {
            let trace = request.call.trace();
            Ok(trace.map(|trace| trace.trace_id().as_bytes()))
        })
    }
}

/// The id of the caller's span in that trace: 16 lowercase hexadecimal digits; otherwise as `sealgate_request_trace_id`.
///
/// Statuses: NULL_POINTER. Thread safety: any thread, during the callback. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_request_span_id(
    request: *const SealgateRequest<'_>,
    out: *mut *const c_char,
    out_size: *mut usize,
) -> SealgateStatus {
    // SAFETY: the contract is the same.
    unsafe {
        lend(request, "request", out, out_size, |request| {
            let trace = request.call.trace();
            Ok(trace.map(|trace| trace.span_id().as_bytes()))
        })
    }
}

/// The verified claims of the request's token; NULL if the route requires none.
///
/// `*out` belongs to the request: it is valid during the callback and must not be freed. On failure it is NULL.
/// Statuses: NULL_POINTER. Thread safety: any thread, during the callback. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_request_claims(
    request: *const SealgateRequest<'_>,
    out: *mut *const SealgateClaims,
) -> SealgateStatus {
    boundary(|| {
        // SAFETY: by this function's contract, for both.
        let (out, request) = unsafe {
            let out = output(out, ptr::null(), "out")?;
            (out, handle(request, "request")?)
        };
        *out = request.claims.as_ref().map_or(ptr::null(), ptr::from_ref);
        Ok(())
    })
}
