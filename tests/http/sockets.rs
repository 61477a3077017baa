//! What comes over the sockets of `sealgate serve`: framing, limits, addresses, signals, descriptors.

#![allow(clippy::unwrap_used)] // a test that panics has failed

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use crate::common::process::limit_descriptors;
use crate::common::{Answer, PATIENCE, READ, Server, promised, run, sealgate, text};

fn home() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn a_body_over_the_limit_is_refused_and_the_server_goes_on() {
    let home = home();
    let server = Server::start(home.path(), &[("SEALGATE_MAX_BODY", "2000")]);
    let head = |length: &str| {
        format!(
            "POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        )
    };
    for length in [
        "2001",
        "100000000",
        "4611686018427387904",
        "18446744073709551615",
        "99999999999999999999999999",
    ] {
        let answer = server.send(head(length).as_bytes());
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (413, "body_too_large"),
            "{length}"
        );
    }
    let chunked = "POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    let answer =
        server.send(format!("{chunked}1000\r\n{}\r\n0\r\n\r\n", "x".repeat(0x1000)).as_bytes());
    assert_eq!(answer.code(), "body_too_large");
    let body = r#"{"username":"chunked"}"#;
    let (first, second) = body.split_at(5);
    let answer = server.send(
        format!(
            "{chunked}{:x}\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\n\r\n",
            first.len(),
            second.len()
        )
        .as_bytes(),
    );
    assert_eq!(answer.status, 200, "{}", answer.body);
    server.stop();
}

/// A request that two parsers could read two ways. What tiny_http answers by itself has no JSON body.
#[test]
fn ambiguous_framing_is_refused() {
    let home = home();
    let server = Server::start(home.path(), &[]);
    let judged_by_us = [
        "POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
        "POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\nx",
        "POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: 1, 1\r\n\r\n",
        "POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: \r\n\r\n",
        "POST /login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "POST /login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        "POST /login HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nA: b\nC: d\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nA: b\0\r\n\r\n",
        "GET /a\x01 HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET no-slash HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /#fragment HTTP/1.1\r\nHost: x\r\n\r\n",
    ];
    for request in judged_by_us {
        let answer = server.send(request.as_bytes());
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (400, "bad_request"),
            "{request:?}"
        );
        assert_eq!(answer.headers["connection"], "close", "{request:?}");
    }
    let long = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(9000));
    assert_eq!(server.send(long.as_bytes()).code(), "target_too_long");
    let many = format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "A: b\r\n".repeat(64));
    assert_eq!(server.send(many.as_bytes()).code(), "head_too_large");
    let large = format!(
        "GET / HTTP/1.1\r\nHost: x\r\nA: {}\r\n\r\n",
        "b".repeat(17_000)
    );
    assert_eq!(server.send(large.as_bytes()).code(), "head_too_large");

    for request in [
        "nonsense\r\n\r\n",
        "GET / HTTP/9\r\nHost: x\r\n\r\n",
        "GET / HTTP/1.1\r\nno colon\r\n\r\n",
    ] {
        let answer = server.send_all(request.as_bytes());
        assert!(answer.starts_with("HTTP/1.1 400"), "{request:?}: {answer}");
    }
    assert!(
        server
            .send_all(b"GET / HTTP/1.1\r\nHost: x\r\nExpect: magic\r\n\r\n")
            .starts_with("HTTP/1.1 417")
    );
    assert_eq!(server.get("/healthz", None).status, 200);
}

/// tiny_http cannot be told to close, so what follows must not be taken for a request.
#[test]
fn what_follows_a_refused_request_is_not_run() {
    let home = home();
    let server = Server::start(home.path(), &[("SEALGATE_MAX_BODY", "2000")]);
    let hidden = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    let post = "POST /login HTTP/1.1\r\nHost: x\r\n";
    for refused in [
        format!("{post}Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        format!("{post}Content-Length: 0\r\nContent-Length: 0\r\n\r\n"),
        format!("{post}Host: y\r\n\r\n"),
        format!("{post}Transfer-Encoding: chunked\r\n\r\nzz\r\n"),
        format!(
            "{post}Transfer-Encoding: chunked\r\n\r\n1000\r\n{}",
            "x".repeat(2500)
        ),
    ] {
        let all = server.send_all(format!("{refused}{hidden}{hidden}").as_bytes());
        assert!(all.starts_with("HTTP/1.1 4"), "{all}");
        assert!(!all.contains("HTTP/1.1 200"), "{all}");
    }
    assert_eq!(server.get("/healthz", None).status, 200);
}

#[test]
fn connections_are_kept_and_answers_come_in_order() {
    let home = home();
    let server = Server::start(home.path(), &[]);
    let mut stream = server.connect();
    stream
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nHEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut all = String::new();
    stream.read_to_string(&mut all).unwrap();
    let statuses: Vec<&str> = all
        .split("HTTP/1.1 ")
        .skip(1)
        .map(|answer| &answer[..3])
        .collect();
    assert_eq!(statuses, ["200", "200", "404"], "{all}");
    let heads: Vec<&str> = all.split("\r\n\r\n").collect();
    assert!(heads[1].starts_with("{\"status\":\"ok\"}"));
    assert!(
        heads[2].starts_with("HTTP/1.1 404"),
        "no body after HEAD: {all}"
    );
    assert!(heads[2].contains("Connection: close"));
    assert!(
        heads
            .iter()
            .filter(|head| head.contains("HTTP/"))
            .all(|head| head.contains("Date: ") && head.contains("Content-Length: "))
    );

    let old = server.send_all(b"GET /healthz HTTP/1.0\r\n\r\n");
    assert!(
        old.starts_with("HTTP/1.0 200") && old.contains("Connection: close"),
        "{old}"
    );
    let body = r#"{"username":"a"}"#;
    let mut stream = server.connect();
    write!(stream, "POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n", body.len()).unwrap();
    let mut interim = [0; 25];
    stream.read_exact(&mut interim[..21]).unwrap();
    assert!(interim.starts_with(b"HTTP/1.1 100 Continue"));
    stream.write_all(body.as_bytes()).unwrap();
    let mut rest = Vec::new();
    while !rest.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        rest.push(byte[0]);
    }
    assert_eq!(Answer::read(&mut stream).unwrap().status, 200);
}

#[test]
fn a_unix_socket_is_served_replaced_when_stale_and_removed_at_the_end() {
    let home = home();
    let path = home.path().join("socket");
    let listen = format!("unix:{}", path.display());
    // Left behind by a server that was killed.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let server = Server::start(
        home.path(),
        &[
            ("SEALGATE_LISTEN", &listen),
            ("SEALGATE_SOCKET_MODE", "660"),
        ],
    );
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o660
    );
    let mut stream = UnixStream::connect(&path).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
        .write_all(b"POST /login HTTP/1.1\r\nHost: any\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n{\"username\":\"a\"}")
        .unwrap();
    assert_eq!(Answer::read(&mut stream).unwrap().status, 200);
    let mut second = sealgate(home.path());
    second.args(["serve", "--listen", &listen]);
    let refused = run(second, b"");
    assert!(
        text(&refused.stderr).contains("is in use by another program"),
        "{}",
        text(&refused.stderr)
    );
    let mut healthcheck = sealgate(home.path());
    healthcheck.args(["healthcheck", "--listen", &listen]);
    assert!(run(healthcheck, b"").status.success());
    server.stop();
    assert!(!path.exists());

    fs::write(&path, "a file of somebody's").unwrap();
    let mut third = sealgate(home.path());
    third.args(["serve", "--listen", &listen]);
    assert_eq!(run(third, b"").status.code(), Some(2));
    assert_eq!(fs::read_to_string(&path).unwrap(), "a file of somebody's");
}

#[test]
fn a_taken_port_and_an_exposed_address_are_refused_with_what_to_do() {
    let home = home();
    let server = Server::start(home.path(), &[]);
    let serve = |listen: &str| {
        let mut command = sealgate(home.path());
        command.args(["serve", "--engine", "tiny-http", "--listen", listen]);
        let output = run(command, b"");
        assert_eq!(output.status.code(), Some(2));
        text(&output.stderr)
    };
    let said = serve(&format!("127.0.0.1:{}", server.port));
    assert!(
        said.contains(&format!("Port {}", server.port)) && said.contains("--listen 127.0.0.1:PORT"),
        "{said}"
    );
    let said = serve("0.0.0.0:0");
    assert!(said.contains("SEALGATE_TRUSTED_PROXIES"), "{said}");
    assert!(serve("192.0.2.1:80").contains("SEALGATE_TRUSTED_PROXIES"));

    let proxied = Server::start(
        home.path(),
        &[
            ("SEALGATE_ENGINE", "tiny-http"),
            ("SEALGATE_LISTEN", "0.0.0.0:0"),
            ("SEALGATE_TRUSTED_PROXIES", "10.0.0.0/8"),
        ],
    );
    let answer = proxied.post("/login", r#"{"username":"a"}"#, None);
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (403, "login_refused")
    );
}

#[test]
fn a_running_request_may_end_and_a_second_signal_does_not_wait() {
    let home = home();
    let mut server = Server::start(home.path(), &[("SEALGATE_GRACE", "30")]);
    let body = r#"{"username":"slow"}"#;
    let slow = |server: &Server| {
        let mut stream = server.connect();
        // More than tiny_http reads ahead by itself: the worker waits for the rest.
        let padding = " ".repeat(2000);
        write!(stream, "POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{padding}", body.len() + 2000).unwrap();
        std::thread::sleep(READ);
        stream
    };
    let mut stream = slow(&server);
    server.signal("TERM");
    server.stops_listening();
    stream.write_all(body.as_bytes()).unwrap();
    let answer = Answer::read(&mut stream).unwrap();
    assert_eq!(
        (answer.status, answer.headers["connection"].as_str()),
        (200, "close")
    );
    assert_eq!(server.wait(), Some(0));

    let mut server = Server::start(home.path(), &[("SEALGATE_GRACE", "60")]);
    let _stream = slow(&server);
    server.signal("INT");
    server.stops_listening();
    let start = Instant::now();
    server.signal("INT");
    assert_eq!(server.wait(), Some(1));
    assert!(start.elapsed() < promised(Duration::from_secs(5)));

    let mut server = Server::start(home.path(), &[("SEALGATE_GRACE", "1")]);
    let _stream = slow(&server);
    server.signal("TERM");
    assert_eq!(server.wait(), Some(2));
    assert!(server.log().contains("grace period"), "{}", server.log());
}

/// tiny_http's accept loop ends for good then: with an error, which ends the server, or with a panic of its own.
#[test]
fn tiny_http_closes_its_address_when_the_descriptors_run_out() {
    let home = home();
    let mut server = Server::start_with(home.path(), |command| {
        limit_descriptors(command, 40, "--engine tiny-http");
    });
    let address = ("127.0.0.1", server.port);
    let crowd: Vec<_> = (0..60).map(|_| TcpStream::connect(address)).collect();
    server.stops_listening();
    drop(crowd);
    let (stopped, failed) = (Some(0), Some(2));
    server.signal("TERM");
    let code = server.wait();
    assert!([stopped, failed].contains(&code), "{code:?}");
}
