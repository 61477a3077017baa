//! What an operator has to see: which files a command changed, whether they are the server's, and what goes wrong.

#![allow(clippy::unwrap_used)] // a test that panics has failed

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::process::Output;

use crate::common::people::{PASSWORD, People, claims};
use crate::common::place::Place;
use crate::common::{Server, run, said, sealgate, text, typed};

fn stderr(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    text(&output.stderr)
}

#[test]
fn a_store_made_in_another_users_home_is_named_with_a_warning() {
    let home = tempfile::tempdir().unwrap();
    let store = home.path().join(".local/state/sealgate/store.db");
    let add = |name: &str, variables: &[(&str, &str)]| {
        let output = typed(
            home.path(),
            &["user", "add", name],
            PASSWORD.as_bytes(),
            variables,
        );
        assert!(output.stdout.is_empty(), "{output:?}");
        stderr(&output)
    };
    let first = add("alice", &[("SUDO_USER", "bob")]);
    let created = format!("sealgate: Created the store {}\n", store.display());
    assert!(first.starts_with(&created), "{first}");
    assert!(store.exists());
    for wanted in [
        "no key ring",
        "SEALGATE_DATA_DIR",
        "sudo -u",
        "bob",
        "$HOME",
    ] {
        assert!(first.contains(wanted), "{wanted}: {first}");
    }
    // Still: no server has been seen to use it. Without sudo there is nothing to say about sudo.
    let second = add("bob", &[]);
    let changed = format!("sealgate: Changed the store {}\n", store.display());
    assert!(second.starts_with(&changed), "{second}");
    assert!(second.contains("no key ring") && !second.contains("$HOME"));
    // A server whose keys all come from the environment has no ring.
    let keys = [
        ("JWT_SECRET_KEY", "0123456789abcdef0123456789abcdef"),
        ("AES_KEY", "0123456789abcdef"),
    ];
    assert_eq!(add("carol", &keys), changed);
    let elsewhere = home.path().join("state");
    let elsewhere = [("XDG_STATE_HOME", elsewhere.to_str().unwrap())];
    let other = add("alice", &elsewhere);
    assert!(other.contains("Created the store") && other.contains("state/sealgate/store.db"));
}

#[test]
fn every_command_that_changes_the_store_names_it() {
    let people = People::none();
    let store = people.place.folder.join("store.db");
    let created = format!("sealgate: Created the store {}\n", store.display());
    let changed = created.replace("Created", "Changed");
    let add = ["user", "add", "alice"];
    assert_eq!(stderr(&people.typed(&add, PASSWORD)), created);
    for arguments in [
        &["user", "passwd", "alice"][..],
        &["user", "scopes", "alice", "decrypt"],
        &["user", "claims", "alice", "{}"],
        &["user", "unlock", "alice"],
        &["user", "disable", "alice"],
        &["user", "enable", "alice"],
        &["token", "revoke", "--user", "alice"],
        &["token", "revoke", "--id", "abc"],
        &["user", "remove", "alice"],
    ] {
        let output = people.typed(arguments, "another quiet harbour");
        assert_eq!(stderr(&output), changed, "{arguments:?}");
        assert!(output.stdout.is_empty());
    }
    // These print a secret, and nothing but that.
    let print = |arguments: &[&str]| {
        let output = people.typed(arguments, "");
        assert!(stderr(&output).starts_with(&changed), "{arguments:?}");
        assert_eq!(output.stdout.split(|byte| *byte == b'\n').count(), 2);
        String::from_utf8(output.stdout).unwrap()
    };
    print(&["client", "add", "robot"]);
    print(&["client", "secret", "robot"]);
    let key = print(&["api-key", "add", "robot"]);
    let revoked = people.typed(&["api-key", "revoke"], &key);
    assert!(stderr(&revoked).starts_with(&changed));
    // What fails changed nothing, and says where it looked.
    let missing = people.typed(&["user", "enable", "alice"], "");
    assert_eq!(missing.status.code(), Some(1));
    assert!(said(&missing).contains(store.to_str().unwrap()));
    let nobody = Place::with_ring();
    let missing = run(nobody.command(&["user", "enable", "alice"]), b"");
    assert_eq!(missing.status.code(), Some(1));
    assert!(said(&missing).contains(nobody.folder.to_str().unwrap()));
    let listed = run(nobody.command(&["user", "list"]), b"");
    assert!(stderr(&listed).contains(nobody.folder.to_str().unwrap()));
    // A path of the working directory is shown whole.
    let mut relative = sealgate(nobody.home.path());
    relative
        .args(["token", "revoke", "--user", "a", "--data-dir", "other"])
        .current_dir(nobody.home.path());
    let revoked = stderr(&run(relative, b""));
    let folder = nobody.home.path().join("other");
    for name in ["keys.json", "store.db"] {
        assert!(
            revoked.contains(folder.join(name).to_str().unwrap()),
            "{revoked}"
        );
    }
    assert!(
        revoked.contains("no key ring"),
        "the one there is was made just now: {revoked}"
    );
}

#[test]
fn keys_are_not_rotated_where_there_are_none() {
    let place = Place::new();
    for arguments in [
        &["keys", "rotate"][..],
        &["keys", "rotate", "--token", "--json"],
    ] {
        let refused = run(place.command(arguments), b"");
        assert_eq!(refused.status.code(), Some(1), "{refused:?}");
        assert!(said(&refused).contains("There is no key ring in"));
        assert!(refused.stdout.is_empty() && !place.ring().exists());
    }
    // Neither where the environment has keys.
    let mut command = place.command(&["keys", "rotate", "--data"]);
    command.env("JWT_SECRET_KEY", "0123456789abcdef0123456789abcdef");
    assert_eq!(run(command, b"").status.code(), Some(1));
    assert!(!place.ring().exists());
}

#[test]
fn a_key_ring_made_on_the_way_is_named() {
    for arguments in [
        &["token", "issue", "--user", "a"][..],
        &["encrypt"],
        &["rewrap"],
        &["token", "revoke", "--id", "a"],
    ] {
        let place = Place::new();
        let created = format!("Created the key ring {}", place.ring().display());
        let first = stderr(&run(place.command(arguments), b""));
        assert!(first.contains(&created), "{arguments:?}: {first}");
        let second = stderr(&run(place.command(arguments), b""));
        assert!(
            !second.contains("Created the key ring"),
            "{arguments:?}: {second}"
        );
    }
    // A server says so in its log, which may be JSON.
    let place = Place::new();
    let folder = [("SEALGATE_DATA_DIR", place.folder.to_str().unwrap())];
    let created = format!("created the key ring {}", place.ring().display());
    for times in [1, 0] {
        let log = Server::start(place.home.path(), &folder).stop();
        assert_eq!(log.matches(&created).count(), times, "{log}");
    }
    // Another algorithm for tokens adds a key.
    let place = Place::with_ring();
    let changed = format!(
        "sealgate: Changed the key ring {}\n",
        place.ring().display()
    );
    let issue = [
        "token",
        "issue",
        "--user",
        "a",
        "--token-algorithm",
        "EdDSA",
    ];
    for expected in [changed.as_str(), ""] {
        assert_eq!(stderr(&run(place.command(&issue), b"")), expected);
    }
    let place = Place::with_ring();
    let key = place.newest("data");
    assert_eq!(stderr(&place.keys("rotate")), "");
    let retired = run(place.command(&["keys", "retire", &key]), b"");
    let changed = format!(
        "sealgate: Changed the key ring {}\n",
        place.ring().display()
    );
    assert_eq!(stderr(&retired), changed);
    assert_eq!(
        stderr(&run(place.command(&["keys", "retire", &key]), b"")),
        ""
    );
}

#[test]
fn a_change_that_would_be_lost_is_refused() {
    let place = Place::new();
    for arguments in [&["user", "add", "a"][..], &["token", "revoke", "--id", "a"]] {
        let mut command = place.command(arguments);
        command.env("SEALGATE_KEYS", "ephemeral");
        let refused = run(command, PASSWORD.as_bytes());
        assert_eq!(refused.status.code(), Some(2), "{refused:?}");
        assert!(said(&refused).contains("SEALGATE_KEYS=ephemeral"));
        assert!(!place.folder.exists());
    }
}

#[test]
fn a_token_of_the_command_has_the_scopes_of_its_account() {
    let people = People::none();
    let issue = |arguments: &[&str], variables: &[(&str, &str)]| {
        let mut command = people.command(&[&["token", "issue"], arguments].concat());
        command.envs(variables.iter().copied());
        let output = run(command, b"");
        let scope = claims(&text(&output.stdout))["scope"].clone();
        (scope.as_str().unwrap().to_owned(), stderr(&output))
    };
    let open = "secure-data encrypt decrypt".to_owned();
    // As long as there has been no account, nobody's scopes are known.
    assert_eq!(
        issue(&["--user", "alice"], &[]),
        (open.clone(), String::new())
    );
    people.add("alice", "decrypt orders");
    people.add("nothing", "");
    assert_eq!(
        issue(&["--user", "alice"], &[]),
        ("decrypt orders".to_owned(), String::new())
    );
    assert_eq!(issue(&["--user", "nothing"], &[]), Default::default());
    let narrower = issue(&["--user", "alice", "--scope", "orders"], &[]);
    assert_eq!(narrower, ("orders".to_owned(), String::new()));
    let (scope, warning) = issue(&["--user", "alice", "--scope", "encrypt orders admin"], &[]);
    assert_eq!(scope, "encrypt orders admin");
    assert!(
        warning.contains("does not have: encrypt admin\n"),
        "{warning}"
    );
    // A name that only begins like one of the account's is another one.
    let (_, warning) = issue(&["--user", "alice", "--scope", "order"], &[]);
    assert!(warning.contains("does not have: order\n"), "{warning}");

    let (scope, warning) = issue(&["--user", "bob"], &[]);
    assert!(
        scope == open && warning.contains("will be refused"),
        "{warning}"
    );
    let (_, quiet) = issue(&["--user", "bob"], &[("SEALGATE_LOGIN", "open")]);
    assert_eq!(quiet, "");
    people.done(&["user", "disable", "alice"]);
    for variables in [&[][..], &[("SEALGATE_LOGIN", "open")]] {
        let (_, warning) = issue(&["--user", "alice"], variables);
        assert!(warning.contains("is disabled"), "{warning}");
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

fn folder_with_mode(path: &Path, mode: u32) {
    fs::create_dir(path).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn the_state_directory_that_systemd_made_is_closed_to_others() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("state");
    folder_with_mode(&folder, 0o755);
    // systemd may name several.
    let list = format!(
        "{}:{}",
        folder.display(),
        home.path().join("more").display()
    );
    let variable = [("STATE_DIRECTORY", list.as_str())];
    // Only looked at.
    let checked = typed(home.path(), &["config", "--check"], b"", &variable);
    assert_eq!(stderr(&checked), "");
    assert_eq!(mode(&folder), 0o755);
    let start = |variable: &[(&str, &str)]| Server::start(home.path(), variable);
    let log = start(&variable).stop();
    assert_eq!(mode(&folder), 0o700);
    let line = format!("changed the mode of {} from 0755 to 0700", folder.display());
    assert_eq!(log.matches(&line).count(), 1, "{log}");
    assert!(folder.join("keys.json").exists() && !home.path().join("more").exists());
    // As it is after a restart of the unit, with the files that are there.
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
    assert!(start(&variable).stop().contains(&line));
    assert!(!start(&variable).stop().contains("changed the mode"));
    // Commands do it where they write.
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
    let add = ["user", "add", "alice"];
    stderr(&typed(home.path(), &add, PASSWORD.as_bytes(), &variable));
    assert_eq!(mode(&folder), 0o700);

    // A folder of another setting is somebody's choice, and not changed.
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
    let other = [("SEALGATE_DATA_DIR", folder.to_str().unwrap())];
    let refused = typed(home.path(), &["encrypt"], b"", &other);
    assert_eq!(refused.status.code(), Some(2));
    assert!(said(&refused).contains("chmod 700"));
    assert_eq!(mode(&folder), 0o755);
}

#[test]
fn a_state_directory_that_others_could_have_filled_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let writable = home.path().join("writable");
    folder_with_mode(&writable, 0o775);
    let mut folders = vec![writable];
    let theirs = home.path().join("theirs");
    folder_with_mode(&theirs, 0o755);
    // Without the right to give files away there is nothing to test.
    if chown(&theirs, Some(12_345), None).is_ok() {
        folders.push(theirs);
    }
    for folder in folders {
        let before = mode(&folder);
        let variable = [("STATE_DIRECTORY", folder.to_str().unwrap())];
        for arguments in [&["serve", "--listen", "127.0.0.1:0"][..], &["keys", "list"]] {
            let refused = typed(home.path(), arguments, b"", &variable);
            assert_eq!(refused.status.code(), Some(2), "{refused:?}");
            let said = said(&refused);
            assert!(said.contains("StateDirectoryMode=0700"), "{said}");
            assert!(said.contains(&format!("chmod 700 {}", folder.display())));
        }
        assert_eq!(mode(&folder), before);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
    }
}

#[test]
fn store_check_says_ok() {
    let people = People::of(&["alice"]);
    let checked = people.typed(&["store", "check"], "");
    assert_eq!(stderr(&checked), "");
    assert_eq!(text(&checked.stdout), "ok\n");
}

#[test]
fn decrypt_hints_at_the_flag_for_streams() {
    let place = Place::new();
    let sealed = place.home.path().join("sealed");
    let mut encrypt = place.command(&["encrypt", "--in", "-", "--out"]);
    encrypt.arg(&sealed);
    assert!(run(encrypt, b"data").status.success());
    let stream = fs::read(&sealed).unwrap();
    // Refused at once, however much would follow.
    for input in [stream.clone(), [&stream[..], &[0; 1 << 20]].concat()] {
        let refused = run(place.command(&["decrypt"]), &input);
        assert_eq!(refused.status.code(), Some(1), "{refused:?}");
        let lines = text(&refused.stderr);
        assert!(lines.starts_with("sealgate: The data cannot be decrypted.\n"));
        assert!(lines.contains("--in"), "{lines}");
        assert!(refused.stdout.is_empty());
    }
    let opened = run(place.command(&["decrypt", "--in", "-"]), &stream);
    assert_eq!(text(&opened.stdout), "data");
    let text_of_another = run(place.command(&["decrypt"]), b"AAAA");
    assert_eq!(
        said(&text_of_another),
        "sealgate: The data cannot be decrypted.\n"
    );
}
