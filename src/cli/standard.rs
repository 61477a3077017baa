//! Standard input, standard output and standard error, and the start of threads.

use std::io::{self, Read, Write};
use std::thread::{self, JoinHandle};
use std::time::Duration;
#[cfg(unix)]
use std::time::Instant;

use sealgate::Secret;

use super::failure::Failure;
use super::table::{harmless, harmless_json};

/// The largest standard input that is accepted, in bytes.
const MAX_INPUT: u64 = 2 << 30;

pub(super) fn start<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, Failure> {
    thread::Builder::new()
        .spawn(work)
        .map_err(|error| Failure::wrong(format!("A thread cannot be started: {error}.")))
}

/// Reads all of standard input.
pub(super) fn read_input() -> Result<Secret, Failure> {
    let mut input = Vec::new();
    io::stdin()
        .lock()
        .take(MAX_INPUT + 1)
        .read_to_end(&mut input)
        .map_err(|error| Failure::wrong(format!("Standard input cannot be read: {error}.")))?;
    if input.len() as u64 > MAX_INPUT {
        return Err(Failure::wrong("Standard input is larger than 2 GiB."));
    }
    Ok(Secret::new(input))
}

/// Writes a line to standard error, ignoring write errors.
pub(crate) fn remark(sentence: &str) {
    // A sentence may quote text from others, such as a path or a setting.
    let sentence = harmless(sentence);
    let _ = writeln!(io::stderr().lock(), "sealgate: {sentence}");
}

/// Prints a value as JSON, for programs.
pub(super) fn print_json(value: &serde_json::Value) -> Result<(), Failure> {
    write_output(harmless_json(&format!("{value:#}\n")).as_bytes())
}

/// Writes a result to standard output. A reader that has closed the pipe (`| head`) is not an error.
pub(super) fn write_output(bytes: &[u8]) -> Result<(), Failure> {
    write_on(bytes).map(drop)
}

/// The same for one of several results. `false`: the reader has closed the pipe.
pub(super) fn write_on(bytes: &[u8]) -> Result<bool, Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failure::wrong(format!(
            "Standard output cannot be written: {error}."
        ))),
    }
}

/// Waits for this long. `false`: the reader of standard output has closed the pipe meanwhile.
#[cfg(unix)]
pub(super) fn pause(time: Duration) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    let end = Instant::now() + time;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return true;
        }
        let out = io::stdout();
        // No event is asked for: a pipe without a reader is reported all the same.
        let mut watched = [PollFd::new(&out, PollFlags::empty())];
        let timeout = Timespec::try_from(left).ok();
        let happened = poll(&mut watched, timeout.as_ref()).is_ok_and(|count| count > 0);
        let events = watched[0].revents();
        if happened && events.intersects(PollFlags::ERR | PollFlags::HUP) {
            return false;
        }
        if happened {
            // Not one that can be watched.
            thread::sleep(left);
        }
    }
}

#[cfg(not(unix))]
pub(super) fn pause(time: Duration) -> bool {
    thread::sleep(time);
    true
}
