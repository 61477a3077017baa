//! examples/fleet/run: the fleet that it starts works, and nothing of it is left behind.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::postgres::wait_until;
use crate::common::{ended, text};

const RUN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/fleet/run");

/// The program, with temporary files in this folder.
fn command(program: &str, folder: &Path) -> Command {
    // PostgreSQL's user has to pass through.
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o711)).unwrap();
    let mut command = Command::new(program);
    command.env("TMPDIR", folder).stdin(Stdio::null());
    command
}

fn arguments(command: &mut Command) -> &mut Command {
    command.args(["--port", "0", "--sealgate", env!("CARGO_BIN_EXE_sealgate")])
}

/// Reads until it has said how to try the fleet; the path of its files, and its output, which stays open.
fn started(child: &mut Child) -> (String, impl Sized + use<>) {
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut said: Vec<String> = Vec::new();
    for line in lines.by_ref().map_while(Result::ok) {
        said.push(line);
        if said.last().unwrap().contains("pg_promote") {
            break;
        }
    }
    let said = said.join("\n");
    for command in ["/login -d", "/secure-data -H", "/logout -H", "kill -9"] {
        assert!(said.contains(command), "{said}");
    }
    let (_, path) = said.split_once("Logs are in ").expect("a folder");
    (path.split_once(". ").unwrap().0.to_owned(), lines)
}

/// Whether some process has this text in its arguments.
fn is_used(text: &str) -> bool {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let mut arguments =
        processes.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
    arguments.any(|arguments| String::from_utf8_lossy(&arguments).contains(text))
}

fn signal(id: u32, name: &str) {
    let sent = Command::new("kill")
        .args([&format!("-{name}"), &id.to_string()])
        .status();
    assert!(sent.unwrap().success());
}

#[test]
fn its_check_passes_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let output = arguments(&mut command(RUN, folder.path()))
        .arg("--check")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(text(&output.stdout).contains("ok: the logout is not forgotten"));
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
    let folder = folder.path().to_str().unwrap().to_owned();
    wait_until("processes stay", || !is_used(&folder));
}

#[test]
fn it_ends_with_ctrl_c_and_with_the_program_that_started_it() {
    let folder = tempfile::tempdir().unwrap();
    // A shell that runs the tests in the background lets its children ignore Ctrl-C.
    let mut child = command("env", folder.path());
    let mut child = arguments(child.args(["--default-signal=INT", RUN]))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (files, _output) = started(&mut child);
    assert!(is_used(&files));
    signal(child.id(), "INT");
    assert!(ended(&mut child, "it does not end").success());
    assert!(!Path::new(&files).exists() && !is_used(&files));

    let script = format!(
        "'{RUN}' --port 0 --sealgate '{}' & wait",
        env!("CARGO_BIN_EXE_sealgate")
    );
    let mut parent = command("sh", folder.path())
        .args(["-c", &script])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (files, _output) = started(&mut parent);
    signal(parent.id(), "KILL");
    parent.wait().unwrap();
    wait_until("it stays without its parent", || {
        !Path::new(&files).exists() && !is_used(&files)
    });
}

#[test]
fn what_is_missing_is_said_and_help_says_what_it_does() {
    let folder = tempfile::tempdir().unwrap();
    let output = command(RUN, folder.path()).arg("--help").output().unwrap();
    assert!(output.status.success());
    assert!(text(&output.stdout).contains("HAProxy"));
    let output = command(RUN, folder.path())
        .args(["--sealgate", "/nowhere/sealgate"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(
        said.starts_with("run: /nowhere/sealgate is missing"),
        "{said}"
    );
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
}
