//! Bodies that nobody wants, and more of them than there is memory for.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use crate::common::load::good_client;
use crate::common::wire::{Answers, End};
use crate::common::{Server, unless_held_up};
use crate::{GET, alone, beside_others, good_client_waits, start};

const LOGIN: &[u8] = b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n{\"username\":\"a\"}";

/// The head of an upload.
fn head(path: &str, length: &str, token: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAuthorization: Bearer {token}\r\n{length}\r\n\r\n"
    )
}

/// So many uploads that stop short of their end.
fn unfinished(server: &Server, clients: usize, first: &[u8], body: usize) -> Vec<TcpStream> {
    let rest = vec![b' '; body];
    (0..clients)
        .map(|_| {
            let stream = server.connect();
            // Whoever is refused need not get rid of all of it.
            stream
                .set_write_timeout(Some(Duration::from_millis(500)))
                .unwrap();
            let _ = (&stream)
                .write_all(first)
                .and_then(|()| (&stream).write_all(&rest));
            stream
        })
        .collect()
}

#[test]
fn uploads_that_do_not_end_keep_no_login_waiting() {
    let _alone = alone();
    let home = tempfile::tempdir().unwrap();
    let server = start(&home, &[]);
    let token = server.log_in("alice");
    let sized = "Content-Length: 1000000";
    let chunked = "Transfer-Encoding: chunked\r\n\r\nF0000";
    let short = "Content-Length: 16384";
    for (name, first, clients, body) in [
        ("at no path", head("/nope", sized, ""), 43, 820_000),
        (
            "at no path, in chunks",
            head("/nope", chunked, ""),
            43,
            820_000,
        ),
        ("without a token", head("/encrypt", sized, ""), 43, 820_000),
        ("to log in", head("/login", sized, ""), 43, 820_000),
        ("to encrypt", head("/encrypt", sized, &token), 100, 900_000),
        (
            "to encrypt, in chunks",
            head("/encrypt", chunked, &token),
            100,
            900_000,
        ),
        (
            "to log in, short ones",
            head("/login", short, ""),
            500,
            16_000,
        ),
    ] {
        // The last line break of a chunk's size stands behind the size alone.
        let first = first
            .strip_suffix("\r\n")
            .filter(|_| first.contains("chunked"))
            .unwrap_or(&first);
        let crowd = unfinished(&server, clients, first.as_bytes(), body);
        let served = good_client(server.port, LOGIN, 30);
        served.assert_within(good_client_waits(100), &format!("uploads {name}"));
        drop(crowd);
    }
    let peak = server.peak();
    println!("{peak} KiB at most");
    assert!(peak < 120 << 10, "{peak} KiB");
    server.stop();
}

/// What is announced takes no memory.
#[test]
fn an_announced_length_alone_costs_nothing() {
    let _alone = alone();
    let home = tempfile::tempdir().unwrap();
    let server = start(&home, &[("SEALGATE_MAX_BODY", "60000000")]);
    let token = server.log_in("alice");
    good_client(server.port, GET, 20);
    let resident = server.resident();
    let first = head("/encrypt", "Content-Length: 60000000", &token);
    let crowd = unfinished(&server, 300, first.as_bytes(), 1000);
    good_client(server.port, GET, 20);
    let grown = server.resident().saturating_sub(resident);
    assert!(grown < 300 * 16, "{grown} KiB");
    drop(crowd);
    server.stop();
}

/// A short body that is not wanted is passed over, a long one ends the connection; both clients get to read why.
#[test]
fn a_refused_upload_is_answered_before_it_ends() {
    let _beside = beside_others();
    let home = tempfile::tempdir().unwrap();
    let server = start(&home, &[]);
    for (path, status) in [("/nope", 404), ("/healthz", 405), ("/encrypt", 401)] {
        let mut short = Answers::new(server.connect());
        let first = head(path, "Content-Length: 9", "");
        short.get_ref().write_all(first.as_bytes()).unwrap();
        // Nothing of the body has been sent yet.
        let answer = short.next().unwrap();
        assert_eq!(answer.status, status);
        assert_eq!(answer.headers.get("connection"), None);
        for part in ["GET", " /", " HT"] {
            short.get_ref().write_all(part.as_bytes()).unwrap();
            thread::sleep(Duration::from_millis(20));
        }
        let next = [b"\n", &GET.repeat(2)[..]].concat();
        short.get_ref().write_all(&next).unwrap();
        assert_eq!(short.next().unwrap().status, 200);
        assert_eq!(short.next().unwrap().status, 200);

        // Whoever has not sent it within two seconds is cut off.
        unless_held_up(Duration::from_millis(1900), || {
            let mut long = Answers::new(server.connect());
            let first = head(path, "Content-Length: 900000", "");
            let mut stream = long.get_ref();
            stream.write_all(first.as_bytes()).unwrap();
            stream.write_all(&[b' '; 900_000]).unwrap();
            let answer = long.next().unwrap();
            assert_eq!(
                (answer.status, answer.headers["connection"].as_str()),
                (status, "close")
            );
            assert_eq!(long.next().unwrap_err(), End::Closed);
        });
    }
    // Whoever waits for leave is not told to go on, and what it sends then is not known.
    let mut waits = Answers::new(server.connect());
    let first = head("/nope", "Content-Length: 9\r\nExpect: 100-continue", "");
    waits.get_ref().write_all(first.as_bytes()).unwrap();
    let answer = waits.next().unwrap();
    assert_eq!(
        (answer.status, answer.headers["connection"].as_str()),
        (404, "close")
    );
    // A client that ends in the middle of an unwanted body gets no second answer.
    let stream = server.connect();
    let first = head("/nope", "Content-Length: 9", "");
    (&stream).write_all(first.as_bytes()).unwrap();
    thread::sleep(Duration::from_millis(100));
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut all = String::new();
    (&stream).read_to_string(&mut all).unwrap();
    assert_eq!(all.matches("HTTP/1.1").count(), 1, "{all}");
    server.stop();
}

#[test]
fn past_the_ceiling_of_buffered_bytes_the_slowest_body_makes_room() {
    let _beside = beside_others();
    let home = tempfile::tempdir().unwrap();
    let settings = [
        ("SEALGATE_MAX_BUFFERED", "2097152"),
        ("SEALGATE_MAX_BODY", "1000000"),
    ];
    let server = start(&home, &settings);
    let token = server.log_in("alice");
    let body = r#"{"data":""#.to_owned() + &"x".repeat(900_000 - 11) + r#""}"#;
    let head = head("/encrypt", "Content-Length: 900000", &token);
    let begin = |part: usize| {
        let connection = Answers::new(server.connect());
        let bytes = [&head, &body[..part]].concat();
        connection.get_ref().write_all(bytes.as_bytes()).unwrap();
        connection
    };
    let mut stalled = begin(850_000);
    thread::sleep(Duration::from_millis(1500));
    let mut second = begin(850_000);
    let mut third = begin(900_000);
    assert_eq!(third.next().unwrap().status, 200);
    let answer = stalled.next().unwrap();
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (503, "unavailable")
    );
    assert!(answer.headers["retry-after"].parse::<u64>().unwrap() >= 1);
    assert_eq!(answer.headers["connection"], "close");
    let rest = &body.as_bytes()[850_000..];
    second.get_ref().write_all(rest).unwrap();
    assert_eq!(second.next().unwrap().status, 200);
    server.stop();
}
