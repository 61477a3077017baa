//! Certificate, key and client CA that are replaced while clients come and go.

use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use openssl::ssl::{SslConnector, SslMethod, SslStream};

use super::common::pair::Pair;
use super::common::wire::Answers;
use super::common::{PATIENCE, Server, promised};

/// What docs/operations.md promises.
const WITHIN: Duration = promised(Duration::from_secs(5));

/// The files of a server, replaced all at once by one link to a folder.
struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Puts these files in the place of the previous ones.
    fn put(&self, number: u32, files: &[(&str, Vec<u8>)]) {
        let folder = self.path(&format!("set-{number}-{}", files.len()));
        fs::create_dir(&folder).unwrap();
        for (name, text) in files {
            let path = folder.join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
        }
        let link = self.path("next");
        symlink(folder, &link).unwrap();
        fs::rename(link, self.path("current")).unwrap();
    }

    fn current(&self, name: &str) -> PathBuf {
        self.path("current").join(name)
    }

    fn serve(&self, clients: bool) -> (Server, u16) {
        let server = Server::start_with(self.folder.path(), |command| {
            command
                .env("SEALGATE_TLS_CERT", self.current("cert.pem"))
                .env("SEALGATE_TLS_KEY", self.current("key.pem"))
                .env("MAX_REQUESTS", "0");
            if clients {
                command.env("SEALGATE_TLS_CLIENT_CA", self.current("ca.pem"));
            }
        });
        let (_, rest) = server.greeting.split_once("https://127.0.0.1:").unwrap();
        let digits = rest.split(|c: char| !c.is_ascii_digit()).next();
        let port = digits.unwrap().parse().unwrap();
        (server, port)
    }
}

fn connect(connector: &SslConnector, port: u16) -> Answers<SslStream<TcpStream>> {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    Answers::new(connector.connect("localhost", stream).unwrap())
}

fn ask(connection: &mut Answers<SslStream<TcpStream>>) {
    let ask = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    connection.get_mut().write_all(ask).unwrap();
    assert_eq!(connection.next().unwrap().status, 200);
}

/// The number of the certificate that this connection was shown.
fn number(connection: &Answers<SslStream<TcpStream>>) -> u32 {
    let certificate = connection.get_ref().ssl().peer_certificate().unwrap();
    let serial = certificate.serial_number().to_bn().unwrap();
    serial.to_dec_str().unwrap().parse().unwrap()
}

/// Something that is no certificate with its key.
fn broken(number: u32, good: &Pair, root: &Pair) -> Vec<(&'static str, Vec<u8>)> {
    let other = Pair::new("localhost", number + 1000, 0, Some(root));
    let expired = Pair::new("localhost", number + 1000, -10, Some(root));
    let cert = ("cert.pem", good.pem());
    match number % 5 {
        0 => vec![cert, ("key.pem", other.key_pem())],
        1 => vec![("cert.pem", expired.pem()), ("key.pem", expired.key_pem())],
        2 => vec![cert],
        3 => vec![cert, ("key.pem", good.key_pem()[..60].to_vec())],
        _ => vec![("cert.pem", Vec::new()), ("key.pem", good.key_pem())],
    }
}

fn replaced_every_second(lasts: Duration, mutual: bool) {
    let (root, issuer) = (
        Pair::new("Root", 1, 0, None),
        Pair::new("Clients", 2, 0, None),
    );
    let alice = Pair::new("alice", 3, 0, Some(&issuer));
    let files = Files {
        folder: tempfile::tempdir().unwrap(),
    };
    let set = |number: u32| {
        let pair = Pair::new("localhost", number, 0, Some(&root));
        let another = Pair::new("Others", number, 0, None);
        let files = [
            ("cert.pem", pair.pem()),
            ("key.pem", pair.key_pem()),
            ("ca.pem", [issuer.pem(), another.pem()].concat()),
            ("unused", Vec::new()),
        ];
        (pair, files)
    };
    let (_, first) = set(100);
    files.put(100, &first);
    let (server, port) = files.serve(mutual);

    let mut connector = SslConnector::builder(SslMethod::tls()).unwrap();
    let trusted = connector.cert_store_mut();
    trusted.add_cert(root.certificate.clone()).unwrap();
    if mutual {
        connector.set_certificate(&alice.certificate).unwrap();
        connector.set_private_key(&alice.key).unwrap();
    }
    let connector = connector.build();
    // Until when each set was there, by its number; the last one still is.
    let there = Mutex::new(vec![Instant::now()]);
    let over = AtomicBool::new(false);
    let newcomers = || {
        let mut seen = Vec::new();
        while !over.load(Ordering::Relaxed) {
            let asked = Instant::now();
            let mut connection = connect(&connector, port);
            ask(&mut connection);
            let number = number(&connection);
            let there = there.lock().unwrap();
            let index = (number - 100) as usize;
            if index + 1 < there.len() {
                let late = asked.saturating_duration_since(there[index]);
                assert!(late < WITHIN, "{number} was served {late:?} after its end");
            }
            seen.push(number);
            drop(there);
            thread::sleep(Duration::from_millis(3));
        }
        seen.dedup();
        seen
    };
    let stays = || {
        let mut connection = connect(&connector, port);
        let mut answers = 0;
        while !over.load(Ordering::Relaxed) {
            ask(&mut connection);
            answers += 1;
            thread::sleep(Duration::from_millis(3));
        }
        assert_eq!(number(&connection), 100);
        answers
    };
    let start = Instant::now();
    thread::scope(|scope| {
        let stays = scope.spawn(stays);
        let newcomers = [scope.spawn(newcomers), scope.spawn(newcomers)];
        let failed = || newcomers.iter().any(|thread| thread.is_finished()) || stays.is_finished();
        let mut last = 100;
        while start.elapsed() < lasts && !failed() {
            thread::sleep(Duration::from_millis(700));
            last += 1;
            let (pair, good) = set(last);
            files.put(last, &broken(last, &pair, &root));
            *there.lock().unwrap().last_mut().unwrap() = Instant::now();
            thread::sleep(Duration::from_millis(300));
            files.put(last, &good);
            there.lock().unwrap().push(Instant::now());
        }
        let placed = Instant::now();
        while !failed() && number(&connect(&connector, port)) != last {
            assert!(placed.elapsed() < WITHIN, "{last} is not served");
            thread::sleep(Duration::from_millis(20));
        }
        over.store(true, Ordering::Relaxed);
        assert!(stays.join().unwrap() > 10);
        for newcomer in newcomers {
            let seen = newcomer.join().unwrap();
            assert!(seen.is_sorted() && seen.len() >= 2, "{seen:?}");
        }
    });
    let log = server.stop();
    assert!(
        log.matches("TLS certificate was reloaded").count() >= 2,
        "{log}"
    );
}

#[test]
fn a_certificate_is_replaced_every_second_under_load() {
    replaced_every_second(Duration::from_secs(4), false);
}

#[test]
fn a_certificate_and_the_client_ca_are_replaced_every_second_under_load() {
    replaced_every_second(Duration::from_secs(4), true);
}

#[test]
#[ignore = "takes a minute: make soak"]
fn certificates_are_replaced_every_second_for_half_a_minute() {
    for mutual in [false, true] {
        replaced_every_second(Duration::from_secs(30), mutual);
    }
}

/// The log and SIGHUP; and the key's file has modes that the rule for secrets refuses.
#[test]
fn a_refused_file_is_logged_once_and_used_once_it_is_right() {
    let root = Pair::new("Root", 1, 0, None);
    let files = Files {
        folder: tempfile::tempdir().unwrap(),
    };
    let mut connector = SslConnector::builder(SslMethod::tls()).unwrap();
    let trusted = connector.cert_store_mut();
    trusted.add_cert(root.certificate.clone()).unwrap();
    let connector = connector.build();
    let set = |number| {
        let pair = Pair::new("localhost", number, 0, Some(&root));
        files.put(
            number,
            &[("cert.pem", pair.pem()), ("key.pem", pair.key_pem())],
        );
    };
    set(100);
    let (server, port) = files.serve(false);
    let waits = |what: &str, count: usize| {
        let start = Instant::now();
        while server.log().matches(what).count() < count {
            assert!(start.elapsed() < PATIENCE, "{}", server.log());
            thread::sleep(Duration::from_millis(20));
        }
    };
    let loosen = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    set(101);
    loosen(&files.current("key.pem"), 0o666);
    waits("(mode 0666)", 1);
    // Checked several times meanwhile.
    thread::sleep(Duration::from_secs(3));
    let warnings = |log: &str| {
        log.matches("The previous TLS certificate stays in use")
            .count()
    };
    let log = server.log();
    assert_eq!(warnings(&log), 1, "{log}");
    assert!(
        log.contains(" WARN ") && log.contains("SEALGATE_TLS_KEY: "),
        "{log}"
    );
    assert_eq!(number(&connect(&connector, port)), 100);
    // Asked for, it is reported again.
    server.signal("HUP");
    waits("stays in use", 2);
    assert_eq!(number(&connect(&connector, port)), 100);

    loosen(&files.current("key.pem"), 0o600);
    server.signal("HUP");
    waits("TLS certificate was reloaded: CN=localhost", 1);
    assert_eq!(number(&connect(&connector, port)), 101);
    server.stop();
}
