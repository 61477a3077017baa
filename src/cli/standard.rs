//! Standard input, standard output and standard error, and threads that stand beside them.

use std::io::{self, Read, Write};
use std::thread::{self, JoinHandle};

use sealgate::Secret;

use super::failure::Failure;
use super::table::{harmless, harmless_json};

/// Most that is read from standard input.
const MAX_INPUT: u64 = 2 << 30;

pub(super) fn start<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, Failure> {
    thread::Builder::new()
        .spawn(work)
        .map_err(|error| Failure::wrong(format!("No thread can be started: {error}.")))
}

/// All of standard input.
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

/// Writes a line to standard error. Where nobody reads that, nobody is told.
pub(crate) fn remark(sentence: &str) {
    // A sentence may name a path or a setting in somebody else's words.
    let sentence = harmless(sentence);
    let _ = writeln!(io::stderr().lock(), "sealgate: {sentence}");
}

/// A value for programs, as the command prints it.
pub(super) fn print_json(value: &serde_json::Value) -> Result<(), Failure> {
    write_output(harmless_json(&format!("{value:#}\n")).as_bytes())
}

/// Writes a result to standard output. A reader that has gone away (`| head`) is a failure of nobody.
pub(super) fn write_output(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::wrong(format!(
            "Standard output cannot be written: {error}."
        ))),
        _ => Ok(()),
    }
}
