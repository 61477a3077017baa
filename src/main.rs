//! The command `sealgate`: hands its arguments to `cli` and turns an error into one line and an exit code.

#![forbid(unsafe_code)]
// A command speaks on its terminal.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            log::logger().flush();
            eprintln!("sealgate: {}", failure.sentence);
            ExitCode::from(failure.code)
        }
    }
}
