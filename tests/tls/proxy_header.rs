//! A header of the PROXY protocol precedes the handshake, in the clear.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use openssl::ssl::{SslConnector, SslMethod, SslStream};

use super::common::load::connect_from;
use super::common::proxy::{Inherited, Proxy};
use super::common::wire::Answers;
use super::common::{PATIENCE, text};
use super::{Papers, Secure};

const LINE: &[u8] = b"PROXY TCP4 192.0.2.7 198.51.100.1 40000 443\r\n";
/// Version 2 for the same client, with an extension.
const BINARY: &[u8] =
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x11\xc0\0\x02\x07\xc6\x33\x64\x01\x9c\x40\x01\xbb\x02\0\x02tw";
/// The same, but without its first byte.
const DAMAGED: &[u8] =
    b"\n\r\n\0\r\nQUIT\n\x21\x11\0\x11\xc0\0\x02\x07\xc6\x33\x64\x01\x9c\x40\x01\xbb\x02\0\x02tw";

/// A socket that sends this before anything else, in the same segment unless it is sent byte by byte.
struct Begins {
    stream: TcpStream,
    first: Vec<u8>,
}

impl Read for Begins {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.stream.read(buffer)
    }
}

impl Write for Begins {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.first.is_empty() {
            return self.stream.write(bytes);
        }
        let both = [&std::mem::take(&mut self.first), bytes].concat();
        self.stream.write_all(&both)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.stream.flush()
    }
}

fn connect(secure: &Secure<'_>, last: u8) -> TcpStream {
    let stream = connect_from(last, secure.port).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

fn shake_hands(secure: &Secure<'_>, stream: TcpStream, first: &[u8]) -> Option<SslStream<Begins>> {
    let mut connector = SslConnector::builder(SslMethod::tls()).unwrap();
    connector
        .set_ca_file(secure.papers.path("own.pem"))
        .unwrap();
    let begins = Begins {
        stream,
        first: first.to_vec(),
    };
    connector.build().connect("localhost", begins).ok()
}

fn ask(stream: SslStream<Begins>, id: &str) {
    let mut answers = Answers::new(stream);
    for turn in 0..2 {
        let request = format!(
            "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: {id}-{turn}\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n"
        );
        answers.get_mut().write_all(request.as_bytes()).unwrap();
        assert_eq!(answers.next().unwrap().status, 200);
    }
}

/// How many lines of the log are about requests with this id and of this peer.
fn lines(log: &str, id: &str, peer: &str) -> usize {
    let (id, peer) = (format!(" id={id}-"), format!(" peer={peer} "));
    let lines = log.lines();
    lines
        .filter(|line| line.contains(&id) && line.contains(&peer))
        .count()
}

#[test]
fn the_handshake_follows_a_header_however_that_arrives() {
    let Some(papers) = Papers::new() else { return };
    let settings = |mode| {
        [
            ("SEALGATE_TRUSTED_PROXIES", "127.0.0.1"),
            ("SEALGATE_PROXY_PROTOCOL", mode),
        ]
    };
    for mode in ["accept", "require"] {
        let secure = papers.serve(&settings(mode));
        for (name, header) in [("v1", LINE), ("v2", BINARY)] {
            // In one segment with the hello.
            ask(
                shake_hands(&secure, connect(&secure, 1), header).unwrap(),
                &format!("{name}-joined"),
            );
            let mut stream = connect(&secure, 1);
            for byte in header {
                stream.write_all(&[*byte]).unwrap();
                thread::sleep(Duration::from_micros(200));
            }
            ask(
                shake_hands(&secure, stream, b"").unwrap(),
                &format!("{name}-dripped"),
            );
        }
        for (header, why) in [
            (&b"PROXY TCP4 192.0.2.7\r\n"[..], "a malformed line"),
            (&[LINE, LINE].concat(), "two headers"),
            (&[LINE, BINARY].concat(), "one of each"),
            (&BINARY[..20], "half a header"),
            (DAMAGED, "a damaged header"),
            (b"\r\n\r\n", "the start of a header"),
        ] {
            assert!(
                shake_hands(&secure, connect(&secure, 1), header).is_none(),
                "{why}"
            );
        }
        // Neither side of the trust: without a header, and one that strangers send.
        assert_eq!(
            shake_hands(&secure, connect(&secure, 1), b"").is_some(),
            mode == "accept"
        );
        for header in [LINE, BINARY] {
            assert!(shake_hands(&secure, connect(&secure, 77), header).is_none());
        }
        assert_eq!(
            shake_hands(&secure, connect(&secure, 77), b"").is_some(),
            mode == "accept"
        );
        let log = secure.server.stop();
        for id in ["v1-joined", "v1-dripped", "v2-joined", "v2-dripped"] {
            assert_eq!(lines(&log, id, "192.0.2.7"), 2, "{id}: {log}");
        }
        assert!(!log.contains("6.6.6.6"), "{log}");
        assert!(
            log.contains("WARN  refused a connection from 127.0.0.1 "),
            "{log}"
        );
    }
}

#[test]
fn the_client_of_haproxy_is_known_through_tls() {
    let Some(papers) = Papers::new() else { return };
    let secure = papers.serve(&[
        ("SEALGATE_TRUSTED_PROXIES", "127.0.0.1"),
        ("SEALGATE_PROXY_PROTOCOL", "require"),
    ]);
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("haproxy.sock");
    let listen = Inherited::new();
    let config = format!(
        "defaults
            mode tcp
            timeout connect 60s
            timeout client 60s
            timeout server 60s
        listen tls
            bind fd@{}
            bind unix@{}
            server sealgate 127.0.0.1:{} send-proxy-v2 proxy-v2-options crc32c,authority\n",
        listen.descriptor,
        socket.display(),
        secure.port,
    );
    let proxy = Proxy::start("haproxy", folder.path(), socket, &config, &["-db"], "-f");
    let address = format!("localhost:{}:127.0.0.1", listen.port);
    let url = format!("https://localhost:{}/healthz", listen.port);
    for last in [77, 78] {
        let interface = format!("127.0.0.{last}");
        let id = format!("X-Request-Id: curl-{last}-");
        let output = secure.curl(&[
            "--interface",
            &interface,
            "--resolve",
            &address,
            "-H",
            &id,
            "-f",
            &url,
        ]);
        assert!(output.status.success(), "{}", text(&output.stderr));
    }
    drop(proxy);
    let log = secure.server.stop();
    for last in [77, 78] {
        assert_eq!(
            lines(&log, &format!("curl-{last}"), &format!("127.0.0.{last}")),
            1,
            "{log}"
        );
    }
}
