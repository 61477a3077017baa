//! What a sink holds under its lock: the lines, where its writer is, and how writing went so far.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Number of bytes per write when that many are waiting.
const CHUNK: usize = 64 << 10;
/// A write that takes longer is reported as hanging.
const HANGS_AFTER: Duration = Duration::from_secs(2);
/// Written chunks that are kept for reuse.
const SPARES: usize = 2;

#[derive(Default)]
pub(super) struct State {
    /// Whole lines, oldest first; a chunk exceeds [`CHUNK`] only if a single line does.
    pub(super) chunks: VecDeque<Batch>,
    spares: Vec<Vec<u8>>,
    /// Bytes of lines here and with the writer.
    pub(super) held: usize,
    /// The number of these lines.
    pub(super) waiting: u64,
    /// Total bytes of lines received and written.
    pub(super) taken: u64,
    pub(super) written: u64,
    /// Lines dropped for lack of room since the last report.
    pub(super) lost: u64,
    /// The same since the start.
    pub(super) lost_in_all: u64,
    /// `taken` at the time of the last report: a flush waits for that line too.
    pub(super) noted: u64,
    /// Write at once: a warning, an error or a flushing thread is waiting.
    pub(super) urgent: bool,
    pub(super) reopen: bool,
    /// Find out whether lines could be written, without one.
    pub(super) probe: bool,
    /// The writer's thread is to end.
    pub(super) end: bool,
    pub(super) writer: Writer,
    /// Earliest time of the next write that is not urgent.
    pub(super) not_before: Option<Instant>,
    /// Since when the writer has been writing or reopening the file.
    pub(super) writing_since: Option<Instant>,
    /// Why the last attempt to write failed.
    pub(super) failure: Option<String>,
    /// Total number of failed attempts.
    pub(super) failures: u64,
    /// Total number of attempts, and when the last one ended.
    pub(super) attempts: u64,
    pub(super) last_attempt: Option<Instant>,
    /// Threads that wait for progress.
    pub(super) flushing: usize,
}

/// The writer's state, so that it is woken only if necessary: a wake-up costs more than a line.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Writer {
    /// Writing, or about to check for lines.
    #[default]
    Busy,
    /// Waiting for a line.
    Idle,
    /// Collecting lines.
    Pacing,
    /// Waiting to retry after a failure.
    Failing,
}

/// Lines to be written.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) lines: Vec<u8>,
    /// How much of them is written.
    pub(super) from: usize,
    /// How many they are.
    pub(super) count: u64,
}

impl State {
    /// `true` if the line started a new chunk.
    pub(super) fn push(&mut self, line: &[u8]) -> bool {
        self.held += line.len();
        self.taken += line.len() as u64;
        self.waiting += 1;
        match self.chunks.back_mut() {
            Some(chunk) if chunk.lines.capacity() - chunk.lines.len() >= line.len() => {
                chunk.lines.extend_from_slice(line);
                chunk.count += 1;
                false
            }
            _ => {
                let mut lines = self
                    .spares
                    .pop()
                    .unwrap_or_else(|| Vec::with_capacity(CHUNK));
                lines.extend_from_slice(line);
                self.chunks.push_back(Batch {
                    lines,
                    from: 0,
                    count: 1,
                });
                true
            }
        }
    }

    /// The first chunk, for the writer.
    pub(super) fn take(&mut self) -> Batch {
        self.starts();
        let batch = self.chunks.pop_front().unwrap_or_default();
        if self.chunks.is_empty() {
            self.urgent = false;
        }
        batch
    }

    /// The writer starts an attempt.
    pub(super) fn starts(&mut self) {
        self.writer = Writer::Busy;
        self.writing_since = Some(Instant::now());
    }

    /// The writer's attempt has ended.
    pub(super) fn ended(&mut self) {
        self.writing_since = None;
        self.attempts += 1;
        self.last_attempt = Some(Instant::now());
    }

    /// Keeps a written chunk's memory for reuse.
    pub(super) fn reuse(&mut self, mut lines: Vec<u8>) {
        if self.spares.len() < SPARES && lines.capacity() == CHUNK {
            lines.clear();
            self.spares.push(lines);
        }
    }

    /// For how long the writer has been hanging, if it is.
    pub(super) fn hangs(&self) -> Option<Duration> {
        self.writing_since
            .map(|since| since.elapsed())
            .filter(|hangs| *hangs >= HANGS_AFTER)
    }
}
