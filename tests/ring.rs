//! The ring file survives its writers: killed, many at once, without room, without permission; and what is damaged is
//! named, left as it is, and can be restored as the error says.

#![allow(clippy::unwrap_used)] // a test that panics has failed

mod common;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use common::{run, sealgate, text};

/// A data directory of its own in a home of its own.
struct Place {
    home: tempfile::TempDir,
    folder: PathBuf,
}

impl Place {
    fn new() -> Place {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("state");
        Place { home, folder }
    }

    fn with_ring() -> Place {
        let place = Place::new();
        assert!(place.keys("generate").status.success());
        place
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = sealgate(self.home.path());
        command
            .args(arguments)
            .env("SEALGATE_DATA_DIR", &self.folder);
        command
    }

    fn keys(&self, what: &str) -> Output {
        run(self.command(&["keys", what]), b"")
    }

    fn ring(&self) -> PathBuf {
        self.folder.join("keys.json")
    }

    fn backup(&self) -> PathBuf {
        self.folder.join("keys.json.bak")
    }

    /// What `keys` says when it fails, with exit code 2.
    fn refused(&self, what: &str) -> String {
        let output = self.keys(what);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(output.stdout.is_empty());
        text(&output.stderr)
    }
}

/// The token keys and the data keys of a ring file; `None` where there is no file. Whatever else it is, is a failure.
fn stored(path: &Path) -> Option<[Vec<String>; 2]> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        Err(error) => panic!("{}: {error}", path.display()),
    };
    let ring: serde_json::Value = serde_json::from_slice(&text)
        .unwrap_or_else(|error| panic!("{} is damaged: {error}", path.display()));
    assert_eq!(fs::metadata(path).unwrap().mode() & 0o7777, 0o600);
    Some(["token_keys", "data_keys"].map(|kind| {
        let keys = ring[kind].as_array().unwrap();
        keys.iter().map(|key| key["key"].to_string()).collect()
    }))
}

fn begins_with(longer: &[Vec<String>; 2], shorter: &[Vec<String>; 2]) -> bool {
    longer[0].starts_with(&shorter[0]) && longer[1].starts_with(&shorter[1])
}

fn start_writer(place: &Place) -> Child {
    place
        .command(&["keys", "generate"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// How long one change takes from the start of its process to the end.
fn time_of_a_change(place: &Place) -> Duration {
    let mut times: Vec<Duration> = (0..7)
        .map(|_| {
            let started = Instant::now();
            assert!(start_writer(place).wait().unwrap().success());
            started.elapsed()
        })
        .collect();
    times.sort();
    times[times.len() / 2]
}

#[test]
fn a_writer_killed_at_any_moment_leaves_the_old_ring_or_the_new_one() {
    const KILLS: usize = 300;
    const PER_PLACE: usize = 20;
    let whole = time_of_a_change(&Place::with_ring());
    let (mut old, mut new, mut left_over) = (0, 0, 0);
    for start in (0..KILLS).step_by(PER_PLACE) {
        // A fresh place now and then: its first change makes the ring, and no ring gets long.
        let place = Place::new();
        for kill in start..start + PER_PLACE {
            let before = stored(&place.ring()).unwrap_or_default();
            let writers = if kill % 3 == 2 { 3 } else { 1 };
            let mut children: Vec<Child> = (0..writers).map(|_| start_writer(&place)).collect();
            // The golden ratio spreads the moments evenly, whatever their number.
            let part = (kill as f64 * 0.618_034).fract();
            std::thread::sleep(whole.mul_f64(part * 1.1 * f64::from(writers)));
            children[0].kill().unwrap();
            for child in &mut children {
                child.wait().unwrap();
            }

            let after = stored(&place.ring()).unwrap_or_default();
            assert!(begins_with(&after, &before), "kill {kill}: keys were lost");
            let added = after[0].len() - before[0].len();
            assert_eq!(after[1].len() - before[1].len(), added, "kill {kill}");
            let unharmed = writers as usize - 1;
            assert!(
                (unharmed..=unharmed + 1).contains(&added),
                "kill {kill}: {added} of {writers}"
            );
            if added == unharmed {
                old += 1;
            } else {
                new += 1;
            }
            if let Some(backup) = stored(&place.backup()) {
                assert!(
                    begins_with(&after, &backup),
                    "kill {kill}: a foreign backup"
                );
            }
            if place.folder.join("keys.json.new").exists() {
                left_over += 1;
            }
            let listed = place.keys("list").status.code();
            assert_eq!(
                listed,
                Some(if after[0].is_empty() { 1 } else { 0 }),
                "kill {kill}"
            );
        }
        let before = stored(&place.ring()).unwrap_or_default();
        assert!(place.keys("generate").status.success());
        let after = stored(&place.ring()).unwrap();
        assert!(begins_with(&after, &before) && after[0].len() == before[0].len() + 1);
        let files = fs::read_dir(&place.folder).unwrap().count();
        assert_eq!(files, 3, "ring, backup and lock; nothing left over");
    }
    println!(
        "a change takes {whole:?}; {old} kept the old ring ({left_over} with temporaries), {new} had the new one"
    );
    assert!(
        old > KILLS / 20 && new > KILLS / 100,
        "{old} old, {new} new"
    );
}

#[test]
fn changes_at_the_same_time_all_arrive() {
    let place = Place::with_ring();
    let children: Vec<Child> = (0..8).map(|_| start_writer(&place)).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(
        stored(&place.ring()).unwrap().map(|keys| keys.len()),
        [9, 9]
    );
    assert_eq!(
        stored(&place.backup()).unwrap().map(|keys| keys.len()),
        [8, 8]
    );
}

#[test]
fn a_damaged_ring_is_left_as_it_is_and_restored_as_the_error_says() {
    let mut place = Place::new();
    // A path that a shell would take apart.
    place.folder = place.home.path().join("it's my state");
    assert!(place.keys("generate").status.success());
    let first = fs::read(place.ring()).unwrap();
    assert!(
        place
            .command(&["keys", "generate"])
            .output()
            .unwrap()
            .status
            .success()
    );
    let good = fs::read(place.ring()).unwrap();
    assert_eq!(fs::read(place.backup()).unwrap(), first);

    let mut damaged: Vec<Vec<u8>> = (0..good.len())
        .step_by(97)
        .map(|at| good[..at].to_vec())
        .collect();
    damaged.push(b"{\"name\": \"somebody else's file\", \"version\": 1}".to_vec());
    damaged.push(b"[]".to_vec());
    damaged.push(vec![0; good.len()]);
    damaged.push(
        String::from_utf8(good.clone())
            .unwrap()
            .replacen("\"id\": \"", "\"id\": \"A", 1)
            .into_bytes(),
    );
    for text in damaged {
        fs::write(place.ring(), &text).unwrap();
        let mut said = String::new();
        for what in ["list", "generate"] {
            said = place.refused(what);
            assert_eq!(fs::read(place.ring()).unwrap(), text, "{what} changed it");
            assert_eq!(fs::read(place.backup()).unwrap(), first);
        }
        let (_, command) = said.split_once("restore it with: ").expect(&said);
        let mut shell = Command::new("sh");
        shell.args(["-c", command]);
        assert!(run(shell, b"").status.success(), "{command}");
        assert_eq!(fs::read(place.ring()).unwrap(), first);
        assert!(place.keys("list").status.success());
    }

    // A backup that does not read well is not recommended.
    fs::write(place.ring(), "").unwrap();
    fs::write(place.backup(), "").unwrap();
    assert!(place.refused("list").contains("from a backup of your own"));
    // Neither is one to somebody whose ring is only too new.
    fs::write(place.backup(), &first).unwrap();
    let newer = String::from_utf8(good)
        .unwrap()
        .replace("\"version\": 1", "\"version\": 2");
    fs::write(place.ring(), newer).unwrap();
    let said = place.refused("generate");
    assert!(
        said.contains("newer version") && !said.contains("cp "),
        "{said}"
    );
}

#[test]
fn a_ring_that_is_gone_is_not_replaced_while_its_backup_is_there() {
    let place = Place::with_ring();
    assert!(place.keys("generate").status.success());
    fs::remove_file(place.ring()).unwrap();
    for arguments in [
        &["keys", "list"][..],
        &["keys", "generate"],
        &["encrypt"],
        &["serve", "--listen", "127.0.0.1:0"],
    ] {
        let output = run(place.command(arguments), b"");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let said = text(&output.stderr);
        assert!(
            said.contains("is gone, but its backup") && said.contains("cp -p"),
            "{said}"
        );
        assert!(!place.ring().exists());
    }
    fs::rename(place.backup(), place.home.path().join("away")).unwrap();
    assert!(text(&place.keys("generate").stdout).starts_with("Made the key ring"));
}

#[test]
fn what_is_no_file_is_named_and_never_waited_for() {
    let place = Place::with_ring();
    fs::remove_file(place.ring()).unwrap();
    fs::create_dir(place.ring()).unwrap();
    for what in ["list", "generate"] {
        assert!(place.refused(what).contains("is not a file"));
    }
    fs::remove_dir(place.ring()).unwrap();
    let made = Command::new("mkfifo").arg(place.ring()).status();
    if made.is_ok_and(|status| status.success()) {
        for what in ["list", "generate"] {
            assert!(place.refused(what).contains("is not a file"));
        }
    }
}

#[test]
fn a_linked_ring_is_read_and_its_link_never_replaced() {
    let place = Place::with_ring();
    let elsewhere = place.home.path().join("elsewhere.json");
    fs::rename(place.ring(), &elsewhere).unwrap();
    symlink(&elsewhere, place.ring()).unwrap();
    assert!(place.keys("list").status.success());
    assert!(place.refused("generate").contains("symbolic link"));
    assert!(!place.backup().exists());
    assert!(stored(&elsewhere).is_some());
    // A link into a volume that is not mounted: new keys would hide the old ones.
    fs::remove_file(&elsewhere).unwrap();
    for what in ["list", "generate"] {
        assert!(
            place
                .refused(what)
                .contains("symbolic link to a file that is not there")
        );
    }
    assert!(fs::symlink_metadata(place.ring()).unwrap().is_symlink());
}

#[test]
fn without_room_nothing_changes() {
    let place = Place::with_ring();
    let before = fs::read(place.ring()).unwrap();
    // A limit on the size of files is a disk without room for whoever needs no root for it.
    let mut shell = Command::new("sh");
    shell
        .args(["-c", "trap '' XFSZ; ulimit -f 0; exec \"$0\" keys generate"])
        .arg(env!("CARGO_BIN_EXE_sealgate"))
        .env_clear()
        .env("SEALGATE_DATA_DIR", &place.folder);
    let output = run(shell, b"");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let said = text(&output.stderr);
    assert!(
        said.contains("cannot be written") && said.contains("Nothing was changed"),
        "{said}"
    );
    assert_eq!(fs::read(place.ring()).unwrap(), before);
    assert_eq!(
        fs::read_dir(&place.folder).unwrap().count(),
        2,
        "ring and lock"
    );
    assert!(place.keys("generate").status.success());
}

#[test]
fn a_folder_that_cannot_be_written_keeps_its_ring_readable() {
    let place = Place::with_ring();
    let before = fs::read(place.ring()).unwrap();
    let is_root = fs::metadata(place.home.path()).unwrap().uid() == 0;
    if is_root {
        // Permissions stop nobody who is root: somebody else has to try.
        let nobody = Some(65534);
        for path in [
            place.home.path(),
            &place.folder,
            &place.ring(),
            &place.folder.join("keys.lock"),
        ] {
            std::os::unix::fs::chown(path, nobody, nobody).unwrap();
        }
    }
    fs::set_permissions(&place.folder, fs::Permissions::from_mode(0o500)).unwrap();
    let attempt = |what: &str| {
        let mut command = place.command(&["keys", what]);
        if is_root {
            command.uid(65534).gid(65534);
        }
        command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .output()
    };
    // Somebody else may not reach a binary below root's home.
    if let Ok(listed) = attempt("list") {
        assert!(listed.status.success(), "{listed:?}");
        let output = attempt("generate").unwrap();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(text(&output.stderr).contains("cannot be written"));
    }
    fs::set_permissions(&place.folder, fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(fs::read(place.ring()).unwrap(), before);
    assert!(!place.backup().exists());
}

#[test]
fn an_administrators_change_leaves_the_ring_to_its_service() {
    let place = Place::with_ring();
    if fs::metadata(place.home.path()).unwrap().uid() != 0 {
        return; // only root acts in the place of others
    }
    for path in [
        &place.folder,
        &place.ring(),
        &place.folder.join("keys.lock"),
    ] {
        std::os::unix::fs::chown(path, Some(65534), Some(65534)).unwrap();
    }
    fs::remove_file(place.folder.join("keys.lock")).unwrap();
    assert!(place.keys("generate").status.success());
    for name in ["keys.json", "keys.json.bak", "keys.lock"] {
        let metadata = fs::metadata(place.folder.join(name)).unwrap();
        assert_eq!((metadata.uid(), metadata.gid()), (65534, 65534), "{name}");
        assert_eq!(metadata.mode() & 0o7777, 0o600, "{name}");
    }
}

#[test]
fn an_administrator_cannot_be_led_to_give_away_what_a_link_names() {
    let place = Place::with_ring();
    if fs::metadata(place.home.path()).unwrap().uid() != 0 {
        return; // only root can give away what belongs to others
    }
    let theirs = place.home.path().join("theirs");
    fs::write(&theirs, "").unwrap();
    let lock = place.folder.join("keys.lock");
    fs::remove_file(&lock).unwrap();
    symlink(&theirs, &lock).unwrap();
    std::os::unix::fs::chown(&place.folder, Some(65534), Some(65534)).unwrap();
    assert!(
        place
            .refused("generate")
            .contains("belongs to another user")
    );
    std::os::unix::fs::chown(place.ring(), Some(65534), Some(65534)).unwrap();
    assert!(place.keys("generate").status.success());
    assert_eq!(fs::metadata(&theirs).unwrap().uid(), 0);
}

#[test]
fn an_odd_umask_takes_no_bit_away_and_adds_none() {
    for umask in ["0777", "0000"] {
        let place = Place::new();
        fs::create_dir(&place.folder).unwrap();
        fs::set_permissions(&place.folder, fs::Permissions::from_mode(0o700)).unwrap();
        for _ in 0..2 {
            let mut shell = Command::new("sh");
            shell
                .args(["-c", &format!("umask {umask}; exec \"$0\" keys generate")])
                .arg(env!("CARGO_BIN_EXE_sealgate"))
                .env_clear()
                .env("SEALGATE_DATA_DIR", &place.folder);
            assert!(run(shell, b"").status.success());
        }
        assert!(stored(&place.ring()).is_some() && stored(&place.backup()).is_some());
    }
}
