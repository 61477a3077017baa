//! How many messages each data key has sealed: all processes of a data directory add up, and one that is killed leaves out
//! no more than is promised.

#![allow(clippy::unwrap_used)] // a test that panics has failed

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::common::c::checked;
use crate::common::people::within;
use crate::common::place::Place;
use crate::common::{PATIENCE, Server, run, said, text};
use serde_json::{Value, json};

/// What a process that is killed may leave uncounted.
const BOUND: u64 = 65_536;

const FREE: [(&str, &str); 2] = [("MAX_REQUESTS", "0"), ("SEALGATE_LOGIN_MAX_REQUESTS", "0")];

trait Counted {
    fn usage_file(&self) -> PathBuf;
    fn listed(&self) -> Vec<Value>;
    fn messages(&self) -> Vec<u64>;
    fn server(&self) -> Server;
    fn encrypt(&self, data: &str) -> String;
    fn done(&self, arguments: &[&str], input: &[u8]) -> String;
}

impl Counted for Place {
    fn usage_file(&self) -> PathBuf {
        self.folder.join("key-usage.txt")
    }

    fn listed(&self) -> Vec<Value> {
        let listed = self.done(&["keys", "list", "--json"], b"");
        let listed: Value = serde_json::from_str(&listed).unwrap();
        listed["keys"].as_array().unwrap().clone()
    }

    /// Of each data key, oldest first.
    fn messages(&self) -> Vec<u64> {
        let keys = self.listed();
        let keys = keys.iter().filter(|key| key["kind"] == "data");
        keys.map(|key| key["messages"].as_u64().unwrap()).collect()
    }

    fn server(&self) -> Server {
        Server::start_with(self.home.path(), |command| {
            command
                .env("SEALGATE_DATA_DIR", &self.folder)
                .envs(FREE.iter().copied());
        })
    }

    fn encrypt(&self, data: &str) -> String {
        self.done(&["encrypt"], data.as_bytes())
    }

    fn done(&self, arguments: &[&str], input: &[u8]) -> String {
        let output = run(self.command(arguments), input);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        text(&output.stdout)
    }
}

/// Has a server encrypt so many items at once.
fn encrypt_batch(server: &Server, token: &str, items: usize) {
    let items: Vec<_> = (0..items)
        .map(|at| json!({"data": at.to_string()}))
        .collect();
    let body = json!({ "items": items }).to_string();
    let answer = server.post("/encrypt", &body, Some(token));
    assert_eq!(answer.status, 200, "{}", answer.body);
}

fn python(place: &Place, program: &str) -> Command {
    let mut command = crate::common::c::python(place.home.path());
    command
        .args(["-c", program])
        .env("SEALGATE_DATA_DIR", &place.folder);
    command
}

#[test]
fn all_doors_and_processes_add_up() {
    let place = Place::with_ring();
    assert_eq!(place.messages(), [0]);
    assert!(!place.usage_file().exists(), "looking makes nothing");
    let servers = [place.server(), place.server()];
    let token = servers[0].log_in("alice");
    // Gates that are never freed, the functions with the original's names, and a child that was forked off in between.
    let uses = "
import os, sealgate
gate = sealgate.Gate()
for _ in range(100): gate.encrypt('x')
child = os.fork()
for _ in range(50): gate.seal(b'x', b'y')
if child == 0:
    gate.close()
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
for _ in range(3): sealgate.encrypt_data('x')
gate.rewrap(gate.encrypt('x'))
";
    let input = place.home.path().join("in");
    fs::write(&input, vec![7; 300_000]).unwrap();
    let input = input.to_str().unwrap();
    let output = &format!("{input}.sealed");
    thread::scope(|scope| {
        for server in &servers {
            scope.spawn(|| {
                for _ in 0..3 {
                    encrypt_batch(server, &token, 1000);
                }
                for _ in 0..20 {
                    assert_eq!(server.get("/secure-data", Some(&token)).status, 200);
                    // A check is no message.
                    assert_eq!(server.get("/readyz", None).status, 200);
                }
            });
            scope.spawn(|| checked(&mut python(&place, uses)));
        }
        scope.spawn(|| {
            let lines: String = (0..10).map(|at| place.encrypt(&at.to_string())).collect();
            place.done(&["rewrap"], lines.as_bytes());
            place.done(&["encrypt", "--in", input, "--out", output], b"");
        });
    });
    for server in servers {
        server.stop();
    }
    let by_servers = 2 * (3000 + 20);
    let by_python = 2 * (100 + 2 * 50 + 3 + 2);
    let by_commands = 10 + 10 + 1;
    let lines = fs::read_to_string(place.usage_file()).unwrap();
    assert!(lines.starts_with("sealgate key usage 1\n"), "{lines}");
    let all = by_servers + by_python + by_commands;
    assert_eq!(place.messages(), [all], "{lines}");
    let table = text(&place.keys("list").stdout);
    assert!(table.contains("  6,471  "), "{table}");
}

#[test]
fn a_running_server_is_a_second_behind_and_killed_leaves_out_no_more_than_promised() {
    let place = Place::with_ring();
    let server = place.server();
    let token = server.log_in("alice");
    encrypt_batch(&server, &token, 10);
    within(PATIENCE, || place.messages() == [10]);
    let batches = 100;
    for _ in 0..batches {
        encrypt_batch(&server, &token, 1000);
    }
    drop(server); // Killed.
    let sealed = batches * 1000 + 10;
    let counted = place.messages()[0];
    assert!(
        counted <= sealed && counted + BOUND >= sealed,
        "{counted} of {sealed}"
    );
    // And what comes then is added.
    place.encrypt("x");
    assert_eq!(place.messages(), [counted + 1]);
}

#[test]
fn short_processes_that_are_killed_are_not_all_missing() {
    let place = Place::with_ring();
    let mut program = python(
        &place,
        "
import os, signal, sealgate
for _ in range(1000): sealgate.encrypt_data('x')
os.kill(os.getpid(), signal.SIGKILL)
",
    );
    assert!(!program.stdout(Stdio::null()).status().unwrap().success());
    let counted = place.messages()[0];
    assert!((500..=1000).contains(&counted), "{counted}");
}

#[test]
fn a_key_that_was_replaced_keeps_its_count_until_it_is_taken_out_of_the_ring() {
    let place = Place::with_ring();
    let server = place.server();
    let token = server.log_in("alice");
    encrypt_batch(&server, &token, 7);
    place.done(&["keys", "rotate"], b"");
    server.signal("HUP");
    within(PATIENCE, || {
        server.log().contains("the key ring was reloaded")
    });
    encrypt_batch(&server, &token, 5);
    server.stop();
    assert_eq!(place.messages(), [7, 5]);
    let ids: Vec<String> = place
        .listed()
        .iter()
        .filter(|key| key["kind"] == "data")
        .map(|key| key["id"].as_str().unwrap().to_owned())
        .collect();
    place.done(&["keys", "retire", &ids[0]], b"");
    assert_eq!(place.messages(), [7, 5]);

    let mut ring: Value = serde_json::from_slice(&fs::read(place.ring()).unwrap()).unwrap();
    ring["data_keys"].as_array_mut().unwrap().remove(0);
    fs::write(place.ring(), ring.to_string()).unwrap();
    assert_eq!(place.messages(), [5]);
    place.done(&["keys", "rotate", "--data"], b"");
    assert_eq!(place.messages(), [5, 0]);
    let lines = fs::read_to_string(place.usage_file()).unwrap();
    assert!(!lines.contains(&ids[0]), "{lines}");
}

/// What cannot be written is told once, and requests are answered as ever.
#[test]
fn a_count_that_cannot_be_written_fails_nothing_and_goes_on_in_memory() {
    let place = Place::with_ring();
    fs::create_dir(place.usage_file()).unwrap();
    let server = place.server();
    let token = server.log_in("alice");
    for _ in 0..5 {
        encrypt_batch(&server, &token, 1000);
    }
    let told = |log: &str| {
        log.matches("the message counts of keys cannot be recorded")
            .count()
    };
    within(PATIENCE, || told(&server.log()) > 0);
    // More than one further try.
    thread::sleep(Duration::from_millis(2500));
    let log = server.log();
    assert_eq!(told(&log), 1, "{log}");
    let listed = place.keys("list");
    assert!(listed.status.success() && said(&listed).contains("key-usage.txt"));
    assert!(!place.encrypt("x").is_empty());
    fs::remove_dir(place.usage_file()).unwrap();
    server.stop();
    assert_eq!(place.messages(), [5000]);
}

#[test]
fn a_folder_that_cannot_be_written_fails_nothing() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::with_ring();
    let permit = |mode| fs::set_permissions(&place.folder, fs::Permissions::from_mode(mode));
    permit(0o500).unwrap();
    let encrypted = place.encrypt("x");
    assert_eq!(place.done(&["decrypt"], encrypted.as_bytes()), "x");
    permit(0o700).unwrap();
    // Nothing keeps the administrator from writing.
    let is_root = rustix::process::getuid().is_root();
    assert_eq!(place.messages(), [u64::from(is_root)]);
}

#[test]
fn a_damaged_count_is_told_and_set_aside_and_goes_on_from_what_can_be_read() {
    let place = Place::with_ring();
    place.encrypt("x");
    let mut lines = fs::read_to_string(place.usage_file()).unwrap();
    lines.push_str("00 00\n5bd8");
    fs::write(place.usage_file(), &lines).unwrap();
    let listed = place.keys("list");
    assert!(listed.status.success());
    assert!(
        said(&listed).contains("2 lines cannot be read"),
        "{listed:?}"
    );
    assert_eq!(fs::read_to_string(place.usage_file()).unwrap(), lines);

    let server = place.server();
    encrypt_batch(&server, &server.log_in("alice"), 3);
    let log = server.stop();
    assert!(
        log.contains("key-usage.txt was damaged (2 lines cannot be read) and is set aside"),
        "{log}"
    );
    assert_eq!(place.messages(), [4]);
    let aside = place.folder.join("key-usage.txt.damaged");
    assert_eq!(fs::read_to_string(&aside).unwrap(), lines);
    assert!(said(&place.keys("list")).contains("set aside"));
    fs::remove_file(aside).unwrap();
    assert!(place.keys("list").stderr.is_empty());
}

#[test]
fn keys_of_the_environment_are_not_counted() {
    let place = Place::with_ring();
    let settings = [("AES_KEY", "0123456789abcdef0123456789abcdef")];
    let mut command = place.command(&["encrypt"]);
    command.envs(settings);
    assert!(run(command, b"x").status.success());
    assert!(!place.usage_file().exists());
    let mut command = place.command(&["keys", "list", "--json"]);
    command.envs(settings);
    let listed: Value = serde_json::from_slice(&run(command, b"").stdout).unwrap();
    let counts: Vec<_> = listed["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| (key["kind"].as_str().unwrap(), key["messages"].clone()))
        .collect();
    let null = Value::Null;
    assert_eq!(
        counts,
        [("token", null.clone()), ("data", json!(0)), ("data", null)]
    );
}

/// A hundred commands one after the other, as in a script, and the time that is spent for it.
#[test]
fn each_command_counts() {
    let place = Place::with_ring();
    let start = Instant::now();
    for _ in 0..100 {
        place.encrypt("x");
    }
    println!("100 commands in {:?}", start.elapsed());
    assert_eq!(place.messages(), [100]);
}

/// Nothing in it wakes up, not even once a second. What was sealed just before is recorded all the same.
#[test]
fn a_server_without_work_sleeps_once_its_counts_are_recorded() {
    let place = Place::with_ring();
    let server = place.server();
    let token = server.log_in("alice");
    let start = Instant::now();
    for sealed in [3, 10] {
        let mut before = server.waits_of_all_threads();
        loop {
            thread::sleep(Duration::from_secs(3));
            let now = server.waits_of_all_threads();
            if now == before {
                break;
            }
            assert!(
                start.elapsed() < PATIENCE,
                "it is never idle: {before:?}, {now:?}"
            );
            before = now;
        }
        let wanted = place.messages()[0] + sealed;
        // Each on its own, so that some are counted and not recorded by the thread that seals.
        for _ in 0..sealed {
            encrypt_batch(&server, &token, 1);
        }
        let recorded = || place.messages() == [wanted];
        within(Duration::from_secs(20), recorded);
    }
}
