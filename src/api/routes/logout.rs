//! POST `/logout`: revokes the request's token and ends its session.

use crate::api::permission::{bearer_token, denied};
use crate::api::problem::Problem;
use crate::api::response::Response;
use crate::api::route::Call;

pub(super) fn answer(call: &mut Call<'_>) -> Result<Response, Problem> {
    if let Some(claims) = call.claims.filter(|claims| claims.api_key().is_some()) {
        let problem = Problem::api_key_refused(
            "It belongs to no login. Revoke it with POST /api-keys/revoke or: sealgate api-key revoke ID",
        );
        return Err(denied(call, claims, problem));
    }
    let token = bearer_token(call.request)?;
    call.app.gate.log_out(token, call.asker(&call.caller()))?;
    Ok(Response::empty(204))
}
