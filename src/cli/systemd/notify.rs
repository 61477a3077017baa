//! The state of the service, for systemd (sd_notify): datagrams to the socket that `NOTIFY_SOCKET` names.

use std::env;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

use crate::cli::table::harmless;

/// systemd ignores messages above 4096 bytes.
const MAX_STATUS: usize = 1000;
/// How long a message may wait for a supervisor that does not read.
const PATIENCE: Duration = Duration::from_secs(1);

/// Cheap to clone. Messages that cannot be sent are logged; the server runs on.
#[derive(Clone)]
pub(crate) struct Notifier(Option<Arc<Supervisor>>);

struct Supervisor {
    socket: UnixDatagram,
    address: SocketAddr,
}

impl Notifier {
    /// Sends nothing if no supervisor is there, or if its address cannot be used, which is logged.
    pub(crate) fn from_env() -> Self {
        let Some(name) = env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else {
            return Notifier(None);
        };
        let supervisor = Supervisor::at(&name);
        let supervisor = supervisor.inspect_err(|error| {
            log::warn!(
                "the state of the server cannot be reported to NOTIFY_SOCKET={}: {error}",
                harmless(&name.to_string_lossy())
            );
        });
        Notifier(supervisor.ok().map(Arc::new))
    }

    /// Sends nothing.
    pub(crate) fn silent() -> Self {
        Notifier(None)
    }

    pub(crate) fn is_heard(&self) -> bool {
        self.0.is_some()
    }

    /// The server serves; also after a reload.
    pub(crate) fn ready(&self, status: &str) {
        self.send(&format!("READY=1\n{}", line(status)));
    }

    pub(crate) fn reloading(&self) {
        // By the time, systemd recognises responses to an earlier reload, and ignores them.
        let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map(Duration::from);
        let now = now.unwrap_or_default().as_micros();
        self.send(&format!(
            "RELOADING=1\nMONOTONIC_USEC={now}\nSTATUS=reloading"
        ));
    }

    pub(crate) fn stopping(&self, status: &str) {
        self.send(&format!("STOPPING=1\n{}", line(status)));
    }

    /// The workers respond.
    pub(super) fn alive(&self) {
        self.send("WATCHDOG=1");
    }

    fn send(&self, message: &str) {
        let Some(supervisor) = &self.0 else {
            return;
        };
        let sent = supervisor
            .socket
            .send_to_addr(message.as_bytes(), &supervisor.address);
        if let Err(error) = sent {
            log::warn!("the state of the server cannot be reported to NOTIFY_SOCKET: {error}");
        }
    }
}

/// A path with a line break must not add a line to the message.
fn line(status: &str) -> String {
    let status: String = harmless(status).chars().take(MAX_STATUS).collect();
    format!("STATUS={status}")
}

impl Supervisor {
    fn at(name: &OsStr) -> io::Result<Self> {
        let address = match name.as_bytes() {
            [b'/', ..] => SocketAddr::from_pathname(name)?,
            [b'@', name @ ..] => abstract_address(name)?,
            _ => {
                return Err(io::Error::other(
                    "it is neither a path nor an abstract name",
                ));
            }
        };
        let socket = UnixDatagram::unbound()?;
        socket.set_write_timeout(Some(PATIENCE))?;
        Ok(Supervisor { socket, address })
    }
}

#[cfg(target_os = "linux")]
fn abstract_address(name: &[u8]) -> io::Result<SocketAddr> {
    use std::os::linux::net::SocketAddrExt;
    SocketAddr::from_abstract_name(name)
}

#[cfg(not(target_os = "linux"))]
fn abstract_address(_name: &[u8]) -> io::Result<SocketAddr> {
    Err(io::Error::other("only Linux has abstract names"))
}
