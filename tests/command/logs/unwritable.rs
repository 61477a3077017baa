//! Logs that cannot be written: full disks, terminals that hang, pipes without a reader. Nobody waits for them.

use std::os::unix::fs::symlink;
use std::process::Command;

use super::*;

#[test]
fn a_full_disk_is_told_and_stops_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[("SEALGATE_LOG_FILE", "/dev/full")]);
    wait_until("the news", || server.log().contains("cannot be written"));
    ask_all(&server, (0..50).map(|n| format!("id-{n}")));
    assert_eq!(
        readyz(&server).unwrap(),
        "SEALGATE_LOG_FILE cannot be written: No space left on device (os error 28). 0 lines were lost."
    );
    // It is tried again meanwhile, and said once.
    thread::sleep(Duration::from_millis(1200));
    let start = Instant::now();
    let terminal = server.stop();
    assert!(start.elapsed() < promised(Duration::from_secs(2)));
    assert_eq!(terminal.matches("cannot be written").count(), 1);
    assert_eq!(terminal.matches(" id=id-").count(), 50);
}

#[test]
fn what_a_full_disk_did_not_take_is_written_when_it_does() {
    let place = place();
    symlink("/dev/full", &place.log).unwrap();
    let server = place.start(&[]);
    ask_all(&server, (0..50).map(|n| format!("id-{n}")));
    wait_until("the news", || readyz(&server).is_some());
    let real = place.folder.path().join("real.log");
    fs::remove_file(&place.log).unwrap();
    symlink(&real, &place.log).unwrap();
    server.signal("HUP");
    wait_until("the recovery", || readyz(&server).is_none());
    wait_until("all lines", || read(&real).matches(" id=id-").count() == 50);
    let terminal = server.stop();
    assert_eq!(terminal.matches("can be written again").count(), 1);
    let log = read(&real);
    assert!(log.contains("listening on"), "{log}");
    assert!(log.lines().all(|line| line.starts_with("20")), "{log}");
    let mode = fs::metadata(&real).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_terminal_that_hangs_holds_up_neither_requests_nor_the_file_nor_the_stop() {
    let place = place();
    // Nobody reads it, and a pipe holds 64 KiB.
    let (unread, pipe) = std::io::pipe().unwrap();
    let mut server = Server::start_with(place.folder.path(), |command| {
        command.env("SEALGATE_LOG_FILE", &place.log).stderr(pipe);
    });
    let padding = "x".repeat(50);
    let start = Instant::now();
    ask_all(&server, (0..1500).map(|n| format!("id-{n}-{padding}")));
    assert!(start.elapsed() < PATIENCE);
    let in_file = || place.read().matches(" id=id-").count();
    wait_until("all lines in the file", || in_file() == 1500);
    assert!(place.read().len() > 2 * 64 * 1024);
    wait_until("word of it", || {
        readyz(&server)
            .is_some_and(|log| log.starts_with("Standard error has accepted nothing for "))
    });
    let start = Instant::now();
    server.signal("TERM");
    assert_eq!(server.wait(), Some(0));
    assert!(start.elapsed() < promised(Duration::from_secs(6)));
    assert!(place.read().ends_with("stopped\n"));
    drop(unread);
}

#[test]
fn a_log_file_that_cannot_be_opened_anew_stays_in_use_with_a_warning() {
    let place = place();
    let server = place.start(&[]);
    let aside = place.folder.path().join("aside.log");
    fs::rename(&place.log, &aside).unwrap();
    fs::create_dir(&place.log).unwrap();
    server.signal("HUP");
    let took = wait_until("a warning", || {
        server
            .log()
            .contains("WARN  SEALGATE_LOG_FILE cannot be reopened")
    });
    assert!(took < promised(Duration::from_secs(1)), "{took:?}");
    ask_all(&server, std::iter::once("id-after".to_owned()));
    wait_until("the line in the old file", || {
        read(&aside).contains("id=id-after ")
    });
    fs::remove_dir(&place.log).unwrap();
    server.signal("HUP");
    wait_until("the new file", || place.read().contains("reopened"));
    ask_all(&server, std::iter::once("id-new".to_owned()));
    server.stop();
    assert!(place.read().contains("id=id-new "));
    assert!(!read(&aside).contains("id=id-new "));
}

#[test]
fn a_log_file_that_is_a_pipe_needs_a_reader_and_nobody_waits_for_one() {
    let place = place();
    let make_pipe = || {
        let made = Command::new("mkfifo").arg(&place.log).status();
        made.is_ok_and(|status| status.success())
    };
    if !make_pipe() {
        return;
    }
    let log = ("SEALGATE_LOG_FILE", place.log.to_str().unwrap());
    let refused = crate::common::typed(place.folder.path(), &["serve"], b"", &[log]);
    assert!(crate::common::said(&refused).contains("the pipe has no reader"));

    fs::remove_file(&place.log).unwrap();
    let server = place.start(&[]);
    let aside = place.folder.path().join("aside.log");
    fs::rename(&place.log, &aside).unwrap();
    assert!(make_pipe());
    server.signal("HUP");
    wait_until("a warning", || server.log().contains("has no reader"));
    ask_all(&server, std::iter::once("id-after".to_owned()));
    wait_until("the old file", || read(&aside).contains("id=id-after "));

    let pipe = place.log.clone();
    let reader = thread::spawn(move || read(&pipe));
    // Until the reader is there, each try is refused.
    wait_until("the pipe", || {
        server.signal("HUP");
        server.log().contains("was reopened")
    });
    ask_all(&server, (0..1000).map(|n| format!("id-{n}")));
    server.stop();
    assert_eq!(reader.join().unwrap().matches(" id=id-").count(), 1000);
}
