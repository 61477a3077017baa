//! The routes, one file each; those of administrators are in `admin`. `body` reads JSON bodies, `items` those of the routes that
//! accept batches, `form` reads forms, `client` authenticates OAuth 2.0 clients, and `login_limit` counts logins.

pub(super) mod admin;
mod api_keys;
mod body;
mod client;
mod console;
mod decrypt;
mod encrypt;
mod form;
mod health;
mod index;
mod introspect;
mod items;
mod jwks;
mod limit;
mod login;
mod login_limit;
mod logout;
mod metadata;
mod open_login;
mod openapi;
mod password;
mod refresh;
mod revoke;
mod rewrap;
mod secure_data;
mod token;
mod verify;

use super::request::Method;
use super::route::{Access, Route, Served, Table, growing, quick, slow};
use crate::tokens::API_KEY_SCOPES;
use body::{Text, anything, is_json, json, members, text};

/// Defines a table: its name, the beginning of its paths, and through which doors its routes are served. A row is the method and
/// the path, who may use it, the kind of body that it takes, how long it may take, `with data` if only the engine's limit applies
/// to its body, `as health_check`, `as prefix` or `as everywhere`; then the description and the function.
macro_rules! routes {
    ($(#[$doc:meta])* $table:ident $prefix:literal $served:expr; $(
        $method:ident $path:literal $access:expr,
        takes $takes:path, costs $cost:path $(, with $data:ident)? $(, as $kind:ident)*:
        $about:literal $answer:path;
    )*) => {
        $(#[$doc])*
        pub(in crate::api) static $table: Table = Table { prefix: $prefix, routes: &[$(Route {
            method: Method::$method,
            path: $path,
            access: $access,
            takes: $takes,
            takes_data: !stringify!($($data)?).is_empty(),
            cost: $cost,
            is_health_check: false $(|| matches!(stringify!($kind).as_bytes(), b"health_check"))*,
            is_prefix: false $(|| matches!(stringify!($kind).as_bytes(), b"prefix"))*,
            served: match false $(|| matches!(stringify!($kind).as_bytes(), b"everywhere"))* {
                true => Served::Both,
                false => $served,
            },
            about: $about,
            answer: $answer,
        }),*] };
    };
}
pub(in crate::api) use routes;

routes! {
    /// Every route of the API, in the order in which `GET /` lists them.
    API "/" Served::Api;
    Get "/" Access::Anyone, takes anything, costs quick:
        "This list" index::answer;
    Post "/login" Access::Anyone, takes json, costs login::cost, as everywhere:
        "Log in and get a token" login::answer;
    Get "/secure-data" Access::Token(&["secure-data"]), takes anything, costs secure_data::cost:
        "The confidential data, encrypted" secure_data::answer;
    Post "/encrypt" Access::Token(&["encrypt"]), takes json, costs quick, with data:
        "Encrypt data" encrypt::answer;
    Post "/decrypt" Access::Token(&["decrypt"]), takes json, costs growing, with data:
        "Decrypt data" decrypt::answer;
    Post "/rewrap" Access::Token(rewrap::SCOPES), takes json, costs quick, with data:
        "Re-encrypt data under the newest key" rewrap::answer;
    Post "/refresh" Access::Anyone, takes json, costs slow, as everywhere:
        "Get new tokens for a refresh token" refresh::answer;
    Post "/logout" Access::Unlimited(""), takes anything, costs slow, as everywhere:
        "Revoke the token" logout::answer;
    Post "/password" Access::AsLogin, takes json, costs password::cost, as everywhere:
        "Change the own password" password::answer;
    Post "/token" Access::Anyone, takes client::form_only, costs slow:
        "Get tokens, as an OAuth 2.0 client" token::answer;
    Post "/revoke" Access::Anyone, takes client::form_only, costs slow:
        "Revoke a token that is in the form" revoke::answer;
    Post "/introspect" Access::UnlimitedOrClient(introspect::SCOPE), takes introspect::form_or_json, costs introspect::cost:
        "Check whether a token is active, and read its claims" introspect::answer;
    Post "/limit" Access::Unlimited("limit"), takes json, costs quick:
        "Count a request against a limit" limit::answer;
    Post "/limit/reset" Access::Unlimited("limit-reset"), takes json, costs slow:
        "Forget the requests that a limit has counted" limit::reset;
    Get "/verify" Access::Demanded, takes anything, costs quick:
        "Whether a proxy may pass a request on" verify::answer;
    Get "/verify/for/" Access::Demanded, takes anything, costs quick, as prefix:
        "The same for Envoy" verify::answer_for;
    Get "/api-keys" Access::Token(&API_KEY_SCOPES), takes anything, costs slow:
        "List API keys" api_keys::list;
    Post "/api-keys" Access::Token(&API_KEY_SCOPES), takes json, costs slow:
        "Add an API key" api_keys::add;
    Post "/api-keys/revoke" Access::Token(&API_KEY_SCOPES), takes json, costs slow:
        "Revoke an API key" api_keys::revoke;
    Get "/.well-known/jwks.json" Access::Anyone, takes anything, costs quick:
        "The public keys that verify tokens" jwks::answer;
    Get "/.well-known/oauth-authorization-server" Access::Anyone, takes anything, costs quick:
        "What OAuth 2.0 clients need to know of this server" metadata::answer;
    Get "/healthz" Access::Anyone, takes anything, costs quick, as health_check, as everywhere:
        "Whether the server is alive" health::alive;
    Get "/readyz" Access::Anyone, takes anything, costs health::ready_cost, as health_check, as everywhere:
        "Whether the server can do its work" health::ready;
    Get "/openapi.json" Access::Anyone, takes anything, costs quick, as everywhere:
        "This API as an OpenAPI document" openapi::answer;
}

routes! {
    /// The console's page and its own routes, which are no part of the API for programs.
    CONSOLE "/console/" Served::Administration;
    Post "/console/login" Access::Anyone, takes json, costs console::hashing:
        "Log in to the console" console::login;
    Post "/console/refresh" Access::Anyone, takes anything, costs slow:
        "Get a new token for the console" console::refresh;
    Post "/console/refresh/logout" Access::Anyone, takes anything, costs slow:
        "Log out of the console" console::logout;
    Post "/console/first" Access::Anyone, takes json, costs console::hashing:
        "Create the first administrator" console::first;
    Get "/console/" Access::Anyone, takes anything, costs quick:
        "A file of the console" console::file;
    Get "/console/app.css" Access::Anyone, takes anything, costs quick:
        "A file of the console" console::file;
    Get "/console/icon.svg" Access::Anyone, takes anything, costs quick:
        "A file of the console" console::file;
    Get "/console/app.js" Access::Anyone, takes anything, costs quick:
        "A file of the console" console::file;
    Get "/console/api.js" Access::Anyone, takes anything, costs quick:
        "A file of the console" console::file;
    Get "/console/dom.js" Access::Anyone, takes anything, costs quick:
        "A file of the console" console::file;
    Get "/console/parts.js" Access::Anyone, takes anything, costs quick:
        "A file of the console" console::file;
    Get "/console/charts.js" Access::Anyone, takes anything, costs quick:
        "A file of the console" console::file;
    Get "/console/login.js" Access::Anyone, takes anything, costs quick:
        "A file of the console" console::file;
    Get "/console/views.js" Access::Anyone, takes anything, costs quick:
        "A file of the console" console::file;
    Get "/console/overview.js" Access::Anyone, takes anything, costs quick:
        "A file of the console" console::file;
    Get "/console/accounts.js" Access::Anyone, takes anything, costs quick:
        "A file of the console" console::file;
    Get "/console/security.js" Access::Anyone, takes anything, costs quick:
        "A file of the console" console::file;
    Get "/console/settings.js" Access::Anyone, takes anything, costs quick:
        "A file of the console" console::file;
    Get "/console/tryit.js" Access::Anyone, takes anything, costs quick:
        "A file of the console" console::file;
}
