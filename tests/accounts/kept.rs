//! The store of accounts: its damage, what it does not accept, a disk that cannot be written, and its backup.

#![allow(clippy::unwrap_used)] // a test that panics has failed
#![allow(clippy::print_stdout)] // reasons, for whoever runs the tests

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::common::people::{FREE, PASSWORD, Pair, People, login, within};
use crate::common::process::start_by;
use crate::common::{PATIENCE, Server, said, text};

#[test]
fn a_damaged_store_stops_the_start_and_refuses_tokens_of_a_running_server() {
    let people = People::of(&["alice"]);
    let server = people.server(&[]);
    let pair = Pair::log_in(&server, "alice");
    assert_eq!(server.get("/secure-data", Some(&pair.token)).status, 200);
    let store = people.place.folder.join("store.db");
    let whole = fs::read(&store).unwrap();
    fs::remove_file(&store).unwrap();
    fs::write(&store, b"damage").unwrap();
    fs::set_permissions(&store, fs::Permissions::from_mode(0o600)).unwrap();
    let refused = || server.get("/secure-data", Some(&pair.token));
    crate::common::people::within_a_second(|| refused().status == 503);
    assert_eq!(refused().headers["retry-after"], "1");
    assert_eq!(server.get("/healthz", None).status, 200);
    assert_eq!(server.get("/readyz", None).status, 503);
    assert_eq!(fs::read(&store).unwrap(), b"damage");
    // It is looked at several times a second, and reported once.
    for _ in 0..4 {
        std::thread::sleep(Duration::from_millis(300));
        assert_eq!(refused().status, 503);
    }
    let reported = |log: &str| log.matches("Tokens are refused until").count();
    within(PATIENCE, || reported(&server.log()) > 0);
    assert_eq!(reported(&server.log()), 1);
    drop(server);
    for what in [
        &["user", "list"][..],
        &["user", "add", "bob"],
        &["store", "check"],
        &["serve"],
    ] {
        let output = people.typed(what, PASSWORD);
        assert_eq!(output.status.code(), Some(2), "{what:?}");
        let stderr = text(&output.stderr);
        assert!(
            stderr.contains("store.db") && stderr.contains("Nothing was changed"),
            "{stderr}"
        );
        assert!(!stderr.contains("panic"), "{stderr}");
    }
    assert!(fs::read(&store).unwrap() != whole);
}

#[test]
fn a_password_hash_with_costs_beyond_the_limits_is_refused_and_reported() {
    let people = People::of(&["alice"]);
    let server = people.server(&[]);
    let reported = || {
        server
            .log()
            .matches("costs beyond what any settings")
            .count()
    };
    assert_eq!(login(&server, "alice", "a wrong password").status, 401);
    assert_eq!(login(&server, "alice", PASSWORD).status, 200);
    let store = rusqlite::Connection::open(people.place.folder.join("store.db")).unwrap();
    store
        .execute_batch("UPDATE accounts SET passes = 4000000000")
        .unwrap();
    drop(store);
    assert_eq!(login(&server, "alice", PASSWORD).status, 401);
    within(PATIENCE, || reported() > 0);
    assert_eq!(reported(), 1, "the wrong password is not reported");
}

/// A server on these accounts, started by another program.
fn started_by(people: &People, by: &[&str]) -> Server {
    Server::start_with(people.home(), |command| {
        command
            .env("SEALGATE_DATA_DIR", &people.place.folder)
            .envs(FREE.iter().copied());
        start_by(command, by);
    })
}

/// Waits until the server says that its store cannot be written, or that it is ready again.
fn becomes_ready(server: &Server, wanted: bool) {
    let status = if wanted { 200 } else { 503 };
    within(PATIENCE, || server.get("/readyz", None).status == status);
    if !wanted {
        let answer = server.get("/readyz", None);
        let unwritten = "The store of accounts cannot be written.";
        assert_eq!(answer.json()["store"], unwritten, "{}", answer.body);
        assert_eq!(answer.headers["cache-control"], "no-store");
        assert_eq!(server.get("/healthz", None).status, 200);
    }
}

#[test]
fn a_server_is_not_ready_while_the_disk_of_its_store_is_full() {
    let script = r#"kept="$HOME/kept" && cp -a "$SEALGATE_DATA_DIR" "$kept" &&
        mount -t tmpfs -o size=4m,mode=700 tmpfs "$SEALGATE_DATA_DIR" &&
        cp -a "$kept/." "$SEALGATE_DATA_DIR" && exec "$0" serve"#;
    let probe = ["-rm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"];
    let mut unshare = Command::new("unshare");
    if !unshare
        .args(probe)
        .output()
        .is_ok_and(|done| done.status.success())
    {
        println!("not run: this system lets nobody make a small disk");
        return;
    }
    let people = People::of(&["alice"]);
    let server = started_by(&people, &["unshare", "-rm", "sh", "-c", script]);
    let pair = Pair::log_in(&server, "alice");
    becomes_ready(&server, true);
    let folder = people.place.folder.strip_prefix("/").unwrap();
    let disk = Path::new(&format!("/proc/{}/root", server.id())).join(folder);
    let filler = disk.join("filler");
    let mut file = fs::File::create(&filler).unwrap();
    while file.write_all(&[0; 4096]).is_ok() {}
    becomes_ready(&server, false);
    assert_eq!(login(&server, "alice", PASSWORD).status, 503);
    assert_eq!(server.get("/secure-data", Some(&pair.token)).status, 200);
    drop(file);
    fs::remove_file(&filler).unwrap();
    becomes_ready(&server, true);
    assert_eq!(login(&server, "alice", PASSWORD).status, 200);
    server.stop();
}

#[test]
fn a_server_is_not_ready_while_it_may_not_write_its_store() {
    // Whoever may do anything is not stopped by a mode.
    let mortal = [
        "setpriv",
        "--bounding-set=-dac_override,-dac_read_search",
        "sh",
        "-c",
        r#"exec "$0" serve"#,
    ];
    let by = if rustix::process::geteuid().is_root() {
        &mortal[..]
    } else {
        &mortal[2..]
    };
    let people = People::of(&["alice"]);
    let server = started_by(&people, by);
    becomes_ready(&server, true);
    let set =
        |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let folder = &people.place.folder;
    for (path, closed, open) in [
        (folder.join("store.db"), 0o400, 0o600),
        (folder.clone(), 0o500, 0o700),
    ] {
        set(&path, closed);
        becomes_ready(&server, false);
        set(&path, open);
        becomes_ready(&server, true);
    }
    assert_eq!(login(&server, "alice", PASSWORD).status, 200);
    server.stop();
}

#[test]
fn a_backup_restores_the_accounts_as_the_message_says() {
    let people = People::of(&["alice"]);
    let backup = people.home().join("backup");
    let path = backup.to_str().unwrap();
    let server = people.server(&[]);
    people.done(&["store", "backup", path]);
    people.done(&["store", "check"]);
    let again = people.typed(&["store", "backup", path], "");
    assert_eq!(
        again.status.code(),
        Some(2),
        "what is there is not written over"
    );
    assert!(said(&again).contains("already exists. Name a new file"));
    let nowhere = people.typed(&["store", "backup", "-"], "");
    assert_eq!(nowhere.status.code(), Some(2));
    assert!(said(&nowhere).contains("Name a new file"));
    drop(server);
    let store = people.place.folder.join("store.db");
    for name in ["store.db-wal", "store.db-shm"] {
        let _ = fs::remove_file(people.place.folder.join(name));
    }
    fs::write(&store, vec![7; 8192]).unwrap();
    let said = said(&people.typed(&["user", "list"], ""));
    let (_, commands) = said.split_once("store backup FILE): ").unwrap();
    let commands = commands.trim().replace("BACKUP", path);
    let restored = std::process::Command::new("sh")
        .args(["-c", &commands])
        .status()
        .unwrap();
    assert!(restored.success(), "{commands}");
    Pair::log_in(&people.server(&[]), "alice");
    let none = People::none();
    assert_eq!(none.typed(&["store", "check"], "").status.code(), Some(1));
}
