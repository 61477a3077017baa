//! The ring file where something is wrong: damaged, gone, linked, without room, without permission. It is named, left as it
//! is, and can be restored as the error says.

#![allow(clippy::unwrap_used)] // a test that panics has failed

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use crate::common::place::{Place, stored};
use crate::common::{run, text};

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
        .replace("\"version\": 1", "\"version\": 4");
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
            said.contains("is missing, but its backup") && said.contains("cp -p"),
            "{said}"
        );
        assert!(!place.ring().exists());
    }
    fs::rename(place.backup(), place.home.path().join("away")).unwrap();
    assert!(text(&place.keys("generate").stdout).starts_with("Created the key ring"));
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
    let place = Place::with_ring();
    let lock = place.folder.join("keys.lock");
    fs::remove_file(&lock).unwrap();
    let made = Command::new("mkfifo").arg(&lock).status();
    if made.is_ok_and(|status| status.success()) {
        assert!(
            place
                .refused("generate")
                .contains("keys.lock is not a file")
        );
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
                .contains("symbolic link to a missing file")
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
