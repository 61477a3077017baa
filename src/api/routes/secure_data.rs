//! GET `/secure-data`: the configured confidential data, freshly encrypted for each request.

use std::sync::Arc;

use crate::api::problem::Problem;
use crate::api::response::{Member, Response};
use crate::api::route::{AppInner, Call, Cost, LARGE};

pub(super) fn cost(app: &AppInner) -> Cost {
    match &app.host.secure_data {
        Some(_) => Cost::Slow,
        None if app.secure_data.size() > LARGE => Cost::Large,
        None => Cost::Quick,
    }
}

pub(super) fn answer(call: &mut Call<'_>) -> Result<Response, Problem> {
    let data = match &call.app.host.secure_data {
        Some(supply) => Arc::new(supply()?),
        None => call.app.secure_data.current(),
    };
    let encrypted = call.app.gate.encrypt_data(data.expose(), b"")?;
    Ok(Response::object(
        200,
        &[("encrypted_data", Member::Text(&encrypted))],
    ))
}
