//! Sockets that systemd opens: which are served, and that nobody is refused while a server is restarted or replaced.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use rustix::io::{FdFlags, fcntl_dupfd_cloexec, fcntl_setfd};

use super::*;
use crate::common::Answer;
use crate::common::process::start_by;

/// Has this command's program started with these sockets, as systemd passes them.
fn with_sockets(command: &mut Command, sockets: &[&OwnedFd], names: &str) {
    // At most one start at a time, so that no other one gets these descriptors.
    let numbers = sockets.iter().map(|socket| socket.as_raw_fd());
    let moves = (3..)
        .zip(numbers)
        .map(|(to, from)| format!(" {to}<&{from}"));
    let moves: String = moves.collect();
    let script = format!(
        "exec{moves}; LISTEN_PID=$$ LISTEN_FDS={} exec \"$0\" serve",
        sockets.len()
    );
    command.env("LISTEN_FDNAMES", names);
    start_by(command, &["bash", "-c", &script]);
}

/// Lets the programs that are started meanwhile have these sockets.
fn inherited<T>(sockets: &[&OwnedFd], start: impl FnOnce() -> T) -> T {
    let inherit = |flags| {
        for socket in sockets {
            fcntl_setfd(socket, flags).unwrap();
        }
    };
    inherit(FdFlags::empty());
    let started = start();
    inherit(FdFlags::CLOEXEC);
    started
}

/// A descriptor that is none of those that systemd uses.
fn high(socket: impl AsFd) -> OwnedFd {
    fcntl_dupfd_cloexec(socket, 100).unwrap()
}

struct Sockets {
    tcp: OwnedFd,
    unix: OwnedFd,
    port: u16,
    path: std::path::PathBuf,
    home: tempfile::TempDir,
}

impl Sockets {
    fn new() -> Sockets {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("socket");
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        Sockets {
            port: tcp.local_addr().unwrap().port(),
            tcp: high(tcp),
            unix: high(UnixListener::bind(&path).unwrap()),
            path,
            home,
        }
    }

    fn serve(&self) -> Server {
        let sockets = [&self.tcp, &self.unix];
        inherited(&sockets, || {
            Server::start_with(self.home.path(), |command| {
                with_sockets(command, &sockets, "web:local");
            })
        })
    }
}

/// One request on a new connection: how connecting went, and whether an answer came.
fn visit<S: Read + Write>(connect: impl FnOnce() -> io::Result<S>) -> io::Result<bool> {
    let mut stream = connect()?;
    let ask = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let answer = stream.write_all(ask).ok();
    let answer = answer.and_then(|()| Answer::read(&mut stream));
    Ok(answer.is_some_and(|answer| answer.status == 200))
}

fn tcp(port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

fn unix(path: &Path) -> io::Result<UnixStream> {
    let stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

#[test]
fn sockets_of_both_kinds_are_served_in_place_of_the_setting() {
    let sockets = Sockets::new();
    // What came before the server waits for it.
    let mut early = tcp(sockets.port).unwrap();
    early
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .unwrap();
    let server = sockets.serve();
    for address in [
        format!("listening on http://127.0.0.1:{} (pool)\n", sockets.port),
        format!("listening on unix:{} (pool)\n", sockets.path.display()),
    ] {
        assert!(server.greeting.contains(&address), "{}", server.greeting);
    }
    assert_eq!(server.greeting.matches("listening on").count(), 2);
    assert_eq!(Answer::read(&mut early).unwrap().status, 200);
    assert!(visit(|| tcp(sockets.port)).unwrap());
    assert!(visit(|| unix(&sockets.path)).unwrap());
    server.stop();
    // They are systemd's: they stay, and so does the file.
    tcp(sockets.port).unwrap();
    unix(&sockets.path).unwrap();
}

/// Sockets for somebody else, or none.
#[test]
fn sockets_for_another_process_are_left_alone() {
    let home = tempfile::tempdir().unwrap();
    for (pid, count) in [("1", "2"), ("", "2")] {
        let server = Server::start(home.path(), &[("LISTEN_PID", pid), ("LISTEN_FDS", count)]);
        assert_eq!(server.get("/healthz", None).status, 200);
        server.stop();
    }
}

#[test]
fn what_cannot_be_served_is_refused_with_the_remedy() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path();
    let tcp_listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let connected = TcpStream::connect(tcp_listener.local_addr().unwrap()).unwrap();
    let nameless = SocketAddr::from_abstract_name(format!("sealgate-{}", std::process::id()));
    let refused = |socket: OwnedFd, engine: &str| {
        let mut command = sealgate(folder);
        command
            .env("SEALGATE_KEYS", "ephemeral")
            .env("SEALGATE_ENGINE", engine);
        with_sockets(&mut command, &[&socket], "web");
        let output = inherited(&[&socket], || run(command, b""));
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        said(&output)
    };
    for (socket, engine, words) in [
        (
            high(UdpSocket::bind("127.0.0.1:0").unwrap()),
            "pool",
            "3 that systemd passed (web)",
        ),
        (
            high(UnixDatagram::unbound().unwrap()),
            "pool",
            "ListenStream=",
        ),
        (
            high(fs::File::open("/dev/null").unwrap()),
            "pool",
            "is not a TCP",
        ),
        (high(&connected), "pool", "does not listen"),
        (
            high(UnixListener::bind_addr(&nameless.unwrap()).unwrap()),
            "pool",
            "has no path",
        ),
        (high(&tcp_listener), "tiny-http", "engine pool"),
    ] {
        let sentence = refused(socket, engine);
        assert!(sentence.contains(words), "{sentence}");
    }
}

/// The parent keeps the sockets, so nobody is refused; and who is connected when the server is asked to stop is answered.
#[test]
fn restarts_refuse_no_connection() {
    let sockets = Sockets::new();
    let mut server = sockets.serve();
    let over = AtomicBool::new(false);
    let answered = AtomicUsize::new(0);
    let killed = AtomicBool::new(false);
    let failures = Mutex::new(Vec::new());
    let load = |visit: &dyn Fn() -> io::Result<bool>| {
        while !over.load(Ordering::SeqCst) {
            let start = Instant::now();
            let was_killed = killed.load(Ordering::SeqCst);
            let failure = match visit() {
                Ok(true) => {
                    answered.fetch_add(1, Ordering::SeqCst);
                    continue;
                }
                Ok(false) => "no answer".to_owned(),
                Err(error) => error.to_string(),
            };
            // Connections that the dead server had are lost. A client that the machine holds up may come too late.
            let excused = was_killed || killed.load(Ordering::SeqCst);
            let late = start.elapsed() > Duration::from_millis(400);
            if failure != "no answer" || !(excused || late) {
                failures.lock().unwrap().push(failure);
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| load(&|| visit(|| tcp(sockets.port))));
            scope.spawn(|| load(&|| visit(|| unix(&sockets.path))));
        }
        let more = |count: usize| {
            let wanted = answered.load(Ordering::SeqCst) + count;
            let start = Instant::now();
            while answered.load(Ordering::SeqCst) < wanted && failures.lock().unwrap().is_empty() {
                assert!(start.elapsed() < PATIENCE, "nobody is answered");
                thread::sleep(Duration::from_millis(5));
            }
        };
        for signal in ["TERM", "KILL", "TERM", "KILL"] {
            more(40);
            killed.store(signal == "KILL", Ordering::SeqCst);
            server.signal(signal);
            server.wait();
            server = sockets.serve();
            // Whoever was in the middle has noticed.
            more(40);
            killed.store(false, Ordering::SeqCst);
        }
        over.store(true, Ordering::SeqCst);
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{failures:?}");
    server.stop();
}

/// A client that keeps its connection as long as the server lets it, with a pause between two requests. What failed.
fn keeps_asking<S: Read + Write>(
    connect: impl Fn() -> io::Result<S>,
    over: &AtomicBool,
    answered: &AtomicUsize,
) -> Vec<String> {
    let mut failures = Vec::new();
    let mut kept = None;
    let mut last = Instant::now();
    while !over.load(Ordering::SeqCst) {
        let mut stream = match kept.take().map_or_else(&connect, Ok) {
            Ok(stream) => stream,
            Err(error) => {
                failures.push(error.to_string());
                continue;
            }
        };
        // The server waits for a second; a client that the machine holds up may come too late.
        let late = last.elapsed() > Duration::from_millis(400);
        let ask = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
        let answer = stream.write_all(ask).ok();
        let sent_late = late || last.elapsed() > Duration::from_millis(400);
        match answer.and_then(|()| Answer::read(&mut stream)) {
            Some(answer) if answer.status == 200 => {
                answered.fetch_add(1, Ordering::SeqCst);
                let closes = answer.header("connection") == Some("close");
                kept = (!closes).then_some(stream);
            }
            Some(answer) => failures.push(format!("{} {}", answer.status, answer.body)),
            None if sent_late => {}
            None => failures.push("no answer".to_owned()),
        }
        last = Instant::now();
        thread::sleep(Duration::from_millis(3));
    }
    failures
}

struct SetAtEnd<'a>(&'a AtomicBool);

impl Drop for SetAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// An upgrade: another process takes over the sockets, after the old one has ended or while it still serves.
#[test]
fn a_server_is_replaced_under_load_without_a_failed_request() {
    let sockets = Sockets::new();
    let mut server = sockets.serve();
    let (over, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    let failures = Mutex::new(Vec::new());
    thread::scope(|scope| {
        let (over, answered, failures, sockets) = (&over, &answered, &failures, &sockets);
        // Else they would ask for ever if this thread fails.
        let _over = SetAtEnd(over);
        for _ in 0..3 {
            scope.spawn(|| {
                let failed = keeps_asking(|| tcp(sockets.port), over, answered);
                failures.lock().unwrap().extend(failed);
            });
            scope.spawn(|| {
                let failed = keeps_asking(|| unix(&sockets.path), over, answered);
                failures.lock().unwrap().extend(failed);
            });
        }
        let more = |count: usize| {
            let wanted = answered.load(Ordering::SeqCst) + count;
            let start = Instant::now();
            while answered.load(Ordering::SeqCst) < wanted {
                assert!(start.elapsed() < PATIENCE, "nobody is answered");
                thread::sleep(Duration::from_millis(5));
            }
        };
        for round in 0..6 {
            more(60);
            let next = (round % 2 == 0).then(|| sockets.serve());
            server.signal("TERM");
            assert_eq!(server.wait(), Some(0), "{}", server.log());
            server = next.unwrap_or_else(|| sockets.serve());
        }
        more(60);
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{failures:?}");
    assert!(answered.load(Ordering::SeqCst) > 400);
    server.stop();
}
