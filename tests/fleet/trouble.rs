//! A TCP proxy that makes trouble: connections stall, are closed or reset, lose what is sent, or are slow. Each change applies to
//! all connections of the proxy, or to one of them.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::net::connect_unspec;
use rustix::net::sockopt::set_socket_linger;

/// How long a change of trouble takes to apply.
const LOOK: Duration = Duration::from_millis(10);

/// What happens to the bytes of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    None,
    /// Nothing passes. What was sent meanwhile arrives later.
    Stall,
    /// New connections are accepted and everything is read, but nobody answers and nothing arrives, ever.
    BlackHole,
    /// Connections end, and new ones end at once.
    Close,
    /// The same with a reset, which may overtake what was sent before.
    Reset,
    /// Every piece arrives this much later.
    Delay(Duration),
}

/// Where a proxy leads to.
#[derive(Clone, Debug)]
pub enum Target {
    Unix(PathBuf),
    Port(u16),
}

impl Target {
    fn connect(&self) -> std::io::Result<TcpStream> {
        match self {
            // To std a socket is a socket.
            Target::Unix(path) => Ok(TcpStream::from(OwnedFd::from(UnixStream::connect(path)?))),
            Target::Port(port) => TcpStream::connect(("127.0.0.1", *port)),
        }
    }
}

/// A connection: both of its sides, and its own trouble, which comes before the proxy's.
struct Link {
    client: TcpStream,
    own: Mutex<Option<Trouble>>,
    is_over: AtomicBool,
    /// Bytes that disappeared once are missing for good.
    is_torn: AtomicBool,
}

struct State {
    trouble: Mutex<Trouble>,
    links: Mutex<Vec<Arc<Link>>>,
    accepted: AtomicUsize,
    ends: AtomicBool,
}

impl State {
    fn trouble_of(&self, link: &Link) -> Trouble {
        let own = *link.own.lock().unwrap();
        own.unwrap_or_else(|| *self.trouble.lock().unwrap())
    }
}

/// A proxy on a port of its own.
pub struct Proxy {
    pub port: u16,
    state: Arc<State>,
    acceptor: Option<JoinHandle<()>>,
}

impl Proxy {
    pub fn to(target: Target) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State {
            trouble: Mutex::new(Trouble::None),
            links: Mutex::new(Vec::new()),
            accepted: AtomicUsize::new(0),
            ends: AtomicBool::new(false),
        });
        let shared = Arc::clone(&state);
        let acceptor = thread::spawn(move || accept(&listener, &target, &shared));
        Proxy {
            port,
            state,
            acceptor: Some(acceptor),
        }
    }

    /// For all connections, present and future, that have no trouble of their own.
    pub fn set(&self, trouble: Trouble) {
        *self.state.trouble.lock().unwrap() = trouble;
    }

    /// For one of the present connections: the `number`th of those, counted round.
    pub fn set_one(&self, number: usize, trouble: Trouble) {
        let links = self.state.links.lock().unwrap();
        if let Some(link) = links.get(number % links.len().max(1)) {
            *link.own.lock().unwrap() = Some(trouble);
        }
    }

    /// Connections that are open now.
    pub fn open(&self) -> usize {
        self.state.links.lock().unwrap().len()
    }

    /// Connections that it has ever accepted.
    pub fn accepted(&self) -> usize {
        self.state.accepted.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.ends.store(true, Ordering::SeqCst);
        // Wakes the acceptor.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
    }
}

fn accept(listener: &TcpListener, target: &Target, state: &Arc<State>) {
    let mut pumps = Vec::new();
    for client in listener.incoming().map_while(Result::ok) {
        if state.ends.load(Ordering::SeqCst) {
            break;
        }
        state.accepted.fetch_add(1, Ordering::SeqCst);
        let now = *state.trouble.lock().unwrap();
        if now == Trouble::Reset {
            let _ = set_socket_linger(&client, Some(Duration::ZERO));
        }
        // The pumps decide about everything else.
        if matches!(now, Trouble::Close | Trouble::Reset) {
            continue;
        }
        let Ok(server) = target.connect() else {
            // As a port that nobody listens on, nearly: the connection is reset instead of refused.
            let _ = set_socket_linger(&client, Some(Duration::ZERO));
            continue;
        };
        let _ = client.set_nodelay(true);
        let _ = server.set_nodelay(true);
        let link = Arc::new(Link {
            client: client.try_clone().unwrap(),
            own: Mutex::new(None),
            is_over: AtomicBool::new(false),
            is_torn: AtomicBool::new(false),
        });
        state.links.lock().unwrap().push(Arc::clone(&link));
        let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        for (from, to) in [(from, to), (server, client)] {
            let (state, link) = (Arc::clone(state), Arc::clone(&link));
            pumps.push(thread::spawn(move || {
                pump(&from, &to, &state, &link);
                link.is_over.store(true, Ordering::SeqCst);
                let _ = from.shutdown(Shutdown::Both);
                let _ = to.shutdown(Shutdown::Both);
                let mut links = state.links.lock().unwrap();
                links.retain(|other| !Arc::ptr_eq(other, &link));
            }));
        }
        pumps.retain(|pump| !pump.is_finished());
    }
    for pump in pumps {
        let _ = pump.join();
    }
}

/// Moves bytes one way until the connection is over.
fn pump(mut from: &TcpStream, mut to: &TcpStream, state: &State, link: &Link) {
    let _ = from.set_read_timeout(Some(LOOK));
    let _ = to.set_write_timeout(Some(Duration::from_secs(5)));
    let mut buffer = vec![0; 65536];
    loop {
        if state.ends.load(Ordering::SeqCst) || link.is_over.load(Ordering::SeqCst) {
            return;
        }
        match state.trouble_of(link) {
            Trouble::Close => return,
            Trouble::Reset => {
                // Sends a reset however many copies of the descriptor there are.
                let _ = connect_unspec(&link.client);
                return;
            }
            Trouble::Stall => {
                thread::sleep(LOOK);
                continue;
            }
            Trouble::None | Trouble::BlackHole | Trouble::Delay(_) => {}
        }
        let length = match from.read(&mut buffer) {
            Ok(0) => return,
            Ok(length) => length,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                continue;
            }
            Err(_) => return,
        };
        // It may have changed while nothing came.
        loop {
            match state.trouble_of(link) {
                Trouble::Stall if !state.ends.load(Ordering::SeqCst) => thread::sleep(LOOK),
                Trouble::BlackHole => {
                    link.is_torn.store(true, Ordering::SeqCst);
                    break;
                }
                Trouble::Delay(time) => {
                    thread::sleep(time);
                    break;
                }
                _ => break,
            }
        }
        // A connection that has lost bytes never recovers, as behind a router that has forgotten it.
        if link.is_torn.load(Ordering::SeqCst) {
            continue;
        }
        if to.write_all(&buffer[..length]).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::PATIENCE;

    /// A server that sends back whatever it gets.
    fn echo() -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                thread::spawn(move || {
                    let mut buffer = [0; 1024];
                    while let Ok(length @ 1..) = stream.read(&mut buffer) {
                        let _ = stream.write_all(&buffer[..length]);
                    }
                });
            }
        });
        Proxy::to(Target::Port(port))
    }

    fn connect(proxy: &Proxy) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", proxy.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    fn echoed(mut stream: &TcpStream, sent: &[u8]) -> std::io::Result<()> {
        stream.write_all(sent)?;
        let mut came = vec![0; sent.len()];
        stream.read_exact(&mut came)?;
        assert_eq!(came, sent);
        Ok(())
    }

    /// Nothing comes for a while.
    fn is_silent(mut stream: &TcpStream) -> bool {
        stream
            .set_read_timeout(Some(Duration::from_millis(300)))
            .unwrap();
        let silent = stream
            .read(&mut [0; 1])
            .is_err_and(|error| error.kind() == ErrorKind::WouldBlock);
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        silent
    }

    #[test]
    fn a_stalled_connection_goes_on_where_it_was() {
        let proxy = echo();
        let stream = connect(&proxy);
        echoed(&stream, b"one").unwrap();
        proxy.set(Trouble::Stall);
        (&stream).write_all(b"two").unwrap();
        assert!(is_silent(&stream));
        proxy.set(Trouble::None);
        let mut came = [0; 3];
        (&stream).read_exact(&mut came).unwrap();
        assert_eq!(&came, b"two");
        echoed(&stream, b"three").unwrap();
    }

    #[test]
    fn a_black_hole_takes_everything_and_never_answers() {
        let proxy = echo();
        let before = connect(&proxy);
        echoed(&before, b"one").unwrap();
        proxy.set(Trouble::BlackHole);
        let within = connect(&proxy);
        for stream in [&before, &within] {
            let mut stream = stream;
            stream.write_all(b"two").unwrap();
            assert!(is_silent(stream));
        }
        proxy.set(Trouble::None);
        // What was lost stays lost; a new connection works.
        assert!(is_silent(&before));
        echoed(&connect(&proxy), b"three").unwrap();
    }

    #[test]
    fn connections_are_closed_or_reset_all_or_one() {
        let proxy = echo();
        let (first, second) = (connect(&proxy), connect(&proxy));
        echoed(&first, b"one").unwrap();
        echoed(&second, b"one").unwrap();
        assert_eq!((proxy.open(), proxy.accepted()), (2, 2));
        proxy.set_one(0, Trouble::Close);
        assert_eq!((&first).read(&mut [0; 1]).unwrap(), 0);
        echoed(&second, b"two").unwrap();
        proxy.set(Trouble::Reset);
        let error = (&second).read(&mut [0; 1]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        let after = connect(&proxy);
        assert!(echoed(&after, b"three").is_err());
        proxy.set(Trouble::None);
        echoed(&connect(&proxy), b"four").unwrap();
    }

    #[test]
    fn a_delay_delays() {
        let proxy = echo();
        let stream = connect(&proxy);
        proxy.set(Trouble::Delay(Duration::from_millis(100)));
        let start = std::time::Instant::now();
        echoed(&stream, b"one").unwrap();
        assert!(start.elapsed() >= Duration::from_millis(200), "both ways");
    }
}
