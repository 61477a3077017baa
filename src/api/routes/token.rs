//! POST `/token`: the token endpoint of OAuth 2.0 (RFC 6749, section 3.2), for clients that act for themselves and for the
//! refresh tokens of logins.

use super::Text;
use super::client::{Credentials, invalid_request};
use super::form::parameters;
use super::login_limit::limited;
use crate::api::problem::Problem;
use crate::api::response::Response;
use crate::api::route::Call;
use crate::limiter::Admission;
use crate::tokens::TokenUse;
use crate::{Error, Refreshed, TokenError, Tokens};

/// What a client may ask with.
pub(super) const GRANT_TYPES: [&str; 2] = ["client_credentials", "refresh_token"];

pub(super) fn answer(call: &mut Call<'_>) -> Result<Response, Problem> {
    limited(call, grant)
}

/// See [`limited`]: the client takes the place of the user.
fn grant(
    call: &mut Call<'_>,
    caller: &[u8],
    tightest: &mut Option<Admission>,
) -> Result<Response, Problem> {
    let [grant_type, scope, refresh_token] =
        parameters(call.request.body, ["grant_type", "scope", "refresh_token"])?;
    let grant_type = grant_type.ok_or_else(|| invalid_request("grant_type is missing."))?;
    if !GRANT_TYPES.contains(&&*grant_type) {
        return Err(Problem::oauth(
            "unsupported_grant_type",
            "grant_type must be client_credentials or refresh_token.",
        ));
    }
    let scope = scope.unwrap_or(Text::EMPTY);
    let credentials = Credentials::of(call.request)?;
    if let Some(credentials) = &credentials {
        credentials.count(call, caller, tightest)?;
    }
    match (&*grant_type, credentials) {
        ("client_credentials", None) => Err(Problem::invalid_client()),
        ("client_credentials", Some(credentials)) => to_client(call, &credentials, &scope),
        (_, credentials) => {
            // Those of a login belong to no client, so none is needed; but one that is named has to be the one that asks.
            if let Some(credentials) = credentials {
                credentials.authenticate(call)?;
            }
            let token =
                refresh_token.ok_or_else(|| invalid_request("refresh_token is missing."))?;
            refresh(call, &token, &scope)
        }
    }
}

/// RFC 6749, section 4.4.
fn to_client(call: &Call<'_>, credentials: &Credentials, scope: &str) -> Result<Response, Problem> {
    let caller = call.caller();
    let gate = &call.app.gate;
    let (id, secret) = (credentials.id(), credentials.secret());
    match gate.client_token_by(id, secret, scope, call.asker(&caller)) {
        Ok(new) => Ok(tokens(call, &new)),
        Err(Error::LoginFailed) => Err(Problem::invalid_client()),
        Err(error) => Err(refusal(error)),
    }
}

/// RFC 6749, section 6.
fn refresh(call: &mut Call<'_>, token: &str, scope: &str) -> Result<Response, Problem> {
    let gate = &call.app.gate;
    match gate.refresh_by(token, scope, call.asker(&call.caller())) {
        Ok(Refreshed::New(user, new)) => {
            call.seen.user = Some(user);
            Ok(tokens(call, &new))
        }
        Ok(Refreshed::UsedBefore(user)) => {
            call.seen.user = Some(user);
            Err(refusal(TokenError::Revoked.into()))
        }
        Err(error) => {
            if let Some(user) = gate.subject_of(token, TokenUse::Refresh) {
                call.seen.user = Some(user);
            }
            Err(refusal(error))
        }
    }
}

fn refusal(error: Error) -> Problem {
    match error {
        Error::InvalidInput(sentence) => Problem::oauth("invalid_scope", sentence),
        Error::Token(TokenError::Unchecked) => error.into(),
        Error::Token(why) => Problem::oauth("invalid_grant", why.sentence()),
        other => other.into(),
    }
}

/// RFC 6749, section 5.1.
fn tokens(call: &Call<'_>, new: &Tokens) -> Response {
    let mut response = super::login::tokens(call, "access_token", new);
    response.set("Pragma", "no-cache");
    response
}
