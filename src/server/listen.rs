//! Listening sockets, TCP and Unix, with errors that name the remedy.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

#[cfg(unix)]
use std::os::fd::{AsFd, BorrowedFd};
#[cfg(unix)]
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
#[cfg(unix)]
use std::os::unix::net::{UnixListener, UnixStream};

use crate::Error;
use crate::base::address::is_loopback;
use crate::server::settings::Listen;

/// An address that is being served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// Host and port.
    Tcp(SocketAddr),
    /// Host and port, with TLS.
    Tls(SocketAddr),
    /// The path of a Unix socket.
    Unix(PathBuf),
}

impl Address {
    /// The port of a TCP address.
    pub fn port(&self) -> Option<u16> {
        self.tcp().map(|address| address.port())
    }

    /// The TCP address, with or without TLS.
    pub(super) fn tcp(&self) -> Option<SocketAddr> {
        match self {
            Address::Tcp(address) | Address::Tls(address) => Some(*address),
            Address::Unix(_) => None,
        }
    }

    /// Whether only this machine can reach it.
    pub fn is_local(&self) -> bool {
        self.tcp().is_none_or(|address| is_loopback(address.ip()))
    }

    /// Where a local client connects to reach a TCP address: loopback in place of an unspecified address.
    pub fn connectable(address: SocketAddr) -> SocketAddr {
        let ip = match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        SocketAddr::new(ip, address.port())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(address) => write!(f, "http://{address}"),
            Address::Tls(address) => write!(f, "https://{address}"),
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A bound socket.
pub(super) struct Socket {
    pub(super) address: Address,
    pub(super) listener: Listener,
    /// Identity of the socket's file at creation.
    #[cfg(unix)]
    file: Option<(u64, u64)>,
}

impl Socket {
    /// Removes the file of a Unix socket, unless it has been replaced.
    pub(super) fn remove_file(&self) {
        #[cfg(unix)]
        if let Address::Unix(path) = &self.address
            && self.file.is_some()
            && file_of(path) == self.file
        {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Device and inode of the file at this path.
#[cfg(unix)]
fn file_of(path: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    let metadata = std::fs::symlink_metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

/// A listening socket.
#[derive(Debug)]
pub enum Listener {
    /// For an IP address.
    Tcp(TcpListener),
    /// For a path.
    #[cfg(unix)]
    Unix(UnixListener),
}

/// Identifies the socket behind a descriptor, whatever its number.
#[cfg(target_os = "linux")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SocketId {
    device: u64,
    inode: u64,
}

#[cfg(target_os = "linux")]
impl SocketId {
    /// `None` if the descriptor is not open.
    pub(crate) fn of(descriptor: impl AsFd) -> Option<SocketId> {
        let file = rustix::fs::fstat(descriptor).ok()?;
        Some(SocketId {
            device: file.st_dev,
            inode: file.st_ino,
        })
    }
}

#[cfg(unix)]
impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Listener::Tcp(listener) => listener.as_fd(),
            Listener::Unix(listener) => listener.as_fd(),
        }
    }
}

/// `tls`: whether TCP addresses use TLS.
pub(super) fn bind(listen: &Listen, socket_mode: u32, tls: bool) -> Result<Socket, Error> {
    match listen {
        Listen::Tcp(address) => {
            let listener = TcpListener::bind(address).map_err(|error| refused(*address, &error))?;
            let bound = listener.local_addr().map_err(|error| {
                Error::Io(format!("The address of a socket cannot be read: {error}."))
            })?;
            Ok(Socket {
                address: match tls {
                    true => Address::Tls(bound),
                    false => Address::Tcp(bound),
                },
                listener: Listener::Tcp(listener),
                #[cfg(unix)]
                file: None,
            })
        }
        #[cfg(unix)]
        Listen::Unix(path) => bind_unix(path, socket_mode).map_err(|what| {
            Error::Setting(format!(
                "SEALGATE_LISTEN: the socket {} {what}.",
                path.display()
            ))
        }),
        #[cfg(not(unix))]
        Listen::Unix(_) => Err(Error::Setting(
            "SEALGATE_LISTEN: this platform has no Unix sockets.".to_owned(),
        )),
    }
}

/// A socket that another process bound, listens on too, and whose file it removes if it wants to.
#[cfg(target_os = "linux")]
pub(super) fn inherit(listener: Listener, tls: bool) -> Result<Socket, Error> {
    let unfit = |what: &str| {
        Error::Setting(format!(
            "A socket that was passed to the server {what}. With systemd, use ListenStream= with an address or a path, and \
             Accept=no."
        ))
    };
    let listens = rustix::net::sockopt::socket_acceptconn(&listener);
    if !listens.is_ok_and(|listens| listens) {
        return Err(unfit("does not listen"));
    }
    let address = match &listener {
        Listener::Tcp(listener) => {
            let bound = listener.local_addr();
            let bound = bound.map_err(|_| unfit("has no address"))?;
            match tls {
                true => Address::Tls(bound),
                false => Address::Tcp(bound),
            }
        }
        Listener::Unix(listener) => {
            let bound = listener.local_addr().ok();
            let path = bound.and_then(|bound| bound.as_pathname().map(Path::to_owned));
            Address::Unix(path.ok_or_else(|| unfit("has no path"))?)
        }
    };
    Ok(Socket {
        address,
        listener,
        file: None,
    })
}

fn refused(address: SocketAddr, error: &io::Error) -> Error {
    let sentence = match error.kind() {
        io::ErrorKind::AddrInUse => format!(
            "Port {} on {} is in use by another program. Choose another port with --listen {}:PORT (0 picks a free one).",
            address.port(),
            address.ip(),
            bracketed(address.ip())
        ),
        io::ErrorKind::PermissionDenied => format!(
            "This user may not open port {}. Choose one above 1023 with --listen {}:PORT.",
            address.port(),
            bracketed(address.ip())
        ),
        io::ErrorKind::AddrNotAvailable => format!(
            "{} is not an address of this machine. Choose another with --listen.",
            address.ip()
        ),
        _ => format!("Cannot listen on {address}: {error}."),
    };
    Error::Setting(sentence)
}

fn bracketed(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

/// Binds a path. Replaces a socket left over by a dead server, but not one in use and not another kind of file.
#[cfg(unix)]
fn bind_unix(path: &Path, mode: u32) -> Result<Socket, String> {
    match std::fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            return Err("cannot be created: another file has this name".to_owned());
        }
        Ok(_) => match UnixStream::connect(path) {
            // Nothing listens there.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                std::fs::remove_file(path)
                    .map_err(|error| format!("is left over and cannot be removed: {error}"))?;
            }
            Ok(_) => return Err("is in use by another program".to_owned()),
            // For example another user's, or a datagram socket: it may still be in use.
            Err(error) => {
                return Err(format!("may be in use by another program: {error}"));
            }
        },
        Err(_) => {}
    }
    let listener =
        UnixListener::bind(path).map_err(|error| format!("cannot be created: {error}"))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
        .map_err(|error| format!("cannot be given its permissions: {error}"))?;
    Ok(Socket {
        address: Address::Unix(path.to_owned()),
        listener: Listener::Unix(listener),
        file: file_of(path),
    })
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::net::UnixDatagram;

    use super::*;

    #[test]
    fn a_socket_that_may_be_in_use_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let _other = UnixDatagram::bind(&path).unwrap();
        let refused = bind_unix(&path, 0o600).err().unwrap();
        assert!(refused.contains("may be in use"), "{refused}");
        assert!(path.exists());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_passed_socket_is_served_as_the_kind_that_it_is_and_its_file_is_kept() {
        for tls in [true, false] {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let bound = listener.local_addr().unwrap();
            let socket = inherit(Listener::Tcp(listener), tls).unwrap();
            let wanted = match tls {
                true => Address::Tls(bound),
                false => Address::Tcp(bound),
            };
            assert_eq!(socket.address, wanted);

            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("socket");
            let listener = UnixListener::bind(&path).unwrap();
            let socket = inherit(Listener::Unix(listener), tls).unwrap();
            assert_eq!(socket.address, Address::Unix(path.clone()));
            socket.remove_file();
            assert!(path.exists());
        }
    }
}
