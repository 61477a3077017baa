//! The command `sealgate`: hands its arguments to `cli` and turns an error into one line and an exit code.

#![forbid(unsafe_code)]
mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            log::logger().flush();
            for sentence in &failure.sentences {
                cli::remark(sentence);
            }
            ExitCode::from(failure.code)
        }
    }
}
