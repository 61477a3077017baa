//! The `sealgate` command: runs `cli` and turns a failure into lines on standard error and an exit code.

#![forbid(unsafe_code)]

mod cli;

use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

fn main() -> ExitCode {
    // Must run before any thread starts.
    sealgate::prepare_process();
    match cli::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            log::logger().flush();
            say(failure.sentences);
            ExitCode::from(failure.code)
        }
    }
}

/// Writes to standard error, waiting at most 2 s for a terminal that hangs.
fn say(sentences: Vec<String>) {
    let (said, hears) = mpsc::channel();
    // If no thread can be started, the sender is dropped and the receiver returns at once.
    let _ = thread::Builder::new().spawn(move || {
        for sentence in &sentences {
            cli::remark(sentence);
        }
        let _ = said.send(());
    });
    let _ = hears.recv_timeout(Duration::from_secs(2));
}
