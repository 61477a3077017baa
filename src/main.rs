//! The command `sealgate`: hands its arguments to `cli` and turns an error into one line and an exit code.

#![forbid(unsafe_code)]

mod cli;

use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

fn main() -> ExitCode {
    // Before any thread.
    sealgate::save_address_space();
    match cli::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            log::logger().flush();
            say(failure.sentences);
            ExitCode::from(failure.code)
        }
    }
}

/// Writes to standard error, but waits no longer than 2 s for a terminal that hangs.
fn say(sentences: Vec<String>) {
    let (said, hears) = mpsc::channel();
    // Without a thread the receiver hears at once that nobody speaks.
    let _ = thread::Builder::new().spawn(move || {
        for sentence in &sentences {
            cli::remark(sentence);
        }
        let _ = said.send(());
    });
    let _ = hears.recv_timeout(Duration::from_secs(2));
}
