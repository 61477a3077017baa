//! One table for both engines: the bytes that are sent, and what comes back. What an engine cannot do is marked beside the
//! case with the reason, and held too, so that the mark goes when the reason goes.
//!
//! `table` runs the cases, `lines`, `heads`, `hosts` and `bodies` are the table; `conversations` has what takes more than
//! bytes and answers.

#![allow(clippy::unwrap_used)] // a test that panics has failed
#![allow(clippy::print_stdout)] // figures and reasons, for whoever runs the tests

#[path = "../common/mod.rs"]
mod common;

mod bodies;
mod conversations;
mod deadlines;
mod heads;
mod hosts;
mod lines;
mod table;

use table::{Engine, run};

#[test]
fn every_request_line_is_read_in_one_way_or_refused() {
    run(Engine::Pool, lines::cases());
}

#[test]
fn every_head_is_read_in_one_way_or_refused() {
    run(Engine::Pool, heads::cases());
}

#[test]
fn every_body_is_read_in_one_way_or_refused() {
    run(Engine::Pool, bodies::cases());
}

#[test]
fn request_lines_by_tiny_http() {
    run(Engine::TinyHttp, lines::cases());
}

#[test]
fn heads_by_tiny_http() {
    run(Engine::TinyHttp, heads::cases());
}

#[test]
fn bodies_by_tiny_http() {
    run(Engine::TinyHttp, bodies::cases());
}
