//! `sealgate_request`: what a route's callback gets to see.

use std::ffi::{c_char, c_void};
use std::net::IpAddr;
use std::ptr;

use super::claims::SealgateClaims;
use super::input::{handle, lend, output, text};
use super::{SealgateStatus, boundary};
use crate::api::HostCall;

/// A request, lent to a route's callback.
///
/// Thread safety: may be read by any number of threads, during the callback only. It is the library's: nobody frees it.
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

/// The method, such as "GET", without a NUL at its end. A HEAD request has "HEAD", and is answered like GET: the library leaves
/// the body out.
///
/// `*out` is valid during the callback; `*out_size` is its length. On failure they are NULL and 0.
/// Statuses: NULL_POINTER. Thread safety: any thread, during the callback. Since 0.1.
///
/// # Safety
/// `request` is NULL or what the running callback was given; the outputs are NULL or may be
/// written.
#[must_use]
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

/// The path as it came, percent-encoded where the client did so, without query and without a NUL at its end.
///
/// `*out` is valid during the callback; `*out_size` is its length. On failure they are NULL and 0.
/// Statuses: NULL_POINTER. Thread safety: any thread, during the callback. Since 0.1.
///
/// # Safety
/// `request` is NULL or what the running callback was given; the outputs are NULL or may be
/// written.
#[must_use]
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

/// What follows the first question mark of the target, as it came, without a NUL at its end.
///
/// `*out` is valid during the callback; `*out_size` is its length. Where there is no
/// question mark, as on failure, they are NULL and 0.
/// Statuses: NULL_POINTER. Thread safety: any thread, during the callback. Since 0.1.
///
/// # Safety
/// `request` is NULL or what the running callback was given; the outputs are NULL or may be
/// written.
#[must_use]
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

/// The first header field of this name, in any case, as it came. The bytes need not be UTF-8.
///
/// `*out` is valid during the callback; `*out_size` is its length. Where there is no
/// such field, as on failure, they are NULL and 0; an empty value is not NULL.
/// Statuses: NULL_POINTER, INVALID_UTF8. Thread safety: any thread, during the callback. Since 0.1.
///
/// # Safety
/// `request` is NULL or what the running callback was given; `name` is NULL or has its size; the outputs are NULL or may be
/// written.
#[must_use]
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

/// What the path has in the place of `{name}`, as it came, percent-encoded where the client did so.
///
/// `*out` is valid during the callback; `*out_size` is its length. Where the route has no
/// such parameter, as on failure, they are NULL and 0.
/// Statuses: NULL_POINTER, INVALID_UTF8. Thread safety: any thread, during the callback. Since 0.1.
///
/// # Safety
/// `request` is NULL or what the running callback was given; `name` is NULL or has its size; the outputs are NULL or may be
/// written.
#[must_use]
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

/// The whole body, decoded from its transfer coding; any bytes.
///
/// `*out` is valid during the callback; `*out_size` is its length. On failure they are NULL and 0.
/// Statuses: NULL_POINTER. Thread safety: any thread, during the callback. Since 0.1.
///
/// # Safety
/// `request` is NULL or what the running callback was given; the outputs are NULL or may be
/// written.
#[must_use]
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

/// The other end of the connection: an IP address as text, or "unix" on a Unix socket, without a NUL at its end. Behind a
/// proxy it is the proxy.
///
/// `*out` is valid during the callback; `*out_size` is its length. On failure they are NULL and 0.
/// Statuses: NULL_POINTER. Thread safety: any thread, during the callback. Since 0.1.
///
/// # Safety
/// `request` is NULL or what the running callback was given; the outputs are NULL or may be
/// written.
#[must_use]
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

/// Who is asking, by whom limits count: the other end of the connection or, where that is a trusted proxy (setting
/// trusted_proxies), the client that it names. An IP address as text, or "unix", without a NUL at its end.
///
/// `*out` is valid during the callback; `*out_size` is its length. On failure they are NULL and 0.
/// Statuses: NULL_POINTER. Thread safety: any thread, during the callback. Since 0.1.
///
/// # Safety
/// `request` is NULL or what the running callback was given; the outputs are NULL or may be
/// written.
#[must_use]
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

/// The request's id, without a NUL at its end: the answer's X-Request-Id and the line of the log have the same.
///
/// `*out` is valid during the callback; `*out_size` is its length. On failure they are NULL and 0.
/// Statuses: NULL_POINTER. Thread safety: any thread, during the callback. Since 0.1.
///
/// # Safety
/// `request` is NULL or what the running callback was given; the outputs are NULL or may be
/// written.
#[must_use]
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

/// The checked claims of the request's token; NULL where the route needs none.
///
/// `*out` is borrowed from the request: valid during the callback, and not to be freed. On failure it is NULL.
/// Statuses: NULL_POINTER. Thread safety: any thread, during the callback. Since 0.1.
///
/// # Safety
/// `request` is NULL or what the running callback was given; `out` is NULL or may be written.
#[must_use]
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
