//! `sealgate healthcheck`: asks a running server whether it is ready, for container and service supervisors. `tls` checks
//! the server's certificate, `answer` reads its response.

mod answer;
mod tls;

use std::io::{self, Read, Write};
use std::net::TcpStream;
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use clap::{ArgMatches, Command};
use sealgate::server::{Address, Listen, ProxyProtocol};

use super::args::{file, path};
use super::{Failure, Remote, remark, settings, start};
use answer::{Health, TLS_HERE, ask, judge};
use tls::Client;

/// For all addresses together: supervisors give up after 30 s or less.
const DEADLINE: Duration = Duration::from_secs(5);
const USED: settings::Used = &[
    "listen",
    "tls_cert",
    "tls_key",
    "tls_client_ca",
    "tls_client",
    "trusted_proxies",
    "proxy_protocol",
];
/// Where every connection has to begin so, a process of the same machine may say that it speaks for nobody else.
const FOR_NOBODY_ELSE: &[u8] = b"PROXY UNKNOWN\r\n";

pub(super) fn command() -> Command {
    let command = Command::new("healthcheck")
        .about("Ask the server at --listen whether it is ready: exit code 0 if it is, else 1")
        .long_about(
            "Ask the server at every address of --listen whether it is ready (GET /readyz). Run this with the server's \
             settings. Exit code 0 if it is ready at all addresses, else 1, with a sentence for each address where it is not; \
             takes at most 5 seconds. With --tls-cert it uses TLS and accepts that certificate, or one signed by an issuer in \
             the same file, whatever its name. If clients need a certificate and none is given, a server that asks for one \
             counts as alive.",
        )
        .arg(file("cert", "Client certificate (PEM), if the server asks for one").requires("key"))
        .arg(file("key", "Private key (PEM) of --cert").requires("cert"));
    settings::add_flags(command, &[USED])
}

pub(super) fn run(matches: &ArgMatches, remote: Option<&Remote>) -> Result<(), Failure> {
    if let Some(remote) = remote {
        return remote.check_health();
    }
    let settings = super::load_settings(matches)?.server;
    let client = match &settings.tls_cert {
        Some(certificates) => Some(Client::new(
            certificates,
            path(matches, "cert").zip(path(matches, "key")),
            settings.requires_client_certificate(),
        )?),
        None => None,
    };
    if settings
        .listen
        .iter()
        .any(|listen| matches!(listen, Listen::Tcp(address) if address.port() == 0))
    {
        return Err(Failure::wrong(
            "With port 0 the server picks a free port. Name that port with --listen HOST:PORT.",
        ));
    }
    let first = match settings.proxy_protocol {
        ProxyProtocol::Require => FOR_NOBODY_ELSE,
        ProxyProtocol::Off | ProxyProtocol::Accept => b"",
    };
    // All addresses are asked at once, under a common deadline.
    let deadline = Instant::now() + DEADLINE;
    let mut asked = Vec::new();
    for listen in settings.listen {
        let shown = shown(&listen, client.is_some());
        let (done, answer) = mpsc::channel();
        let client = client.clone();
        start(move || done.send(check(&listen, first, client.as_ref())))?;
        asked.push((shown, answer));
    }
    let mut failed = Vec::new();
    let mut ready = false;
    for (shown, answer) in asked {
        let left = deadline.saturating_duration_since(Instant::now());
        match answer.recv_timeout(left) {
            Ok(Ok(Health::Ready)) => ready = true,
            Ok(Ok(Health::Alive)) => remark(&format!(
                "{shown} asks for a client certificate: it is alive; use --cert and --key to ask whether it is ready"
            )),
            Ok(Err(why)) => failed.push(format!("The server at {shown} {why}.")),
            Err(_) => failed.push(format!(
                "The server at {shown} does not answer within {} s.",
                DEADLINE.as_secs()
            )),
        }
    }
    match (failed.is_empty(), ready) {
        (true, true) => super::write_output(b"ready\n"),
        (true, false) => super::write_output(b"alive\n"),
        (false, _) => Err(Failure {
            sentences: failed,
            code: 1,
        }),
    }
}

fn shown(listen: &Listen, tls: bool) -> String {
    match listen {
        Listen::Tcp(address) if tls => format!("https://{address}"),
        Listen::Tcp(address) => format!("http://{address}"),
        Listen::Unix(path) => format!("unix:{}", path.display()),
    }
}

/// Sends `first` before anything else. The error is why it is not ready, phrased to follow "The server ...".
fn check(listen: &Listen, first: &[u8], client: Option<&Client>) -> Result<Health, String> {
    let silent = |error: io::Error| format!("does not answer: {error}");
    match listen {
        Listen::Tcp(address) => {
            let address = Address::connectable(*address);
            let mut stream = TcpStream::connect_timeout(&address, DEADLINE).map_err(silent)?;
            stream.write_all(first).map_err(silent)?;
            match client {
                Some(client) => client.check(stream),
                None => check_stream(stream),
            }
        }
        #[cfg(unix)]
        Listen::Unix(path) => {
            let mut stream = UnixStream::connect(path).map_err(silent)?;
            stream.write_all(first).map_err(silent)?;
            check_stream(stream)
        }
        #[cfg(not(unix))]
        Listen::Unix(_) => {
            Err("is on a Unix socket, which this platform does not support".to_owned())
        }
    }
}

fn check_stream(stream: impl Read + Write) -> Result<Health, String> {
    let answer = ask(stream).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => {
            format!("closed the connection without an answer. {TLS_HERE}")
        }
        _ => format!("does not answer: {error}"),
    })?;
    judge(&answer)
}
