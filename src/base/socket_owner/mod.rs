//! Which user owns the process at the other end of a local connection, according to the kernel.
//!
//! `sock_diag` looks up one TCP connection in microseconds. If a sandbox forbids netlink sockets, /proc/net is read
//! instead, which takes milliseconds. A socket keeps the user that created it, even when it is passed to another user's
//! process.

#[cfg(target_os = "linux")]
mod linux;

use std::net::SocketAddr;

#[cfg(target_os = "linux")]
use linux::user_of;

/// The owner of the process at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// It runs as the same user as this process.
    SameUser,
    /// It runs as another user, has exited, or is in another network namespace.
    Another,
    /// The system does not report it.
    Unknown,
}

/// The owner of a socket that was created by a process of this user.
#[cfg(unix)]
pub(crate) fn owner(user: u32) -> Owner {
    let own = rustix::process::geteuid().as_raw();
    if user != own {
        Owner::Another
    } else if stands_for_many(own) {
        Owner::Unknown
    } else {
        Owner::SameUser
    }
}

#[cfg(not(unix))]
pub(crate) fn owner(_user: u32) -> Owner {
    Owner::Unknown
}

/// Whether this process's user can be distinguished from others.
pub(crate) fn knows_own_user() -> bool {
    #[cfg(unix)]
    return owner(rustix::process::geteuid().as_raw()) == Owner::SameUser;
    #[cfg(not(unix))]
    return false;
}

/// Whether this is the overflow user, which the kernel reports for all users without a number in this user namespace.
#[cfg(unix)]
fn stands_for_many(user: u32) -> bool {
    let overflow = std::fs::read_to_string("/proc/sys/kernel/overflowuid").ok();
    let overflow = overflow.and_then(|text| text.trim().parse().ok());
    user == overflow.unwrap_or(65_534)
        && !std::fs::read_to_string("/proc/self/uid_map")
            .is_ok_and(|map| map.split_ascii_whitespace().eq(["0", "0", "4294967295"]))
}

/// The owner of `peer`'s socket in the connection between `peer` and `own`.
pub(crate) fn of_connection(peer: SocketAddr, own: SocketAddr) -> Owner {
    match user_of(peer, own) {
        Ok(Some(user)) => owner(user),
        Ok(None) => Owner::Another,
        Err(_) => Owner::Unknown,
    }
}

/// Whether the system answers such queries at all.
pub(crate) fn can_ask() -> bool {
    let nobody = SocketAddr::from(([127, 0, 0, 1], 0));
    of_connection(nobody, nobody) != Owner::Unknown
}

#[cfg(not(target_os = "linux"))]
fn user_of(_peer: SocketAddr, _own: SocketAddr) -> std::io::Result<Option<u32>> {
    Err(std::io::ErrorKind::Unsupported.into())
}
