//! The HTTP API without sockets: a [`Request`] in, a [`Response`] out. Engines and tests call [`App::handle`].
//!
//! `app` ties it together, `handling` has the steps in which a request is answered, and `access_log` writes a line for each.
//! `router` finds the route and enforces its checks (token, scope, limit), `permission` has the check of a token,
//! `administration` that of an administrator, `proxied` whether a proxy asks, `limits` counts requests, `limit_headers` reports the
//! limits that did, `route` defines a route and its context, `routes` has one file for each, `host` has the routes of a host
//! program, `problem` all errors (`admin_problems` those of administrators), `caller` the client's address, `cors` the headers
//! for web pages of other origins (`origins`), `observed` counts requests for the metrics, and `figures` keeps those of the last
//! hour. `console` is the web page for administrators, and `entity_tag` compares the tags of what clients have already;
//! `caught` catches panics. Reading and writing bytes is left to the engines.

mod access_log;
mod admin_problems;
mod administration;
mod app;
mod caller;
mod caught;
mod console;
mod cors;
mod entity_tag;
mod figures;
mod handling;
mod host;
mod limit_headers;
mod limits;
mod observed;
mod origins;
mod peer;
mod permission;
mod problem;
mod proxied;
mod request;
mod request_id;
mod response;
mod route;
mod router;
mod routes;
mod secure_data;
mod settings;

pub use access_log::ACCESS;
pub use app::App;
#[cfg(any(test, fuzzing))]
pub(crate) use caller::fuzz::forwarding;
pub(crate) use handling::Begun;
pub use host::{Host, HostCall, HostLogin, HostRoute};
pub use origins::AllowedOrigins;
pub use peer::Peer;
pub use problem::Problem;
pub use request::{Headers, Method, Request};
pub use response::{Response, StatusCode};
pub(crate) use route::Cost;
pub use settings::{AccessLog, BatchCost, LoginMode, Settings, ShownSetting, ShownSettings};

#[cfg(test)]
#[cfg(feature = "store")]
mod tests;
