//! POST `/refresh`: exchanges a refresh token, which works once, for a new pair of tokens.

use super::login::tokens;
use super::login_limit::limited_by_address;
use super::{members, text};
use crate::api::problem::Problem;
use crate::api::response::Response;
use crate::api::route::Call;
use crate::tokens::TokenUse;
use crate::{Error, Refreshed, TokenError, Tokens};

const BAD_TOKEN: &str = "Refresh token is required.";
const BAD_SCOPE: &str = "The scope is not acceptable.";

pub(super) fn answer(call: &mut Call<'_>) -> Result<Response, Problem> {
    limited_by_address(call, refresh)
}

fn refresh(call: &mut Call<'_>) -> Result<Response, Problem> {
    let [token, scope] = members(call.request, ["refresh_token", "scope"])?;
    let token = &*text(token, "refresh_token", BAD_TOKEN)?
        .ok_or_else(|| Problem::bad_member(BAD_TOKEN, r#"Send {"refresh_token": "..."}."#))?;
    let asked = text(scope, "scope", BAD_SCOPE)?;
    match exchange(call, token, asked.as_deref().unwrap_or_default()) {
        Ok((_, new)) => Ok(tokens(call, "token", &new)),
        Err(Error::InvalidInput(sentence)) => Err(Problem::bad_member(BAD_SCOPE, sentence)),
        Err(error) => Err(error.into()),
    }
}

/// Exchanges a refresh token and returns the user with the new tokens. The access log names the user if the token does.
pub(super) fn exchange(
    call: &mut Call<'_>,
    token: &str,
    asked: &str,
) -> Result<(String, Tokens), Error> {
    let gate = &call.app.gate;
    let done = gate.refresh_by(token, asked, call.asker(&call.caller()));
    let (user, done) = match done {
        Ok(Refreshed::New(user, new)) => (Some(user.clone()), Ok((user, new))),
        Ok(Refreshed::UsedBefore(user)) => (Some(user), Err(TokenError::Revoked.into())),
        Err(error) => (gate.subject_of(token, TokenUse::Refresh), Err(error)),
    };
    call.seen.user = user;
    done
}
