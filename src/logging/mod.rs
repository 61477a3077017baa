//! Logging: one logger for the terminal and a file. Lines are written whole, and no caller waits for either.
//!
//! `line` and `json` are the two line formats (`format` chooses), `mask` hides names, `sink` queues lines in bounded
//! memory, `writer` is the thread that writes them. The caller decides what a line may contain: names are masked there,
//! and secrets never get this far. This module escapes all control characters, and lets only warnings and errors of other
//! crates through, because their verbose output is unknown.

mod format;
mod json;
mod line;
pub(crate) mod mask;
mod settings;
mod sink;
mod writer;

use std::cell::Cell;
use std::panic::PanicHookInfo;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use log::{Level, LevelFilter, Log, Metadata, Record};
use simplelog::{CombinedLogger, SharedLogger};

use crate::Error;
use crate::base::given_file;

use format::format;
pub use line::is_harmful;
pub use settings::{LogFormat, Settings};
use sink::Sink;
use writer::Target;

/// The log target of audit events. With `SEALGATE_AUDIT_FILE` they also go to a separate file, at any log level.
pub const AUDIT: &str = "sealgate::audit";

const LOG_FILE: &str = "SEALGATE_LOG_FILE";
/// How long `log::logger().flush()` waits for a terminal or a disk that hangs.
const FLUSH_LIMIT: Duration = Duration::from_secs(2);

/// The sinks of the process's logger; unset in a process without one.
static SINKS: OnceLock<Vec<Arc<Sink>>> = OnceLock::new();

/// Sets up the process's logger: to the terminal (standard error) and, if set, to a file; audit events also to theirs. For
/// programs, not libraries: a process has one logger, and its writer threads do not survive a fork.
///
/// A log call never waits for the terminal or the disk. Each has a thread that writes its lines: warnings and errors at
/// once, others within 100 ms. Before a process exits, `log::logger().flush()` has the rest written, in at most 2 s. While
/// a terminal or disk hangs or fails, up to 4 MiB are kept; later lines are counted, and the count is the first thing
/// logged when writing works again.
///
/// # Errors
/// [`Error::Setting`] if the file cannot be opened; [`Error::Io`] if the process has a logger already.
pub fn init(settings: &Settings) -> Result<(), Error> {
    start(settings, true)
}

/// The same for a command that logs only audit events, and only if they have a file.
///
/// # Errors
/// Those of [`init`].
pub fn init_audit(settings: &Settings) -> Result<(), Error> {
    match settings.audit_file {
        Some(_) => start(settings, false),
        None => Ok(()),
    }
}

/// Checks that the files of the settings can be trusted, if they exist.
///
/// # Errors
/// [`Error::Setting`] if other users can change one.
pub fn check(settings: &Settings) -> Result<(), Error> {
    files(settings).try_for_each(|(name, path)| check_file(name, path))
}

fn files(settings: &Settings) -> impl Iterator<Item = (&'static str, &Path)> {
    let files = [
        (LOG_FILE, &settings.file),
        ("SEALGATE_AUDIT_FILE", &settings.audit_file),
    ];
    files
        .into_iter()
        .filter_map(|(name, path)| Some((name, path.as_deref()?)))
}

/// Anyone who can change a log can remove lines from it.
fn check_file(name: &str, path: &Path) -> Result<(), Error> {
    let Ok(metadata) = path.metadata() else {
        return Ok(());
    };
    given_file::check(path, &metadata)
        .map(drop)
        .map_err(|end| Error::Setting(format!("{name}: {} {end}", path.display())))
}

fn start(settings: &Settings, lines: bool) -> Result<(), Error> {
    let mut targets = Vec::new();
    if lines {
        targets.push(Target::terminal());
    }
    for (name, path) in files(settings).filter(|(name, _)| lines || *name != LOG_FILE) {
        check_file(name, path)?;
        let target = Target::file(name, path).map_err(|error| {
            Error::Setting(format!(
                "{name}: {} cannot be opened for writing: {error}.",
                path.display()
            ))
        })?;
        targets.push(target);
    }
    let sinks: Vec<Arc<Sink>> = targets
        .iter()
        .map(|target| Arc::new(Sink::new(target.name(), settings.format)))
        .collect();
    let mut logger = LineLogger {
        level: settings.level,
        format: settings.format,
        sinks: sinks.clone(),
        audit: None,
    };
    if settings.audit_file.is_some() {
        logger.audit = logger.sinks.pop();
    }
    CombinedLogger::init(vec![Box::new(logger)])
        .map_err(|_| Error::Io("The process has a logger already.".to_owned()))?;
    for (sink, target) in sinks.iter().zip(targets) {
        writer::start(sink.clone(), target).map_err(|error| {
            Error::Io(format!("The log writer thread cannot be started: {error}."))
        })?;
    }
    // Cannot be set already: setting the logger would have failed.
    let _ = SINKS.set(sinks);
    Ok(())
}

/// Reopens the log file, for programs that rotate it (logrotate): later lines go to a new file with the same name. If that
/// fails, a warning is logged and the old file stays in use. Returns at once; does nothing without a log file, or without
/// a logger from [`init`].
pub fn reopen() {
    for sink in SINKS.get().into_iter().flatten() {
        sink.reopen();
    }
}

/// Waits until everything logged before is written, `limit` has passed, or a write fails.
pub fn flush_within(limit: Duration) {
    flush(SINKS.get().map_or(&[], Vec::as_slice), limit);
}

/// Problems with the log, in sentences for an operator: what cannot be written, and how many lines were lost so far.
/// `None` if there are none, or in a process without a logger from [`init`]. Contains no path and no secret.
pub fn trouble() -> Option<String> {
    let sentences: Vec<String> = SINKS
        .get()?
        .iter()
        .filter_map(|sink| sink.trouble())
        .collect();
    (!sentences.is_empty()).then(|| sentences.join(" "))
}

/// For the log and the audit trail: its setting, and how many lines could not be written so far.
pub(crate) fn lost() -> impl Iterator<Item = (&'static str, u64)> {
    let sinks = SINKS.get().map_or(&[][..], Vec::as_slice);
    sinks.iter().map(|sink| sink.lost_in_all())
}

fn flush(sinks: &[Arc<Sink>], limit: Duration) {
    let deadline = Instant::now() + limit;
    // Signal all of them before waiting for any.
    let marks: Vec<_> = sinks.iter().map(|sink| sink.hurry()).collect();
    for (sink, mark) in sinks.iter().zip(marks) {
        sink.wait_for(mark, deadline);
    }
}

/// Formats each record once and passes it to every sink.
struct LineLogger {
    level: LevelFilter,
    format: LogFormat,
    sinks: Vec<Arc<Sink>>,
    /// Receives the audit events only, and all of them.
    audit: Option<Arc<Sink>>,
}

impl LineLogger {
    fn audit_of(&self, metadata: &Metadata<'_>) -> Option<&Arc<Sink>> {
        self.audit.as_ref().filter(|_| metadata.target() == AUDIT)
    }

    fn takes(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= self.level && concerns(metadata)
    }
}

impl Log for LineLogger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.takes(metadata) || self.audit_of(metadata).is_some()
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        with_line(|line| {
            format(self.format, line, record);
            if let Some(sink) = self.audit_of(record.metadata()) {
                sink.append(line, true);
            }
            if self.takes(record.metadata()) {
                for sink in &self.sinks {
                    sink.append(line, record.level() <= Level::Warn);
                }
            }
        });
    }

    fn flush(&self) {
        let sinks: Vec<_> = self.sinks.iter().chain(&self.audit).cloned().collect();
        flush(&sinks, FLUSH_LIMIT);
    }
}

impl SharedLogger for LineLogger {
    fn level(&self) -> LevelFilter {
        match self.audit {
            Some(_) => self.level.max(LevelFilter::Info),
            None => self.level,
        }
    }

    fn config(&self) -> Option<&simplelog::Config> {
        None
    }

    fn as_log(self: Box<Self>) -> Box<dyn Log> {
        self
    }
}

/// Logs where a panic happened. The panic message may quote data and is not logged.
pub fn tell_panic(panicked: &PanicHookInfo<'_>) {
    match panicked.location() {
        Some(place) => log::error!("panic at {}:{}", place.file(), place.line()),
        None => log::error!("panic at an unknown location"),
    }
}

/// Whether a record is ours, or an important one from another crate.
pub(crate) fn concerns(metadata: &Metadata<'_>) -> bool {
    metadata.target().starts_with("sealgate") || metadata.level() <= Level::Warn
}

/// Calls `work` with a record's message and fields as text, as in a line.
pub(crate) fn with_message(record: &Record<'_>, work: impl FnOnce(&[u8])) {
    with_line(|line| {
        line::message(line, record);
        work(line);
    });
}

/// Calls `work` with the thread's buffer, empty.
fn with_line(work: impl FnOnce(&mut Vec<u8>)) {
    const KEPT: usize = 4096;
    thread_local!(static LINE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) });
    // Taken out meanwhile, so a value that logs while it is formatted gets a separate buffer.
    let mut line = LINE.try_with(Cell::take).unwrap_or_default();
    line.clear();
    work(&mut line);
    if line.capacity() <= KEPT {
        let _ = LINE.try_with(|kept| kept.set(line));
    }
}

#[cfg(test)]
mod tests;
