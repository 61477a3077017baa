//! `sealgate_response`: the response of a route's callback.

use std::ffi::{c_char, c_void};

use super::input::{bytes, handle_mut, text};
use super::{SealgateStatus, boundary};
use crate::api::Response;

/// The response that a route's callback fills in. It starts as 200 without a body.
///
/// Thread safety: one thread at a time, during the callback only. It belongs to the library: do not free it.
pub struct SealgateResponse {
    pub(super) response: Response,
}

impl SealgateResponse {
    pub(super) fn new() -> Self {
        SealgateResponse {
            response: Response::empty(200),
        }
    }
}

/// Sets the status, from 200 to 599.
///
/// Statuses: NULL_POINTER, INVALID_ARGUMENT. Thread safety: within the callback. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_response_set_status(
    response: *mut SealgateResponse,
    status: u16,
) -> SealgateStatus {
    boundary(|| {
        // SAFETY: by this function's contract.
        let response = unsafe { handle_mut(response, "response") }?;
        Ok(response.response.set_status(status)?)
    })
}

/// Sets a header field, replacing an earlier one of the same name. Both texts are copied.
///
/// The library sets the fields that determine the end of the response and the use of the connection (Content-Length,
/// Connection, Date, ...). A response with a body should have a Content-Type.
/// Statuses: NULL_POINTER, INVALID_UTF8, INVALID_ARGUMENT (the name is not a token, the value has control characters, or
/// the library sets the field). Thread safety: within the callback. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_response_set_header(
    response: *mut SealgateResponse,
    name: *const c_char,
    name_size: usize,
    value: *const c_char,
    value_size: usize,
) -> SealgateStatus {
    boundary(|| {
        // SAFETY: by this function's contract, for all three.
        let (response, name, value) = unsafe {
            let response = handle_mut(response, "response")?;
            let name = text(name, name_size, "name")?;
            (response, name, text(value, value_size, "value")?)
        };
        Ok(response.response.set_header(name, value)?)
    })
}

/// Sets the body, replacing an earlier one. The bytes are copied.
///
/// Statuses: NULL_POINTER. Thread safety: within the callback. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealgate_response_set_body(
    response: *mut SealgateResponse,
    data: *const c_void,
    data_size: usize,
) -> SealgateStatus {
    boundary(|| {
        // SAFETY: by this function's contract, for both.
        let (response, data) = unsafe {
            let response = handle_mut(response, "response")?;
            (response, bytes(data, data_size, "data")?)
        };
        response.response.set_body(data.to_vec());
        Ok(())
    })
}
