//! The routes, one file each. `body` reads JSON bodies, `items` those of the routes that accept batches.

mod body;
mod decrypt;
mod encrypt;
mod form;
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
mod verify;

use super::request::Method;
use super::route::{Access, Route, quick, slow};
use body::{Text, anything, is_json, json, members, text};

/// Every route, in the order in which `GET /` lists them.
pub(super) static ROUTES: &[Route] = &[
    Route {
        method: Method::Get,
        path: "/",
        access: Access::Anyone,
        takes: anything,
        takes_data: false,
        cost: quick,
        is_prefix: false,
        is_health_check: false,
        about: "This list",
        answer: index::answer,
    },
    Route {
        method: Method::Post,
        path: "/login",
        access: Access::Anyone,
        takes: json,
        takes_data: false,
        cost: login::cost,
        is_prefix: false,
        is_health_check: false,
        about: "Log in and get a token",
        answer: login::answer,
    },
    Route {
        method: Method::Get,
        path: "/secure-data",
        access: Access::Token(&["secure-data"]),
        takes: anything,
        takes_data: false,
        cost: secure_data::cost,
        is_prefix: false,
        is_health_check: false,
        about: "The confidential data, encrypted",
        answer: secure_data::answer,
    },
    Route {
        method: Method::Post,
        path: "/encrypt",
        access: Access::Token(&["encrypt"]),
        takes: json,
        takes_data: true,
        cost: quick,
        is_prefix: false,
        is_health_check: false,
        about: "Encrypt data",
        answer: encrypt::answer,
    },
    Route {
        method: Method::Post,
        path: "/decrypt",
        access: Access::Token(&["decrypt"]),
        takes: json,
        takes_data: true,
        cost: quick,
        is_prefix: false,
        is_health_check: false,
        about: "Decrypt data",
        answer: decrypt::answer,
    },
    Route {
        method: Method::Post,
        path: "/rewrap",
        access: Access::Token(rewrap::SCOPES),
        takes: json,
        takes_data: true,
        cost: quick,
        is_prefix: false,
        is_health_check: false,
        about: "Re-encrypt data under the newest key",
        answer: rewrap::answer,
    },
    Route {
        method: Method::Post,
        path: "/refresh",
        access: Access::Anyone,
        takes: json,
        takes_data: false,
        cost: slow,
        is_prefix: false,
        is_health_check: false,
        about: "Get new tokens for a refresh token",
        answer: refresh::answer,
    },
    Route {
        method: Method::Post,
        path: "/logout",
        access: Access::Unlimited(""),
        takes: anything,
        takes_data: false,
        cost: slow,
        is_prefix: false,
        is_health_check: false,
        about: "Revoke the token",
        answer: logout::answer,
    },
    Route {
        method: Method::Post,
        path: "/introspect",
        access: Access::Unlimited("introspect"),
        takes: introspect::form_or_json,
        takes_data: false,
        cost: quick,
        is_prefix: false,
        is_health_check: false,
        about: "Check whether a token is active, and read its claims",
        answer: introspect::answer,
    },
    Route {
        method: Method::Get,
        path: "/verify",
        access: Access::Demanded,
        takes: anything,
        takes_data: false,
        cost: quick,
        is_prefix: false,
        is_health_check: false,
        about: "Whether a proxy may pass a request on",
        answer: verify::answer,
    },
    Route {
        method: Method::Get,
        path: verify::PREFIX,
        access: Access::Demanded,
        takes: anything,
        takes_data: false,
        cost: quick,
        is_prefix: true,
        is_health_check: false,
        about: "The same for Envoy",
        answer: verify::answer_for,
    },
    Route {
        method: Method::Get,
        path: "/.well-known/jwks.json",
        access: Access::Anyone,
        takes: anything,
        takes_data: false,
        cost: quick,
        is_prefix: false,
        is_health_check: false,
        about: "The public keys that verify tokens",
        answer: jwks::answer,
    },
    Route {
        method: Method::Get,
        path: "/healthz",
        access: Access::Anyone,
        takes: anything,
        takes_data: false,
        cost: quick,
        is_prefix: false,
        is_health_check: true,
        about: "Whether the server is alive",
        answer: health::alive,
    },
    Route {
        method: Method::Get,
        path: "/readyz",
        access: Access::Anyone,
        takes: anything,
        takes_data: false,
        cost: health::ready_cost,
        is_prefix: false,
        is_health_check: true,
        about: "Whether the server can do its work",
        answer: health::ready,
    },
];
