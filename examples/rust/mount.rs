//! Mounts the API in a `tiny_http::Server` of one's own, beside a route of one's own.
//!
//!     cargo run --example mount
//!     curl http://127.0.0.1:8000/hello
//!     curl -X POST http://127.0.0.1:8000/login -H "Content-Type: application/json" -d '{"username": "test_user"}'
//!
//! The address may be given as an argument.

#![allow(clippy::print_stdout)]

use std::error::Error;

use sealgate::api::App;
use sealgate::server::tiny_http::Mount;
use sealgate::{Config, Gate};

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:8000".into());

    // Keys and limits as the environment says, shared with `sealgate serve` on this machine.
    let mut config = Config::new();
    config.load_like_the_command(None)?;
    let settings = config.settings()?;
    let app = App::new(Gate::new(&settings.gate)?, &settings.app)?;

    let server = tiny_http::Server::http(&address)?;
    println!("listening on http://{}", server.server_addr());
    let mount = Mount::new(app, &server);
    for request in server.incoming_requests() {
        // tiny_http allocates what a dropped request claims to send, however much: leave bodies to the mount.
        if request.url() == "/hello" && request.body_length().unwrap_or(0) == 0 {
            request.respond(tiny_http::Response::from_string("hello\n"))?;
        } else {
            mount.answer(request)?;
        }
    }
    Ok(())
}
