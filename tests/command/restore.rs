//! `sealgate restore`: all or nothing, whatever the backup is, whatever is in the data directory, and whenever it is killed; and
//! that it says what is lost.

#![allow(clippy::unwrap_used)] // a test that panics has failed
#![allow(clippy::print_stdout)] // figures, for whoever runs the tests

mod damaged;
mod killed;

use std::fs;
use std::os::unix::fs::{MetadataExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::backup::{
    carry, done, limited, mode, names, nobody, put, refused, seal, set_mode, snapshot, typed,
};
use crate::common::people::{PASSWORD, Pair, People};
use crate::common::place::stored;
use crate::common::{run, said, text};
use serde_json::json;

/// The directory with the state from before a restore.
fn kept(people: &People) -> PathBuf {
    let entries = fs::read_dir(&people.place.folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let is_kept = |path: &PathBuf| path.to_str().unwrap().contains("/before-restore-20");
    let kept: Vec<PathBuf> = paths.filter(is_kept).collect();
    assert_eq!(kept.len(), 1, "{kept:?}");
    kept[0].clone()
}

/// Without what SQLite and locks add.
fn state(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let files = snapshot(folder).into_iter();
    files
        .filter(|(name, _)| !name.contains("store.db-"))
        .collect()
}

#[test]
fn a_directory_in_use_is_left_alone() {
    let people = People::of(&["alice"]);
    done(&people, &["backup", "file"]);
    people.add("bob", "secure-data");
    let server = people.server(&[]);
    let pair = Pair::log_in(&server, "bob");
    let before = state(&people.place.folder);
    for (arguments, reason) in [
        (
            &["restore", "--force", "file"][..],
            "is in use. Stop the servers",
        ),
        (&["restore", "file"], "use --force"),
    ] {
        let sentence = refused(&people, arguments);
        assert!(
            sentence.contains(reason) && sentence.contains("Nothing was changed"),
            "{sentence}"
        );
        assert_eq!(state(&people.place.folder), before);
    }
    // The server has noticed nothing.
    assert_eq!(server.get("/secure-data", Some(&pair.token)).status, 200);
    assert_eq!(pair.refreshed(&server).status, 200);
    server.stop();
    assert!(refused(&people, &["restore", "file"]).contains("exists, so the data directory"));
    assert_eq!(names(&people), ["alice", "bob"]);

    let [printed, _] = done(&people, &["restore", "--force", "file"]);
    assert_eq!(names(&people), ["alice"]);
    let kept = kept(&people);
    assert!(printed.contains(&format!("The previous state is in {}\n", kept.display())));
    assert_eq!(mode(&kept), 0o700);
    // It is a data directory, and its state is whole.
    let mut list = people.command(&["user", "list", "--json"]);
    list.env("SEALGATE_DATA_DIR", &kept);
    assert_eq!(text(&run(list, b"").stdout).lines().count(), 2);
}

/// Servers whose keys come from the environment hold it too, and servers without accounts.
#[test]
fn every_server_that_uses_the_directory_counts() {
    let people = People::of(&["alice"]);
    done(&people, &["backup", "file"]);
    let keys = [
        ("JWT_SECRET_KEY", "0123456789abcdef0123456789abcdef"),
        ("AES_KEY", "0123456789abcdef"),
    ];
    let ephemeral = [("SEALGATE_KEYS", "ephemeral")];
    for settings in [&keys[..], &ephemeral, &[("SEALGATE_ENGINE", "tiny-http")]] {
        let server = people.server(settings);
        assert_eq!(server.get("/healthz", None).status, 200);
        let sentence = refused(&people, &["restore", "--force", "file"]);
        assert!(sentence.contains("is in use"), "{settings:?}: {sentence}");
        server.stop();
    }
    let fresh = People::none();
    let server = fresh.server(&[]);
    carry(&people, "file", &fresh);
    assert!(refused(&fresh, &["restore", "--force", "file"]).contains("is in use"));
    // Killed, it holds nothing.
    server.signal("KILL");
    drop(server);
    done(&fresh, &["restore", "--force", "file"]);
    assert_eq!(names(&fresh), ["alice"]);
}

#[test]
fn links_and_strange_files_are_moved_aside_and_never_followed() {
    let people = People::of(&["alice"]);
    done(&people, &["backup", "file"]);
    let there = nobody();
    carry(&people, "file", &there);
    let outside = there.home().join("outside");
    fs::create_dir(&outside).unwrap();
    for name in ["keys.json", "new", "precious"] {
        fs::write(outside.join(name), "precious").unwrap();
    }
    let folder = &there.place.folder;
    fs::create_dir(folder).unwrap();
    set_mode(folder, 0o700);
    symlink(outside.join("keys.json"), folder.join("keys.json")).unwrap();
    symlink(outside.join("precious"), folder.join("store.db-wal")).unwrap();
    fs::create_dir(folder.join("store.db")).unwrap();
    fs::write(folder.join("store.db/inside"), "strange").unwrap();
    symlink(outside.join("nowhere"), folder.join("key-usage.txt")).unwrap();
    // Where an earlier restore may have left something.
    symlink(&outside, folder.join("restore.new")).unwrap();
    done(&there, &["restore", "--force", "file"]);
    assert_eq!(names(&there), ["alice"]);
    assert!(!folder.join("keys.json").is_symlink());
    for name in ["keys.json", "new", "precious"] {
        assert_eq!(fs::read(outside.join(name)).unwrap(), b"precious");
    }
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 3);
    let kept = kept(&there);
    assert_eq!(fs::read(kept.join("store.db/inside")).unwrap(), b"strange");
    assert!(kept.join("keys.json").is_symlink() && kept.join("key-usage.txt").is_symlink());
    assert!(!folder.join("restore.new").exists());
}

#[test]
fn a_directory_or_a_backup_that_others_can_change_is_refused() {
    let people = People::of(&["alice"]);
    done(&people, &["backup", "file"]);
    let there = nobody();
    carry(&people, "file", &there);
    let file = there.home().join("file");
    fs::create_dir(&there.place.folder).unwrap();
    for open in [0o755, 0o777, 0o750] {
        set_mode(&there.place.folder, open);
        let sentence = refused(&there, &["restore", "file"]);
        assert!(sentence.contains("chmod 700"), "{sentence}");
    }
    set_mode(&there.place.folder, 0o700);
    for open in [0o620, 0o602] {
        set_mode(&file, open);
        let sentence = refused(&there, &["restore", "file"]);
        assert!(
            sentence.contains("can be changed by other users"),
            "{sentence}"
        );
    }
    assert!(snapshot(&there.place.folder).is_empty());
    set_mode(&file, 0o644);
    let [_, remarked] = done(&there, &["restore", "file"]);
    assert!(
        remarked.contains("Warning: file can be read by every user"),
        "{remarked}"
    );
    // What root restores belongs to whom the directory belongs to.
    if fs::metadata(there.home()).unwrap().uid() == 0 {
        chown(&there.place.folder, Some(65_534), Some(65_534)).unwrap();
        done(&there, &["restore", "--force", "file"]);
        for name in ["keys.json", "store.db"] {
            let metadata = fs::metadata(there.place.folder.join(name)).unwrap();
            assert_eq!((metadata.uid(), metadata.gid()), (65_534, 65_534), "{name}");
        }
    }
}

#[test]
fn a_full_disk_changes_nothing() {
    let people = People::of(&["alice"]);
    done(&people, &["backup", "file"]);
    let fresh = nobody();
    carry(&people, "file", &fresh);
    let before = state(&people.place.folder);
    for blocks in [0, 2, 8, 40] {
        let output = run(
            limited(&people, blocks, &["restore", "--force", "file"]),
            b"",
        );
        assert_eq!(output.status.code(), Some(2), "{blocks}: {output:?}");
        let sentence = said(&output);
        assert!(sentence.contains("Nothing was changed"), "{sentence}");
        assert_eq!(state(&people.place.folder), before, "{blocks}");
        let output = run(limited(&fresh, blocks, &["restore", "file"]), b"");
        assert_eq!(output.status.code(), Some(2), "{blocks}: {output:?}");
        assert!(snapshot(&fresh.place.folder).is_empty(), "{blocks}");
    }
}

#[test]
fn keys_that_are_lost_or_accepted_again_are_named_and_can_be_added() {
    let people = People::of(&["alice"]);
    let encrypt = |text: &str| typed(&people, &["encrypt"], text).stdout;
    let decrypted = |sealed: &[u8]| run(people.command(&["decrypt"]), sealed);
    let first = people.place.newest("data");
    encrypt("one");
    done(&people, &["backup", "file"]);
    for _ in 0..4 {
        encrypt("more");
    }
    done(&people, &["keys", "rotate"]);
    let second = people.place.newest("data");
    let sealed = encrypt("later");
    done(&people, &["keys", "retire", &first]);
    let [_, remarked] = done(&people, &["restore", "--force", "file"]);
    let token_key = |place: &Path| stored(&place.join("keys.json")).unwrap()[0].clone();
    assert_ne!(token_key(&kept(&people)), token_key(&people.place.folder));
    let lost = remarked
        .lines()
        .find(|line| line.contains("not in the backup"));
    let lost = lost.expect(&remarked);
    assert!(lost.contains(&format!("data key {second}")) && lost.contains("token key "));
    assert!(!lost.contains(&first));
    let again = remarked
        .lines()
        .find(|line| line.contains("accepted again: "));
    assert!(
        again.unwrap().contains(&format!("data key {first}")),
        "{remarked}"
    );
    assert_eq!(people.place.newest("data"), first);
    assert_eq!(decrypted(&sealed).status.code(), Some(1));
    // Its count is the one from before: it has sealed that many messages.
    let listed = run(people.command(&["keys", "list", "--json"]), b"");
    let listed: serde_json::Value = serde_json::from_slice(&listed.stdout).unwrap();
    let keys = listed["keys"].as_array().unwrap();
    let key = keys.iter().find(|key| key["id"] == first.as_str()).unwrap();
    assert_eq!(key["messages"], 5);

    // As the warning says.
    put(&people, "phrase", b"correct horse battery\n");
    let (_, commands) = lost.split_once("To add them to the ring: ").unwrap();
    let mut commands = commands.replace("sealgate keys", "\"$SEALGATE\" keys");
    for what in ["export", "import"] {
        let with = format!("keys {what} --passphrase-file phrase");
        commands = commands.replace(&format!("keys {what}"), &with);
    }
    let template = people.command(&[]);
    let mut shell = Command::new("sh");
    let settings = template.get_envs();
    shell
        .args(["-c", &commands])
        .env_clear()
        .envs(settings.filter_map(|(name, value)| Some((name, value?))))
        .env("SEALGATE", template.get_program())
        .current_dir(people.home());
    let added = run(shell, b"");
    assert!(added.status.success(), "{commands}: {added:?}");
    assert_eq!(text(&decrypted(&sealed).stdout), "later\n");
}

#[test]
fn what_was_revoked_after_the_backup_is_accepted_again_until_keys_are_replaced() {
    let people = People::of(&["alice"]);
    let server = people.server(&[]);
    let (ended, other) = (
        Pair::log_in(&server, "alice"),
        Pair::log_in(&server, "alice"),
    );
    done(&people, &["backup", "file"]);
    assert_eq!(server.post("/logout", "", Some(&ended.token)).status, 204);
    assert_eq!(server.get("/secure-data", Some(&ended.token)).status, 401);
    let newer = Pair::of(&other.refreshed(&server));
    server.stop();
    let [_, remarked] = done(&people, &["restore", "--force", "file"]);
    let (_, command) = remarked.split_once("log everybody out: sealgate ").unwrap();
    let server = people.server(&[]);
    assert_eq!(server.get("/secure-data", Some(&ended.token)).status, 200);
    assert_eq!(ended.refreshed(&server).status, 200);
    // A refresh token that the backup does not know looks like a copy: its login ends.
    assert_eq!(newer.refreshed(&server).status, 401);
    assert_eq!(other.refreshed(&server).status, 401);
    let ended = Pair::log_in(&server, "alice");
    let arguments: Vec<&str> = command.split_whitespace().take(5).collect();
    done(&people, &arguments);
    crate::common::people::within_a_second(|| {
        server.get("/secure-data", Some(&ended.token)).status == 401
    });
    assert_eq!(ended.refreshed(&server).status, 401);
    Pair::log_in(&server, "alice");
    server.stop();
}

#[test]
fn both_leave_events_in_the_audit_trail() {
    let people = People::of(&["alice"]);
    let audit = people.home().join("audit");
    for (arguments, line) in [
        (&["backup", "file"][..], "event=backup result=ok"),
        (&["backup", "none/file"], ""),
        (
            &["restore", "file"],
            "event=restore result=invalid_argument",
        ),
        (&["restore", "--force", "file"], "event=restore result=ok"),
    ] {
        let before = fs::read_to_string(&audit).unwrap_or_default();
        let mut command = people.command(arguments);
        command
            .env("SEALGATE_AUDIT_FILE", &audit)
            .current_dir(people.home());
        run(command, PASSWORD.as_bytes());
        let after = fs::read_to_string(&audit).unwrap_or_default();
        let added = after.strip_prefix(&before).unwrap();
        assert!(added.contains(line), "{arguments:?}: {added}");
        assert_eq!(added.lines().count(), usize::from(!line.is_empty()));
    }
}
