//! POST `/logout`: revokes the request's token and ends its session.

use crate::api::permission::bearer_token;
use crate::api::problem::Problem;
use crate::api::response::Response;
use crate::api::route::Call;

pub(super) fn answer(call: &mut Call<'_>) -> Result<Response, Problem> {
    let token = bearer_token(call.request)?;
    call.app.gate.log_out(token, call.asker(&call.caller()))?;
    Ok(Response::empty(204))
}
