//! Queue of lines for one terminal, file or socket: bounded memory between the threads that log and the thread that writes.
//!
//! Code under the lock never logs, formats foreign values or does I/O: no thread waits here for longer than a copy takes,
//! and no panic and no deadlock can start here.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use log::{Level, Record};

use super::encoding::Encoding;
use super::queue::{Batch, State, Writer};
use crate::base::sync::lock;

/// Maximum number of bytes waiting to be written, including those that the writer holds.
const BOUND: usize = 4 << 20;
/// How long lines are collected after a write. The promise is 100 ms.
const PACE: Duration = Duration::from_millis(75);
/// How long until a failed write is retried.
const RETRY: Duration = Duration::from_millis(500);
/// How long a program that ends waits for a terminal, a disk or a socket that hangs.
pub(super) const FLUSH_LIMIT: Duration = Duration::from_secs(2);
/// How soon after a failed write somebody who has to know may have it retried.
const RETRY_ON_DEMAND: Duration = Duration::from_millis(100);

pub(super) struct Sink {
    name: &'static str,
    encoding: Encoding,
    state: Mutex<State>,
    /// Wakes the writer.
    work: Condvar,
    /// Wakes flushing threads: something was written, or a write failed.
    progress: Condvar,
}

/// The writer's next task.
pub(super) enum Work {
    Write(Batch),
    /// Find out whether lines could be written.
    Probe,
    Reopen,
    End,
}

/// How far a flush has to wait.
pub(super) struct Mark {
    taken: u64,
    failures: u64,
}

/// How a sink is doing.
#[derive(Default)]
pub(super) struct Health {
    /// Why lines cannot be written now, as the end of a sentence that begins with the sink's name.
    pub(super) fault: Option<String>,
    /// Lines that are not written yet.
    pub(super) waiting: u64,
    /// Lines that were lost since the start.
    pub(super) lost: u64,
}

impl Sink {
    pub(super) fn new(name: &'static str, encoding: Encoding) -> Self {
        Sink {
            name,
            encoding,
            state: Mutex::default(),
            work: Condvar::new(),
            progress: Condvar::new(),
        }
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// How its lines are written.
    pub(super) fn encoding(&self) -> Encoding {
        self.encoding
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

    /// Whether everything queued so far is written. If it is not, or nothing shows that lines can be written, waits for an
    /// attempt.
    pub(super) fn is_settled(&self, limit: Duration) -> bool {
        let mut state = lock(&self.state);
        let recently = state.last_attempt.map(|last| last.elapsed());
        if state.hangs().is_some()
            || state.failure.is_some() && recently.is_some_and(|since| since < RETRY_ON_DEMAND)
        {
            return false;
        }
        let (taken, failures) = (state.taken, state.failures);
        let settled =
            |state: &State| state.written >= taken && state.attempts > 0 && state.failure.is_none();
        if settled(&state) {
            return true;
        }
        state.probe = true;
        state.urgent = true;
        state.not_before = None;
        state.writer = Writer::Busy;
        state.flushing += 1;
        self.work.notify_one();
        let deadline = Instant::now() + limit;
        while !settled(&state) && state.failures == failures {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = wait(&self.progress, state, left);
        }
        state.flushing -= 1;
        settled(&state)
    }

    /// Problems that an operator should know about.
    pub(super) fn trouble(&self) -> Option<String> {
        let (fault, lost) = (self.health().fault?, lock(&self.state).lost);
        Some(format!("{} {fault}. {lost} lines were lost.", self.name))
    }

    pub(super) fn health(&self) -> Health {
        let state = lock(&self.state);
        let fault = match (&state.failure, state.hangs()) {
            (Some(failure), _) => Some(format!("cannot be written: {failure}")),
            (None, Some(hangs)) => Some(format!("has accepted nothing for {} s", hangs.as_secs())),
            (None, None) => None,
        };
        Health {
            fault,
            waiting: state.waiting,
            lost: state.lost_in_all,
        }
    }

    /// Has the writer's thread end; lines that are still waiting are lost. How many they are.
    pub(super) fn end(&self) -> u64 {
        let mut state = lock(&self.state);
        state.end = true;
        state.writer = Writer::Busy;
        self.work.notify_one();
        state.waiting
    }

    /// For the writer: waits for the next task.
    pub(super) fn next(&self) -> Work {
        let mut state = lock(&self.state);
        loop {
            if state.end {
                return Work::End;
            }
            if std::mem::take(&mut state.reopen) {
                state.writing_since = Some(Instant::now());
                return Work::Reopen;
            }
            // Where there are lines, writing them shows the same.
            let probe = std::mem::take(&mut state.probe) && state.chunks.is_empty();
            let left = state.not_before.map_or(Duration::ZERO, |moment| {
                moment.saturating_duration_since(Instant::now())
            });
            let failing = state.failure.is_some();
            if probe || failing && state.chunks.is_empty() && left.is_zero() {
                state.starts();
                return Work::Probe;
            }
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
        state.waiting -= batch.count;
        state.written += length as u64;
        state.ended();
        state.not_before = Some(Instant::now() + PACE);
        state.reuse(batch.lines);
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
        self.encoding.encode(
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

    /// For the writer: writing this batch failed. `true` if the previous attempt had not.
    pub(super) fn failed(&self, batch: Batch, error: &io::Error) -> bool {
        let mut state = lock(&self.state);
        state.chunks.push_front(batch);
        state.urgent = false;
        self.has_failed(state, error)
    }

    /// For the writer: a line will never be accepted, and is skipped.
    pub(super) fn refused(&self) {
        let mut state = lock(&self.state);
        state.lost += 1;
        state.lost_in_all += 1;
    }

    /// For the writer: whether lines could be written. `true` if that has changed for the worse or the better.
    pub(super) fn probed(&self, probed: &io::Result<()>) -> bool {
        let mut state = lock(&self.state);
        match probed {
            Err(error) => self.has_failed(state, error),
            Ok(()) => {
                state.ended();
                self.progress.notify_all();
                state.failure.take().is_some()
            }
        }
    }

    fn has_failed(&self, mut state: MutexGuard<'_, State>, error: &io::Error) -> bool {
        state.ended();
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
        if let Some(first) = state.chunks.front_mut() {
            first.from = first.lines[..first.from]
                .iter()
                .rposition(|byte| *byte == b'\n')
                .map_or(0, |end| end + 1);
        }
        state.not_before = None;
    }
}

/// Waits until everything queued in these sinks is written, `limit` has passed, or a write fails.
pub(super) fn flush(sinks: &[Arc<Sink>], limit: Duration) {
    let deadline = Instant::now() + limit;
    // Signal all of them before waiting for any.
    let marks: Vec<_> = sinks.iter().map(|sink| sink.hurry()).collect();
    for (sink, mark) in sinks.iter().zip(marks) {
        sink.wait_for(mark, deadline);
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
        let lines = state.chunks.iter().flat_map(|chunk| &chunk.lines);
        String::from_utf8(lines.copied().collect()).unwrap()
    }
}
