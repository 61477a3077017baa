//! The routes, one file each, and the reading of JSON bodies that they share.

mod decrypt;
mod encrypt;
mod health;
mod index;
mod introspect;
mod items;
mod jwks;
mod login;
mod logout;
mod refresh;
mod rewrap;
mod secure_data;

use std::borrow::Cow;
use std::mem;
use std::ops::Deref;

use super::problem::Problem;
use super::request::{Method, Request};
use super::router::{Access, Route};
use crate::base::json::{Json, JsonError, MAX_MEMBERS};
use crate::base::secret::wipe;

pub(super) use secure_data::{PATH as SECURE_DATA_PATH, SecureData};

/// Every route, in the order in which `GET /` lists them.
pub(super) static ROUTES: &[Route] = &[
    Route {
        method: Method::Get,
        path: "/",
        access: Access::Anyone,
        takes: anything,
        takes_data: false,
        about: "This list",
        answer: index::answer,
    },
    Route {
        method: Method::Post,
        path: "/login",
        access: Access::Anyone,
        takes: json,
        takes_data: false,
        about: "Log in and get a token",
        answer: login::answer,
    },
    Route {
        method: Method::Get,
        path: secure_data::PATH,
        access: Access::Token(&["secure-data"]),
        takes: anything,
        takes_data: false,
        about: "The confidential data, encrypted",
        answer: secure_data::answer,
    },
    Route {
        method: Method::Post,
        path: "/encrypt",
        access: Access::Token(&["encrypt"]),
        takes: json,
        takes_data: true,
        about: "Encrypt data",
        answer: encrypt::answer,
    },
    Route {
        method: Method::Post,
        path: "/decrypt",
        access: Access::Token(&["decrypt"]),
        takes: json,
        takes_data: true,
        about: "Decrypt data",
        answer: decrypt::answer,
    },
    Route {
        method: Method::Post,
        path: "/rewrap",
        access: Access::Token(rewrap::SCOPES),
        takes: json,
        takes_data: true,
        about: "Seal encrypted data anew, under the newest key",
        answer: rewrap::answer,
    },
    Route {
        method: Method::Post,
        path: "/refresh",
        access: Access::Anyone,
        takes: json,
        takes_data: false,
        about: "Get new tokens for a refresh token",
        answer: refresh::answer,
    },
    Route {
        method: Method::Post,
        path: "/logout",
        access: Access::Unlimited(""),
        takes: anything,
        takes_data: false,
        about: "Take the token back",
        answer: logout::answer,
    },
    Route {
        method: Method::Post,
        path: "/introspect",
        access: Access::Unlimited("introspect"),
        takes: introspect::form_or_json,
        takes_data: false,
        about: "Ask whether a token is good, and what it says",
        answer: introspect::answer,
    },
    Route {
        method: Method::Get,
        path: "/.well-known/jwks.json",
        access: Access::Anyone,
        takes: anything,
        takes_data: false,
        about: "The public keys that check tokens",
        answer: jwks::answer,
    },
    Route {
        method: Method::Get,
        path: "/healthz",
        access: Access::Anyone,
        takes: anything,
        takes_data: false,
        about: "Whether the server is alive",
        answer: health::alive,
    },
    Route {
        method: Method::Get,
        path: "/readyz",
        access: Access::Anyone,
        takes: anything,
        takes_data: false,
        about: "Whether the server can do its work",
        answer: health::ready,
    },
];

/// A member's text. It may be a password or a plaintext: a copy of it is wiped when it is dropped.
#[derive(Default)]
struct Text<'a>(Cow<'a, str>);

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

/// The members of these names of a body that must be a JSON object.
fn members<'a, const N: usize>(
    request: &Request<'a>,
    names: [&str; N],
) -> Result<[Option<Json<'a>>; N], Problem> {
    let problem = match Json::read(request.body) {
        Ok(body) => match body.members(names) {
            Some(members) => return Ok(members),
            None => "It is JSON, but not an object.".to_owned(),
        },
        Err(JsonError::Syntax) => "It is not JSON in UTF-8.".to_owned(),
        Err(JsonError::Duplicate) => "A member is there twice.".to_owned(),
        Err(JsonError::TooDeep) => "It is nested too deeply.".to_owned(),
        Err(JsonError::TooManyMembers) => {
            format!("An object in it has more than {MAX_MEMBERS} members.")
        }
    };
    Err(Problem::bad_json(problem))
}

/// A route that does not look at its body takes any.
fn anything(_: &Request<'_>) -> Result<(), Problem> {
    Ok(())
}

fn json(request: &Request<'_>) -> Result<(), Problem> {
    match is_json(request) {
        true => Ok(()),
        false => Err(Problem::not_json_type()),
    }
}

/// Whether the body is said to be JSON, once, and in UTF-8 where a charset is named.
fn is_json(request: &Request<'_>) -> bool {
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

/// A member that must be text where it is there.
fn text<'a>(
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
            format!("{name} must be a text."),
        )),
    }
}
