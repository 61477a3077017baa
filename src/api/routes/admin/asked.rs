//! What administrators' requests have in common: names in paths, pages of lists, preconditions, bodies without unknown members.

use super::super::{form, members};
use crate::api::problem::Problem;
use crate::api::request::Request;
use crate::api::route::{Call, RouteRef};
use crate::base::json::Json;

/// How many entries a page has unless another number is asked for, and at most.
const PAGE: u32 = 100;
const MAX_PAGE: u32 = 1_000;

/// The text in place of the parameter in the route's path. Names that some clients cannot send in a path, such as `..`, are in
/// the query: `/admin/v1/users/?name=..`.
pub(super) fn named(call: &Call<'_>) -> Result<String, Problem> {
    let Some(RouteRef::Own(route)) = call.seen.route else {
        return Err(Problem::not_found());
    };
    let mut pairs = route.path.split('/').zip(call.request.path().split('/'));
    let found = pairs.find(|(segment, _)| segment.starts_with('{'));
    let segment = found.map_or("", |(_, segment)| segment);
    if segment.is_empty() {
        return text(call, "name")?.ok_or_else(Problem::not_found);
    }
    // Only in forms is a plus a space.
    form::unescape(segment.replace('+', "%2B").as_bytes())
        .ok_or_else(|| Problem::bad_request("The name in the path is not correctly encoded."))
}

/// A parameter of the query.
pub(super) fn text(call: &Call<'_>, name: &str) -> Result<Option<String>, Problem> {
    let query = call.request.target.split_once('?').map_or("", |(_, it)| it);
    form::value(query.as_bytes(), name).map_err(|fault| Problem::bad_request(fault.about(name)))
}

/// The same, if it is a whole number.
pub(super) fn number(call: &Call<'_>, name: &str) -> Result<Option<u64>, Problem> {
    let Some(text) = text(call, name)? else {
        return Ok(None);
    };
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|_| is_number);
    let wrong = || Problem::bad_request(format!("{name} must be a whole number."));
    number.map(Some).ok_or_else(wrong)
}

/// Whether a parameter says yes.
pub(super) fn yes(call: &Call<'_>, name: &str) -> Result<bool, Problem> {
    match text(call, name)?.as_deref() {
        None | Some("no") => Ok(false),
        Some("yes") => Ok(true),
        Some(_) => Err(Problem::bad_request(format!("{name} must be yes or no."))),
    }
}

/// How many entries a page has.
pub(super) fn limit(call: &Call<'_>) -> Result<u32, Problem> {
    match number(call, "limit")? {
        None => Ok(PAGE),
        Some(limit) if (1..=u64::from(MAX_PAGE)).contains(&limit) => Ok(limit as u32), // fits
        Some(_) => Err(Problem::bad_request(format!(
            "limit must be 1 to {MAX_PAGE}."
        ))),
    }
}

/// A page of a list that was asked for with one entry more, and whether there is another page.
pub(super) fn page<T>(mut entries: Vec<T>, limit: u32) -> (Vec<T>, bool) {
    let more = entries.len() > limit as usize;
    entries.truncate(limit as usize);
    (entries, more)
}

/// The members with these names of a body that has no others.
pub(super) fn only_members<'a, const N: usize>(
    request: &Request<'a>,
    names: [&str; N],
) -> Result<[Option<Json<'a>>; N], Problem> {
    let found = members(request, names)?;
    Json::read(request.body).map_or(Ok(()), |body| knows_all_members(body, &names))?;
    Ok(found)
}

/// An error if an object has members with other names.
pub(super) fn knows_all_members(object: Json<'_>, names: &[&str]) -> Result<(), Problem> {
    let mut unknown = object.entries().into_iter().flatten().map(|(name, _)| name);
    match unknown.find(|name| !names.contains(&&**name)) {
        None => Ok(()),
        Some(name) => {
            let shown: String = name.chars().take(64).collect();
            Err(bad(format!("There is no member {shown:?}.")))
        }
    }
}

/// What [`only_members`] does, for a body that may be missing.
pub(super) fn optional_members<'a, const N: usize>(
    request: &Request<'a>,
    names: [&str; N],
) -> Result<[Option<Json<'a>>; N], Problem> {
    match request.body {
        b"" => Ok([None; N]),
        _ => only_members(request, names),
    }
}

/// A member of the body is not acceptable.
pub(super) fn bad(detail: impl Into<String>) -> Problem {
    Problem::bad_member("The body is not acceptable.", detail)
}

/// A member that must be true or false.
pub(super) fn flag(member: Option<Json<'_>>, name: &str) -> Result<Option<bool>, Problem> {
    match member.map(Json::as_written) {
        None => Ok(None),
        Some("true") => Ok(Some(true)),
        Some("false") => Ok(Some(false)),
        Some(_) => Err(bad(format!("{name} must be true or false."))),
    }
}

/// A member that must be a whole number, however it is written; not below zero.
pub(super) fn whole(member: Option<Json<'_>>, name: &str) -> Result<Option<u64>, Problem> {
    let Some(written) = member.map(Json::as_written) else {
        return Ok(None);
    };
    let number = written.parse().ok().or_else(|| {
        // 60.0 is a whole number, too.
        let number: f64 = written.parse().ok()?;
        let is_whole = number.fract() == 0.0 && (0.0..9.0e15).contains(&number);
        is_whole.then_some(number as u64)
    });
    let wrong = || bad(format!("{name} must be a whole number."));
    number.map(Some).ok_or_else(wrong)
}

/// A member that must be a whole number of seconds, no more than the command's flags accept.
pub(super) fn seconds(member: Option<Json<'_>>, name: &str) -> Result<Option<u32>, Problem> {
    let wrong = || {
        bad(format!(
            "{name} must be a whole number of seconds from 0 to {}.",
            u32::MAX
        ))
    };
    let number = whole(member, name).map_err(|_| wrong())?;
    number
        .map(|number| u32::try_from(number).map_err(|_| wrong()))
        .transpose()
}

/// A member that must be an array of scopes: their names with spaces between them.
pub(super) fn scopes(member: Option<Json<'_>>) -> Result<Option<String>, Problem> {
    let Some(value) = member else {
        return Ok(None);
    };
    let wrong = || bad("scopes must be an array of strings, each the name of one scope.");
    let elements = value.elements().ok_or_else(wrong)?;
    let mut scope = String::new();
    for name in elements.map(Json::text) {
        let name = name.filter(|name| !name.is_empty() && !name.contains(' '));
        if !scope.is_empty() {
            scope.push(' ');
        }
        scope.push_str(&name.ok_or_else(wrong)?);
    }
    Ok(Some(scope))
}

/// The names in a scope, as responses have them.
pub(super) fn scope_names(scope: &str) -> Vec<&str> {
    scope.split(' ').filter(|name| !name.is_empty()).collect()
}

/// What a request's `If-Match` permits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum IfMatch {
    /// There is none.
    Missing,
    /// Whatever is there.
    Any,
    /// One of these entity tags, each with its quotes.
    Tags(Vec<String>),
}

impl IfMatch {
    pub(super) fn of(request: &Request<'_>) -> Result<Self, Problem> {
        let mut tags = Vec::new();
        let wrong = || Problem::bad_request("If-Match must be * or entity tags.");
        let values: Vec<&[u8]> = request.headers.all("If-Match").collect();
        if let [b"*"] = values[..] {
            return Ok(IfMatch::Any);
        }
        for value in values {
            let value = std::str::from_utf8(value).map_err(|_| wrong())?;
            // No tag of ours has a comma.
            for tag in value.split(',').map(str::trim) {
                let opaque = tag.strip_prefix("W/").unwrap_or(tag);
                let is_quoted =
                    opaque.len() > 1 && opaque.starts_with('"') && opaque.ends_with('"');
                if !is_quoted {
                    return Err(wrong());
                }
                tags.push(tag.to_owned());
            }
        }
        Ok(match tags.is_empty() {
            true => IfMatch::Missing,
            false => IfMatch::Tags(tags),
        })
    }

    /// Whether it permits a change of what has this tag. Weak tags match nothing (RFC 9110, section 13.1.1).
    pub(super) fn permits(&self, etag: &str) -> bool {
        match self {
            IfMatch::Missing | IfMatch::Any => true,
            IfMatch::Tags(tags) => tags.iter().any(|tag| tag == etag),
        }
    }
}
