//! The progress of a long command, shown only on a terminal.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use super::table::grouped;

/// Work that finishes sooner shows no bar.
const FIRST: Duration = Duration::from_millis(300);
const EVERY: Duration = Duration::from_millis(100);
const WIDTH: u64 = 24;

/// What is counted.
enum Unit {
    Bytes,
    Rows,
}

/// A progress bar on standard error, removed at the end.
pub(super) struct Progress {
    total: Option<u64>,
    done: u64,
    unit: Unit,
    started: Instant,
    /// When to draw next; `None` without a terminal.
    next: Option<Instant>,
    shown: bool,
}

impl Progress {
    /// `total`: how many bytes there will be, if known.
    pub(super) fn new(total: Option<u64>) -> Self {
        Progress::of(total, Unit::Bytes)
    }

    /// Of rows; how many there will be is said with each step.
    pub(super) fn of_rows() -> Self {
        Progress::of(None, Unit::Rows)
    }

    fn of(total: Option<u64>, unit: Unit) -> Self {
        let started = Instant::now();
        Progress {
            unit,
            total,
            done: 0,
            started,
            next: io::stderr().is_terminal().then_some(started + FIRST),
            shown: false,
        }
    }

    /// Adds to the number of bytes done.
    pub(super) fn add(&mut self, bytes: usize) {
        self.done += bytes as u64;
        self.draw();
    }

    /// Sets how much is done.
    pub(super) fn set(&mut self, done: u64, total: u64) {
        self.done = done;
        self.total = Some(total);
        self.draw();
    }

    fn draw(&mut self) {
        let now = Instant::now();
        if self.next.is_some_and(|next| now >= next) {
            self.next = Some(now + EVERY);
            self.shown = true;
            let line = match self.unit {
                Unit::Bytes => line(self.done, self.total, now - self.started),
                Unit::Rows => line_of_rows(self.done, self.total.unwrap_or(0)),
            };
            let _ = write!(io::stderr().lock(), "\r{line}\x1b[K");
        }
    }

    /// Hides the bar for a moment, so that something else can be printed.
    pub(super) fn hide(&mut self) {
        if self.shown {
            self.shown = false;
            let _ = write!(io::stderr().lock(), "\r\x1b[K");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.hide();
    }
}

fn line(done: u64, total: Option<u64>, time: Duration) -> String {
    let rate = mebibytes((done as f64 / time.as_secs_f64().max(0.001)) as u64);
    let done_text = mebibytes(done);
    let Some(total) = total.filter(|total| *total >= done && *total > 0) else {
        return format!("{done_text} MiB  {rate} MiB/s");
    };
    format!(
        "{}  {done_text} of {} MiB  {rate} MiB/s",
        bar(done, total),
        mebibytes(total)
    )
}

fn line_of_rows(done: u64, total: u64) -> String {
    let (done, total) = (done.min(total), total.max(1));
    format!(
        "{}  {} of {} rows",
        bar(done, total),
        grouped(done),
        grouped(total)
    )
}

/// `done` is at most `total`, which is not 0.
fn bar(done: u64, total: u64) -> String {
    let full = (u128::from(done) * u128::from(WIDTH) / u128::from(total)) as usize;
    let percent = u128::from(done) * 100 / u128::from(total);
    let (full, empty) = ("#".repeat(full), ".".repeat(WIDTH as usize - full));
    format!("[{full}{empty}] {percent} %")
}

fn mebibytes(bytes: u64) -> u64 {
    bytes >> 20
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_has_a_fixed_length() {
        let second = Duration::from_secs(1);
        let at = |done| line(done, Some(4 << 20), second);
        assert_eq!(
            at(0),
            format!("[{}] 0 %  0 of 4 MiB  0 MiB/s", ".".repeat(24))
        );
        assert_eq!(
            at(3 << 20),
            format!(
                "[{}{}] 75 %  3 of 4 MiB  3 MiB/s",
                "#".repeat(18),
                ".".repeat(6)
            )
        );
        assert_eq!(
            at(4 << 20),
            format!("[{}] 100 %  4 of 4 MiB  4 MiB/s", "#".repeat(24))
        );
        // A file that grows, and data of unknown size.
        assert_eq!(at(5 << 20), "5 MiB  5 MiB/s");
        assert_eq!(line(5 << 20, None, Duration::ZERO), "5 MiB  5000 MiB/s");
        let half = format!("[{}{}]", "#".repeat(12), ".".repeat(12));
        let rows = line_of_rows(5_000, 10_000);
        assert_eq!(rows, format!("{half} 50 %  5,000 of 10,000 rows"));
        assert!(line_of_rows(1, 0).contains(" 0 %"));
        assert!(line(u64::MAX, Some(u64::MAX), second).contains("100 %"));
    }
}
