//! POST `/refresh`: exchanges a refresh token, which works once, for a new pair of tokens.

use super::login::{count, tokens};
use super::{members, text};
use crate::api::caller::Caller;
use crate::api::problem::Problem;
use crate::api::response::Response;
use crate::api::route::{Call, add_rate_limit_headers};
use crate::tokens::TokenUse;
use crate::{Error, Refreshed, TokenError};

const BAD_TOKEN: &str = "Refresh token is required.";
const BAD_SCOPE: &str = "The scope is not acceptable.";

pub(super) fn answer(call: &mut Call<'_>) -> Result<Response, Problem> {
    let caller = Caller::of(call.request, &call.app.settings).limit_key();
    let admission = count(call.app, &caller)?;
    let mut response = refresh(call);
    if let Some(admission) = admission {
        add_rate_limit_headers(&mut response, "login", &admission);
    }
    response
}

fn refresh(call: &mut Call<'_>) -> Result<Response, Problem> {
    let [token, scope] = members(call.request, ["refresh_token", "scope"])?;
    let token = &*text(token, "refresh_token", BAD_TOKEN)?
        .ok_or_else(|| Problem::bad_member(BAD_TOKEN, r#"Send {"refresh_token": "..."}."#))?;
    let asked = text(scope, "scope", BAD_SCOPE)?;
    let asked = asked.as_deref().unwrap_or_default();
    let gate = &call.app.gate;
    match gate.refresh_by(token, asked, call.asker(&call.caller())) {
        Ok(Refreshed::New(user, new)) => {
            call.seen.user = Some(user);
            Ok(tokens(call, &new))
        }
        Ok(Refreshed::UsedBefore(user)) => {
            call.seen.user = Some(user);
            Err(Problem::unauthorized(TokenError::Revoked))
        }
        Err(error) => {
            call.seen.user = gate.subject_of(token, TokenUse::Refresh);
            Err(match error {
                Error::InvalidInput(sentence) => Problem::bad_member(BAD_SCOPE, sentence),
                other => other.into(),
            })
        }
    }
}
