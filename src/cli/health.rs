//! `sealgate healthcheck`: asks a running server whether it is ready, for container and service supervisors.

use std::io::{self, Read, Write};
use std::net::TcpStream;
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::time::Duration;

use clap::{ArgMatches, Command};
use sealgate::config::{Group, Listen};
use sealgate::server::Address;

use super::{Failure, settings};

const PATIENCE: Duration = Duration::from_secs(5);
const GROUPS: [Group; 2] = [Group::Gate, Group::Server];

pub(super) fn command() -> Command {
    let command = Command::new("healthcheck")
        .about("Ask the server at --listen whether it is ready: exit code 0 if it is, else 1");
    settings::add_flags(command, &GROUPS)
}

pub(super) fn run(matches: &ArgMatches) -> Result<(), Failure> {
    let settings = super::load_settings(matches, &GROUPS)?;
    let listen = &settings.server.listen[0];
    let status = match listen {
        Listen::Tcp(address) if address.port() == 0 => {
            return Err(Failure::wrong(
                "Port 0 is no server's. Name the server's with --listen HOST:PORT.",
            ));
        }
        Listen::Tcp(address) => {
            TcpStream::connect_timeout(&Address::connectable(*address), PATIENCE).and_then(
                |stream| {
                    stream.set_read_timeout(Some(PATIENCE))?;
                    stream.set_write_timeout(Some(PATIENCE))?;
                    ask(stream)
                },
            )
        }
        #[cfg(unix)]
        Listen::Unix(path) => UnixStream::connect(path).and_then(|stream| {
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            ask(stream)
        }),
        #[cfg(not(unix))]
        Listen::Unix(_) => return Err(Failure::wrong("This platform has no Unix sockets.")),
    };
    match status {
        Ok(status) if status == *b"200" => super::write_output(b"ready\n"),
        Ok(status) => Err(Failure::no(format!(
            "The server is not ready (status {}).",
            String::from_utf8_lossy(&status)
        ))),
        Err(error) => Err(Failure::no(format!("The server does not answer: {error}."))),
    }
}

/// The status of GET `/readyz`.
fn ask(mut stream: impl Read + Write) -> io::Result<[u8; 3]> {
    stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut start = [0; 12];
    stream.read_exact(&mut start)?;
    match start.split_last_chunk::<3>() {
        Some((b"HTTP/1.1 ", status)) => Ok(*status),
        _ => Err(io::Error::other("what answers is no HTTP server")),
    }
}
