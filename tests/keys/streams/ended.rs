//! What ends `sealgate encrypt` and `sealgate decrypt` before they are done: signals, limits, readers that go away, failures.

use std::process::Command;
use std::time::{Duration, Instant};

use super::*;
use crate::common::{PATIENCE, ended};

/// The same command, whatever signals the tests were started with as ignored: background jobs of a shell have INT so.
fn heeding_signals(command: &Command) -> Command {
    let mut heeding = Command::new("env");
    heeding.args(["-i", "--default-signal=INT,TERM,HUP,QUIT"]);
    for (name, value) in command.get_envs() {
        let Some(value) = value else { continue };
        let mut setting = name.to_owned();
        setting.push("=");
        setting.push(value);
        heeding.arg(setting);
    }
    heeding.arg(command.get_program()).args(command.get_args());
    heeding
}

#[test]
fn a_signal_leaves_no_temporary_file() {
    let desk = Desk::new();
    desk.write("out", b"as it was");
    // Where files need no name until they are done, not even a signal that nobody can catch.
    for signal in ["INT", "TERM", "HUP", "QUIT", "KILL"] {
        let mut command = heeding_signals(
            &desk
                .place
                .command(&["encrypt", "--in", "-", "--out", "out"]),
        );
        let mut child = command
            .current_dir(&desk.folder)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        input.write_all(&data(3_000_000)).unwrap();
        let deadline = Instant::now() + PATIENCE;
        let folder = fs::canonicalize(&desk.folder).unwrap();
        let nameless = || {
            let open = fs::read_dir(format!("/proc/{}/fd", child.id())).unwrap();
            let mut open = open.filter_map(|entry| fs::read_link(entry.unwrap().path()).ok());
            open.any(|path| path.starts_with(&folder) && !path.exists())
        };
        while desk.names().len() < 2 && !nameless() {
            assert!(Instant::now() < deadline, "no temporary file");
            std::thread::sleep(Duration::from_millis(5));
        }
        if let [temporary, _] = &desk.names()[..] {
            assert!(temporary.starts_with(".sealgate-"));
            assert_eq!(desk.mode(temporary), 0o600);
            if signal == "KILL" {
                println!("this file system has no nameless files");
                child.kill().unwrap();
                child.wait().unwrap();
                continue;
            }
        }
        let sent = Command::new("kill")
            .args([&format!("-{signal}"), &child.id().to_string()])
            .status();
        assert!(sent.unwrap().success());
        let status = ended(&mut child, &format!("{signal} does not end it"));
        assert!(!status.success(), "{signal}");
        assert_eq!(desk.names(), ["out"], "{signal}");
        assert_eq!(desk.read("out"), b"as it was");
    }
}

/// Also where a limit of the system's would end the command before it can clean up.
#[test]
fn a_file_that_may_not_grow_further_is_a_failure_like_others() {
    let desk = Desk::new();
    desk.write("plain", &data(3_000_000));
    let sealgate = (desk.place).command(&["encrypt", "--in", "plain", "--out", "sealed"]);
    let mut limited = Command::new("sh");
    // In blocks of 512 bytes, or in some shells of 1,024.
    limited.args(["-c", "ulimit -f 2000; exec \"$0\" \"$@\""]);
    limited
        .arg(sealgate.get_program())
        .args(sealgate.get_args());
    let settings = sealgate.get_envs();
    limited.envs(settings.filter_map(|(name, value)| Some((name, value?))));
    limited.current_dir(&desk.folder);
    let output = run(limited, b"");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(said(&output).contains("sealed cannot be written: File too large"));
    assert_eq!(desk.names(), ["plain"]);
}

#[test]
fn a_reader_that_goes_away_ends_it() {
    let desk = Desk::new();
    desk.seal(&data(4_000_000));
    let mut child = desk
        .place
        .command(&["decrypt", "--in", "sealed", "--out", "-"])
        .current_dir(&desk.folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut some = [0; 1000];
    let mut output = child.stdout.take().unwrap();
    output.read_exact(&mut some).unwrap();
    assert_eq!(some[..], data(1000));
    drop(output);
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(2));
    assert!(said(&ended).contains("Standard output cannot be written"));
}

/// Whoever waits for a failure does not have to wait for more input first.
#[test]
fn a_failure_ends_it_while_its_input_is_quiet() {
    let desk = Desk::new();
    let sealed = desk.seal(&data(4_000_000));
    let mut wrong = sealed[..3_000_000].to_vec();
    wrong[100] ^= 1;
    for (arguments, input, code, wanted) in [
        ("decrypt --in - --out x", &wrong, 1, "cannot be decrypted"),
        ("encrypt --in - --out /dev/full", &sealed, 2, "/dev/full"),
    ] {
        let arguments: Vec<&str> = arguments.split(' ').collect();
        let mut child = (desk.place.command(&arguments))
            .current_dir(&desk.folder)
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut quiet = child.stdin.take().unwrap();
        // It may be over before all is written.
        let _ = quiet.write_all(input);
        let status = ended(&mut child, "a failure does not end it");
        assert_eq!(status.code(), Some(code), "{arguments:?}");
        assert!(said(&child.wait_with_output().unwrap()).contains(wanted));
        drop(quiet);
    }
    assert_eq!(desk.names(), ["plain", "sealed"]);
}
