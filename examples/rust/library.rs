//! Tokens, encryption, the rate limit and masking: all that is left without the crate's default features, in a program that
//! needs neither accounts nor a server.
//!
//!     cargo run --no-default-features --example library

#![allow(clippy::print_stdout)]

use std::error::Error;

use sealgate::{Config, Gate, Grant, mask};

fn main() -> Result<(), Box<dyn Error>> {
    let mut config = Config::new();
    // These keys are lost when the program exits. Those in the directory that `data_dir` names are kept.
    config.set("keys", "ephemeral")?;
    config.set("max_requests", "2")?;
    let gate = Gate::new(&config.settings()?.gate)?;

    let token = gate.issue_token(&Grant {
        subject: "alice",
        scope: "orders",
        ..Grant::default()
    })?;
    let claims = gate.verify_token(&token)?;
    println!("{} may use: {}", claims.subject(), claims.scope());

    let sealed = gate.encrypt_data(b"4111 1111 1111 1111", b"orders/17/card")?;
    let card = gate.decrypt_data(&sealed, b"orders/17/card")?;
    println!("the card is {}", mask(card.expose_str()?, 4));
    if let Err(error) = gate.decrypt_data(&sealed, b"orders/18/card") {
        println!("of another order: {error}");
    }

    for request in 1..=3 {
        if let Some(admission) = gate.enforce_rate_limit(claims.subject()) {
            match admission.into_result() {
                Ok(()) => println!("request {request} is admitted"),
                Err(error) => println!("request {request}: {error}"),
            }
        }
    }
    Ok(())
}
