//! Log set-up: one logger for the terminal and a file, whole lines at a time, and nobody waits for either.
//!
//! `line` and `json` are the two forms of a line (`format` chooses), `mask` hides names in it, `sink` keeps lines in bounded memory, `writer` is the thread that writes
//! them. What a line may say is decided where it is written: names are masked there, and secrets never get this far. Here
//! all control characters are escaped, and of other crates only warnings and errors are let through, because what they
//! tell when they are chatty is not known.

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

/// The log target of audit events. With `SEALGATE_AUDIT_FILE` they go to a file of their own as well, whatever the level.
pub const AUDIT: &str = "sealgate::audit";

/// How long `log::logger().flush()` waits for a terminal or a disk that hangs.
const FLUSH_LIMIT: Duration = Duration::from_secs(2);

/// Where the lines of the process's logger go; nothing in a process without it.
static SINKS: OnceLock<Vec<Arc<Sink>>> = OnceLock::new();

/// Makes the process's logger: to the terminal (standard error) and, where set, to a file; audit events to theirs too. For a program, not a library:
/// there is one logger in a process, and its writing threads do not outlive a fork.
///
/// A log call never waits for the terminal or the disk. Lines are written by a thread for each of the two, warnings and
/// errors at once, others within 100 ms; before a process ends, `log::logger().flush()` has the rest written, in at most
/// 2 s. What a terminal or disk that hangs or fails does not take is kept, up to 4 MiB; what comes after that is counted,
/// and the number is the first thing said when it writes again.
///
/// # Errors
/// [`Error::Setting`] where the file cannot be opened; [`Error::Io`] where the process has a logger already.
pub fn init(settings: &Settings) -> Result<(), Error> {
    start(settings, true)
}

/// The same for a command that tells nothing but audit events, and only where they have a file.
///
/// # Errors
/// Those of [`init`].
pub fn init_audit(settings: &Settings) -> Result<(), Error> {
    match settings.audit_file {
        Some(_) => start(settings, false),
        None => Ok(()),
    }
}

/// Whether the files of the settings can be trusted, where they are there already.
///
/// # Errors
/// [`Error::Setting`] where other users can change one.
pub fn check(settings: &Settings) -> Result<(), Error> {
    let files = [
        ("SEALGATE_LOG_FILE", &settings.file),
        ("SEALGATE_AUDIT_FILE", &settings.audit_file),
    ];
    for (name, path) in files {
        path.as_deref()
            .map_or(Ok(()), |path| check_file(name, path))?;
    }
    Ok(())
}

/// Whoever can change a log can take lines out.
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
    let files = [
        (
            "SEALGATE_LOG_FILE",
            settings.file.as_ref().filter(|_| lines),
        ),
        ("SEALGATE_AUDIT_FILE", settings.audit_file.as_ref()),
    ];
    for (name, path) in files {
        let Some(path) = path else { continue };
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
        writer::start(sink.clone(), target)
            .map_err(|error| Error::Io(format!("The log has no thread to write it: {error}.")))?;
    }
    // Cannot be set already: the logger could not.
    let _ = SINKS.set(sinks);
    Ok(())
}

/// Opens the log file anew, for programs that move it away (logrotate): lines written from then on are in a new file of
/// its name. Where that fails, a warning says so and the old file stays in use. Returns at once; without a log file, or
/// without a logger of [`init`], it does nothing.
pub fn reopen() {
    for sink in SINKS.get().into_iter().flatten() {
        sink.reopen();
    }
}

/// Waits until all that was logged before is written, or `limit` is over, or a write fails.
pub fn flush_within(limit: Duration) {
    flush(SINKS.get().map_or(&[], Vec::as_slice), limit);
}

/// What is wrong with the log, in sentences for an operator: what cannot be written, and how many lines were lost so far.
/// `None` where all is well, and in a process without a logger of [`init`]. No path and no secret is in it.
pub fn trouble() -> Option<String> {
    let sentences: Vec<String> = SINKS
        .get()?
        .iter()
        .filter_map(|sink| sink.trouble())
        .collect();
    (!sentences.is_empty()).then(|| sentences.join(" "))
}

fn flush(sinks: &[Arc<Sink>], limit: Duration) {
    let deadline = Instant::now() + limit;
    // All are told before any is waited for.
    let marks: Vec<_> = sinks.iter().map(|sink| sink.hurry()).collect();
    for (sink, mark) in sinks.iter().zip(marks) {
        sink.wait_for(mark, deadline);
    }
}

/// Formats each record once and hands it to every sink.
struct LineLogger {
    level: LevelFilter,
    format: LogFormat,
    sinks: Vec<Arc<Sink>>,
    /// Gets the audit events alone, and all of them.
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

/// Logs where a panic happened. What it says may quote data, and stays unsaid.
pub fn tell_panic(panicked: &PanicHookInfo<'_>) {
    match panicked.location() {
        Some(place) => log::error!("panic at {}:{}", place.file(), place.line()),
        None => log::error!("panic at an unknown place"),
    }
}

/// Whether it is ours, or of another crate and important.
pub(crate) fn concerns(metadata: &Metadata<'_>) -> bool {
    metadata.target().starts_with("sealgate") || metadata.level() <= Level::Warn
}

/// Lends a record's message and fields as text, as they stand in a line.
pub(crate) fn with_message(record: &Record<'_>, work: impl FnOnce(&[u8])) {
    with_line(|line| {
        line::message(line, record);
        work(line);
    });
}

/// Lends the thread's buffer, empty.
fn with_line(work: impl FnOnce(&mut Vec<u8>)) {
    const KEPT: usize = 4096;
    thread_local!(static LINE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) });
    // Taken out meanwhile, so that a value that logs while it is formatted gets a buffer of its own.
    let mut line = LINE.try_with(Cell::take).unwrap_or_default();
    line.clear();
    work(&mut line);
    if line.capacity() <= KEPT {
        let _ = LINE.try_with(|kept| kept.set(line));
    }
}

#[cfg(test)]
mod tests;
