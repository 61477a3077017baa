//! The key ring: its file, its states, its rotation, and what is sealed under its keys.

#![allow(clippy::unwrap_used)] // a test that panics has failed

#[path = "../common/mod.rs"]
mod common;

mod commands;
mod killed_writers;
mod rewrap;
mod ring;
mod rotation;
mod rotation_under_load;
mod sealed_ring;
mod shared;
mod states;
mod streams;
mod usage;
