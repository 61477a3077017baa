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

use std::ops::Deref;

use serde_json::{Map, Value};

use super::problem::Problem;
use super::request::{Method, Request};
use super::router::{Access, Route};
use crate::json::{self, JsonError};
use crate::secret::wipe;

pub(super) use secure_data::{PATH as SECURE_DATA_PATH, SecureData};

/// Every route, in the order in which `GET /` lists them.
pub(super) static ROUTES: &[Route] = &[
    Route {
        method: Method::Get,
        path: "/",
        access: Access::Anyone,
        about: "This list",
        answer: index::answer,
    },
    Route {
        method: Method::Post,
        path: "/login",
        access: Access::Anyone,
        about: "Log in and get a token",
        answer: login::answer,
    },
    Route {
        method: Method::Get,
        path: secure_data::PATH,
        access: Access::Token(&["secure-data"]),
        about: "The confidential data, encrypted",
        answer: secure_data::answer,
    },
    Route {
        method: Method::Post,
        path: "/encrypt",
        access: Access::Token(&["encrypt"]),
        about: "Encrypt data",
        answer: encrypt::answer,
    },
    Route {
        method: Method::Post,
        path: "/decrypt",
        access: Access::Token(&["decrypt"]),
        about: "Decrypt data",
        answer: decrypt::answer,
    },
    Route {
        method: Method::Post,
        path: "/rewrap",
        access: Access::Token(rewrap::SCOPES),
        about: "Seal encrypted data anew, under the newest key",
        answer: rewrap::answer,
    },
    Route {
        method: Method::Post,
        path: "/refresh",
        access: Access::Anyone,
        about: "Get new tokens for a refresh token",
        answer: refresh::answer,
    },
    Route {
        method: Method::Post,
        path: "/logout",
        access: Access::Unlimited(""),
        about: "Take the token back",
        answer: logout::answer,
    },
    Route {
        method: Method::Post,
        path: "/introspect",
        access: Access::Unlimited("introspect"),
        about: "Ask whether a token is good, and what it says",
        answer: introspect::answer,
    },
    Route {
        method: Method::Get,
        path: "/.well-known/jwks.json",
        access: Access::Anyone,
        about: "The public keys that check tokens",
        answer: jwks::answer,
    },
    Route {
        method: Method::Get,
        path: "/healthz",
        access: Access::Anyone,
        about: "Whether the server is alive",
        answer: health::alive,
    },
    Route {
        method: Method::Get,
        path: "/readyz",
        access: Access::Anyone,
        about: "Whether the server can do its work",
        answer: health::ready,
    },
];

/// The members of a body. Texts among them may be passwords and plaintexts: they are wiped when it is dropped.
struct Body(Map<String, Value>);

impl Deref for Body {
    type Target = Map<String, Value>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        self.0.values_mut().for_each(wipe_texts);
    }
}

/// Wipes and empties every text in a value, which is as deeply nested at most as JSON is read.
fn wipe_texts(value: &mut Value) {
    match value {
        Value::String(text) => wipe(&mut std::mem::take(text).into_bytes()),
        Value::Array(items) => items.iter_mut().for_each(wipe_texts),
        Value::Object(members) => members.values_mut().for_each(wipe_texts),
        _ => {}
    }
}

/// The body as a JSON object.
fn object(request: &Request<'_>) -> Result<Body, Problem> {
    if !is_json(request) {
        return Err(Problem::not_json_type());
    }
    match json::parse(request.body) {
        Ok(Value::Object(members)) => Ok(Body(members)),
        _ => Err(bad_body(request.body)),
    }
}

/// Says what is wrong with a body that was refused.
fn bad_body(body: &[u8]) -> Problem {
    Problem::bad_json(match json::fault_of(body) {
        Some(JsonError::Syntax) => "It is not JSON in UTF-8.",
        Some(JsonError::Duplicate) => "A member is there twice.",
        Some(JsonError::TooDeep) => "It is nested too deeply.",
        None => "It is JSON, but not an object.",
    })
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
    body: &'a Map<String, Value>,
    name: &str,
    title: &'static str,
) -> Result<Option<&'a str>, Problem> {
    match body.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Problem::bad_member(
            title,
            format!("{name} must be a text."),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_of_a_body_is_left_when_it_is_wiped() {
        let mut value =
            json::parse(br#"{"a":"secret","b":[{"c":"secret"},1,["secret"]]}"#).unwrap();
        wipe_texts(&mut value);
        let left = value.to_string();
        assert_eq!(left, r#"{"a":"","b":[{"c":""},1,[""]]}"#);
    }
}
