//! Standard input, standard output and standard error, and the start of threads.

use std::io::{self, Read, Write};
use std::thread::{self, JoinHandle};

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
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::wrong(format!(
            "Standard output cannot be written: {error}."
        ))),
        _ => Ok(()),
    }
}
