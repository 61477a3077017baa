//! `sealgate encrypt` and `sealgate decrypt` on files: any size, nothing unauthenticated, nothing half-written.

#![allow(clippy::unwrap_used)] // a test that panics has failed
#![cfg(unix)]

mod ended;

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::{Output, Stdio};

use crate::common::place::Place;
use crate::common::{run, said, text};

const CHUNK: usize = 64 << 10;

/// A data directory with keys, and a folder for files.
struct Desk {
    place: Place,
    folder: PathBuf,
}

impl Desk {
    fn new() -> Desk {
        let place = Place::with_ring();
        let folder = place.home.path().join("files");
        fs::create_dir(&folder).unwrap();
        Desk { place, folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn write(&self, name: &str, data: &[u8]) {
        fs::write(self.path(name), data).unwrap();
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    /// The command as typed in the folder of the files.
    fn typed(&self, arguments: &str, input: &[u8]) -> Output {
        let arguments: Vec<&str> = arguments.split(' ').collect();
        let mut command = self.place.command(&arguments);
        command.current_dir(&self.folder);
        run(command, input)
    }

    fn succeeds(&self, arguments: &str) {
        let output = self.typed(arguments, b"");
        assert!(output.status.success(), "{arguments}: {output:?}");
        assert_eq!((output.stdout.len(), output.stderr.len()), (0, 0));
    }

    fn seal(&self, data: &[u8]) -> Vec<u8> {
        self.write("plain", data);
        self.succeeds("encrypt --in plain --out sealed");
        self.read("sealed")
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.folder).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }

    fn mode(&self, name: &str) -> u32 {
        fs::metadata(self.path(name)).unwrap().mode() & 0o777
    }
}

fn data(size: usize) -> Vec<u8> {
    (0..size).map(|at| (at / 251 + at) as u8).collect()
}

#[test]
fn a_file_of_any_size_comes_back() {
    let desk = Desk::new();
    for size in [
        0,
        1,
        CHUNK,
        16 * CHUNK - 1,
        16 * CHUNK,
        16 * CHUNK + 1,
        5_000_000,
    ] {
        let data = data(size);
        let sealed = desk.seal(&data);
        assert_eq!(sealed.len(), 29 + size + 16 * size.div_ceil(CHUNK).max(1));
        desk.succeeds("decrypt --in sealed --out again");
        assert_eq!(desk.read("again"), data);
        assert_eq!((desk.mode("sealed"), desk.mode("again")), (0o600, 0o600));
    }
    assert_eq!(desk.names(), ["again", "plain", "sealed"]);
}

#[test]
fn the_standard_streams_do_as_well() {
    let desk = Desk::new();
    let data = data(200_000);
    for arguments in [
        "encrypt --in -",
        "encrypt --out -",
        "encrypt --in - --out -",
        "encrypt --in /dev/stdin --out /dev/stdout",
    ] {
        let sealed = desk.typed(arguments, &data);
        assert!(sealed.status.success());
        let opened = desk.typed("decrypt --in - --out -", &sealed.stdout);
        assert!(opened.status.success() && opened.stderr.is_empty());
        assert_eq!(opened.stdout, data);
    }
}

/// What others have written to it and read from it stays so: it is no file to be replaced, or to be read from its beginning.
#[test]
fn dev_stdout_and_dev_stdin_are_what_the_command_was_given() {
    let desk = Desk::new();
    desk.seal(b"the end");
    let log = desk.path("log");
    fs::write(&log, "the beginning, ").unwrap();
    let appended = fs::OpenOptions::new().append(true).open(&log).unwrap();
    let mut command = (desk.place).command(&["decrypt", "--in", "sealed", "--out", "/dev/stdout"]);
    command.current_dir(&desk.folder).stdout(appended);
    assert!(command.status().unwrap().success());
    assert_eq!(text(&desk.read("log")), "the beginning, the end");

    let mut read = fs::File::open(&log).unwrap();
    read.read_exact(&mut [0; 15]).unwrap();
    let mut command = (desk.place).command(&["encrypt", "--in", "/dev/stdin", "--out", "rest"]);
    command.current_dir(&desk.folder).stdin(read);
    assert!(command.status().unwrap().success());
    let rest = desk.typed("decrypt --in rest --out -", b"");
    assert_eq!(text(&rest.stdout), "the end");

    // Programs that start others often give them sockets.
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    (&ours).write_all(&desk.read("sealed")).unwrap();
    ours.shutdown(std::net::Shutdown::Write).unwrap();
    let mut command =
        (desk.place).command(&["decrypt", "--in", "/dev/stdin", "--out", "/dev/stdout"]);
    command.stdin(std::os::fd::OwnedFd::from(theirs.try_clone().unwrap()));
    command.stdout(std::os::fd::OwnedFd::from(theirs));
    assert!(command.status().unwrap().success());
    drop(command);
    let mut came = String::new();
    (&ours).read_to_string(&mut came).unwrap();
    assert_eq!(came, "the end");
}

#[test]
fn the_context_belongs_to_it() {
    let desk = Desk::new();
    desk.write("plain", b"text");
    desk.succeeds("encrypt --in plain --out sealed --context backup");
    desk.succeeds("decrypt --in sealed --out again --context backup");
    let output = desk.typed("decrypt --in sealed --out none", b"");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(said(&output), "sealgate: The data cannot be decrypted.\n");
    assert!(!desk.path("none").exists());
}

#[test]
fn what_is_cut_moved_doubled_or_longer_leaves_the_output_as_it_was() {
    let desk = Desk::new();
    let sealed = desk.seal(&data(40 * CHUNK));
    let chunk = |number: usize| 29 + number * (CHUNK + 16);
    let mut swapped = sealed.clone();
    let (left, right) = swapped.split_at_mut(chunk(31));
    left[chunk(30)..].swap_with_slice(&mut right[..CHUNK + 16]);
    let doubled = [&sealed[..chunk(31)], &sealed[chunk(30)..]].concat();
    let shorter = [&sealed[..chunk(30)], &sealed[chunk(31)..]].concat();
    for (what, changed) in [
        ("cut at a chunk", sealed[..chunk(39)].to_vec()),
        ("cut within", sealed[..sealed.len() - 9].to_vec()),
        ("cut within the header", sealed[..20].to_vec()),
        ("swapped", swapped),
        ("doubled", doubled),
        ("one left out", shorter),
        ("longer", [&sealed[..], b"x"].concat()),
        ("twice", [&sealed[..], &sealed].concat()),
        ("empty", vec![]),
    ] {
        desk.write("changed", &changed);
        desk.write("out", b"as it was");
        for target in ["out", "new"] {
            let output = desk.typed(&format!("decrypt --in changed --out {target}"), b"");
            assert_eq!(output.status.code(), Some(1), "{what}");
            assert!(
                text(&output.stderr).contains("cannot be decrypted"),
                "{what}"
            );
        }
        assert_eq!(desk.read("out"), b"as it was", "{what}");
        assert_eq!(
            desk.names(),
            ["changed", "out", "plain", "sealed"],
            "{what}"
        );
        // A pipe gets authenticated data only: the beginning of what was sealed.
        let piped = desk.typed("decrypt --in changed --out -", b"");
        assert_eq!(piped.status.code(), Some(1), "{what}");
        assert!(data(40 * CHUNK).starts_with(&piped.stdout), "{what}");
    }
}

#[test]
fn a_text_that_encrypt_printed_is_told_from_a_stream() {
    let desk = Desk::new();
    let sealed = desk.typed("encrypt", b"text");
    desk.write("text", &sealed.stdout);
    let output = desk.typed("decrypt --in text --out none", b"");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("Pass base64 text on standard input"));
    // And the other way round.
    let stream = desk.typed("encrypt --out -", b"text").stdout;
    assert_eq!(desk.typed("decrypt", &stream).status.code(), Some(1));
}

#[test]
fn a_file_may_be_replaced_by_its_own_sealed_form_and_keeps_its_mode() {
    let desk = Desk::new();
    desk.write("file", b"text");
    let link = desk.path("link");
    symlink("file", &link).unwrap();
    for mode in [0o640, 0o604] {
        fs::set_permissions(desk.path("file"), fs::Permissions::from_mode(mode)).unwrap();
        desk.succeeds("encrypt --in file --out link");
        assert_ne!(desk.read("file"), b"text");
        assert_eq!(desk.mode("file"), mode);
        desk.succeeds("decrypt --in link --out file");
        assert_eq!(desk.read("file"), b"text");
    }
    assert!(fs::symlink_metadata(link).unwrap().is_symlink());
    assert_eq!(desk.names(), ["file", "link"]);
}

#[test]
fn places_that_cannot_be_written_or_read_are_a_clear_error() {
    let desk = Desk::new();
    desk.write("plain", b"text");
    symlink("nowhere", desk.path("dangling")).unwrap();
    for (arguments, wanted) in [
        ("encrypt --in none --out x", "none cannot be read"),
        ("encrypt --in . --out x", ". is a directory"),
        (
            "encrypt --in plain --out .",
            ". cannot be written: it is a directory",
        ),
        (
            "encrypt --in plain --out none/x",
            "none/x cannot be written",
        ),
        (
            "encrypt --in plain --out dangling",
            "dangling cannot be written",
        ),
        (
            "encrypt --in plain --out /dev/full",
            "/dev/full cannot be written",
        ),
    ] {
        let output = desk.typed(arguments, b"");
        assert_eq!(output.status.code(), Some(2), "{arguments}");
        assert!(said(&output).contains(wanted), "{output:?}");
    }
    assert_eq!(desk.names(), ["dangling", "plain"]);
    // A device stays what it is.
    desk.succeeds("encrypt --in plain --out /dev/null");
    assert!(!fs::metadata("/dev/null").unwrap().is_file());
}

/// What it needs does not depend on how much there is. So much, that the disk is asked to begin before the end.
#[test]
#[cfg(target_os = "linux")]
fn memory_stays_small() {
    let desk = Desk::new();
    let mut child = desk
        .place
        .command(&["encrypt", "--in", "-", "--out", "large"])
        .current_dir(&desk.folder)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let piece = data(1 << 20);
    for _ in 0..150 {
        input.write_all(&piece).unwrap();
    }
    let peak = crate::common::process::peak_of(child.id());
    drop(input);
    assert!(child.wait().unwrap().success());
    assert!(peak < 30 << 10, "{peak} KiB");
    desk.succeeds("decrypt --in large --out opened");
    assert!(desk.read("opened") == piece.repeat(150));
}
