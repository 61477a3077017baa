//! POST `/introspect`: whether a token is active, and its claims (RFC 7662), for other services that receive tokens.

use std::borrow::Cow;

use serde_json::Value;

use super::{Text, is_json, members, text};
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
    let mut tokens = request
        .body
        .split(|byte| *byte == b'&')
        .filter_map(|pair| pair.strip_prefix(b"token="));
    let token = tokens.next().ok_or_else(missing)?;
    if tokens.next().is_some() {
        return Err(Problem::bad_member(BAD_TOKEN, "token appears twice."));
    }
    let token = unescape(token);
    let token =
        token.ok_or_else(|| Problem::bad_member(BAD_TOKEN, "token is not correctly encoded."))?;
    Ok(Text(Cow::Owned(token)))
}

/// Decodes a form value.
fn unescape(value: &[u8]) -> Option<String> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let mut text = Vec::with_capacity(value.len());
    let mut rest = value.iter();
    while let Some(byte) = rest.next() {
        text.push(match byte {
            b'+' => b' ',
            b'%' => (digit(rest.next()?)? << 4 | digit(rest.next()?)?) as u8,
            other => *other,
        });
    }
    String::from_utf8(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn form_values_are_decoded() {
        assert_eq!(unescape(b"a.b-c_d").as_deref(), Some("a.b-c_d"));
        assert_eq!(unescape(b"a%2Eb+%c3%A4").as_deref(), Some("a.b \u{e4}"));
        for wrong in [&b"%"[..], b"%2", b"%zz", b"%-1", b"%ff", b"\xff"] {
            assert_eq!(unescape(wrong), None);
        }
    }
}
