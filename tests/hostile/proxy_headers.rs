//! Headers of the PROXY protocol, right and wrong, from trusted peers and from others: nobody is misled about a client's
//! address, and nobody is kept out. `cases` has the headers, `slow` those that take their time.

mod cases;
mod slow;

use std::io::Write;
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use crate::common::load::connect_from;
use crate::common::wire::{Answers, End};
use crate::common::{Answer, PATIENCE};
use crate::{GET, beside_others, start};
use cases::cases;

const TRUSTED: (&str, &str) = ("SEALGATE_TRUSTED_PROXIES", "127.0.0.1");
const ACCEPT: (&str, &str) = ("SEALGATE_PROXY_PROTOCOL", "accept");
const REQUIRE: (&str, &str) = ("SEALGATE_PROXY_PROTOCOL", "require");

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
const LINE: &str = "PROXY TCP4 192.0.2.7 198.51.100.1 40000 443\r\n";
/// The addresses of that line.
const ADDRESSES: [u8; 12] = [192, 0, 2, 7, 198, 51, 100, 1, 0x9c, 0x40, 1, 0xbb];

/// A header of version 2 that gives its length as `length`.
fn claiming(length: usize, command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let length = u16::try_from(length).unwrap().to_be_bytes();
    [SIGNATURE, &[command, family], &length, block].concat()
}

fn binary(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    claiming(block.len(), command, family, block)
}

/// A header of version 2 for this client.
fn from(client: Ipv4Addr) -> Vec<u8> {
    binary(0x21, 0x11, &[&client.octets(), &ADDRESSES[4..]].concat())
}

/// A line of this length that names nobody.
fn unknown(length: usize) -> Vec<u8> {
    let start = "PROXY UNKNOWN ";
    format!("{start}{}\r\n", "x".repeat(length - start.len() - 2)).into_bytes()
}

fn request(id: &str, more: &str) -> Vec<u8> {
    format!("GET /healthz HTTP/1.1\r\nHost: x\r\nX-Request-Id: {id}\r\n{more}\r\n").into_bytes()
}

/// The peer in the access log's line of the request with this id.
fn peer(log: &str, id: &str) -> String {
    let line = log
        .lines()
        .find(|line| line.contains(&format!(" id={id} ")));
    let line = line.unwrap_or_else(|| panic!("{id} is not in the log: {log}"));
    let (_, rest) = line.split_once(" peer=").unwrap();
    rest.split(' ').next().unwrap().to_owned()
}

/// What comes back for these bytes: a status, and how the connection ended.
fn outcome(mut stream: TcpStream, bytes: &[u8], pieces: usize) -> String {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    for piece in bytes.chunks(pieces) {
        // A server that has already refused need not take all of it.
        let _ = stream.write_all(piece);
        if pieces == 1 {
            // So that they do not arrive together.
            thread::sleep(Duration::from_micros(200));
        }
    }
    let mut answers = Answers::new(stream);
    match answers.next() {
        Ok(answer) => match answer.header("Connection") {
            Some("close") => format!("{}, {:?}", answer.status, answers.next().unwrap_err()),
            _ => answer.status.to_string(),
        },
        Err(end) => format!("{end:?}"),
    }
}

const REFUSED: &str = "400, Closed";

#[test]
fn each_header_is_read_in_one_way_or_refused_however_it_arrives() {
    let _beside = beside_others();
    let home = tempfile::tempdir().unwrap();
    let server = start(&home, &[TRUSTED, REQUIRE]);
    let cases = cases();
    for (name, header, expected) in &cases {
        for pieces in [usize::MAX, 1, 13] {
            // Whoever has not sent all within two seconds of a refusal is cut off.
            if pieces < 100 && header.len() > 1000 {
                continue;
            }
            let id = format!("{name}-{pieces}");
            // A proxy would not have written this one.
            let request = request(&id, "X-Forwarded-For: 6.6.6.6\r\nConnection: close\r\n");
            let found = outcome(server.connect(), &[&header[..], &request].concat(), pieces);
            let wanted = if *expected == REFUSED {
                REFUSED
            } else {
                "200, Closed"
            };
            assert_eq!(found, wanted, "{id}");
        }
    }
    assert_eq!(server.get("/healthz", None).status, 400, "without a header");
    let log = server.stop();
    for (name, header, expected) in &cases {
        if *expected != REFUSED {
            assert_eq!(peer(&log, &format!("{name}-{}", usize::MAX)), *expected);
            assert!(header.len() > 1000 || peer(&log, &format!("{name}-1")) == *expected);
        }
    }
    assert!(!log.contains("6.6.6.6"), "{log}");
    let warned = log
        .lines()
        .filter(|line| line.contains("WARN  refused a connection from 127.0.0.1 "));
    let warned: Vec<&str> = warned.collect();
    assert!(
        warned[0].contains("the PROXY protocol header is invalid: "),
        "{log}"
    );
    assert!(warned.len() < cases.len() / 2, "one line for each: {log}");
}

#[test]
fn a_connection_may_begin_without_a_header_where_it_is_accepted() {
    let _beside = beside_others();
    let home = tempfile::tempdir().unwrap();
    let server = start(&home, &[TRUSTED, ACCEPT]);
    let forwarded = "X-Forwarded-For: 203.0.113.9\r\n";
    let cases = [
        ("none", &b""[..], "", "127.0.0.1"),
        // A proxy of the other kind.
        ("forwarded", b"", forwarded, "203.0.113.9"),
        ("named", LINE.as_bytes(), forwarded, "192.0.2.7"),
        // What begins like a header and goes on otherwise is not lost.
        ("lines", b"\r\n\r\n", "", "127.0.0.1"),
    ];
    for (name, first, more, _) in cases {
        for pieces in [usize::MAX, 1] {
            let id = format!("{name}-{pieces}");
            let bytes = [first, &request(&id, more)].concat();
            assert_eq!(outcome(server.connect(), &bytes, pieces), "200", "{id}");
        }
    }
    for pieces in [usize::MAX, 1] {
        let method = b"POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(outcome(server.connect(), method, pieces), "405");
        let unknown = b"PROXY / HTTP/1.1\r\nHost: x\r\n\r\n";
        assert_eq!(outcome(server.connect(), unknown, pieces), REFUSED);
    }
    let log = server.stop();
    for (name, _, _, caller) in cases {
        for pieces in [usize::MAX, 1] {
            assert_eq!(peer(&log, &format!("{name}-{pieces}")), caller);
        }
    }
}

#[test]
fn the_header_of_an_untrusted_peer_is_no_request() {
    let _beside = beside_others();
    let home = tempfile::tempdir().unwrap();
    for mode in ["off", "accept"] {
        let server = start(&home, &[TRUSTED, ("SEALGATE_PROXY_PROTOCOL", mode)]);
        for (number, header) in [LINE.as_bytes().to_vec(), from([192, 0, 2, 7].into())]
            .iter()
            .enumerate()
        {
            for pieces in [usize::MAX, 1] {
                let bytes = [&header[..], &request(&format!("forged-{number}"), "")].concat();
                let stranger = connect_from(77, server.port).unwrap();
                assert_eq!(outcome(stranger, &bytes, pieces), REFUSED, "{mode}");
            }
        }
        let stranger = connect_from(77, server.port).unwrap();
        assert_eq!(outcome(stranger, &request("plain", ""), usize::MAX), "200");
        let log = server.stop();
        assert_eq!(peer(&log, "plain"), "127.0.0.77");
        assert!(
            !log.contains("192.0.2.7") && !log.contains("forged"),
            "{log}"
        );
    }
}

#[test]
fn where_it_is_required_others_may_only_speak_for_themselves() {
    let _beside = beside_others();
    let home = tempfile::tempdir().unwrap();
    let server = start(&home, &[TRUSTED, REQUIRE]);
    let stranger = || connect_from(77, server.port).unwrap();
    for (id, header, expected) in [
        ("none", Vec::new(), REFUSED),
        ("named-1", LINE.as_bytes().to_vec(), REFUSED),
        ("named-2", from([192, 0, 2, 7].into()), REFUSED),
        ("itself-1", b"PROXY UNKNOWN\r\n".to_vec(), "200"),
        ("itself-2", binary(0x20, 0, &[]), "200"),
    ] {
        let bytes = [&header[..], &request(id, "X-Forwarded-For: 6.6.6.6\r\n")].concat();
        assert_eq!(outcome(stranger(), &bytes, usize::MAX), expected, "{id}");
    }
    // Nobody logs in without an account over such a connection, whoever owns it.
    let body = r#"{"username":"a"}"#;
    let login = format!(
        "PROXY UNKNOWN\r\nPOST /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    for mut stream in [stranger(), server.connect()] {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(login.as_bytes()).unwrap();
        let answer = Answer::read(&mut stream).unwrap();
        assert_eq!((answer.status, &*answer.code()), (403, "login_refused"));
    }
    let log = server.stop();
    assert!(
        log.contains("WARN  refused a connection from 127.0.0.77 (SEALGATE_PROXY_PROTOCOL): the connection does not begin"),
        "{log}"
    );
    for id in ["itself-1", "itself-2"] {
        assert_eq!(peer(&log, id), "127.0.0.77");
    }
    assert!(
        !log.contains("6.6.6.6") && !log.contains("192.0.2.7"),
        "{log}"
    );
}

#[test]
fn a_header_counts_for_all_requests_of_its_connection_and_comes_once() {
    let _beside = beside_others();
    let home = tempfile::tempdir().unwrap();
    let server = start(&home, &[TRUSTED, ACCEPT]);
    for (number, header) in [LINE.as_bytes().to_vec(), from([192, 0, 2, 7].into())]
        .iter()
        .enumerate()
    {
        let mut connection = Answers::new(server.connect());
        let ask = |connection: &Answers<TcpStream>, bytes: &[u8]| {
            let mut stream = connection.get_ref();
            stream.write_all(bytes).unwrap();
        };
        ask(&connection, header);
        for turn in 0..3 {
            ask(&connection, &request(&format!("{number}-{turn}"), ""));
            assert_eq!(connection.next().unwrap().status, 200);
        }
        // Pipelined ones are of the same client too.
        let both = [
            request(&format!("{number}-3"), ""),
            request(&format!("{number}-4"), ""),
        ]
        .concat();
        ask(&connection, &both);
        assert_eq!(connection.next().unwrap().status, 200);
        assert_eq!(connection.next().unwrap().status, 200);
        ask(
            &connection,
            &[&from([203, 0, 113, 9].into())[..], &request("late", "")].concat(),
        );
        assert_eq!(connection.next().unwrap().status, 400);
        assert_eq!(connection.next().unwrap_err(), End::Closed);
    }
    let log = server.stop();
    for number in 0..2 {
        for turn in 0..5 {
            assert_eq!(peer(&log, &format!("{number}-{turn}")), "192.0.2.7");
        }
    }
    assert!(
        !log.contains("203.0.113.9") && !log.contains("late"),
        "{log}"
    );
}

#[test]
fn the_named_client_is_the_one_that_is_limited_and_audited() {
    let _beside = beside_others();
    let home = tempfile::tempdir().unwrap();
    let audit = home.path().join("audit");
    let server = start(
        &home,
        &[
            TRUSTED,
            REQUIRE,
            ("SEALGATE_LOGIN", "open"),
            ("SEALGATE_LOGIN_MAX_REQUESTS", "2"),
            ("SEALGATE_LOGIN_WINDOW", "3600"),
            ("SEALGATE_MAX_CONNECTIONS_PER_ADDRESS", "2"),
            ("SEALGATE_AUDIT_FILE", audit.to_str().unwrap()),
        ],
    );
    let login = |client: [u8; 4]| {
        let body = r#"{"username":"a"}"#;
        let head = format!(
            "POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n{body}",
            body.len()
        );
        outcome(
            server.connect(),
            &[&from(client.into()), head.as_bytes()].concat(),
            usize::MAX,
        )
    };
    let (one, other) = ([192, 0, 2, 7], [192, 0, 2, 8]);
    for status in ["200, Closed", "200, Closed", "429, Closed"] {
        assert_eq!(login(one), status);
    }
    assert_eq!(login(other), "200, Closed");

    // Of each address two connections may be open at once, whoever opens them.
    let open = |client: [u8; 4]| {
        let mut connection = Answers::new(server.connect());
        let _ = connection
            .get_mut()
            .write_all(&[&from(client.into()), GET].concat());
        let status = connection.next().map(|answer| answer.status);
        (connection, status)
    };
    // Those of the logins are closed, but the server may not have noticed yet.
    server.settled_descriptors();
    let kept: Vec<_> = [one, one, other, other].map(open).into();
    assert!(kept.iter().all(|(_, status)| *status == Ok(200)));
    for client in [one, other] {
        assert!(matches!(open(client).1, Err(End::Closed | End::Reset)));
    }
    drop(kept);
    server.settled_descriptors();
    assert_eq!(open(one).1, Ok(200));
    server.stop();
    let audit = std::fs::read_to_string(audit).unwrap();
    let peers: Vec<&str> = audit
        .lines()
        .filter(|line| line.contains(" event=login "))
        .map(|line| {
            line.split_once(" peer=")
                .unwrap()
                .1
                .split(' ')
                .next()
                .unwrap()
        })
        .collect();
    assert_eq!(peers, ["192.0.2.7", "192.0.2.7", "192.0.2.8"], "{audit}");
}

#[test]
fn a_unix_socket_is_a_trusted_peer_where_it_is_named_so() {
    let _beside = beside_others();
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("socket");
    let listen = format!("127.0.0.1:0,unix:{}", path.display());
    for (trusted, status, caller) in [("unix", 200, "192.0.2.7"), ("127.0.0.1", 400, "")] {
        let settings = [
            ("SEALGATE_LISTEN", &*listen),
            ("SEALGATE_TRUSTED_PROXIES", trusted),
            ACCEPT,
        ];
        let server = start(&home, &settings);
        let mut stream = UnixStream::connect(&path).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        for byte in LINE.as_bytes() {
            let _ = stream.write_all(&[*byte]);
        }
        let _ = stream.write_all(&request("unix", ""));
        assert_eq!(
            Answer::read(&mut stream).unwrap().status,
            status,
            "{trusted}"
        );
        let log = server.stop();
        if status == 200 {
            assert_eq!(peer(&log, "unix"), caller);
        }
    }
}
