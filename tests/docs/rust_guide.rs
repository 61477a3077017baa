//! The Rust code of docs/rust.md compiles and runs: each of its blocks is the body of a test below.

#![allow(clippy::print_stdout)] // as a program does

use crate::{blocks, read};

type Done = Result<(), Box<dyn std::error::Error>>;

#[test]
fn a_gate() -> Done {
    use sealgate::{Config, Gate, Grant};

    let mut config = Config::new();
    config.set("keys", "ephemeral")?;
    let gate = Gate::new(&config.settings()?.gate)?;

    let sealed = gate.encrypt_data(b"meet me at noon", b"notes/1")?;
    let opened = gate.decrypt_data(&sealed, b"notes/1")?;
    assert_eq!(opened.expose(), b"meet me at noon");
    assert!(gate.decrypt_data(&sealed, b"notes/2").is_err());

    let token = gate.issue_token(&Grant {
        subject: "alice",
        scope: "decrypt",
        claims: r#"{"department": "ops"}"#,
        ..Grant::default()
    })?;
    let claims = gate.verify_token(&token)?;
    assert_eq!(claims.subject(), "alice");
    assert_eq!(claims.get("department").unwrap(), "ops");
    Ok(())
}

#[test]
fn a_server() -> Done {
    use sealgate::api::{App, Host, HostRoute, Method, Response};
    use sealgate::server::Server;
    use sealgate::{Config, Gate};

    let mut config = Config::new();
    config.set("keys", "ephemeral")?;
    config.set("listen", "127.0.0.1:0")?;
    let settings = config.settings()?;

    let order = HostRoute::new(Method::Get, "/orders/{id}", |call| {
        let text = format!("order {}\n", call.parameter("id").unwrap_or("?"));
        Response::new(200, "text/plain; charset=utf-8", text.into_bytes())
    })
    .with_token("orders")
    .limited();

    let mut host = Host::new().with_accounts(|user, password| {
        (user == "alice" && password == "wonderland").then(|| "orders".to_owned())
    });
    host.add_route(order)?;

    let app = App::with_host(Gate::new(&settings.gate)?, &settings.app, host)?;
    let server = Server::start(app, &settings.server)?;
    println!("listening on {}", server.addresses()[0]);
    server.stop(settings.server.grace)?;
    Ok(())
}

#[test]
fn each_block_of_the_guide_is_tested_here() {
    let here: Vec<&str> = include_str!("rust_guide.rs")
        .lines()
        .map(str::trim)
        .collect();
    let here = here.join("\n");
    let guide = read("docs/rust.md");
    let blocks = blocks(&guide, "rust");
    assert_eq!(blocks.len(), 2);
    for block in blocks {
        let lines: Vec<&str> = block.lines().map(str::trim).collect();
        assert!(here.contains(&lines.join("\n")), "{block}");
    }
}
