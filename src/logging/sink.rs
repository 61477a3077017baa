//! Queue of lines for one terminal or file: bounded memory between the threads that log and the thread that writes.
//!
//! Code under the lock never logs, formats foreign values or does I/O: no thread waits here for longer than a copy takes,
//! and no panic and no deadlock can start here.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use log::{Level, Record};

use super::format::format;
use super::settings::LogFormat;
use crate::base::sync::lock;

/// Maximum number of bytes waiting to be written, including those that the writer holds.
const BOUND: usize = 4 << 20;
/// Number of bytes per write when that many are waiting.
const CHUNK: usize = 64 << 10;
/// How long lines are collected after a write. The promise is 100 ms.
const PACE: Duration = Duration::from_millis(75);
/// How long until a failed write is retried.
const RETRY: Duration = Duration::from_millis(500);
/// A write that takes longer is reported as hanging.
const HANGS_AFTER: Duration = Duration::from_secs(2);
/// Written chunks that are kept for reuse.
const SPARES: usize = 2;

pub(super) struct Sink {
    name: &'static str,
    format: LogFormat,
    state: Mutex<State>,
    /// Wakes the writer.
    work: Condvar,
    /// Wakes flushing threads: something was written, or a write failed.
    progress: Condvar,
}

#[derive(Default)]
struct State {
    /// Whole lines, oldest first; a chunk exceeds [`CHUNK`] only if a single line does.
    chunks: VecDeque<Vec<u8>>,
    /// Where the first chunk continues after a partial write.
    from: usize,
    spares: Vec<Vec<u8>>,
    /// Bytes of lines here and with the writer.
    held: usize,
    /// Total bytes of lines received and written.
    taken: u64,
    written: u64,
    /// Lines dropped for lack of room since the last report.
    lost: u64,
    /// The same since the start.
    lost_in_all: u64,
    /// `taken` at the time of the last report: a flush waits for that line too.
    noted: u64,
    /// Write at once: a warning, an error or a flushing thread is waiting.
    urgent: bool,
    reopen: bool,
    writer: Writer,
    /// Earliest time of the next write that is not urgent.
    not_before: Option<Instant>,
    /// Since when the writer has been writing or reopening the file.
    writing_since: Option<Instant>,
    /// Why the last write failed.
    failure: Option<String>,
    /// Total number of failed writes.
    failures: u64,
    flushing: usize,
}

/// The writer's state, so that it is woken only if necessary: a wake-up costs more than a line.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Writer {
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

/// The writer's next task.
pub(super) enum Work {
    Write(Batch),
    Reopen,
}

/// Lines to be written.
pub(super) struct Batch {
    pub(super) lines: Vec<u8>,
    /// How much of them is written.
    pub(super) from: usize,
}

/// How far a flush has to wait.
pub(super) struct Mark {
    taken: u64,
    failures: u64,
}

impl Sink {
    pub(super) fn new(name: &'static str, format: LogFormat) -> Self {
        Sink {
            name,
            format,
            state: Mutex::default(),
            work: Condvar::new(),
            progress: Condvar::new(),
        }
    }

    /// The log's name, and how many lines were lost since the start.
    pub(super) fn lost_in_all(&self) -> (&'static str, u64) {
        (self.name, lock(&self.state).lost_in_all)
    }

    /// Queues a line, or counts it as lost if there is no room.
    pub(super) fn append(&self, line: &[u8], urgent: bool) {
        let mut state = lock(&self.state);
        if state.held + line.len() > BOUND {
            state.lost += 1;
            state.lost_in_all += 1;
            return;
        }
        let began_chunk = state.push(line);
        state.urgent |= urgent;
        let wake = match state.writer {
            Writer::Busy | Writer::Failing => false,
            Writer::Idle => true,
            Writer::Pacing => urgent || began_chunk && state.chunks.len() > 1,
        };
        if wake {
            state.writer = Writer::Busy;
            drop(state);
            self.work.notify_one();
        }
    }

    /// Requests that the file be reopened.
    pub(super) fn reopen(&self) {
        let mut state = lock(&self.state);
        state.reopen = true;
        state.writer = Writer::Busy;
        drop(state);
        self.work.notify_one();
    }

    /// Requests that everything be written at once, even if writes fail.
    pub(super) fn hurry(&self) -> Mark {
        let mut state = lock(&self.state);
        state.urgent = true;
        state.not_before = None;
        state.writer = Writer::Busy;
        let mark = Mark {
            taken: state.taken,
            failures: state.failures,
        };
        drop(state);
        self.work.notify_one();
        mark
    }

    /// Waits until everything before the mark is written, a write has failed, or the deadline has passed.
    pub(super) fn wait_for(&self, mark: Mark, deadline: Instant) {
        let mut state = lock(&self.state);
        state.flushing += 1;
        while state.written < mark.taken.max(state.noted) && state.failures == mark.failures {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = wait(&self.progress, state, left);
        }
        state.flushing -= 1;
    }

    /// Problems that an operator should know about.
    pub(super) fn trouble(&self) -> Option<String> {
        let state = lock(&self.state);
        let (name, lost) = (self.name, state.lost);
        let hangs = state
            .writing_since
            .map(|since| since.elapsed())
            .filter(|hangs| *hangs >= HANGS_AFTER);
        match (&state.failure, hangs) {
            (Some(failure), _) => Some(format!(
                "{name} cannot be written: {failure}. {lost} lines were lost."
            )),
            (None, Some(hangs)) => Some(format!(
                "{name} has accepted nothing for {} s. {lost} lines were lost.",
                hangs.as_secs()
            )),
            (None, None) => None,
        }
    }

    /// For the writer: waits for the next task.
    pub(super) fn next(&self) -> Work {
        let mut state = lock(&self.state);
        loop {
            if std::mem::take(&mut state.reopen) {
                state.writing_since = Some(Instant::now());
                return Work::Reopen;
            }
            let left = state.not_before.map_or(Duration::ZERO, |moment| {
                moment.saturating_duration_since(Instant::now())
            });
            let failing = state.failure.is_some();
            if state.chunks.is_empty() {
                state.urgent = false;
                // For a while after a write the next line need not wake the writer: it wakes up on its own.
                if left.is_zero() {
                    state.writer = Writer::Idle;
                    state = self
                        .work
                        .wait(state)
                        .unwrap_or_else(PoisonError::into_inner);
                    continue;
                }
            } else {
                let at_once = !failing && (state.urgent || state.chunks.len() > 1);
                if at_once || left.is_zero() {
                    return Work::Write(state.take());
                }
            }
            state.writer = if failing {
                Writer::Failing
            } else {
                Writer::Pacing
            };
            state = wait(&self.work, state, left);
        }
    }

    /// For the writer: a part is written, more remains.
    pub(super) fn moves(&self) {
        lock(&self.state).writing_since = Some(Instant::now());
    }

    /// For the writer: this batch is written. `true` for the first success after a failure.
    pub(super) fn written(&self, batch: Batch) -> bool {
        let mut state = lock(&self.state);
        let length = batch.lines.len();
        state.held -= length;
        state.written += length as u64;
        state.writing_since = None;
        state.not_before = Some(Instant::now() + PACE);
        let mut spare = batch.lines;
        if state.spares.len() < SPARES && spare.capacity() == CHUNK {
            spare.clear();
            state.spares.push(spare);
        }
        if state.lost > 0 {
            // Under the lock, so that the note is between the lines before and after the loss.
            let note = self.note_of_loss(state.lost);
            state.push(&note);
            state.lost = 0;
            state.urgent = true;
            state.noted = state.taken;
        }
        if state.flushing > 0 {
            self.progress.notify_all();
        }
        state.failure.take().is_some()
    }

    fn note_of_loss(&self, lost: u64) -> Vec<u8> {
        let mut note = Vec::new();
        format(
            self.format,
            &mut note,
            &Record::builder()
                .level(Level::Warn)
                .target("sealgate::logging")
                .args(format_args!("log lines were lost here"))
                .key_values(&("lost", lost))
                .build(),
        );
        note
    }

    /// For the writer: writing this batch failed. `true` if the previous write had not.
    pub(super) fn failed(&self, batch: Batch, error: &std::io::Error) -> bool {
        let mut state = lock(&self.state);
        state.chunks.push_front(batch.lines);
        state.from = batch.from;
        state.writing_since = None;
        state.urgent = false;
        state.not_before = Some(Instant::now() + RETRY);
        state.failures += 1;
        self.progress.notify_all();
        state.failure.replace(error.to_string()).is_none()
    }

    /// For the writer: the old file stays in use.
    pub(super) fn not_reopened(&self) {
        lock(&self.state).writing_since = None;
    }

    /// For the writer: a partially written line is repeated in the new file.
    pub(super) fn reopened(&self) {
        let mut state = lock(&self.state);
        state.writing_since = None;
        let from = state.from;
        if let Some(first) = state.chunks.front() {
            state.from = first[..from]
                .iter()
                .rposition(|byte| *byte == b'\n')
                .map_or(0, |end| end + 1);
        }
        state.not_before = None;
    }
}

impl State {
    /// `true` if the line started a new chunk.
    fn push(&mut self, line: &[u8]) -> bool {
        self.held += line.len();
        self.taken += line.len() as u64;
        match self.chunks.back_mut() {
            Some(chunk) if chunk.capacity() - chunk.len() >= line.len() => {
                chunk.extend_from_slice(line);
                false
            }
            _ => {
                let mut chunk = self
                    .spares
                    .pop()
                    .unwrap_or_else(|| Vec::with_capacity(CHUNK));
                chunk.extend_from_slice(line);
                self.chunks.push_back(chunk);
                true
            }
        }
    }

    /// The first chunk, for the writer.
    fn take(&mut self) -> Batch {
        self.writer = Writer::Busy;
        self.writing_since = Some(Instant::now());
        let lines = self.chunks.pop_front().unwrap_or_default();
        if self.chunks.is_empty() {
            self.urgent = false;
        }
        Batch {
            lines,
            from: std::mem::take(&mut self.from),
        }
    }
}

fn wait<'a>(
    condition: &Condvar,
    state: MutexGuard<'a, State>,
    limit: Duration,
) -> MutexGuard<'a, State> {
    let (state, _) = condition
        .wait_timeout(state, limit)
        .unwrap_or_else(PoisonError::into_inner);
    state
}

#[cfg(test)]
impl Sink {
    /// The queued text.
    pub(super) fn held_text(&self) -> String {
        let state = lock(&self.state);
        String::from_utf8(state.chunks.iter().flatten().copied().collect()).unwrap()
    }
}
