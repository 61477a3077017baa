//! The C library: its header, its symbols, its calls from real C programs.

#![allow(clippy::unwrap_used)] // a test that panics has failed

#[path = "../common/mod.rs"]
mod common;

mod calls;
mod comments;
mod compilers;
mod doors;
mod examples;
mod guide;
mod header;
mod library;
#[path = "../parity/mod.rs"]
mod parity;
mod races;
mod symbols;
mod vectors;
