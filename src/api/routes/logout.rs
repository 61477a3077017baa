//! POST `/logout`: revokes the request's token and ends its session.

use crate::api::problem::Problem;
use crate::api::response::Response;
use crate::api::route::{Call, bearer_token};

pub(super) fn answer(call: &mut Call<'_>) -> Result<Response, Problem> {
    let token = bearer_token(call.request)?;
    let done = call.app.gate.revoke_token(token);
    call.audit(
        "logout",
        done.as_ref().map_or_else(|error| error.code(), |_| "ok"),
    );
    done?;
    Ok(Response::empty(204))
}
