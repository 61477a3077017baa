//! The command: its arguments, settings, files, logs, and how it is installed.

#![allow(clippy::unwrap_used)] // a test that panics has failed

#[path = "../common/mod.rs"]
mod common;

mod administered;
mod backup;
mod cli;
mod clocks;
mod config;
mod healthcheck;
mod help;
mod install;
mod limits;
mod logs;
mod operator;
mod pages;
mod remote;
mod remote_doors;
mod remote_limits;
mod remote_tail;
mod restore;
mod systemd;
