//! What a body costs beside its own bytes: next to nothing, whatever stands in it and whoever sends it.

use std::io::Write;
use std::net::TcpStream;

use crate::common::process::start_by;
use crate::common::wire::Answers;
use crate::common::{Server, run, sealgate, text};
use crate::{alone, beside_others, configure, start};

/// Within the limit of bodies, by default 1 MiB.
const SIZE: usize = 1_047_931;
const CLIENTS: usize = 16;
/// What that many bodies at once may take, in KiB.
const MOST: u64 = 40 << 10;

/// A body of this size: `begin`, as much of `filling` as there is room for, and `end`.
fn filled(begin: &str, filling: &str, end: &str) -> String {
    let room = SIZE - begin.len() - end.len();
    let body = [begin, &filling.repeat(room / filling.len()), end].concat();
    body + &" ".repeat(room % filling.len())
}

/// A member that is an array in 61 arrays.
fn deep(name: &str) -> String {
    format!(r#""{name}":{}0{}"#, "[".repeat(61), "]".repeat(61))
}

/// The statuses that so many clients get who send this at once.
fn statuses(server: &Server, path: &str, token: &str, body: &str, clients: usize) -> Vec<u16> {
    let fields = format!("Content-Type: application/json\r\nAuthorization: Bearer {token}\r\n");
    statuses_with(server, path, &fields, body, clients)
}

fn statuses_with(
    server: &Server,
    path: &str,
    fields: &str,
    body: &str,
    clients: usize,
) -> Vec<u16> {
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n{fields}\r\n{body}",
        body.len()
    );
    let (begin, end) = request.as_bytes().split_at(request.len() - 1);
    let mut clients: Vec<Answers<TcpStream>> = (0..clients)
        .map(|_| Answers::new(server.connect()))
        .collect();
    for part in [begin, end] {
        for client in &clients {
            // A server that refuses it by its head need not read the rest.
            let _ = client.get_ref().write_all(part);
        }
    }
    let answers = clients.iter_mut().map(Answers::next);
    answers
        .map(|answer| answer.map_or(0, |answer| answer.status))
        .collect()
}

fn token(home: &tempfile::TempDir) -> String {
    let mut command = sealgate(home.path());
    command.args(["token", "issue", "--user", "alice", "--scope"]);
    command.arg("encrypt decrypt rewrap introspect");
    text(&run(command, b"").stdout).trim().to_owned()
}

#[test]
fn sixteen_bodies_at_once_take_their_own_bytes_and_little_more() {
    let _alone = alone();
    let members: Vec<String> = (0..8_000).map(|at| deep(&format!("a{at}"))).collect();
    let many_members = members.join(",");
    let room = SIZE - 2;
    let deep_members = format!(
        "{{{}}}",
        &many_members[..many_members[..room].rfind(",\"").unwrap()]
    );
    let escape = "\\u0061\\n";
    let deep_elements = [
        format!("{{{},\"x\":[", deep("a")),
        format!("{{{}}},", deep("a")),
    ];
    let wanted = |name: &str| filled(&format!("{{\"{name}\":\""), escape, "\"}");
    let deep_elements = filled(&deep_elements[0], &deep_elements[1], "0]}");
    let more = [
        ("/login", deep_elements.clone()),
        ("/encrypt", deep_elements),
        ("/login", wanted("username")),
        ("/login", wanted("password")),
        ("/login", filled("{\"", escape, "\":0}")),
        ("/refresh", wanted("refresh_token")),
        ("/introspect", wanted("token")),
        ("/encrypt", wanted("data_base64")),
        ("/encrypt", filled("{\"x\":[", "[],{},", "0]}")),
        ("/encrypt", filled("{\"x\":1.", "0", "}")),
        ("/decrypt", wanted("encrypted_data")),
        ("/decrypt", filled("{\"encrypted_data\":\"", "\\n", "\"}")),
        ("/rewrap", filled("{\"items\":[", "{},", "0]}")),
    ];
    for path in [
        "/login",
        "/refresh",
        "/introspect",
        "/encrypt",
        "/decrypt",
        "/rewrap",
    ] {
        let home = tempfile::tempdir().unwrap();
        let token = token(&home);
        let own = more.iter().filter(|(of, _)| *of == path);
        for body in [&deep_members].into_iter().chain(own.map(|(_, body)| body)) {
            let what = &body[..20];
            assert!(body.len() <= SIZE && body.len() > SIZE - 200, "{what}");
            // One of its own each, so that nothing is left of the body before.
            // The limit of credentials is another protection, which here is not to help.
            let server = start(&home, &[("SEALGATE_MAX_CREDENTIALS", "1048576")]);
            statuses(&server, path, &token, "{}", CLIENTS);
            let before = server.resident();
            let statuses = statuses(&server, path, &token, body, CLIENTS);
            let more = server.peak().saturating_sub(before);
            println!("{path}: {what}: {more} KiB more, {statuses:?}");
            assert!(more < MOST, "{path}: {what}: {more} KiB more");
            assert!(
                statuses.iter().all(|status| *status < 500),
                "{path}: {what}: {statuses:?}"
            );
            server.stop();
        }
    }
}

#[test]
fn sixteen_forms_at_once_take_their_own_bytes_and_little_more() {
    const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";
    let _alone = alone();
    for (path, begin, filling) in [
        ("/token", "grant_type=client_credentials&", "a&"),
        ("/token", "grant_type=client_credentials&", "%61=%62&"),
        ("/token", "grant_type=", "%61"),
        ("/token", "grant_type=refresh_token&refresh_token=", "%61"),
        (
            "/token",
            "grant_type=client_credentials&client_id=a&client_secret=",
            "%61",
        ),
        (
            "/token",
            "grant_type=client_credentials&client_secret=a&client_id=",
            "a",
        ),
        ("/revoke", "token=", "%61"),
        ("/introspect", "client_id=a&client_secret=b&token=", "%61"),
    ] {
        let home = tempfile::tempdir().unwrap();
        let body = filled(begin, filling, "");
        let raised = ("SEALGATE_MAX_CREDENTIALS", "1048576");
        let server = start(&home, &[raised, ("SEALGATE_LOGIN_MAX_REQUESTS", "0")]);
        statuses_with(&server, path, FORM, "", CLIENTS);
        let before = server.resident();
        let statuses = statuses_with(&server, path, FORM, &body, CLIENTS);
        let more = server.peak().saturating_sub(before);
        println!("{path}: {begin}: {more} KiB more, {statuses:?}");
        assert!(more < MOST, "{path}: {begin}: {more} KiB more");
        assert!(statuses.iter().all(|status| *status < 500), "{statuses:?}");
        server.stop();
    }
}

/// What a body has beside what is asked for is read, because it has to be JSON, and no memory is spent on it.
#[test]
fn a_body_of_millions_of_values_takes_no_more_memory_than_its_bytes() {
    let _beside = beside_others();
    let home = tempfile::tempdir().unwrap();
    let server = start(&home, &[("SEALGATE_MAX_BODY", "16000000")]);
    let token = server.log_in("alice");
    let values = "[],".repeat(3_000_000);
    // A whole one, and one that is refused at its end.
    for (end, status) in [("0]}", 200), ("0]", 400)] {
        let body = format!(r#"{{"data":"a text","more":[{values}{end}"#);
        let answer = server.post("/encrypt", &body, Some(&token));
        assert_eq!(answer.status, status, "{}", answer.body);
    }
    let peak = server.peak();
    assert!(peak < 80 << 10, "{peak} KiB");
    server.stop();
}

/// A limit on address space counts what the C library sets aside for each thread, used or not.
#[test]
fn large_bodies_at_once_are_answered_under_a_limit_on_address_space() {
    let _alone = alone();
    let home = tempfile::tempdir().unwrap();
    let server = Server::start_with(home.path(), |command| {
        configure(command);
        let script = r#"ulimit -v 500000; exec "$0" serve --listen 127.0.0.1:0"#;
        start_by(command, &["sh", "-c", script]);
    });
    let token = server.log_in("alice");
    let body = filled(r#"{"data":""#, "x", r#""}"#);
    let statuses = statuses(&server, "/encrypt", &token, &body, 48);
    assert_eq!(statuses, [200; 48]);
    server.stop();
}
