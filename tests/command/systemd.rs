//! What systemd does, done by the test: it opens the sockets, hears what the server reports, and restarts it.

#![cfg(target_os = "linux")]

use std::fs;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::{FdFlags, fcntl_dupfd_cloexec, fcntl_setfd};
use rustix::time::{ClockId, clock_gettime};

use crate::common::process::start_by;
use crate::common::{Answer, PATIENCE, Server, run, said, sealgate, text};

/// The socket of NOTIFY_SOCKET.
struct Supervisor {
    socket: UnixDatagram,
}

impl Supervisor {
    fn at(address: &SocketAddr) -> Supervisor {
        let socket = UnixDatagram::bind_addr(address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Supervisor { socket }
    }

    fn hears(&self) -> String {
        let mut message = [0; 5000];
        let length = self.socket.recv(&mut message).expect("a message");
        String::from_utf8(message[..length].to_vec()).unwrap()
    }

    /// The next message but those of the watchdog.
    fn hears_state(&self) -> String {
        loop {
            let message = self.hears();
            if message != "WATCHDOG=1" {
                return message;
            }
        }
    }
}

fn now() -> u128 {
    Duration::try_from(clock_gettime(ClockId::Monotonic))
        .unwrap()
        .as_micros()
}

#[test]
fn the_supervisor_hears_of_start_reload_and_stop() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("notify");
    let name = format!("sealgate-test-{}", std::process::id());
    for (address, shown) in [
        (
            SocketAddr::from_pathname(&path).unwrap(),
            path.to_str().unwrap().to_owned(),
        ),
        (
            SocketAddr::from_abstract_name(&name).unwrap(),
            format!("@{name}"),
        ),
    ] {
        let supervisor = Supervisor::at(&address);
        let server = Server::start(home.path(), &[("NOTIFY_SOCKET", &shown)]);
        let ready = format!(
            "READY=1\nSTATUS=listening on http://127.0.0.1:{}",
            server.port
        );
        assert_eq!(supervisor.hears(), ready);

        let before = now();
        server.signal("HUP");
        let reloading = supervisor.hears();
        let time = reloading
            .strip_prefix("RELOADING=1\nMONOTONIC_USEC=")
            .and_then(|rest| rest.strip_suffix("\nSTATUS=reloading"));
        let time: u128 = time.expect(&reloading).parse().unwrap();
        assert!((before..=now()).contains(&time), "{before} {time}");
        assert_eq!(supervisor.hears(), ready);

        // It says what it could not reload, and serves on.
        let ring = home.path().join(".local/state/sealgate/keys.json");
        let kept = fs::read(&ring).unwrap();
        fs::write(&ring, "no ring").unwrap();
        server.signal("HUP");
        assert!(supervisor.hears().starts_with("RELOADING=1\n"));
        let state = supervisor.hears();
        assert!(
            state.starts_with(&format!("{ready}; not reloaded: ")) && state.contains("keys.json"),
            "{state}"
        );
        fs::write(&ring, kept).unwrap();

        server.signal("TERM");
        assert_eq!(
            supervisor.hears(),
            "STOPPING=1\nSTATUS=stopping; running requests have 10 s to finish"
        );
        drop(server);
    }
}

#[test]
fn an_address_that_nobody_hears_at_does_not_stop_the_server() {
    let home = tempfile::tempdir().unwrap();
    let absent = home.path().join("absent");
    let long = format!("/{}", "x".repeat(200));
    for name in [absent.to_str().unwrap(), "vsock:2:1234", "@", &long] {
        let server = Server::start(home.path(), &[("NOTIFY_SOCKET", name)]);
        assert_eq!(server.get("/healthz", None).status, 200);
        server.signal("HUP");
        let log = server.stop();
        assert!(log.contains("NOTIFY_SOCKET"), "{log}");
    }
}

#[test]
fn the_watchdog_hears_of_the_workers_while_the_server_runs() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("notify");
    let supervisor = Supervisor::at(&SocketAddr::from_pathname(&path).unwrap());
    let server = Server::start(
        home.path(),
        &[
            ("NOTIFY_SOCKET", path.to_str().unwrap()),
            ("WATCHDOG_USEC", "300000"),
        ],
    );
    assert!(supervisor.hears().starts_with("READY=1\n"));
    for _ in 0..5 {
        assert_eq!(supervisor.hears(), "WATCHDOG=1");
    }
    server.signal("TERM");
    assert!(supervisor.hears_state().starts_with("STOPPING=1\n"));

    // Not asked to by systemd, it says nothing of the kind.
    let server = Server::start(
        home.path(),
        &[
            ("NOTIFY_SOCKET", path.to_str().unwrap()),
            ("WATCHDOG_USEC", "1000"),
            ("WATCHDOG_PID", "1"),
        ],
    );
    assert!(supervisor.hears_state().starts_with("READY=1\n"));
    thread::sleep(Duration::from_millis(100));
    server.signal("TERM");
    assert!(supervisor.hears().starts_with("STOPPING=1\n"));
}

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

/// LoadCredential= gives the service's user access by an ACL to a file of root, which then seems to have mode 0440.
#[test]
fn a_credential_causes_no_warning() {
    let home = tempfile::tempdir().unwrap();
    if fs::metadata(home.path()).unwrap().uid() != 0 {
        return;
    }
    let mode = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(home.path(), 0o755);
    let secret = home.path().join("ring-key");
    fs::write(&secret, [b'x'; 32]).unwrap();
    for (bits, warned) in [(0o440, false), (0o400, false), (0o444, true)] {
        mode(&secret, bits);
        let mut command = sealgate(home.path());
        command
            .args(["config", "--check"])
            .env("SEALGATE_RING_KEY_FILE", &secret)
            .uid(65_534)
            .gid(65_534);
        let output = run(command, b"");
        let said = text(&output.stdout) + &text(&output.stderr);
        assert_eq!(said.contains("can be read by"), warned, "{bits:o}: {said}");
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

/// The new version upgrades the store when it starts; the old one is over by then.
#[test]
fn a_store_of_an_older_version_is_upgraded_and_one_of_a_newer_version_is_left_alone() {
    use crate::common::people::{PASSWORD, Pair, People};

    let people = People::of(&["alice"]);
    let token = Pair::log_in(&people.server(&[]), "alice").token;
    let change = |statements: &str| {
        let store = rusqlite::Connection::open(people.place.folder.join("store.db")).unwrap();
        store.execute_batch(statements).unwrap();
    };
    change(
        "DROP INDEX accounts_by_hash; ALTER TABLE accounts DROP COLUMN kind; ALTER TABLE accounts DROP COLUMN claims;
         DROP TABLE api_keys; DELETE FROM meta WHERE name IN ('stand_in_key', 'api_keys');
         ALTER TABLE sessions DROP COLUMN started; ALTER TABLE sessions DROP COLUMN refreshed;
         DROP TABLE unlocked_users; PRAGMA user_version = 1;",
    );
    let server = people.server(&[]);
    assert_eq!(server.get("/secure-data", Some(&token)).status, 200);
    Pair::log_in(&server, "alice");
    server.stop();
    change("PRAGMA user_version = 99");
    let ring = fs::read(people.place.ring()).unwrap();
    for arguments in [
        &["serve", "--listen", "127.0.0.1:0"][..],
        &["user", "list"],
        &["backup", "-"],
    ] {
        let refused = people.typed(arguments, PASSWORD);
        assert_eq!(refused.status.code(), Some(2), "{refused:?}");
        let words = "was written by a newer version of sealgate; use that version";
        assert!(text(&refused.stderr).contains(words), "{refused:?}");
    }
    assert_eq!(fs::read(people.place.ring()).unwrap(), ring);
}
