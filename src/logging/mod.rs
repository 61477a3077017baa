//! Logging: one logger for the terminal and a file, and the sinks of audit events. Lines are written whole, and no caller
//! waits for them, except for audit events that have to be delivered.
//!
//! `line` and `json` are the formats of lines, `syslog` and `journald` those of messages (`encoding` chooses), `mask` hides
//! names, `sink` queues lines in bounded memory, `writer` is the thread that writes them, to `lines` (a terminal or a file) or
//! to a `socket`. `init` sets up the process's logger, and `audit` has the sinks of audit events. The caller decides what a
//! line may contain: names are masked there, and secrets never get this far. This module escapes all control characters, and
//! lets only warnings and errors of other crates through, because their verbose output is unknown.

pub(crate) mod audit;
mod encoding;
mod fields;
#[cfg(feature = "server")]
mod init;
mod journald;
mod json;
mod line;
mod lines;
pub(crate) mod mask;
mod queue;
mod settings;
mod sink;
mod socket;
mod syslog;
mod writer;

use std::panic::PanicHookInfo;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use log::{Level, LevelFilter, Log, Metadata, Record};

use crate::Error;

pub use audit::check_audit;
use encoding::{Encoding, with_line};
#[cfg(feature = "server")]
pub use init::init;
pub use line::is_harmful;
pub use settings::{AuditFail, AuditSettings, AuditSocket, LogFormat, Settings};
use sink::{FLUSH_LIMIT, Sink, flush};

/// The log target of audit events. [`AuditSettings`] name what else they go to, at any log level.
pub const AUDIT: &str = "sealgate::audit";

const LOG_FILE: &str = "SEALGATE_LOG_FILE";

/// The sinks of the process's logger; unset in a process without one.
static SINKS: OnceLock<Vec<Arc<Sink>>> = OnceLock::new();

/// Checks that the file of the settings can be trusted, if it exists.
///
/// # Errors
/// [`Error::Setting`] if other users can change it.
pub fn check(settings: &Settings) -> Result<(), Error> {
    let file = settings.file.as_deref();
    file.map_or(Ok(()), |path| lines::check_file(LOG_FILE, path))
}

/// Reopens the log file and the audit files, for programs that rotate them (logrotate): later lines go to a new file with the
/// same name. If that fails, a warning is logged and the old file stays in use. Returns at once.
pub fn reopen() {
    for sink in SINKS.get().into_iter().flatten() {
        sink.reopen();
    }
    for log in audit::all() {
        log.reopen();
    }
}

/// Waits until everything logged before, and every audit event, is written, `limit` has passed, or a write fails.
pub fn flush_within(limit: Duration) {
    let lines = SINKS.get().map_or(&[][..], Vec::as_slice);
    let events = audit::all_sinks();
    flush(&[lines, &events[..]].concat(), limit);
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

/// For the terminal and the log file: its name, and how many lines could not be written so far.
pub(crate) fn lost() -> impl Iterator<Item = (&'static str, u64)> {
    let sinks = SINKS.get().map_or(&[][..], Vec::as_slice);
    sinks.iter().map(|sink| sink.lost_in_all())
}

/// Formats each record once and passes it to every sink.
struct LineLogger {
    level: LevelFilter,
    encoding: Encoding,
    sinks: Vec<Arc<Sink>>,
}

impl Log for LineLogger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= self.level && concerns(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        with_line(|line| {
            self.encoding.encode(line, record);
            for sink in &self.sinks {
                sink.append(line, record.level() <= Level::Warn);
            }
        });
    }

    fn flush(&self) {
        flush(
            &[&self.sinks[..], &audit::all_sinks()[..]].concat(),
            FLUSH_LIMIT,
        );
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

#[cfg(test)]
mod tests;
