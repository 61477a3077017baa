//! Sets up the logger of a process, which a program does and a library does not. simplelog registers it.

use std::sync::Arc;

use log::{LevelFilter, Log};
use simplelog::{CombinedLogger, SharedLogger};

use super::encoding::Encoding;
use super::lines::Lines;
use super::settings::Settings;
use super::sink::Sink;
use super::writer::{self, Target};
use super::{LOG_FILE, LineLogger, SINKS};
use crate::Error;

/// Sets up the process's logger: to the terminal (standard error) and, if set, to a file. For programs, not libraries: a
/// process has one logger, and its writer threads do not survive a fork.
///
/// A log call never waits for the terminal or the disk. Each has a thread that writes its lines: warnings and errors at
/// once, others within 100 ms. Before a process exits, `log::logger().flush()` has the rest written, in at most 2 s. While
/// a terminal or disk hangs or fails, up to 4 MiB are kept; later lines are counted, and the count is the first thing
/// logged when writing works again.
///
/// # Errors
/// [`Error::Setting`] if the file cannot be opened; [`Error::Io`] if the process has a logger already.
pub fn init(settings: &Settings) -> Result<(), Error> {
    let encoding = Encoding::Line(settings.format);
    let terminal = Sink::new("Standard error", encoding);
    let mut targets = vec![(terminal, Lines::terminal())];
    if let Some(path) = &settings.file {
        let mut lines = Lines::of_file(path);
        lines.open_for(LOG_FILE)?;
        targets.push((Sink::new(LOG_FILE, encoding), lines));
    }
    let (sinks, targets): (Vec<_>, Vec<_>) = targets
        .into_iter()
        .map(|(sink, lines)| (Arc::new(sink), Target::Lines(lines)))
        .unzip();
    let logger = LineLogger {
        level: settings.level,
        encoding,
        sinks: sinks.clone(),
    };
    CombinedLogger::init(vec![Box::new(logger)])
        .map_err(|_| Error::Io("The process has a logger already.".to_owned()))?;
    for (sink, target) in sinks.iter().zip(targets) {
        writer::start(sink.clone(), target)?;
    }
    // Cannot be set already: setting the logger would have failed.
    let _ = SINKS.set(sinks);
    Ok(())
}

impl SharedLogger for LineLogger {
    fn level(&self) -> LevelFilter {
        self.level
    }

    fn config(&self) -> Option<&simplelog::Config> {
        None
    }

    fn as_log(self: Box<Self>) -> Box<dyn Log> {
        self
    }
}
