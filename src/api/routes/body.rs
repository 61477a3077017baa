//! Shared reading of request bodies: whether they are JSON, and their members.

use std::borrow::Cow;
use std::mem;
use std::ops::Deref;

use crate::api::problem::Problem;
use crate::api::request::Request;
use crate::base::json::{Json, JsonError, MAX_MEMBERS};
use crate::base::secret::wipe;

/// A member's text. It may be a password or a plaintext, so an owned copy is wiped when dropped.
pub(super) struct Text<'a>(pub(super) Cow<'a, str>);

impl Text<'_> {
    pub(super) const EMPTY: Self = Text(Cow::Borrowed(""));
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Drop for Text<'_> {
    fn drop(&mut self) {
        if let Cow::Owned(copy) = &mut self.0 {
            wipe(&mut mem::take(copy).into_bytes());
        }
    }
}

/// The members with these names; the body must be a JSON object.
pub(super) fn members<'a, const N: usize>(
    request: &Request<'a>,
    names: [&str; N],
) -> Result<[Option<Json<'a>>; N], Problem> {
    let problem = match Json::read_members(request.body, names) {
        Ok(Some(members)) => return Ok(members),
        Ok(None) => "It is JSON, but not an object.".to_owned(),
        Err(JsonError::Syntax) => "It is not JSON in UTF-8.".to_owned(),
        Err(JsonError::Duplicate) => "A member appears twice.".to_owned(),
        Err(JsonError::TooDeep) => "It is nested too deeply.".to_owned(),
        Err(JsonError::TooManyMembers) => {
            format!("An object in it has more than {MAX_MEMBERS} members.")
        }
    };
    Err(Problem::bad_json(problem))
}

/// For routes that ignore the body.
pub(super) fn anything(_: &Request<'_>) -> Result<(), Problem> {
    Ok(())
}

pub(super) fn json(request: &Request<'_>) -> Result<(), Problem> {
    match is_json(request) {
        true => Ok(()),
        false => Err(Problem::not_json_type()),
    }
}

/// Whether there is one Content-Type, it is JSON, and any charset it names is UTF-8.
pub(super) fn is_json(request: &Request<'_>) -> bool {
    let Some(value) = request.headers.get_text("Content-Type") else {
        return false;
    };
    let mut parts = value.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default().to_ascii_lowercase();
    let json = essence == "application/json"
        || (essence.starts_with("application/") && essence.ends_with("+json"));
    json && parts.all(|parameter| {
        parameter.split_once('=').is_none_or(|(name, value)| {
            !name.trim().eq_ignore_ascii_case("charset")
                || value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
        })
    })
}

/// An optional member that must be a string.
pub(super) fn text<'a>(
    member: Option<Json<'a>>,
    name: &str,
    title: &'static str,
) -> Result<Option<Text<'a>>, Problem> {
    let Some(value) = member else {
        return Ok(None);
    };
    match value.text() {
        Some(text) => Ok(Some(Text(text))),
        None => Err(Problem::bad_member(
            title,
            format!("{name} must be a string."),
        )),
    }
}
