//! `sealgate healthcheck` against every kind of address, and against what only looks like our server; and the curl command
//! that a server suggests. `certificates` has which of a server with TLS it accepts.

#![allow(clippy::unwrap_used)] // a test that panics has failed

mod certificates;

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::{Duration, Instant};

use crate::common::{Server, text, typed};
use openssl::asn1::Asn1Time;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{SslAcceptor, SslMethod};
use openssl::x509::extension::{BasicConstraints, ExtendedKeyUsage};
use openssl::x509::{X509, X509NameBuilder};
use rustix::net::{AddressFamily, SocketType, sockopt};

/// Certificates in files, none with a name that a client would ask for.
struct Papers {
    folder: tempfile::TempDir,
}

type Issuer = (X509, PKey<Private>);

impl Papers {
    fn new() -> Papers {
        Papers {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// Writes NAME.pem and NAME-key.pem, valid from and until so many days from now.
    fn issue(&self, name: &str, issuer: Option<&Issuer>, days: (i64, i64)) -> Issuer {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
        let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
        let mut subject = X509NameBuilder::new().unwrap();
        subject.append_entry_by_text("CN", name).unwrap();
        let subject = subject.build();
        let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs() as i64;
        let at = |days: i64| Asn1Time::from_unix(now + days * 86_400).unwrap();
        let mut certificate = X509::builder().unwrap();
        certificate.set_version(2).unwrap();
        certificate.set_subject_name(&subject).unwrap();
        certificate
            .set_issuer_name(issuer.map_or(&subject, |(issuer, _)| issuer.subject_name()))
            .unwrap();
        certificate.set_pubkey(&key).unwrap();
        certificate.set_not_before(&at(days.0)).unwrap();
        certificate.set_not_after(&at(days.1)).unwrap();
        let mut constraints = BasicConstraints::new();
        if name.starts_with("ca") {
            constraints.critical().ca();
        }
        if name == "client-only" {
            let usage = ExtendedKeyUsage::new().client_auth().build().unwrap();
            certificate.append_extension(usage).unwrap();
        }
        certificate
            .append_extension(constraints.build().unwrap())
            .unwrap();
        certificate
            .sign(issuer.map_or(&key, |(_, key)| key), MessageDigest::sha256())
            .unwrap();
        let made = (certificate.build(), key);
        fs::write(self.path(name), made.0.to_pem().unwrap()).unwrap();
        let key = self.path(&format!("{name}-key"));
        fs::write(&key, made.1.private_key_to_pem_pkcs8().unwrap()).unwrap();
        fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        made
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.pem"))
    }

    /// The settings that make a server speak TLS with this certificate.
    fn settings(&self, name: &str) -> Vec<(&'static str, String)> {
        let key = format!("{name}-key");
        [("SEALGATE_TLS_CERT", name), ("SEALGATE_TLS_KEY", &key)]
            .map(|(setting, name)| (setting, self.shown(name)))
            .to_vec()
    }

    fn shown(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }
}

fn borrowed<'a>(settings: &'a [(&'static str, String)]) -> Vec<(&'static str, &'a str)> {
    let settings = settings.iter();
    settings
        .map(|(name, value)| (*name, value.as_str()))
        .collect()
}

/// Serves these addresses; gives them back with the ports that were free.
fn serve(home: &Path, listen: &str, settings: &[(&'static str, String)]) -> (Server, String) {
    let server = Server::start_with(home, |command| {
        command
            .env("SEALGATE_LISTEN", listen)
            .envs(borrowed(settings));
    });
    let addresses: Vec<&str> = server
        .greeting
        .lines()
        .filter_map(|line| line.trim().strip_prefix("listening on "))
        .map(|line| line.split(' ').next().unwrap())
        .map(|address| {
            address
                .split_once("//")
                .map_or(address, |(_, address)| address)
        })
        .collect();
    let addresses = addresses.join(",");
    (server, addresses)
}

fn check(home: &Path, listen: &str, more: &[&str], settings: &[(&'static str, String)]) -> Output {
    let arguments = [&["healthcheck", "--listen", listen], more].concat();
    let started = Instant::now();
    let output = typed(home, &arguments, b"", &borrowed(settings));
    assert!(started.elapsed() < Duration::from_secs(15), "{output:?}");
    output
}

fn is_ready(output: &Output) {
    let seen = (output.status.code(), text(&output.stdout));
    assert_eq!(seen, (Some(0), "ready\n".to_owned()), "{output:?}");
}

/// Exit code 1, nothing on standard output, and these words on standard error.
fn is_not(output: &Output, words: &[&str]) {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(output.stdout.is_empty());
    let said = text(&output.stderr);
    for word in words {
        assert!(said.contains(word), "{word}: {said}");
    }
}

/// Holds an address, at which nobody listens then. `None` where somebody else has it.
fn held(address: &str) -> Option<OwnedFd> {
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    // Connections that ended a moment ago are no reason.
    sockopt::set_socket_reuseaddr(&socket, true).unwrap();
    let address: SocketAddr = address.parse().unwrap();
    rustix::net::bind(&socket, &address).ok().map(|()| socket)
}

#[test]
fn every_address_has_to_be_ready() {
    let home = tempfile::tempdir().unwrap();
    let socket = home.path().join("a socket");
    let listen = format!("127.0.0.1:0,0.0.0.0:0,unix:{}", socket.display());
    let (server, all) = serve(home.path(), &listen, &[]);
    // The greeting is read by words: the socket's path has two.
    let (tcp, _) = all.split_once(",unix").unwrap();
    let unix = format!("unix:{}", socket.display());
    is_ready(&check(home.path(), tcp, &[], &[]));
    is_ready(&check(home.path(), &unix, &[], &[]));
    is_ready(&check(home.path(), &format!("{tcp},{unix}"), &[], &[]));
    let nobody = held("127.0.0.1:0").unwrap();
    let gone = SocketAddr::try_from(rustix::net::getsockname(&nobody).unwrap()).unwrap();
    let nowhere = home.path().join("nowhere");
    let listen = format!("{gone},{tcp},unix:{}", nowhere.display());
    let failed = check(home.path(), &listen, &[], &[]);
    let shown = format!("http://{gone} does not answer");
    is_not(&failed, &[&shown, nowhere.to_str().unwrap()]);
    assert_eq!(text(&failed.stderr).lines().count(), 2, "{failed:?}");
    server.stop();
    // No other test's server comes to stand there.
    if let Some(_held) = tcp.split(',').map(held).collect::<Option<Vec<_>>>() {
        is_not(&check(home.path(), tcp, &[], &[]), &["does not answer"]);
    }
    let unknown = check(home.path(), &format!("{tcp},127.0.0.1:0"), &[], &[]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(text(&unknown.stderr).contains("port 0"));
}

/// Where all others have to name a client: the check names nobody, and need not be a trusted proxy.
#[test]
fn a_server_behind_proxies_is_asked_all_the_same() {
    let home = tempfile::tempdir().unwrap();
    let papers = Papers::new();
    papers.issue("own", None, (-1, 1));
    let socket = home.path().join("socket");
    let listen = format!("127.0.0.1:0,0.0.0.0:0,unix:{}", socket.display());
    for trusted in ["192.0.2.1", "127.0.0.1, unix"] {
        let required = [
            ("SEALGATE_PROXY_PROTOCOL", "require".to_owned()),
            ("SEALGATE_TRUSTED_PROXIES", trusted.to_owned()),
        ];
        for more in [Vec::new(), papers.settings("own")] {
            let settings = [&required[..], &more].concat();
            let (server, listen) = serve(home.path(), &listen, &settings);
            is_ready(&check(home.path(), &listen, &[], &settings));
            // Without the setting it is a stranger.
            assert_eq!(
                check(home.path(), &listen, &[], &more).status.code(),
                Some(1)
            );
            server.stop();
        }
    }
}

#[test]
fn ipv6_is_asked_as_well() {
    if TcpListener::bind("[::1]:0").is_err() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let papers = Papers::new();
    papers.issue("own", None, (-1, 1));
    for settings in [Vec::new(), papers.settings("own")] {
        let (_server, listen) = serve(home.path(), "[::1]:0,[::]:0", &settings);
        is_ready(&check(home.path(), &listen, &[], &settings));
    }
}

/// A server that does not behave: what it does with a connection.
fn peer(acts: impl Fn(std::net::TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            acts(stream.unwrap());
        }
    });
    address
}

#[test]
fn what_hangs_or_dribbles_is_given_up_and_what_is_no_server_is_told_apart() {
    let home = tempfile::tempdir().unwrap();
    let papers = Papers::new();
    let (certificate, key) = papers.issue("own", None, (-1, 1));
    let own = papers.settings("own");
    let silent = peer(|stream| {
        std::mem::forget(stream);
    });
    let dribbling = peer(|mut stream| {
        for byte in b"HTTP/1.1 200 OK\r\n".iter() {
            std::thread::sleep(Duration::from_secs(2));
            if stream.write_all(&[*byte]).is_err() {
                break;
            }
        }
    });
    let listen = format!("{silent},{dribbling}");
    let started = Instant::now();
    let hung = check(home.path(), &listen, &[], &[]);
    is_not(&hung, &[&silent, &dribbling, "does not answer within 5 s"]);
    assert!(started.elapsed() >= Duration::from_secs(4));
    is_not(
        &check(home.path(), &silent, &[], &own),
        &["does not answer within 5 s"],
    );
    let strange = peer(|mut stream| drop(stream.write_all(b"220 mail.example ESMTP\r\n")));
    is_not(
        &check(home.path(), &strange, &[], &[]),
        &["does not speak HTTP/1.1"],
    );
    is_not(
        &check(home.path(), &strange, &[], &own),
        &["does not speak TLS"],
    );

    // With the right certificate and another answer.
    let acceptor = {
        let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server()).unwrap();
        acceptor.set_certificate(&certificate).unwrap();
        acceptor.set_private_key(&key).unwrap();
        acceptor.build()
    };
    let busy = peer(move |stream| {
        let mut stream = acceptor.accept(stream).unwrap();
        let _ = stream.read(&mut [0; 1024]);
        let _ = stream.write_all(b"HTTP/1.1 503 Service Unavailable\r\n\r\n");
    });
    is_not(
        &check(home.path(), &busy, &[], &own),
        &["is not ready (status 503)"],
    );
}

/// Runs what the start-up lines suggest, in another folder and in a shell.
fn suggested(server: &Server) -> (String, Output) {
    let (_, curl) = server.greeting.split_once("Try:\n").unwrap();
    let curl = curl.trim().to_owned();
    let elsewhere = tempfile::tempdir().unwrap();
    let output = std::process::Command::new("sh")
        .args(["-c", &format!("{curl} -sS --max-time 20")])
        .current_dir(elsewhere.path())
        .output()
        .unwrap();
    (curl, output)
}

#[test]
fn the_curl_command_of_a_start_works_as_it_stands() {
    if std::process::Command::new("curl")
        .arg("--version")
        .output()
        .is_err()
    {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("it's a folder");
    fs::create_dir(&folder).unwrap();
    let papers = Papers {
        folder: tempfile::tempdir_in(&folder).unwrap(),
    };
    // No name that curl would ask for on its own; a path that a shell would take apart.
    papers.issue("own", None, (-1, 1));
    papers.issue("localhost", None, (-1, 1));
    let ca = papers.issue("ca", None, (-1, 1));
    papers.issue("gate.example", Some(&ca), (-1, 1));
    papers.issue("*.gate.example", Some(&ca), (-1, 1));
    for name in ["own", "localhost", "gate.example", "*.gate.example"] {
        let (server, _) = serve(home.path(), "127.0.0.1:0", &papers.settings(name));
        let (curl, output) = suggested(&server);
        assert!(curl.contains("--cacert '"), "{curl}");
        assert!(
            text(&output.stdout).contains("\"token\""),
            "{curl}: {output:?}"
        );
    }
    let socket = folder.join("socket");
    let listen = format!("unix:{}", socket.display());
    let (server, _) = serve(home.path(), &listen, &[]);
    let (curl, output) = suggested(&server);
    assert!(
        text(&output.stdout).contains("\"token\""),
        "{curl}: {output:?}"
    );

    // From a trusted proxy's address, where there is no other way in.
    let required = [
        ("SEALGATE_PROXY_PROTOCOL", "require".to_owned()),
        ("SEALGATE_TRUSTED_PROXIES", "127.0.0.1".to_owned()),
        ("SEALGATE_LOGIN", "open".to_owned()),
    ];
    for more in [Vec::new(), papers.settings("localhost")] {
        let settings = [&required[..], &more].concat();
        let (server, _) = serve(home.path(), "127.0.0.1:0", &settings);
        let (curl, output) = suggested(&server);
        assert!(
            text(&output.stdout).contains("\"token\""),
            "{curl}: {output:?}"
        );
    }

    let mut mutual = papers.settings("localhost");
    mutual.push(("SEALGATE_TLS_CLIENT_CA", papers.shown("ca")));
    let (server, _) = serve(home.path(), "127.0.0.1:0", &mutual);
    let (curl, _) = suggested(&server);
    assert!(
        curl.contains("--cert CLIENT.pem --key CLIENT-KEY.pem"),
        "{curl}"
    );
}
