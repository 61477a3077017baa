//! TLS as clients of other makes see it: the real binary, `curl` and `openssl s_client`. Where these are not installed,
//! nothing is tested; `scripts/bootstrap test` installs both.

#![allow(clippy::unwrap_used, clippy::print_stderr)] // a test that panics has failed

#[path = "../common/mod.rs"]
mod common;
mod crowds;
mod known_clients;
mod proxy_header;
mod renewal;

use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use common::wire::Answers;
use common::{PATIENCE, Server, promised, run, text};
use openssl::ssl::{SslConnector, SslMethod};

/// A folder with a certificate for localhost, one for whom vouches for clients, and one of a client.
struct Papers {
    folder: tempfile::TempDir,
}

impl Papers {
    /// `None` where the programs are missing.
    fn new() -> Option<Papers> {
        for (program, argument) in [("openssl", "version"), ("curl", "--version")] {
            if Command::new(program).arg(argument).output().is_err() {
                eprintln!("skipped: there is no {program}");
                return None;
            }
        }
        let papers = Papers {
            folder: tempfile::tempdir().unwrap(),
        };
        // As docs/operations.md has it.
        let names = "subjectAltName=DNS:localhost,IP:127.0.0.1";
        papers.make("own", "/CN=localhost", &["-addext", names]);
        papers.make("ca", "/CN=Clients", &[]);
        let (ca, ca_key) = (papers.path("ca.pem"), papers.path("ca-key.pem"));
        let issued = [
            "-CA",
            ca.to_str().unwrap(),
            "-CAkey",
            ca_key.to_str().unwrap(),
        ];
        papers.make("alice", "/O=Example/CN=alice", &issued);
        papers.make("stranger", "/CN=alice", &[]);
        Some(papers)
    }

    fn make(&self, name: &str, subject: &str, more: &[&str]) {
        let output = Command::new("openssl")
            .args([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
            ])
            .args(["-nodes", "-days", "30", "-subj", subject])
            .args(more)
            .arg("-keyout")
            .arg(self.path(&format!("{name}-key.pem")))
            .arg("-out")
            .arg(self.path(&format!("{name}.pem")))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A server with these settings beside certificate and key.
    fn serve(&self, settings: &[(&str, &str)]) -> Secure<'_> {
        let server = Server::start_with(self.folder.path(), |command| {
            command
                .env("SEALGATE_TLS_CERT", self.path("own.pem"))
                .env("SEALGATE_TLS_KEY", self.path("own-key.pem"))
                .env("MAX_REQUESTS", "0")
                .envs(settings.iter().copied());
        });
        let (_, rest) = server
            .greeting
            .split_once("https://127.0.0.1:")
            .unwrap_or_else(|| panic!("no https address: {}", server.greeting));
        let digits = rest.split(|c: char| !c.is_ascii_digit()).next();
        Secure {
            port: digits.unwrap().parse().unwrap(),
            papers: self,
            server,
        }
    }
}

struct Secure<'a> {
    server: Server,
    port: u16,
    papers: &'a Papers,
}

impl Secure<'_> {
    fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.port)
    }

    fn curl(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new("curl");
        command
            .args(["-sS", "--max-time", "20", "--resolve"])
            .arg(format!("localhost:{}:127.0.0.1", self.port))
            .arg("--cacert")
            .arg(self.papers.path("own.pem"))
            .args(arguments);
        run(command, b"")
    }

    /// The body of an answer that has to be a good one.
    fn fetch(&self, path: &str, arguments: &[&str]) -> String {
        let url = self.url(path);
        let output = self.curl(&[&["-f", &url], arguments].concat());
        assert!(
            output.status.success(),
            "{} {}",
            text(&output.stderr),
            self.server.log()
        );
        text(&output.stdout)
    }

    fn s_client(&self, arguments: &[&str], input: &[u8]) -> Output {
        let mut command = Command::new("openssl");
        command
            .args(["s_client", "-ign_eof", "-connect"])
            .arg(format!("127.0.0.1:{}", self.port))
            .arg("-CAfile")
            .arg(self.papers.path("own.pem"))
            .args(arguments);
        run(command, input)
    }
}

#[test]
fn curl_is_served_with_both_versions() {
    let Some(papers) = Papers::new() else { return };
    let secure = papers.serve(&[]);
    for version in [
        &["--tls-max", "1.2"][..],
        &["--tlsv1.3"],
        &["--http1.1"],
        &["--no-alpn"],
    ] {
        let login = [
            "-H",
            "Content-Type: application/json",
            "-d",
            r#"{"username": "alice"}"#,
        ];
        let answer = secure.fetch("/login", &[version, &login].concat());
        let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
        let token = format!(
            "Authorization: Bearer {}",
            answer["token"].as_str().unwrap()
        );
        let answer = secure.fetch("/secure-data", &[version, &["-H", &token]].concat());
        assert!(answer.contains("encrypted_data"), "{answer}");
    }
    secure.server.stop();
}

#[test]
fn a_connection_serves_many_requests_and_large_bodies() {
    let Some(papers) = Papers::new() else { return };
    let secure = papers.serve(&[]);
    let url = secure.url("/healthz");
    let output = secure.curl(&[
        "-w",
        "%{num_connects} ",
        "-o",
        "/dev/null",
        "-o",
        "/dev/null",
        &url,
        &url,
    ]);
    assert_eq!(text(&output.stdout), "1 0 ");

    let json = "Content-Type: application/json";
    let answer = secure.fetch("/login", &["-H", json, "-d", r#"{"username": "alice"}"#]);
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
    let token = format!(
        "Authorization: Bearer {}",
        answer["token"].as_str().unwrap()
    );
    let post = |path: &str, body: &serde_json::Value| {
        let file = papers.path("body");
        fs::write(&file, body.to_string()).unwrap();
        let body = format!("@{}", file.display());
        let answer = secure.fetch(path, &["-H", json, "-H", &token, "--data-binary", &body]);
        serde_json::from_str::<serde_json::Value>(&answer).unwrap()
    };
    let data = "Sealgate ".repeat(70_000);
    let sealed = post("/encrypt", &serde_json::json!({"data": data}));
    let opened = post("/decrypt", &sealed);
    assert!(opened["decrypted_data"] == data);
}

#[test]
fn what_is_not_the_right_tls_is_turned_away_and_the_next_client_is_served() {
    let Some(papers) = Papers::new() else { return };
    let secure = papers.serve(&[]);
    let plain = format!("http://localhost:{}/healthz", secure.port);
    assert!(!secure.curl(&[&plain]).status.success());
    for (arguments, reason) in [
        (
            &["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"][..],
            "protocol version",
        ),
        (
            &["-tls1_2", "-cipher", "AES128-SHA:DHE-RSA-AES128-GCM-SHA256"],
            "handshake failure",
        ),
        (&["-alpn", "h2"], "no application protocol"),
    ] {
        let output = secure.s_client(arguments, b"");
        assert!(!output.status.success());
        let said = text(&output.stderr);
        assert!(said.contains(reason), "{said}");
    }
    for bytes in [&b"\x16\x03\x01\x02\x00\x01"[..], b"", &[0xFF; 300]] {
        let mut stream = TcpStream::connect(("127.0.0.1", secure.port)).unwrap();
        stream.write_all(bytes).unwrap();
    }
    assert!(secure.fetch("/healthz", &[]).contains("ok"));
    secure.server.stop();
}

#[test]
fn silent_clients_hold_nobody_up() {
    let Some(papers) = Papers::new() else { return };
    let secure = papers.serve(&[]);
    let silent: Vec<TcpStream> = (0..200)
        .map(|number| {
            let mut stream = TcpStream::connect(("127.0.0.1", secure.port)).unwrap();
            let hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc";
            stream.write_all(&hello[..number % hello.len()]).unwrap();
            stream
        })
        .collect();
    let start = Instant::now();
    secure.fetch("/healthz", &[]);
    // The time of curl's own start is in it.
    assert!(
        start.elapsed() < promised(Duration::from_secs(1)),
        "{:?}",
        start.elapsed()
    );
    drop(silent);
}

/// Without a word of farewell a client cannot tell the end from a cut.
#[test]
fn the_end_is_said() {
    let Some(papers) = Papers::new() else { return };
    let secure = papers.serve(&[]);
    let request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    for version in ["-tls1_2", "-tls1_3"] {
        let output = secure.s_client(&[version], request);
        let said = text(&output.stderr);
        assert!(text(&output.stdout).contains("200 OK"), "{said}");
        assert!(
            output.status.success() && !said.contains("unexpected eof"),
            "{version}: {said}"
        );
    }
}

#[test]
fn unix_sockets_stay_as_they_are() {
    let Some(papers) = Papers::new() else { return };
    let socket = papers.path("socket");
    let listen = format!("127.0.0.1:0,unix:{}", socket.display());
    let secure = papers.serve(&[("SEALGATE_LISTEN", &listen)]);
    secure.fetch("/healthz", &[]);
    let output = secure.curl(&[
        "--unix-socket",
        socket.to_str().unwrap(),
        "-f",
        "http://localhost/healthz",
    ]);
    assert!(output.status.success(), "{}", text(&output.stderr));
}

#[test]
fn the_server_does_not_start_without_its_papers_in_order() {
    let Some(papers) = Papers::new() else { return };
    let start = |cert: &str, key: &str| {
        let mut command = common::sealgate(papers.folder.path());
        command
            .args(["serve", "--listen", "127.0.0.1:0"])
            .env("SEALGATE_TLS_CERT", papers.path(cert))
            .env("SEALGATE_TLS_KEY", papers.path(key))
            .stdin(Stdio::null());
        run(command, b"")
    };
    for (cert, key, words) in [
        ("absent.pem", "own-key.pem", "does not exist"),
        ("own.pem", "ca-key.pem", "does not belong to"),
        ("own-key.pem", "own.pem", "mixed up"),
    ] {
        let output = start(cert, key);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let said = common::said(&output);
        assert!(
            said.contains("SEALGATE_TLS_") && said.contains(words),
            "{said}"
        );
    }
}

/// Until other workers have joined, so that connections change hands.
#[test]
fn connections_move_between_workers_unharmed() {
    let Some(papers) = Papers::new() else { return };
    let secure = papers.serve(&[("SEALGATE_WORKERS", "4")]);
    let mut connector = SslConnector::builder(SslMethod::tls()).unwrap();
    connector.set_ca_file(papers.path("own.pem")).unwrap();
    let connector = connector.build();
    let over = AtomicBool::new(false);
    let hammer = || {
        let stream = TcpStream::connect(("127.0.0.1", secure.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut connection = Answers::new(connector.connect("localhost", stream).unwrap());
        let mut answered = 0;
        loop {
            let ask = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
            connection.get_mut().write_all(ask).unwrap();
            assert_eq!(connection.next().unwrap().status, 200);
            answered += 1;
            if over.load(Ordering::Relaxed) {
                return answered;
            }
        }
    };
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..8).map(|_| scope.spawn(hammer)).collect();
        let joined = secure.server.sees_a_second_worker();
        over.store(true, Ordering::Relaxed);
        for client in clients {
            assert!(client.join().unwrap() > 0);
        }
        assert!(joined, "no second worker took part");
    });
}
