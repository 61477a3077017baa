//! POST `/introspect`: whether a token is active, and its claims (RFC 7662), for other services that receive tokens.

use std::borrow::Cow;

use serde_json::Value;

use super::{Text, form, is_json, members, text};
use crate::api::problem::Problem;
use crate::api::request::Request;
use crate::api::response::Response;
use crate::api::route::Call;

const BAD_TOKEN: &str = "A token is required.";

pub(super) fn answer(call: &mut Call<'_>) -> Result<Response, Problem> {
    let token = token_of(call.request)?;
    let said = call.app.gate.introspect(&token)?;
    Ok(Response::json(200, &Value::Object(said)).no_store())
}

pub(super) fn form_or_json(request: &Request<'_>) -> Result<(), Problem> {
    let mut essence = request
        .headers
        .get_text("Content-Type")
        .and_then(|value| value.split(';').next())
        .map(str::trim)
        .into_iter();
    let is_form =
        essence.any(|essence| essence.eq_ignore_ascii_case("application/x-www-form-urlencoded"));
    match is_form || is_json(request) {
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
