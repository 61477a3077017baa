//! How a record is written: as a line for people or programs, or as a message for syslog or systemd's journal.

use std::cell::Cell;

use log::Record;

use super::settings::LogFormat;
use super::{journald, json, line, syslog};
use crate::base::clock;

/// Bytes before a message that have its length: messages may contain line feeds.
pub(super) const PREFIX: usize = 4;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// A line for a terminal or a file.
    Line(LogFormat),
    /// A message for syslog, after its length.
    Syslog,
    /// A message for systemd's journal, after its length.
    Journald,
}

impl Encoding {
    /// What it is for, in metrics.
    pub(super) fn name(self) -> &'static str {
        match self {
            Encoding::Line(_) => "file",
            Encoding::Syslog => "syslog",
            Encoding::Journald => "journald",
        }
    }

    /// Adds the record's line or message.
    pub(super) fn encode(self, out: &mut Vec<u8>, record: &Record<'_>) {
        let now = clock::exact_now();
        match self {
            Encoding::Line(LogFormat::Text) => line::text(out, record, now),
            Encoding::Line(LogFormat::Json) => json::json(out, record, now),
            Encoding::Syslog => with_length(out, |out| syslog::message(out, record, now)),
            Encoding::Journald => with_length(out, |out| journald::message(out, record)),
        }
    }
}

fn with_length(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; PREFIX]);
    write(out);
    // A message has some kilobytes at most.
    let length = (out.len() - start - PREFIX) as u32;
    out[start..start + PREFIX].copy_from_slice(&length.to_ne_bytes());
}

/// The first message of some, without its prefix.
pub(super) fn first_message(messages: &[u8]) -> Option<&[u8]> {
    let (length, rest) = messages.split_first_chunk::<PREFIX>()?;
    rest.get(..u32::from_ne_bytes(*length) as usize)
}

/// Calls `work` with the thread's buffer, empty.
pub(super) fn with_line(work: impl FnOnce(&mut Vec<u8>)) {
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
