//! Judges a history of admissions: whether some window certainly held more of them than a limit permits.
//!
//! A client knows of an admission only that it happened between sending the request and receiving the answer. So the judgement
//! counts the admissions that lie in a window whatever their exact moments: it accuses nobody wrongly. Longer windows count
//! too, because a stretch of k windows holds at most k times the limit.

use std::time::{Duration, Instant};

/// An admission: when its request was sent, and when its answer had come, both on the tester's clock.
#[derive(Clone, Copy, Debug)]
pub struct Admission {
    pub sent: Instant,
    pub received: Instant,
}

/// A stretch of time with too many admissions.
#[derive(Debug, PartialEq, Eq)]
pub struct Violation {
    pub admitted: usize,
    pub permitted: usize,
    pub windows: u32,
    /// Since the first request of the history.
    pub starts: Duration,
}

/// The worst violation of "at most `limit` in any window", if there is one.
pub fn violation(history: &[Admission], limit: usize, window: Duration) -> Option<Violation> {
    let first = history.iter().map(|admission| admission.sent).min()?;
    let last = history.iter().map(|admission| admission.received).max()?;
    let mut by_end: Vec<Admission> = history.to_vec();
    by_end.sort_unstable_by_key(|admission| admission.received);
    let mut starts: Vec<Instant> = history.iter().map(|admission| admission.sent).collect();
    starts.sort_unstable();
    starts.dedup();
    let windows = (last - first).as_nanos() / window.as_nanos().max(1) + 1;
    let mut worst: Option<Violation> = None;
    for windows in 1..=u32::try_from(windows).unwrap_or(u32::MAX) {
        let permitted = limit * windows as usize;
        if history.len() <= permitted {
            break;
        }
        for start in &starts {
            // Half open: an admission exactly one window later is another window's.
            let end = *start + window * windows;
            let until = by_end.partition_point(|admission| admission.received < end);
            let admitted = by_end[..until]
                .iter()
                .filter(|admission| admission.sent >= *start)
                .count();
            let excess = admitted.saturating_sub(permitted);
            if excess > worst.as_ref().map_or(0, |v| v.admitted - v.permitted) {
                worst = Some(Violation {
                    admitted,
                    permitted,
                    windows,
                    starts: *start - first,
                });
            }
        }
    }
    worst
}

/// The most admissions that one window certainly held.
pub fn most(history: &[Admission], window: Duration) -> usize {
    let within = |start: Instant| {
        let inside = history
            .iter()
            .filter(|one| one.sent >= start && one.received < start + window);
        inside.count()
    };
    let counts = history.iter().map(|admission| within(admission.sent));
    counts.max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_millis(1000);

    /// From pairs of milliseconds: sent and received.
    fn history(times: &[(u64, u64)]) -> Vec<Admission> {
        let zero = Instant::now();
        let at = |ms| zero + Duration::from_millis(ms);
        let admission = |&(sent, received)| Admission {
            sent: at(sent),
            received: at(received),
        };
        times.iter().map(admission).collect()
    }

    #[test]
    fn as_many_as_permitted_are_no_violation() {
        let even = history(&[(0, 10), (10, 20), (20, 30), (1000, 1005), (1010, 1020)]);
        assert_eq!(violation(&even, 3, WINDOW), None);
        assert_eq!(violation(&[], 0, WINDOW), None);
        assert_eq!(most(&even, WINDOW), 3);
    }

    #[test]
    fn one_too_many_is_found_wherever_the_window_starts() {
        let late = history(&[(0, 5), (700, 705), (1500, 1510), (1600, 1610), (1690, 1699)]);
        let found = violation(&late, 3, WINDOW).unwrap();
        assert_eq!((found.admitted, found.permitted), (4, 3));
        assert_eq!(found.starts, Duration::from_millis(700));
        // One after the other, in another order, is the same.
        let mut turned = late;
        turned.reverse();
        assert_eq!(violation(&turned, 3, WINDOW).unwrap(), found);
        assert_eq!(violation(&turned, 4, WINDOW), None);
    }

    #[test]
    fn what_may_have_been_in_another_window_accuses_nobody() {
        // The fourth was answered after the window: it may have been admitted then.
        assert_eq!(
            violation(&history(&[(0, 5), (1, 5), (2, 5), (3, 1001)]), 3, WINDOW),
            None
        );
        // Exactly one window later.
        assert_eq!(
            violation(&history(&[(0, 5), (1, 5), (2, 5), (990, 1000)]), 3, WINDOW),
            None
        );
        assert!(violation(&history(&[(0, 5), (1, 5), (2, 5), (990, 999)]), 3, WINDOW).is_some());
    }

    #[test]
    fn slow_answers_hide_no_excess_over_several_windows() {
        // Nine that took 400 ms each within two windows, of which three are permitted in one. In no single window do more than
        // three lie for certain.
        let slow: Vec<(u64, u64)> = (0..9).map(|n| (n * 190, n * 190 + 430)).collect();
        let slow = history(&slow);
        assert!(most(&slow, WINDOW) <= 3, "{}", most(&slow, WINDOW));
        let found = violation(&slow, 3, WINDOW).unwrap();
        assert_eq!(found.windows, 2);
        assert_eq!((found.admitted, found.permitted), (9, 6));
    }
}
