//! Accounts, logins, sessions and the tokens that they get, over every door.

#![allow(clippy::unwrap_used)] // a test that panics has failed

#[path = "../common/mod.rs"]
mod common;

mod api_keys;
mod attacked;
mod audit_doors;
mod audit_trail;
mod claims;
mod clients;
mod kept;
mod killed;
mod logins;
mod open_login;
mod refreshes;
mod refusals;
mod revocation;
mod routes;
mod sessions;
mod sinks;
