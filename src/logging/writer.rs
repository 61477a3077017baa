//! The thread that writes a sink's lines. Only this thread touches what they are written to, so only it waits for that.

use std::io;
use std::sync::Arc;

use super::lines::Lines;
use super::queue::Batch;
use super::sink::{Sink, Work};
use super::socket::Socket;
use crate::Error;
use crate::base::threads;

/// The destination of a sink's lines.
pub(super) enum Target {
    /// A terminal or a file.
    Lines(Lines),
    Socket(Socket),
}

impl Target {
    fn write_all(&mut self, batch: &mut Batch, sink: &Sink) -> io::Result<()> {
        match self {
            Target::Lines(lines) => lines.write_all(batch, sink),
            Target::Socket(socket) => socket.write_all(batch, sink),
        }
    }

    /// Whether it can be opened. Writes nothing.
    fn probe(&mut self) -> io::Result<()> {
        match self {
            Target::Lines(lines) => lines.open(),
            Target::Socket(socket) => socket.connect(),
        }
    }
}

/// Starts the thread. It runs until the sink ends.
///
/// # Errors
/// [`Error::Io`] if the system starts no more threads.
pub(super) fn start(sink: Arc<Sink>, target: Target) -> Result<(), Error> {
    threads::spawn("sealgate-log", move || run(&sink, target))
        .map(drop)
        .map_err(|error| Error::Io(format!("The log writer thread cannot be started: {error}.")))
}

/// The thread logs its own messages through the logger: it holds no lock then, and its own sink accepts the line like any
/// other.
fn run(sink: &Sink, mut target: Target) {
    let name = sink.name();
    let works_again = || log::warn!("{name} can be written again");
    let fails = |error: &io::Error| {
        log::error!("{name} cannot be written: {error}. Lines are kept in memory up to a limit");
    };
    loop {
        match sink.next() {
            Work::End => return,
            Work::Write(mut batch) => match target.write_all(&mut batch, sink) {
                Ok(()) => {
                    if sink.written(batch) {
                        works_again();
                    }
                }
                Err(error) => {
                    if sink.failed(batch, &error) {
                        fails(&error);
                    }
                }
            },
            Work::Probe => {
                let probed = target.probe();
                if sink.probed(&probed) {
                    match probed {
                        Ok(()) => works_again(),
                        Err(error) => fails(&error),
                    }
                }
            }
            Work::Reopen => {
                let reopened = match &mut target {
                    Target::Lines(lines) => lines.reopen(),
                    // It connects again on its own.
                    Target::Socket(_) => Ok(false),
                };
                match reopened {
                    Ok(false) => sink.not_reopened(),
                    Ok(true) => {
                        sink.reopened();
                        log::info!("{name} was reopened");
                    }
                    Err(error) => {
                        sink.not_reopened();
                        log::warn!("{name} cannot be reopened: {error}. The old file stays in use");
                    }
                }
            }
        }
    }
}
