//! What a browser reads from the responses before it hands them to a page of another origin. A real browser reads them in
//! tests/python/test_browser.py.

use std::fs;
use std::io::Write;
use std::net::TcpStream;

use openssl::ssl::{SslConnector, SslMethod};

use crate::common::pair::Pair;
use crate::common::{Answer, PATIENCE, Server};

const PAGE: &str = "https://app.example";
const ENGINES: [&str; 2] = ["pool", "tiny-http"];

fn on_both(settings: &[(&str, &str)], test: impl Fn(&str, &Server)) {
    for engine in ENGINES {
        let home = tempfile::tempdir().unwrap();
        let server = Server::start_with(home.path(), |command| {
            command
                .env("SEALGATE_ENGINE", engine)
                .env(
                    "SEALGATE_CORS_ORIGINS",
                    format!("http://other.example, {PAGE}"),
                )
                .envs(settings.iter().copied());
        });
        test(engine, &server);
        let log = server.stop();
        assert_eq!(crate::common::panics(&log), [""; 0], "{engine}");
    }
}

/// `fields`: whole lines.
fn request(line: &str, fields: &str) -> String {
    format!("{line} HTTP/1.1\r\nHost: localhost\r\nOrigin: {PAGE}\r\n{fields}\r\n")
}

fn origin(answer: &Answer) -> Option<&str> {
    answer.header("Access-Control-Allow-Origin")
}

fn readable(answer: &Answer) {
    assert_eq!(origin(answer), Some(PAGE), "{answer:?}");
    assert_eq!(answer.header("Vary"), Some("Origin"), "{answer:?}");
    let exposed = answer.header("Access-Control-Expose-Headers").unwrap();
    for name in answer.headers.keys() {
        // Those that browsers always permit, those that are for them, and those that say nothing to a page.
        let others = [
            "cache-control",
            "content-length",
            "content-type",
            "connection",
            "date",
            "server",
            "vary",
            "x-content-type-options",
        ];
        assert!(
            others.contains(&&**name)
                || name.starts_with("access-control-")
                || exposed
                    .split(", ")
                    .any(|known| known.eq_ignore_ascii_case(name)),
            "{name}: {exposed}"
        );
    }
}

#[test]
fn a_page_asks_logs_in_and_reads_data_and_problems() {
    let settings = [("MAX_REQUESTS", "1"), ("SEALGATE_LOGIN_MAX_REQUESTS", "3")];
    on_both(&settings, |engine, server| {
        let asks = |path: &str, method: &str| {
            let fields = format!(
                "Access-Control-Request-Method: {method}\r\nAccess-Control-Request-Headers: authorization,content-type\r\n"
            );
            let answer = server.send(request(&format!("OPTIONS {path}"), &fields).as_bytes());
            assert_eq!((answer.status, &*answer.body), (204, ""), "{engine} {path}");
            assert_eq!(origin(&answer), Some(PAGE));
            assert_eq!(
                answer.header("Vary"),
                Some("Origin, Access-Control-Request-Method")
            );
            let headers = answer.header("Access-Control-Allow-Headers").unwrap();
            assert!(headers.starts_with("Authorization, Content-Type, "));
            let methods = answer.header("Access-Control-Allow-Methods");
            assert!(
                methods.is_some_and(|methods| methods.contains(method)),
                "{methods:?}"
            );
        };
        // More often than any limit permits requests.
        for _ in 0..10 {
            asks("/login", "POST");
            asks("/secure-data", "GET");
        }
        let body = r#"{"username":"alice"}"#;
        let fields = format!(
            "Content-Type: application/json\r\nContent-Length: {}\r\n",
            body.len()
        );
        let login = server.send((request("POST /login", &fields) + body).as_bytes());
        assert_eq!(login.status, 200, "{engine} {}", login.body);
        readable(&login);
        let token = format!(
            "Authorization: Bearer {}\r\n",
            login.json()["token"].as_str().unwrap()
        );
        let send = |fields: &str| server.send(request("GET /secure-data", fields).as_bytes());
        for (fields, status) in [(&*token, 200), (&*token, 429), ("", 401)] {
            let answer = send(fields);
            assert_eq!(answer.status, status, "{engine} {}", answer.body);
            readable(&answer);
        }
        let unknown = server.send(request("GET /nothing", "").as_bytes());
        assert_eq!(unknown.code(), "not_found");
        readable(&unknown);
    });
}

#[test]
fn a_refused_request_can_be_read_if_its_origin_is_known() {
    let settings = [
        ("SEALGATE_MAX_BODY", "2000"),
        ("SEALGATE_MAX_CREDENTIALS", "1024"),
    ];
    on_both(&settings, |engine, server| {
        let twice = "Content-Length: 1\r\nContent-Length: 1\r\n";
        let both = "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n";
        for (fields, body, status, name) in [
            ("Content-Length: 3000\r\n", "", 413, "body_too_large"),
            (twice, "{", 400, "bad_request"),
            (both, "0\r\n\r\n", 400, "bad_request"),
            ("Host: two\r\n", "", 400, "bad_request"),
        ] {
            let fields = format!("Content-Type: application/json\r\n{fields}");
            let answer = server.send((request("POST /login", &fields) + body).as_bytes());
            assert_eq!(
                (answer.status, &*answer.code()),
                (status, name),
                "{engine} {fields}"
            );
            readable(&answer);
        }
        // What is not HTTP says nothing about a page; tiny_http reads it as HTTP.
        if engine == "pool" {
            for line in ["Origin: https://app.example\r", " folded", "X\x07: y"] {
                let answer = server.send(request("GET /", &format!("{line}\r\n")).as_bytes());
                assert_eq!((answer.status, origin(&answer)), (400, None), "{line:?}");
            }
        }
    });
}

#[test]
fn an_origin_that_is_not_permitted_gets_no_headers() {
    on_both(&[], |engine, server| {
        let long = format!("Origin: {PAGE}{}\r\n", "x".repeat(9000));
        for (fields, status) in [
            ("Origin: https://app.example.evil.com\r\n", 200),
            ("Origin: https://evilapp.example\r\n", 200),
            ("Origin: HTTPS://APP.EXAMPLE\r\n", 200),
            ("Origin: https://app.example, https://app.example\r\n", 200),
            (
                "Origin: https://app.example\r\nOrigin: https://app.example\r\n",
                200,
            ),
            (
                "Origin: http://other.example\r\norigin: https://app.example\r\n",
                200,
            ),
            ("Origin: null\r\n", 200),
            ("Origin:\r\n", 200),
            (&long, 200),
            ("Origin: https://app.example\0\r\n", 400),
            ("", 200),
        ] {
            let bytes = format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n");
            let answer = server.send_all(bytes.as_bytes());
            let lower = answer.to_ascii_lowercase();
            assert!(
                answer.starts_with(&format!("HTTP/1.1 {status} ")),
                "{engine} {fields:?}: {answer}"
            );
            assert!(
                !lower.contains("access-control-"),
                "{engine} {fields:?}: {answer}"
            );
            if status == 200 {
                assert!(
                    lower.contains("\r\nvary: origin\r\n"),
                    "{engine} {fields:?}: {answer}"
                );
            }
        }
        // White space around a value is not part of it (RFC 9110, section 5.5).
        let spaced = b"GET / HTTP/1.1\r\nHost: localhost\r\nOrigin:\t https://app.example \r\n\r\n";
        assert_eq!(origin(&server.send(spaced)), Some(PAGE), "{engine}");
    });
}

/// The head has named the page, whatever becomes of the body.
#[test]
fn a_body_that_does_not_arrive_is_answered_to_its_page() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start(
        home.path(),
        &[
            ("SEALGATE_CORS_ORIGINS", PAGE),
            ("SEALGATE_BODY_TIMEOUT", "1"),
        ],
    );
    let json = "Content-Type: application/json\r\nX-Request-Id: own\r\n";
    for framing in [
        "Content-Length: 100\r\n\r\n{",
        "Transfer-Encoding: chunked\r\n\r\n64\r\n{",
    ] {
        let whole = request("POST /login", &format!("{json}{framing}"));
        let bytes = whole.strip_suffix("\r\n").unwrap();
        let late = server.send(bytes.as_bytes());
        assert_eq!((late.status, &*late.code()), (408, "timeout"), "{framing}");
        readable(&late);
        assert_eq!(late.header("X-Request-Id"), Some("own"));
        let ended = server.send_all(bytes.as_bytes());
        assert!(ended.starts_with("HTTP/1.1 400 "), "{ended}");
        assert!(
            ended.contains("Access-Control-Allow-Origin: https://app.example\r\n"),
            "{ended}"
        );
    }
    // No page is known from half a head.
    let half = server.send_all(format!("GET / HTTP/1.1\r\nOrigin: {PAGE}\r\n").as_bytes());
    assert!(
        half.starts_with("HTTP/1.1 400 ") && !half.contains("Access-Control-"),
        "{half}"
    );
    server.stop();
}

#[test]
fn over_tls_pages_get_the_same() {
    let home = tempfile::tempdir().unwrap();
    let root = Pair::new("Root", 1, 0, None);
    let pair = Pair::new("localhost", 2, 0, Some(&root));
    let path = |name: &str| home.path().join(name);
    fs::write(path("cert.pem"), pair.pem()).unwrap();
    fs::write(path("key.pem"), pair.key_pem()).unwrap();
    let server = Server::start_with(home.path(), |command| {
        command
            .env("SEALGATE_TLS_CERT", path("cert.pem"))
            .env("SEALGATE_TLS_KEY", path("key.pem"))
            .env("SEALGATE_CORS_ORIGINS", PAGE);
    });
    let (_, rest) = server.greeting.split_once("https://127.0.0.1:").unwrap();
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next();
    let port: u16 = digits.unwrap().parse().unwrap();
    let mut connector = SslConnector::builder(SslMethod::tls()).unwrap();
    let trusted = connector.cert_store_mut();
    trusted.add_cert(root.certificate.clone()).unwrap();
    let connector = connector.build();
    let ask = |request: String| {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut stream = connector.connect("localhost", stream).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        Answer::read(&mut stream).expect("an answer")
    };
    let answer = ask(request(
        "OPTIONS /secure-data",
        "Access-Control-Request-Method: GET\r\n",
    ));
    assert_eq!(answer.status, 204);
    assert_eq!(
        answer.header("Access-Control-Allow-Methods"),
        Some("GET, HEAD, OPTIONS")
    );
    let refused = ask(request("GET /secure-data", ""));
    assert_eq!(refused.status, 401);
    readable(&refused);
    server.stop();
}
