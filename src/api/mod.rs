//! The HTTP API without sockets: a [`Request`] in, a [`Response`] out. Engines and tests call [`App::handle`].
//!
//! `app` ties it together. `router` finds the route and enforces its checks (token, scope, limit), `route` defines a route
//! and its context, `routes` has one file for each, `host` has the routes of a host program, `problem` all errors,
//! `caller` the client's address, and `observed` counts requests for the metrics. Reading and writing bytes is left to the engines.

mod app;
mod caller;
mod host;
mod observed;
mod peer;
mod problem;
mod request;
mod request_id;
mod response;
mod route;
mod router;
mod routes;
mod secure_data;
mod settings;

pub(crate) use app::Begun;
pub use app::{ACCESS, App};
#[cfg(any(test, fuzzing))]
pub(crate) use caller::fuzz::forwarding;
pub use host::{Host, HostCall, HostLogin, HostRoute};
pub use peer::Peer;
pub(crate) use peer::is_loopback;
pub use problem::Problem;
pub use request::{Headers, Method, Request};
pub use response::{Response, StatusCode};
pub(crate) use route::Cost;
pub use settings::{AccessLog, LoginMode, Settings};

#[cfg(test)]
mod tests;
