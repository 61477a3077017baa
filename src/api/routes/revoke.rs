//! POST `/revoke`: revokes a token that its holder no longer needs (RFC 7009).

use serde_json::json;

use super::client::{Credentials, invalid_request};
use super::form::parameters;
use super::login_limit::limited;
use crate::api::problem::Problem;
use crate::api::response::Response;
use crate::api::route::Call;
use crate::base::api_key::is_meant_as_key;
use crate::limiter::Admission;
use crate::{Error, TokenError};

pub(super) fn answer(call: &mut Call<'_>) -> Result<Response, Problem> {
    limited(call, revoke)
}

/// See [`limited`]: the client takes the place of the user.
fn revoke(
    call: &mut Call<'_>,
    caller: &[u8],
    tightest: &mut Option<Admission>,
) -> Result<Response, Problem> {
    // `token_type_hint` is not needed: a token says what it is.
    let [token] = parameters(call.request.body, ["token"])?;
    let token = token.ok_or_else(|| invalid_request("token is missing."))?;
    // Whoever has a token may revoke it, so no client is needed; but one that is named has to be the one that asks.
    if let Some(credentials) = Credentials::of(call.request)? {
        credentials.count(call, caller, tightest)?;
        credentials.authenticate(call)?;
    }
    if is_meant_as_key(&token) {
        return Err(Problem::oauth(
            "unsupported_token_type",
            "An API key is revoked with POST /api-keys/revoke or: sealgate api-key revoke ID",
        ));
    }
    let gate = &call.app.gate;
    match gate.revoke_token_by(&token, call.asker(&call.caller())) {
        Ok(user) => call.seen.user = Some(user),
        Err(error @ Error::Token(TokenError::Unchecked)) => return Err(error.into()),
        // Not a token, or no longer one: nothing is left to revoke (section 2.2).
        Err(Error::Token(_)) => {}
        Err(Error::Setting(sentence)) => {
            log::error!("a token cannot be revoked: {sentence}");
            return Err(Problem::oauth(
                "unsupported_token_type",
                "This server has no store, so it cannot revoke tokens.",
            ));
        }
        Err(error) => return Err(error.into()),
    }
    Ok(Response::json(200, &json!({})).no_store())
}
