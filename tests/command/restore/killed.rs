//! A restore that was killed has happened or has not.

use super::*;

/// A copy of a data directory, in a home of its own.
fn copy_of(people: &People) -> People {
    let copy = nobody();
    let copied = Command::new("cp")
        .arg("-a")
        .args([&people.place.folder, &copy.place.folder])
        .status();
    assert!(copied.unwrap().success());
    copy
}

#[test]
fn a_restore_killed_at_any_moment_has_happened_or_has_not() {
    const KILLS: u32 = 60;
    let old = People::of(&["old"]);
    let new = People::of(&["new-1", "new-2"]);
    done(&new, &["backup", "file"]);
    let [old_ring, new_ring] = [&old, &new].map(|people| stored(&people.place.ring()));
    let restore = |people: &People| {
        let mut command = people.command(&["restore", "--force"]);
        command
            .arg(new.home().join("file"))
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command.spawn().unwrap()
    };
    let (mut before, mut after, mut interrupted) = (0, 0, 0);
    let mut whole = Duration::ZERO;
    for kill in 0..KILLS {
        if kill % 20 == 0 {
            // The machine may have become busy, or idle.
            let started = Instant::now();
            assert!(restore(&copy_of(&old)).wait().unwrap().success());
            whole = started.elapsed();
        }
        let people = copy_of(&old);
        let mut child = restore(&people);
        // The golden ratio spreads the moments evenly; most of what is done last is done in the last third.
        let part = (f64::from(kill) * 0.618_034).fract();
        let part = if kill % 2 == 0 {
            part
        } else {
            0.7 + part * 0.5
        };
        thread::sleep(whole.mul_f64(part));
        child.kill().unwrap();
        child.wait().unwrap();
        let folder = &people.place.folder;
        let pending = ["restore.ready", "restore.placing"];
        if pending.iter().any(|name| folder.join(name).exists()) {
            interrupted += 1;
        }
        // Whoever comes first sees all of the one or all of the other.
        let names = names(&people);
        let ring = stored(&people.place.ring());
        if names == ["old"] {
            before += 1;
            assert_eq!(ring, old_ring, "kill {kill}");
        } else {
            after += 1;
            assert_eq!(names, ["new-1", "new-2"], "kill {kill}");
            assert_eq!(ring, new_ring, "kill {kill}");
            assert_eq!(stored(&kept(&people).join("keys.json")), old_ring);
        }
        assert!(pending.iter().all(|name| !folder.join(name).exists()));
        people.done(&["store", "check"]);
        // What was left over is in nobody's way.
        if kill % 8 == 0 {
            assert!(restore(&people).wait().unwrap().success());
            assert!(!folder.join("restore.new").exists());
            assert_eq!(stored(&people.place.ring()), new_ring);
        }
    }
    println!(
        "{before} as before, {after} restored, {interrupted} of them completed by the next command"
    );
    assert!(before > 0 && after > 0, "{before} {after}");
}

/// As a kill leaves it that comes between the decision and its end.
#[test]
fn a_server_completes_a_restore_that_was_decided() {
    let people = People::of(&["old"]);
    let new = People::of(&["new"]);
    let folder = &people.place.folder;
    let (ready, aside) = (
        folder.join("restore.ready"),
        folder.join("restore.ready/old"),
    );
    fs::create_dir(&ready).unwrap();
    fs::create_dir(ready.join("new")).unwrap();
    fs::create_dir(&aside).unwrap();
    fs::write(
        ready.join("names"),
        "keys.json\nstore.db\nstore.db-wal\nstore.db-shm\n",
    )
    .unwrap();
    for name in ["keys.json", "store.db"] {
        let to = ready.join("new").join(name);
        if name == "store.db" {
            new.done(&["store", "backup", to.to_str().unwrap()]);
        } else {
            fs::copy(new.place.folder.join(name), to).unwrap();
        }
    }
    // The keys have been moved aside already: without them a server would make new ones.
    fs::rename(folder.join("keys.json"), aside.join("keys.json")).unwrap();
    let server = people.server(&[]);
    Pair::log_in(&server, "new");
    assert_eq!(stored(&people.place.ring()), stored(&new.place.ring()));
    let token = Pair::log_in(&server, "new").token;
    seal(&server, &token, "something");
    server.stop();
    assert_eq!(names(&people), ["new"]);
    assert!(kept(&people).join("store.db").exists() && kept(&people).join("keys.json").exists());
    assert!(!ready.exists());
}
