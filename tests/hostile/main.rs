//! What a server on a bare network has to stand: clients that drip, do not read, come in crowds or stay for ever, too few
//! descriptors, pauses, stops. `cargo test` runs all of it small; `make soak` runs it in full and prints figures.

#![allow(clippy::unwrap_used)] // a test that panics has failed
#![allow(clippy::print_stdout)] // figures and reasons, for whoever runs the tests

#[path = "../common/mod.rs"]
mod common;

mod balance;
mod crowds;
mod hosts;
mod life;
mod memory;
mod proxy_headers;
mod renewed;
mod room;
mod uploads;

use std::process::Command;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use common::Server;

/// Tests that measure run alone, the others beside one another.
static MACHINE: RwLock<()> = RwLock::new(());

fn alone() -> RwLockWriteGuard<'static, ()> {
    MACHINE.write().unwrap_or_else(PoisonError::into_inner)
}

fn beside_others() -> RwLockReadGuard<'static, ()> {
    MACHINE.read().unwrap_or_else(PoisonError::into_inner)
}

const GET: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// What a good client's 99 of 100 answers stay under: promised are 100 ms, of a machine that does nothing else. `cargo test`
/// notices clients that are kept out until others are done, or until a timeout.
const fn good_client_waits(release: u64) -> Duration {
    Duration::from_millis(if cfg!(debug_assertions) {
        10_000
    } else {
        release
    })
}

/// A pool server without limits on how often one may ask.
fn start(home: &tempfile::TempDir, settings: &[(&str, &str)]) -> Server {
    let server = Server::start_with(home.path(), |command| {
        configure(command);
        command.envs(settings.iter().copied());
    });
    assert!(server.greeting.contains("(pool)"), "{}", server.greeting);
    server
}

fn configure(command: &mut Command) {
    command
        .env("SEALGATE_ENGINE", "pool")
        .env("SEALGATE_LOGIN_MAX_REQUESTS", "0")
        .env("MAX_REQUESTS", "0");
}

/// A request to decrypt something, as a good client sends it.
fn decrypt(server: &Server) -> Vec<u8> {
    let token = server.log_in("good");
    let sealed = server.post("/encrypt", r#"{"data":"for your eyes only"}"#, Some(&token));
    let body = sealed.body;
    format!(
        "POST /decrypt HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAuthorization: Bearer {token}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}
