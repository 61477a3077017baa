//! POST `/introspect`: whether a token is active, and its claims (RFC 7662), for other services that receive tokens.

use std::borrow::Cow;

use serde_json::Value;

use super::{Text, client, form, is_json, members, text};
use crate::api::permission::permitted;
use crate::api::problem::Problem;
use crate::api::request::Request;
use crate::api::response::Response;
use crate::api::route::{AppInner, Call, Cost};

pub(super) const SCOPE: &str = "introspect";
const BAD_TOKEN: &str = "A token is required.";

pub(super) fn answer(call: &mut Call<'_>) -> Result<Response, Problem> {
    if call.claims.is_none() {
        authorize(call)?;
    }
    let token = token_of(call.request)?;
    let said = call.app.gate.introspect(&token)?;
    Ok(Response::json(200, &Value::Object(said)).no_store())
}

/// Wrong secrets of clients are counted, in the shared store if there is one.
pub(super) fn cost(app: &AppInner) -> Cost {
    match app.gate.counts_in_store() {
        true => Cost::Slow,
        false => Cost::Quick,
    }
}

/// For a request that may be a client's.
fn authorize(call: &mut Call<'_>) -> Result<(), Problem> {
    match client::Credentials::of(call.request)? {
        Some(credentials) => credentials.authenticate_uncounted(call, SCOPE),
        None => permitted(call.app, call.request, &[SCOPE], call.seen).map(drop),
    }
}

pub(super) fn form_or_json(request: &Request<'_>) -> Result<(), Problem> {
    match request.is_form() || is_json(request) {
        true => Ok(()),
        false => Err(Problem::neither_form_nor_json()),
    }
}

/// From a form, as the RFC requires, or from JSON, as on the other routes.
fn token_of<'a>(request: &Request<'a>) -> Result<Text<'a>, Problem> {
    let missing = || {
        Problem::bad_member(
            BAD_TOKEN,
            r#"Send token=... as a form, or {"token": "..."}."#,
        )
    };
    if is_json(request) {
        let [token] = members(request, ["token"])?;
        return text(token, "token", BAD_TOKEN)?.ok_or_else(missing);
    }
    let token = form::value(request.body, "token")
        .map_err(|fault| Problem::bad_member(BAD_TOKEN, fault.about("token")))?;
    let token = token.ok_or_else(missing)?;
    Ok(Text(Cow::Owned(token)))
}
