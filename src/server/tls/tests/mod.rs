//! Real handshakes between OpenSSL's client and our end, both driven by the test's own thread: `talk` carries the
//! bytes, `papers` creates keys and certificates.

#![allow(clippy::unwrap_used)] // a test that panics has failed

mod bytes;
mod clients;
mod files;
mod handshake;
mod papers;
mod renewal;
mod resumption;
mod subject;
mod talk;
