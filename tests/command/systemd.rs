//! What systemd does, done by the test: it hears what the server reports and restarts it. `sockets` has the sockets that it opens.

#![cfg(target_os = "linux")]

mod sockets;

use std::fs;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::thread;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::common::{PATIENCE, Server, run, said, sealgate, text};

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
