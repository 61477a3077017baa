//! `sealgate backup`: what it contains, while servers change everything, and what it does to files that are there. `sealed`
//! has what is sealed; its way back is in `restore`.

#![allow(clippy::unwrap_used)] // a test that panics has failed

mod sealed;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::common::people::{Pair, People};
use crate::common::place::{Place, stored};
use crate::common::{Server, run, said, text};
use serde_json::{Value, json};

/// The command as somebody types it in the home of these people, with the settings of their servers.
pub(crate) fn typed(people: &People, arguments: &[&str], line: &str) -> Output {
    let mut command = people.command(arguments);
    command.current_dir(people.home());
    run(command, format!("{line}\n").as_bytes())
}

/// What it prints, and what it remarks.
pub(crate) fn done(people: &People, arguments: &[&str]) -> [String; 2] {
    let output = typed(people, arguments, "");
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {output:?}");
    [text(&output.stdout), text(&output.stderr)]
}

pub(crate) fn refused(people: &People, arguments: &[&str]) -> String {
    let output = typed(people, arguments, "");
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
    assert!(output.stdout.is_empty());
    said(&output)
}

/// A data directory that does not exist yet.
pub(crate) fn nobody() -> People {
    People {
        place: Place::new(),
    }
}

/// A copy of this file in the home of other people.
pub(crate) fn carry(from: &People, name: &str, to: &People) {
    fs::copy(from.home().join(name), to.home().join(name)).unwrap();
}

pub(crate) fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

pub(crate) fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// All files below a directory with their bytes, but not its locks.
pub(crate) fn snapshot(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() && !path.is_symlink() {
            found.insert(format!("{name}/"), Vec::new());
            let inside = snapshot(&path).into_iter();
            found.extend(inside.map(|(inner, bytes)| (format!("{name}/{inner}"), bytes)));
        } else if !name.ends_with(".lock") {
            found.insert(name, fs::read(&path).unwrap_or_default());
        }
    }
    found
}

pub(crate) fn names(people: &People) -> Vec<String> {
    let listed = typed(people, &["user", "list", "--json"], "");
    assert_eq!(listed.status.code(), Some(0), "{listed:?}");
    let name = |line: &str| {
        let user: Value = serde_json::from_str(line).unwrap();
        user["name"].as_str().unwrap().to_owned()
    };
    text(&listed.stdout).lines().map(name).collect()
}

pub(crate) fn seal(server: &Server, token: &str, what: &str) -> String {
    let answer = server.post("/encrypt", &json!({"data": what}).to_string(), Some(token));
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()["encrypted_data"].as_str().unwrap().to_owned()
}

/// A file that only its owner can read, as backups are.
pub(crate) fn put(people: &People, name: &str, bytes: &[u8]) {
    let path = people.home().join(name);
    fs::write(&path, bytes).unwrap();
    set_mode(&path, 0o600);
}

#[test]
fn a_backup_of_a_running_server_serves_on_elsewhere() {
    let people = People::of(&["alice", "bob"]);
    let server = people.server(&[]);
    let pair = Pair::log_in(&server, "alice");
    let sealed = typed(&people, &["encrypt"], "meet me at noon");
    let [printed, remarked] = done(&people, &["backup", "all.backup"]);
    assert_eq!(
        printed,
        "Wrote all.backup: a key ring with 1 token key and 1 data key, 2 accounts, 1 session\n"
    );
    assert!(remarked.contains("Warning: the backup contains keys in the clear"));
    assert_eq!(mode(&people.home().join("all.backup")), 0o600);
    // Nothing else is left, here or there.
    let left = |folder: &Path| {
        let entries = fs::read_dir(folder).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names
            .filter(|name| name.contains("part") || name.contains("restore"))
            .count()
    };
    assert_eq!(left(people.home()) + left(&people.place.folder), 0);
    server.stop();

    let there = nobody();
    carry(&people, "all.backup", &there);
    let [printed, remarked] = done(&there, &["restore", "all.backup"]);
    let folder = there.place.folder.display();
    assert!(
        printed.starts_with(&format!("Restored {folder} from the backup of 20")),
        "{printed}"
    );
    assert!(
        printed.ends_with("Z: a key ring with 1 token key and 1 data key, 2 accounts, 1 session\n")
    );
    assert!(remarked.contains("Whatever changed after") && !remarked.contains("Warning"));
    for name in ["keys.json", "store.db", "key-usage.txt"] {
        assert_eq!(mode(&there.place.folder.join(name)), 0o600, "{name}");
    }
    assert_eq!(mode(&there.place.folder), 0o700);
    assert_eq!(stored(&there.place.ring()), stored(&people.place.ring()));
    assert_eq!(left(&there.place.folder), 0);
    let listed = run(there.command(&["keys", "list", "--json"]), b"");
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    let counts = listed["keys"].as_array().unwrap().iter();
    let counts: Vec<&Value> = counts.map(|key| &key["messages"]).collect();
    assert!(counts.contains(&&json!(1)), "{listed}");
    let server = there.server(&[]);
    assert_eq!(server.get("/secure-data", Some(&pair.token)).status, 200);
    assert_eq!(pair.refreshed(&server).status, 200);
    Pair::log_in(&server, "bob");
    let opened = run(there.command(&["decrypt"]), &sealed.stdout);
    assert_eq!(text(&opened.stdout), "meet me at noon\n");
    server.stop();
}

/// Each holds a state that there was: accounts are added one after another, so those of a backup are the first ones, and all
/// keys that were there before it are in it.
#[test]
fn backups_are_consistent_while_accounts_and_keys_change() {
    let people = People::none();
    people.add("user-000", "");
    let server = people.server(&[]);
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            // Few enough that it ends by itself if the other thread fails.
            for number in 1..100 {
                if over.load(Ordering::SeqCst) {
                    break;
                }
                people.add(&format!("user-{number:03}"), "");
                if number % 4 == 0 {
                    people.done(&["keys", "generate"]);
                }
            }
        });
        for round in 0..6 {
            let before = stored(&people.place.ring()).unwrap();
            let file = format!("{round}.backup");
            done(&people, &["backup", &file]);
            let there = nobody();
            carry(&people, &file, &there);
            done(&there, &["restore", &file]);
            there.done(&["store", "check"]);
            let names = names(&there);
            for (number, name) in names.iter().enumerate() {
                assert_eq!(*name, format!("user-{number:03}"));
            }
            let after = stored(&there.place.ring()).unwrap();
            for (before, after) in before.iter().zip(&after) {
                assert!(after.starts_with(before), "a key is missing");
            }
        }
        over.store(true, Ordering::SeqCst);
    });
    server.stop();
}

#[test]
fn an_existing_file_is_replaced_only_by_force_and_is_then_private() {
    let people = People::of(&["alice"]);
    let file = people.home().join("file");
    fs::write(&file, "precious").unwrap();
    set_mode(&file, 0o644);
    let sentence = refused(&people, &["backup", "file"]);
    assert!(
        sentence.contains("file already exists. Name a new file, or use --force"),
        "{sentence}"
    );
    assert_eq!(fs::read(&file).unwrap(), b"precious");
    done(&people, &["backup", "--force", "file"]);
    assert!(fs::read(&file).unwrap().starts_with(b"sealgate backup 1\n"));
    assert_eq!(mode(&file), 0o600);
    // Through a link the file that it leads to is replaced.
    symlink("file", people.home().join("link")).unwrap();
    assert!(refused(&people, &["backup", "link"]).contains("already exists"));
    fs::write(&file, "precious").unwrap();
    done(&people, &["backup", "--force", "link"]);
    assert!(people.home().join("link").is_symlink());
    assert!(fs::read(&file).unwrap().starts_with(b"sealgate backup 1\n"));
    for nowhere in ["state", "none/file", "/dev/full"] {
        let sentence = refused(&people, &["backup", "--force", nowhere]);
        assert!(sentence.contains("cannot be written"), "{sentence}");
    }
}

#[test]
fn standard_output_receives_the_same() {
    let people = People::of(&["alice"]);
    let output = typed(&people, &["backup", "-"], "");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(output.stdout.starts_with(b"sealgate backup 1\n"));
    assert!(text(&output.stderr).contains("Wrote the backup: a key ring"));
    let there = nobody();
    let restored = run(there.command(&["restore", "-"]), &output.stdout);
    assert_eq!(restored.status.code(), Some(0), "{restored:?}");
    assert_eq!(names(&there), ["alice"]);
    assert!(!there.home().join("-").exists() && !people.home().join("-").exists());
}

#[test]
fn where_nothing_is_nothing_is_backed_up_or_created() {
    let there = nobody();
    let output = typed(&there, &["backup", "file"], "");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(said(&output).contains("nothing to back up"));
    assert!(!there.home().join("file").exists() && !there.place.folder.exists());
    // Only one of the two is enough.
    let people = People::none();
    let [printed, _] = done(&people, &["backup", "file"]);
    assert!(
        printed.ends_with("1 data key, no store of accounts\n"),
        "{printed}"
    );
    carry(&people, "file", &there);
    let [_, remarked] = done(&there, &["restore", "file"]);
    assert!(
        remarked.contains("There are no accounts in the backup"),
        "{remarked}"
    );
}

#[test]
fn what_is_damaged_is_not_backed_up() {
    let people = People::of(&["alice"]);
    let ring = fs::read(people.place.ring()).unwrap();
    fs::write(people.place.ring(), "{}").unwrap();
    let sentence = refused(&people, &["backup", "file"]);
    assert!(sentence.contains("keys.json is damaged"), "{sentence}");
    fs::rename(people.place.ring(), people.place.backup()).unwrap();
    let sentence = refused(&people, &["backup", "file"]);
    assert!(
        sentence.contains("is missing, but its backup"),
        "{sentence}"
    );
    fs::write(people.place.ring(), ring).unwrap();
    set_mode(&people.place.ring(), 0o600);
    let store = people.place.folder.join("store.db");
    for name in ["store.db-wal", "store.db-shm"] {
        let _ = fs::remove_file(people.place.folder.join(name));
    }
    fs::write(&store, vec![7; 9000]).unwrap();
    let sentence = refused(&people, &["backup", "file"]);
    assert!(
        sentence.contains("store.db is damaged")
            && sentence.contains("sealgate restore --force FILE"),
        "{sentence}"
    );
    assert_eq!(
        fs::read_dir(people.home()).unwrap().count(),
        1,
        "only the state"
    );
}

/// The command under a limit on the size of files, in blocks of 512 bytes or, in some shells, 1,024.
pub(crate) fn limited(people: &People, blocks: u32, arguments: &[&str]) -> Command {
    let sealgate = people.command(arguments);
    let mut limited = Command::new("sh");
    let script = format!("ulimit -f {blocks}; exec \"$0\" \"$@\"");
    limited
        .args(["-c", &script])
        .arg(sealgate.get_program())
        .args(sealgate.get_args())
        .env_clear()
        .envs(
            sealgate
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .current_dir(people.home());
    limited
}

#[test]
fn a_full_disk_leaves_no_backup_and_nothing_else() {
    let people = People::of(&["alice"]);
    // SQLite may add and remove the files beside the store.
    let names = || {
        let names = snapshot(people.home()).into_keys();
        let names: Vec<String> = names.filter(|name| !name.contains("store.db-")).collect();
        names
    };
    let before = names();
    for blocks in [0, 8, 40] {
        let output = run(limited(&people, blocks, &["backup", "file"]), b"");
        assert_eq!(output.status.code(), Some(2), "{blocks}: {output:?}");
        said(&output);
        assert_eq!(names(), before, "{blocks}");
    }
}
