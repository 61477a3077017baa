//! Several servers and their shared store, which is a PostgreSQL with a synchronous standby: what they promise while servers, the
//! store and the connections between them fail.
//!
//! `make soak-fleet` runs the same tests at full size.

#![allow(clippy::unwrap_used)] // a test that panics has failed
#![allow(unreachable_pub)] // the modules share a program, not a crate
#![allow(clippy::print_stdout)] // figures, for whoever runs the tests

#[path = "../common/mod.rs"]
mod common;

mod down;
mod example;
mod failover;
mod guessing;
mod history;
mod killed;
mod limits;
mod logins;
mod nodes;
mod pgbouncer;
mod postgres;
mod revocation;
mod store_copy;
mod storm;
mod trouble;
