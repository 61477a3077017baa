//! Lines on their way to one terminal or file: bounded memory between those who log and the thread that writes.
//!
//! Nothing under the lock logs, formats what others made, or does input and output: nobody waits here for longer than a
//! copy takes, and no panic and no deadlock can start here.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use log::{Level, Record};

use super::format::format;
use super::settings::LogFormat;
use crate::base::sync::lock;

/// Most bytes that wait to be written, those in the writer's hands included.
const BOUND: usize = 4 << 20;
/// Bytes that are written at once, where so much waits.
const CHUNK: usize = 64 << 10;
/// How long lines are gathered after a write. The promise is 100 ms.
const PACE: Duration = Duration::from_millis(75);
/// How long until a write that failed is tried again.
const RETRY: Duration = Duration::from_millis(500);
/// A write that takes longer hangs, to an operator.
const HANGS_AFTER: Duration = Duration::from_secs(2);
/// Written chunks that are kept for the next lines.
const SPARES: usize = 2;

pub(super) struct Sink {
    name: &'static str,
    format: LogFormat,
    state: Mutex<State>,
    /// For the writer: there is something to do.
    work: Condvar,
    /// For those who flush: something was written, or could not be.
    progress: Condvar,
}

#[derive(Default)]
struct State {
    /// Whole lines, the oldest first; a chunk is never larger than [`CHUNK`], except for one line that is.
    chunks: VecDeque<Vec<u8>>,
    /// Where the first chunk goes on, when a write has ended in the middle of it.
    from: usize,
    spares: Vec<Vec<u8>>,
    /// Bytes of lines here and in the writer's hands.
    held: usize,
    /// Bytes of lines that ever came in, and that ever went out.
    taken: u64,
    written: u64,
    /// Lines for which there was no room, since that was last said.
    lost: u64,
    /// What `taken` was when that was last said: a flush has that written too.
    noted: u64,
    /// Not to be gathered: a warning, an error or somebody who flushes waits.
    urgent: bool,
    reopen: bool,
    writer: Writer,
    /// Earliest moment of the next write that is not urgent.
    not_before: Option<Instant>,
    /// Since when the writer is in a write, or opens the file anew.
    writing_since: Option<Instant>,
    /// Why the last write failed.
    failure: Option<String>,
    /// Writes that failed, ever.
    failures: u64,
    flushing: usize,
}

/// What the writer is doing, so that it is woken only where it must be: a wake costs more than a line.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Writer {
    /// Writing, or about to look.
    #[default]
    Busy,
    /// Waiting for a line.
    Idle,
    /// Gathering lines.
    Pacing,
    /// Waiting to try again after a failure.
    Failing,
}

/// What the writer has to do.
pub(super) enum Work {
    Write(Batch),
    Reopen,
}

/// Lines to be written.
pub(super) struct Batch {
    pub(super) lines: Vec<u8>,
    /// How far they are written.
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

    /// Takes a line over, or counts it as lost where there is no room.
    pub(super) fn append(&self, line: &[u8], urgent: bool) {
        let mut state = lock(&self.state);
        if state.held + line.len() > BOUND {
            state.lost += 1;
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

    /// Asks for a new file.
    pub(super) fn reopen(&self) {
        let mut state = lock(&self.state);
        state.reopen = true;
        state.writer = Writer::Busy;
        drop(state);
        self.work.notify_one();
    }

    /// Asks for everything to be written at once, failing or not.
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

    /// Waits until all before the mark is written or a write has failed, but not beyond the deadline.
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

    /// What an operator should know.
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
                "{name} has taken nothing for {} s. {lost} lines were lost.",
                hangs.as_secs()
            )),
            (None, None) => None,
        }
    }

    /// For the writer: waits for the next thing to do.
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
                // For a while after a write the next line need not wake the writer: it looks by itself.
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

    /// For the writer: some of it is done, more is not yet.
    pub(super) fn moves(&self) {
        lock(&self.state).writing_since = Some(Instant::now());
    }

    /// For the writer: this is done. True where it is the first success after a failure.
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
            // Under the lock, so that it comes after the lines before the loss and in front of those after it.
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
                .args(format_args!("lines of the log were lost here"))
                .key_values(&("lost", lost))
                .build(),
        );
        note
    }

    /// For the writer: it has failed there. True where the last one had not.
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

    /// For the writer: what was not written whole belongs into the new file.
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
    /// True where the line began a new chunk.
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
    /// What waits to be written.
    pub(super) fn held_text(&self) -> String {
        let state = lock(&self.state);
        String::from_utf8(state.chunks.iter().flatten().copied().collect()).unwrap()
    }
}
