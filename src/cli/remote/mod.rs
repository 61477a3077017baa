//! `sealgate --server URL`: the same subcommands over a server's administration API.
//!
//! `server` is the server with its flags. `address` reads its URL, `http` sends a request and reads the response, `timed` gives
//! its socket a deadline, `tls` authenticates the server and presents a client certificate, `problem` turns a refusal into a
//! sentence, `values` reads members of responses; `accounts`, `api_keys`, `keys`, `limits` and `trail` are what the subcommands
//! call.

mod accounts;
mod address;
mod api_keys;
mod http;
mod keys;
mod limits;
mod problem;
mod server;
mod timed;
mod tls;
mod trail;
mod values;

pub(super) use limits::AtLimit;
pub(super) use server::{Remote, add_flags};
pub(super) use trail::{Event, EventFilter, Page, Unasked};
