//! How Linux reports the owner of a connection: `sock_diag`, else /proc/net.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with,
};

/// Reading /proc/net may take at most this long, however many connections the machine has.
const PATIENCE: Duration = Duration::from_millis(250);
/// Connected, or with only its sending half closed (RFC 9293, section 3.3.2), as the kernel's state numbers. A socket
/// in another state has no process, or its process has not connected yet.
const HELD: [u8; 3] = [1, 4, 5];
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLMSG_ERROR: u16 = 2;
const IPPROTO_TCP: u8 = 6;
/// The loopback interface's number in every network namespace: it also finds sockets that are bound to it.
const LOOPBACK: u32 = 1;

/// The user of `peer`'s socket in the connection between `peer` and `own`; `None`: no process holds such a socket.
pub(super) fn user_of(peer: SocketAddr, own: SocketAddr) -> io::Result<Option<u32>> {
    let ends = Ends::new(peer, own);
    sock_diag(&ends).or_else(|_| proc_net(&ends, PATIENCE))
}

/// A connection's source and destination. IPv4 mapped into IPv6 is treated as IPv4.
struct Ends {
    from: (IpAddr, u16),
    to: (IpAddr, u16),
}

impl Ends {
    fn new(from: SocketAddr, to: SocketAddr) -> Self {
        Ends {
            from: (from.ip().to_canonical(), from.port()),
            to: (to.ip().to_canonical(), to.port()),
        }
    }

    /// inet_diag_sockid of linux/inet_diag.h, up to the interface; `v6`: for an IPv6 socket.
    fn id(&self, v6: bool) -> Vec<u8> {
        let mut id = [self.from.1.to_be_bytes(), self.to.1.to_be_bytes()].concat();
        for (ip, _) in [self.from, self.to] {
            let mut ip = octets(ip, v6);
            ip.resize(16, 0);
            id.extend(ip);
        }
        id
    }

    /// Both ends as written in a line of /proc/net/tcp, or of tcp6.
    fn columns(&self, v6: bool) -> [String; 2] {
        [self.from, self.to].map(|(ip, port)| {
            let octets = octets(ip, v6);
            let words = octets.as_chunks().0.iter();
            let words: String = words
                .map(|word| format!("{:08X}", u32::from_ne_bytes(*word)))
                .collect();
            format!("{words}:{port:04X}")
        })
    }
}

fn octets(ip: IpAddr, v6: bool) -> Vec<u8> {
    match ip {
        IpAddr::V4(ip) if v6 => ip.to_ipv6_mapped().octets().to_vec(),
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    }
}

/// `None`: there is no such socket, or no process holds it.
fn sock_diag(ends: &Ends) -> Result<Option<u32>, Errno> {
    let socket = socket_with(
        AddressFamily::NETLINK,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        Some(netlink::SOCK_DIAG),
    )?;
    send(&socket, &question(ends), SendFlags::empty())?;
    let mut answer = [0; 1024];
    // The kernel has answered before `send` returns.
    let (read, _) = recv(&socket, &mut answer, RecvFlags::DONTWAIT)?;
    user_in(&answer[..read], ends).ok_or(Errno::PROTO)?
}

/// nlmsghdr, inet_diag_req_v2.
fn question(ends: &Ends) -> Vec<u8> {
    let family = match (ends.from.0, ends.to.0) {
        (IpAddr::V4(_), IpAddr::V4(_)) => AddressFamily::INET,
        _ => AddressFamily::INET6,
    };
    let mut body = vec![family.as_raw() as u8, IPPROTO_TCP, 0, 0];
    body.extend(u32::MAX.to_ne_bytes()); // in any state
    body.extend(ends.id(false));
    body.extend(LOOPBACK.to_ne_bytes());
    body.extend([0xff; 8]); // no cookie
    let request = 1u16;
    let mut message = (16 + body.len() as u32).to_ne_bytes().to_vec();
    message.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    message.extend(request.to_ne_bytes());
    message.extend([0; 8]); // sequence, port
    message.extend(body);
    message
}

/// The user in an answer (nlmsghdr, inet_diag_msg); `None` where it cannot be read.
fn user_in(answer: &[u8], ends: &Ends) -> Option<Result<Option<u32>, Errno>> {
    let word = |at: usize| Some(u32::from_ne_bytes(*answer.get(at..)?.first_chunk()?));
    let kind = u16::from_ne_bytes(*answer.get(4..)?.first_chunk()?);
    if kind == NLMSG_ERROR {
        let no_such_socket = (-Errno::NOENT.raw_os_error()).cast_unsigned();
        return Some(match word(16)? == no_such_socket {
            true => Ok(None),
            false => Err(Errno::NOTSUP),
        });
    }
    if kind != SOCK_DIAG_BY_FAMILY {
        return None;
    }
    let (state, id) = (*answer.get(17)?, answer.get(20..56)?);
    let (user, inode) = (word(80)?, word(84)?);
    // A lookup falls back to sockets that listen on the port.
    let same = id == ends.id(false) || id == ends.id(true);
    Some(Ok(
        (same && HELD.contains(&state) && inode != 0).then_some(user)
    ))
}

fn proc_net(ends: &Ends, patience: Duration) -> io::Result<Option<u32>> {
    let until = Instant::now() + patience;
    let tables = match ends.from.0 {
        IpAddr::V4(_) => &[("tcp", false), ("tcp6", true)][..],
        IpAddr::V6(_) => &[("tcp6", true)],
    };
    for (table, v6) in tables {
        let file = match File::open(format!("/proc/thread-self/net/{table}")) {
            // A kernel without IPv6.
            Err(error) if *v6 && error.kind() == io::ErrorKind::NotFound => continue,
            file => file?,
        };
        let columns = ends.columns(*v6);
        for line in BufReader::new(file).lines() {
            if let Some(user) = user_in_line(&line?, &columns) {
                return Ok(user);
            }
            if Instant::now() > until {
                return Err(io::ErrorKind::TimedOut.into());
            }
        }
    }
    Ok(None)
}

/// `None`: the line is for another socket.
fn user_in_line(line: &str, ends: &[String; 2]) -> Option<Option<u32>> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let [_, from, to, state, _, _, _, user, _, inode, ..] = fields[..] else {
        return None;
    };
    if from != ends[0] || to != ends[1] {
        return None;
    }
    let held = u8::from_str_radix(state, 16).is_ok_and(|state| HELD.contains(&state));
    Some(user.parse().ok().filter(|_| held && inode != "0"))
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use rustix::net::{connect, socket};

    use super::*;

    fn found(ends: &Ends) -> Option<u32> {
        let user = sock_diag(ends).expect("sock_diag");
        assert_eq!(
            user,
            proc_net(ends, Duration::from_secs(20)).expect("/proc/net"),
            "the results differ"
        );
        user
    }

    #[test]
    fn both_ways_find_the_clients_socket_while_a_process_holds_it() {
        let own = rustix::process::geteuid().as_raw();
        for address in ["127.0.0.1:0", "[::1]:0", "[::ffff:127.0.0.1]:0"] {
            let Ok(listener) = TcpListener::bind(address) else {
                continue; // no IPv6
            };
            let to = listener.local_addr().unwrap();
            let client = TcpStream::connect(to).unwrap();
            let (server, peer) = listener.accept().unwrap();
            let ends = Ends::new(peer, to);
            assert_eq!(found(&ends), Some(own), "{address}");
            assert_eq!(user_of(peer, to).unwrap(), Some(own));
            // Either end has a socket; a listening one is not the client's.
            assert_eq!(found(&Ends::new(to, peer)), Some(own));
            let other = SocketAddr::new(peer.ip(), peer.port() ^ 1);
            assert_eq!(found(&Ends::new(to, other)), None);
            assert_eq!(user_of(to, other).unwrap(), None);
            client.shutdown(std::net::Shutdown::Write).unwrap();
            assert_eq!(found(&ends), Some(own), "half closed, still reading");
            drop(client);
            assert_eq!(found(&ends), None, "closed");
            drop(server);
            assert_eq!(found(&ends), None, "TIME_WAIT");
        }
    }

    #[test]
    fn an_ipv6_client_of_an_ipv4_server_is_found() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let to = listener.local_addr().unwrap();
        let Ok(client) = socket(AddressFamily::INET6, SocketType::STREAM, None) else {
            return;
        };
        let mapped = format!("[::ffff:127.0.0.1]:{}", to.port());
        connect(&client, &mapped.parse::<SocketAddr>().unwrap()).unwrap();
        let (_server, peer) = listener.accept().unwrap();
        assert!(found(&Ends::new(peer, to)).is_some());
    }

    #[test]
    fn malformed_answers_are_ignored() {
        let ends = Ends::new(
            SocketAddr::from(([127, 0, 0, 1], 1)),
            SocketAddr::from(([127, 0, 0, 1], 2)),
        );
        let error = |errno: i32| {
            let mut answer = [0; 36];
            answer[4..6].copy_from_slice(&NLMSG_ERROR.to_ne_bytes());
            answer[16..20].copy_from_slice(&(-errno).to_ne_bytes());
            user_in(&answer, &ends)
        };
        assert_eq!(error(2), Some(Ok(None)));
        assert_eq!(error(1), Some(Err(Errno::NOTSUP)));
        for length in 0..88 {
            let mut answer = [0; 88];
            answer[4..6].copy_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
            assert_eq!(user_in(&answer[..length], &ends), None, "{length}");
        }
    }

    #[test]
    fn only_the_line_of_a_held_socket_has_a_user() {
        let ends = Ends::new(
            SocketAddr::from(([127, 0, 0, 1], 0x8001)),
            SocketAddr::from(([127, 0, 0, 1], 5000)),
        );
        let columns = ends.columns(false);
        let line = |from: &str, state: &str, inode: &str| {
            let line = format!(
                "  12: {from} {} {state} 00000000:00000000 00:00000000 00000000  1000        0 {inode} 1 0 20 4 30 10 -1",
                columns[1]
            );
            user_in_line(&line, &columns)
        };
        assert_eq!(line(&columns[0], "01", "29724"), Some(Some(1000)));
        assert_eq!(line(&columns[0], "06", "0"), Some(None), "TIME_WAIT");
        assert_eq!(line(&columns[0], "05", "0"), Some(None), "no process");
        assert_eq!(line(&columns[0], "02", "29724"), Some(None), "SYN_SENT");
        assert_eq!(line(&columns[1], "01", "29724"), None);
        assert_eq!(
            user_in_line("  sl  local_address rem_address", &columns),
            None
        );
    }
}
