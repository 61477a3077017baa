//! What takes more than bytes and answers: timing, order, halves of connections, addresses.

use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use crate::common::wire::{Answers, End};
use crate::common::{PATIENCE, Server, unless_held_up};
use crate::table::{Engine, in_words};

const GET: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
const BODY: &[u8] = br#"{"username":"a"}"#;

fn on_both(test: impl Fn(Engine, &Server)) {
    for engine in Engine::ALL {
        let home = tempfile::tempdir().unwrap();
        // Large bodies are sent to /login here.
        let server = engine.start(&home, &[("SEALGATE_MAX_CREDENTIALS", "1048576")]);
        test(engine, &server);
        assert_eq!(server.get("/healthz", None).status, 200, "{engine:?}");
        let log = server.stop();
        assert_eq!(crate::common::panics(&log), [""; 0], "{engine:?}");
    }
}

fn head(fields: &str) -> Vec<u8> {
    format!(
        "POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{fields}\r\n"
    )
    .into_bytes()
}

fn login() -> Vec<u8> {
    [&head("Content-Length: 16\r\n"), BODY].concat()
}

fn connect(server: &Server) -> Answers<TcpStream> {
    let stream = server.connect();
    stream.set_nodelay(true).unwrap();
    Answers::new(stream)
}

fn send(connection: &Answers<TcpStream>, bytes: &[u8]) {
    connection.get_ref().write_all(bytes).unwrap();
}

#[test]
fn a_hundred_pipelined_requests_are_answered_in_order() {
    on_both(|engine, server| {
        let mut connection = connect(server);
        let numbered = |n: usize| {
            format!("GET /healthz?{n} HTTP/1.1\r\nHost: x\r\nX-Request-Id: n{n}\r\n\r\n")
        };
        let all: String = (0..100).map(numbered).collect();
        send(&connection, all.as_bytes());
        for n in 0..100 {
            let answer = connection.next().unwrap();
            assert_eq!(answer.status, 200);
            assert_eq!(
                answer.headers["x-request-id"],
                format!("n{n}"),
                "{engine:?}"
            );
        }
        // The connection is still good.
        send(&connection, GET);
        assert_eq!(connection.next().unwrap().status, 200);
    });
}

#[test]
fn a_refused_request_ends_a_pipeline_where_it_stands() {
    on_both(|engine, server| {
        let mut connection = connect(server);
        let refused = b"GET /healthz HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n";
        send(
            &connection,
            &[&GET.repeat(50), &refused[..], &GET.repeat(50)].concat(),
        );
        for _ in 0..50 {
            assert_eq!(connection.next().unwrap().status, 200);
        }
        let answer = connection.next().unwrap();
        assert_eq!(in_words(&answer), "400 bad_request");
        assert_eq!(answer.headers["connection"], "close");
        match engine {
            Engine::Pool => assert_eq!(connection.next().unwrap_err(), End::Closed),
            // It cannot be told to close, and so refuses what follows.
            Engine::TinyHttp => assert_eq!(connection.next().unwrap().status, 400),
        }
    });
}

#[test]
fn head_is_get_without_the_body() {
    on_both(|engine, server| {
        let mut connection = connect(server);
        for path in ["/", "/healthz", "/nothing", "/secure-data"] {
            let request = |method: &str| {
                format!("{method} {path} HTTP/1.1\r\nHost: x\r\nX-Request-Id: same\r\n\r\n")
            };
            send(&connection, request("GET").as_bytes());
            let got = connection.next().unwrap();
            send(&connection, request("HEAD").as_bytes());
            let mut headed = connection.next_of_head().unwrap();
            assert_eq!(headed.status, got.status, "{engine:?} {path}");
            headed
                .headers
                .insert("date".to_owned(), got.headers["date"].clone());
            assert_eq!(headed.headers, got.headers, "{engine:?} {path}");
        }
    });
}

/// Whoever speaks HTTP/1.0 and wants to keep the connection has to be told that it is kept.
#[test]
fn a_kept_connection_of_http_1_0_is_said_to_be_kept() {
    on_both(|engine, server| {
        let mut connection = connect(server);
        for _ in 0..2 {
            send(
                &connection,
                b"GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
            );
            let answer = connection.next().unwrap();
            assert_eq!(answer.headers["connection"], "keep-alive", "{engine:?}");
        }
    });
}

#[test]
fn options_say_what_is_allowed() {
    on_both(|engine, server| {
        let mut connection = connect(server);
        for (target, allowed) in [("*", "GET"), ("/login", "POST"), ("/healthz", "HEAD")] {
            let request = format!("OPTIONS {target} HTTP/1.1\r\nHost: x\r\n\r\n");
            send(&connection, request.as_bytes());
            let answer = connection.next().unwrap();
            assert!(
                answer.headers["allow"].contains(allowed),
                "{engine:?} {target}"
            );
        }
        send(&connection, b"TRACE /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
        let answer = connection.next().unwrap();
        assert_eq!(in_words(&answer), "405 method_not_allowed");
        assert!(answer.headers["allow"].contains("GET"), "{engine:?}");
    });
}

#[test]
fn a_client_that_waits_for_leave_to_send_gets_it() {
    on_both(|engine, server| {
        let mut connection = connect(server);
        for _ in 0..2 {
            send(
                &connection,
                &head("Content-Length: 16\r\nExpect: 100-continue\r\n"),
            );
            assert_eq!(connection.next().unwrap().status, 100, "{engine:?}");
            send(&connection, BODY);
            assert_eq!(connection.next().unwrap().status, 200, "{engine:?}");
        }
        send(
            &connection,
            &head("Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n"),
        );
        assert_eq!(connection.next().unwrap().status, 100, "{engine:?}");
        send(&connection, &[b"10\r\n", BODY, b"\r\n0\r\n\r\n"].concat());
        assert_eq!(connection.next().unwrap().status, 200, "{engine:?}");
    });
}

/// In pieces of every size, cut at every byte: the same answers.
#[test]
fn where_a_request_is_cut_does_not_matter() {
    let chunked = [
        &head("Transfer-Encoding: chunked\r\n"),
        &b"5;a=\"b\"\r\n"[..],
        &BODY[..5],
        b"\r\nB\r\n",
        &BODY[5..],
        b"\r\n0\r\n\r\n",
    ]
    .concat();
    let requests = [GET, &login(), &chunked, GET].concat();
    on_both(|engine, server| {
        // tiny_http leaves some of many connections waiting, and each for the kernel's word that its last answer came in.
        let (step, together) = match engine {
            Engine::Pool => (1, 50),
            Engine::TinyHttp => (15, 1),
        };
        let cuts: Vec<usize> = (1..requests.len()).step_by(step).collect();
        for some in cuts.chunks(together) {
            let mut cut: Vec<_> = some
                .iter()
                .map(|at| (at, connect(server)))
                .inspect(|(at, connection)| send(connection, &requests[..**at]))
                .collect();
            // Long enough for the first parts to have been read.
            thread::sleep(Duration::from_millis(30));
            for (at, connection) in &cut {
                send(connection, &requests[**at..]);
            }
            for (at, connection) in &mut cut {
                for _ in 0..4 {
                    let answer = connection.next();
                    let status = answer.as_ref().map(|answer| answer.status);
                    assert_eq!(
                        status.ok(),
                        Some(200),
                        "{engine:?}, cut at {at}: {answer:?}"
                    );
                }
            }
        }
        let mut bytes = connect(server);
        for byte in &requests {
            send(&bytes, &[*byte]);
        }
        for _ in 0..4 {
            assert_eq!(
                bytes.next().unwrap().status,
                200,
                "{engine:?}, byte by byte"
            );
        }
    });
}

#[test]
fn a_client_that_says_it_is_done_gets_its_answers() {
    on_both(|engine, server| {
        for requests in [GET.to_vec(), login(), GET.repeat(20)] {
            let mut connection = connect(server);
            send(&connection, &requests);
            connection.get_ref().shutdown(Shutdown::Write).unwrap();
            let mut answers = 0;
            while let Ok(answer) = connection.next() {
                assert_eq!(answer.status, 200, "{engine:?}");
                answers += 1;
            }
            let wanted = if requests.len() > 500 { 20 } else { 1 };
            assert_eq!(answers, wanted, "{engine:?}");
            assert_eq!(connection.next().unwrap_err(), End::Closed, "{engine:?}");
        }
    });
}

#[test]
fn a_request_that_ends_too_early_is_not_run() {
    on_both(|engine, server| {
        for part in [
            &GET[..GET.len() - 1],
            &login()[..login().len() - 1],
            &[
                &head("Transfer-Encoding: chunked\r\n"),
                &b"10\r\n"[..],
                BODY,
                b"\r\n",
            ]
            .concat(),
            &[
                &head("Transfer-Encoding: chunked\r\n"),
                &b"10\r\n"[..],
                BODY,
                b"\r\n0\r\n",
            ]
            .concat(),
        ] {
            let mut connection = connect(server);
            send(&connection, part);
            connection.get_ref().shutdown(Shutdown::Write).unwrap();
            match connection.next() {
                Ok(answer) => assert_eq!(answer.status, 400, "{engine:?}"),
                Err(end) => assert_eq!(end, End::Closed, "{engine:?}"),
            }
        }
    });
}

#[test]
fn clients_that_vanish_leave_nothing_behind() {
    on_both(|engine, server| {
        let before = server.descriptors();
        for n in 0..200 {
            let mut connection = connect(server);
            send(&connection, &[GET, GET, &login()].concat());
            if n % 2 == 0 {
                // What is unread when the socket is closed makes a reset of it.
                assert_eq!(connection.next().unwrap().status, 200);
            }
        }
        // tiny_http's listening and probing takes a few of its own.
        let allowed = before + if engine == Engine::Pool { 0 } else { 4 };
        server.waits_for_descriptors(allowed, PATIENCE);
    });
}

/// A refused client that sends for longer is cut off.
const CUT_OFF: Duration = Duration::from_millis(1900);

/// An answer that comes while the client still sends must not be lost to a reset.
#[test]
fn a_refusal_reaches_a_client_that_is_still_sending() {
    on_both(|engine, server| {
        for fields in [
            "Content-Length: 3000000\r\n",
            "Transfer-Encoding: chunked\r\n",
        ] {
            unless_held_up(CUT_OFF, || {
                let mut connection = connect(server);
                send(&connection, &head(fields));
                let chunk = [&b"10000\r\n"[..], &[b' '; 0x10000], b"\r\n"].concat();
                let mut sent = 0;
                // As much as was promised, however early the answer is there. Paced: a network is slower than a loopback.
                while sent < 3_000_000 && connection.get_ref().write_all(&chunk).is_ok() {
                    sent += chunk.len();
                    thread::sleep(Duration::from_millis(3));
                }
                if engine == Engine::Pool {
                    assert!(sent >= 3_000_000, "cut off after {sent} bytes");
                }
                let answer = connection.next();
                let words = answer.as_ref().map(in_words);
                assert_eq!(
                    words.ok().as_deref(),
                    Some("413 body_too_large"),
                    "{engine:?} {fields} after {sent} bytes: {answer:?}"
                );
            });
        }
    });
}

#[test]
fn a_hundred_thousand_tiny_chunks_take_no_more_memory_than_their_data() {
    on_both(|engine, server| {
        let before = server.resident();
        let mut connection = connect(server);
        let mut request = head("Transfer-Encoding: chunked\r\n");
        for _ in 0..100_000 {
            request.extend_from_slice(b"1\r\n \r\n");
        }
        request.extend_from_slice(&[b"10\r\n", BODY, b"\r\n0\r\n\r\n"].concat());
        let start = Instant::now();
        send(&connection, &request);
        assert_eq!(connection.next().unwrap().status, 200, "{engine:?}");
        let grown = server.peak().saturating_sub(before);
        println!(
            "{engine:?}: {:.1?}, {grown} KiB more at most",
            start.elapsed()
        );
        assert!(grown < 4096, "{engine:?}: {grown} KiB");
    });
}

#[test]
fn several_addresses_are_served_at_once() {
    for engine in Engine::ALL {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("socket");
        let listen = format!("127.0.0.1:0,[::1]:0,unix:{}", path.display());
        let server = engine.start(
            &home,
            &[
                ("SEALGATE_LISTEN", &listen),
                ("SEALGATE_SOCKET_MODE", "640"),
            ],
        );
        let sixth = server
            .greeting
            .split_once("http://[::1]:")
            .expect("IPv6 is served")
            .1;
        let sixth: u16 = sixth.split_once(' ').unwrap().0.parse().unwrap();
        assert_eq!(server.get("/healthz", None).status, 200);
        let over_ipv6 = TcpStream::connect(("::1", sixth)).unwrap();
        (&over_ipv6).write_all(&login()).unwrap();
        assert_eq!(Answers::new(over_ipv6).next().unwrap().status, 200);
        let over_unix = std::os::unix::net::UnixStream::connect(&path).unwrap();
        (&over_unix).write_all(&login()).unwrap();
        // tiny_http does not show who connects to a Unix socket.
        let wanted = match engine {
            Engine::Pool => 200,
            Engine::TinyHttp => 403,
        };
        assert_eq!(Answers::new(over_unix).next().unwrap().status, wanted);
        server.stop();
        assert!(!path.exists(), "{engine:?} leaves its socket behind");
    }
}
