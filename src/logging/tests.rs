//! The logger; and a sink with its writer over a simulated disk that fills up, hangs and recovers.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use log::{Level, LevelFilter, Log, Metadata, Record};

use super::encoding::Encoding;
use super::lines::{Lines, Output};
use super::queue::Batch;
use super::sink::{Sink, Work};
use super::socket::{Framing, Socket};
use super::writer::{self, Target};
use super::{LineLogger, LogFormat, flush};
use crate::base::sync::lock;

const PATIENCE: Duration = Duration::from_secs(60);
const MEMORY: usize = 4 << 20;
const TEXT: Encoding = Encoding::Line(LogFormat::Text);

#[derive(Default)]
struct Disk {
    state: Mutex<DiskState>,
    changed: Condvar,
}

#[derive(Default)]
struct DiskState {
    written: Vec<u8>,
    /// Remaining space in bytes; unlimited by default.
    room: Option<usize>,
    hangs: bool,
    tries: usize,
}

struct Handle(Arc<Disk>);

impl Write for Handle {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = lock(&self.0.state);
        state.tries += 1;
        while state.hangs {
            state = self.0.changed.wait(state).unwrap();
        }
        let taken = state.room.unwrap_or(usize::MAX).min(bytes.len());
        if taken == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        state.room = state.room.map(|room| room - taken);
        state.written.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Output for Handle {}

impl Disk {
    fn change(&self, change: impl FnOnce(&mut DiskState)) {
        change(&mut lock(&self.state));
        self.changed.notify_all();
    }

    fn text(&self) -> String {
        String::from_utf8(lock(&self.state).written.clone()).unwrap()
    }
}

fn start(change: impl FnOnce(&mut DiskState)) -> (Arc<Disk>, Arc<Sink>) {
    let disk = Arc::new(Disk::default());
    disk.change(change);
    let sink = Arc::new(Sink::new("Test", TEXT));
    let target = Target::Lines(Lines::new(Box::new(Handle(disk.clone()))));
    writer::start(sink.clone(), target).unwrap();
    (disk, sink)
}

fn wait_until(is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE);
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_line_that_a_full_disk_cut_is_completed_when_there_is_room() {
    let (disk, sink) = start(|disk| disk.room = Some(8));
    sink.append(b"line one\n", true);
    wait_until(|| sink.trouble().is_some());
    sink.append(b"line two\n", false);
    assert_eq!(disk.text(), "line one");
    assert_eq!(
        sink.trouble().unwrap(),
        "Test cannot be written: no storage space. 0 lines were lost."
    );
    disk.change(|disk| disk.room = None);
    // Without another line.
    wait_until(|| sink.trouble().is_none());
    flush(&[sink], PATIENCE);
    assert_eq!(disk.text(), "line one\nline two\n");
}

#[test]
fn a_full_disk_is_not_tried_in_a_busy_loop() {
    let (disk, sink) = start(|disk| disk.room = Some(0));
    let start = Instant::now();
    let mut lines = 0;
    while start.elapsed() < Duration::from_millis(300) || lines < 20 {
        sink.append(b"a warning\n", true);
        lines += 1;
        std::thread::sleep(Duration::from_millis(1));
    }
    let tries = lock(&disk.state).tries;
    // At once, and again every half second; on a busy machine more than one may have passed.
    let most = 2 + start.elapsed().as_millis() as usize / 500;
    assert!(tries <= most, "{tries} tries for {lines} lines");
}

#[test]
fn memory_is_bounded_and_lost_lines_are_counted_where_they_are_missing() {
    let (disk, sink) = start(|disk| disk.hangs = true);
    let line = |n: usize| format!("{n:0>99}\n");
    let start = Instant::now();
    for n in 0..50_000 {
        sink.append(line(n).as_bytes(), n % 7 == 0);
    }
    assert!(start.elapsed() < PATIENCE, "no caller waits");
    assert!(sink.held_text().len() <= MEMORY);
    disk.change(|disk| disk.hangs = false);
    flush(std::slice::from_ref(&sink), PATIENCE);
    assert!(disk.text().lines().last().unwrap().contains("were lost"));
    sink.append(b"after\n", true);
    flush(&[sink], PATIENCE);
    let text = disk.text();
    let kept = MEMORY / 100;
    for (n, written) in text.lines().take(kept).enumerate() {
        assert_eq!(written, line(n).trim_end());
    }
    let rest: Vec<&str> = text.lines().skip(kept).collect();
    assert_eq!(rest.len(), 2, "{rest:?}");
    let note = format!("log lines were lost here lost={}", 50_000 - kept);
    assert!(rest[0].ends_with(&note), "{rest:?}");
    assert_eq!(rest[1], "after");
}

#[test]
fn a_flush_limits_its_wait_for_a_hung_sink_and_still_writes_the_other() {
    let (hanging, hung) = start(|disk| disk.hangs = true);
    let (disk, sink) = start(|_| ());
    hung.append(b"stuck\n", false);
    sink.append(b"said\n", false);
    let start = Instant::now();
    flush(&[hung, sink], Duration::from_millis(200));
    let took = start.elapsed();
    assert!(
        took >= Duration::from_millis(200) && took < PATIENCE,
        "{took:?}"
    );
    assert_eq!(disk.text(), "said\n");
    hanging.change(|disk| disk.hangs = false);
}

#[test]
fn a_flush_of_a_full_disk_returns_before_its_limit() {
    let (_disk, sink) = start(|disk| disk.room = Some(0));
    sink.append(b"said\n", false);
    let start = Instant::now();
    flush(&[sink], PATIENCE);
    assert!(start.elapsed() < PATIENCE / 2);
}

#[test]
fn a_new_file_begins_with_a_whole_line() {
    let sink = Sink::new("Test", TEXT);
    let take = || match sink.next() {
        Work::Write(batch) => batch,
        Work::Probe | Work::Reopen | Work::End => panic!("not requested"),
    };
    sink.append(b"first\nsecond\n", true);
    let cut = Batch { from: 9, ..take() };
    sink.failed(cut, &io::ErrorKind::StorageFull.into());
    sink.reopened();
    let batch = take();
    assert_eq!(&batch.lines[batch.from..], b"second\n");
}

#[test]
fn a_file_that_hangs_while_being_reopened_is_reported() {
    let sink = Sink::new("Test", TEXT);
    sink.reopen();
    assert!(matches!(sink.next(), Work::Reopen));
    assert_eq!(sink.trouble(), None);
    wait_until(|| {
        sink.trouble()
            .is_some_and(|line| line.starts_with("Test has accepted nothing for 2 s"))
    });
    sink.not_reopened();
    assert_eq!(sink.trouble(), None);
}

#[test]
fn a_sink_is_settled_once_everything_is_written() {
    let (disk, sink) = start(|_| ());
    // Nothing was ever written: whether that is possible is found out.
    assert!(sink.is_settled(PATIENCE));
    disk.change(|disk| disk.room = Some(0));
    sink.append(b"one\n", true);
    wait_until(|| sink.health().fault.is_some());
    let start = Instant::now();
    assert!(!sink.is_settled(PATIENCE));
    assert!(start.elapsed() < PATIENCE / 2, "a failure is enough");
    disk.change(|disk| disk.room = None);
    wait_until(|| sink.is_settled(PATIENCE));
    assert_eq!(disk.text(), "one\n");
    disk.change(|disk| disk.hangs = true);
    sink.append(b"two\n", true);
    assert!(!sink.is_settled(Duration::from_millis(50)));
    // Once it is known to hang, nobody waits.
    wait_until(|| sink.health().fault.is_some());
    let start = Instant::now();
    assert!(!sink.is_settled(PATIENCE));
    assert!(start.elapsed() < PATIENCE / 2);
    assert_eq!(sink.health().waiting, 1);
    disk.change(|disk| disk.hangs = false);
    wait_until(|| sink.is_settled(PATIENCE));
    assert_eq!(sink.health().waiting, 0);
    assert_eq!(sink.end(), 0);
}

#[test]
fn a_failed_sink_without_lines_recovers_on_its_own() {
    let sink = Sink::new("Test", TEXT);
    assert!(sink.probed(&Err(io::ErrorKind::NotFound.into())), "news");
    assert!(
        !sink.probed(&Err(io::ErrorKind::NotFound.into())),
        "no news"
    );
    assert!(sink.trouble().is_some());
    assert!(matches!(sink.next(), Work::Probe), "after a while");
    assert!(sink.probed(&Ok(())), "news");
    assert!(sink.trouble().is_none());
}

#[test]
fn what_could_not_be_synced_is_written_again() {
    struct Unsynced(Arc<Disk>, bool);
    impl Write for Unsynced {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            Handle(self.0.clone()).write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    impl Output for Unsynced {
        fn sync(&mut self) -> io::Result<()> {
            match std::mem::replace(&mut self.1, true) {
                false => Err(io::ErrorKind::StorageFull.into()),
                true => Ok(()),
            }
        }
    }
    let disk = Arc::new(Disk::default());
    let sink = Arc::new(Sink::new("Test", TEXT));
    let out = Box::new(Unsynced(disk.clone(), false));
    writer::start(sink.clone(), Target::Lines(Lines::new(out).synced())).unwrap();
    sink.append(b"line\n", true);
    wait_until(|| sink.is_settled(PATIENCE));
    assert_eq!(disk.text(), "line\nline\n");
    sink.end();
}

#[cfg(unix)]
#[test]
fn a_message_too_large_for_the_socket_is_skipped_and_counted() {
    use std::os::unix::net::UnixDatagram;

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let journal = UnixDatagram::bind(&path).unwrap();
    journal.set_read_timeout(Some(PATIENCE)).unwrap();
    let sink = Arc::new(Sink::new("Test", Encoding::Journald));
    let target = Target::Socket(Socket::new(&path, Framing::Journald));
    for size in [3, 1 << 21, 4] {
        let message = [
            u32::try_from(size).unwrap().to_ne_bytes().as_slice(),
            &vec![b'x'; size],
        ]
        .concat();
        sink.append(&message, true);
    }
    writer::start(sink.clone(), target).unwrap();
    let mut room = [0; 4096];
    let mut lengths = || journal.recv(&mut room).unwrap();
    assert_eq!((lengths(), lengths()), (3, 4));
    // The loss is noted in its place.
    assert!(lengths() > 4);
    assert!(sink.is_settled(PATIENCE));
    assert_eq!(sink.health().lost, 1);
    sink.end();
}

#[test]
fn other_crates_are_logged_only_from_warnings_up() {
    let logger = LineLogger {
        level: LevelFilter::Trace,
        encoding: TEXT,
        sinks: Vec::new(),
    };
    let enabled = |target: &str, level| {
        logger.enabled(&Metadata::builder().target(target).level(level).build())
    };
    assert!(enabled("sealgate::access", Level::Trace));
    assert!(!enabled("tiny_http", Level::Info));
    assert!(enabled("tiny_http", Level::Warn));
}

#[test]
fn a_value_that_logs_while_it_is_logged_does_not_deadlock() {
    struct Chatty<'a>(&'a LineLogger);
    impl std::fmt::Display for Chatty<'_> {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            let record = Record::builder()
                .level(Level::Info)
                .target("sealgate")
                .args(format_args!("inner"))
                .build();
            self.0.log(&record);
            f.write_str("outer")
        }
    }
    let sink = Arc::new(Sink::new("test", TEXT));
    let logger = LineLogger {
        level: LevelFilter::Info,
        encoding: TEXT,
        sinks: vec![sink.clone()],
    };
    let chatty = Chatty(&logger);
    logger.log(
        &Record::builder()
            .level(Level::Info)
            .target("sealgate")
            .args(format_args!("{chatty}"))
            .build(),
    );
    let text = sink.held_text();
    assert!(text.contains("INFO  inner\n"), "{text}");
    assert!(text.ends_with("INFO  outer\n"), "{text}");
}
