//! The API over HTTP, on both engines and inside of a host.

#![allow(clippy::unwrap_used)] // a test that panics has failed

#[path = "../common/mod.rs"]
mod common;

mod admin;
#[path = "../../src/store/postgres/tests/cluster.rs"]
#[allow(dead_code)] // not all of it is used here
mod cluster;
mod cors;
mod doors;
mod host;
mod limits;
mod metrics;
mod policies;
mod proxies;
mod server;
mod sockets;
mod upgrade;
mod verify;
