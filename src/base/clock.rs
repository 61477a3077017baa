//! The clocks that the program uses: the wall clock, limited to the calendar's range, and a monotonic clock.

use std::time::{Duration, SystemTime};

/// The last second of a four-digit year, as in RFC 3339 and HTTP dates: 9999-12-31T23:59:59Z.
pub(crate) const LAST: u64 = 253_402_300_799;

/// Seconds since 1970-01-01 UTC on the clock that tokens and keys are judged by. A clock outside of 1970 to 9999 counts as
/// the nearer end of that range.
pub fn unix_now() -> u64 {
    now().as_secs()
}

/// Whether a clock with this reading is outside the calendar, and so does not advance.
pub(crate) fn stands_still(now: u64) -> bool {
    now == 0 || now >= LAST
}

/// Time since 1970-01-01 UTC, up to some milliseconds late: reading it costs next to nothing. A clock outside the range up
/// to [`LAST`] is clamped to it: a wrong clock is no reason to stop.
#[cfg(target_os = "linux")]
pub(crate) fn now() -> Duration {
    use nix::time::{ClockId, clock_gettime};

    // Fails only for clocks that do not exist.
    let now = clock_gettime(ClockId::CLOCK_REALTIME_COARSE).ok();
    let since = now.and_then(|now| {
        let nanoseconds = now.tv_nsec().try_into().ok()?;
        Some(Duration::new(now.tv_sec().try_into().ok()?, nanoseconds))
    });
    in_calendar(since.unwrap_or_default())
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn now() -> Duration {
    exact_now()
}

/// The same with microsecond precision, for timestamps that people compare.
pub(crate) fn exact_now() -> Duration {
    in_calendar(SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default())
}

fn in_calendar(since_epoch: Duration) -> Duration {
    since_epoch.min(Duration::from_secs(LAST))
}

/// Milliseconds on a monotonic clock, a few of them late: reading it costs next to nothing.
#[cfg(target_os = "linux")]
pub(crate) fn coarse_milliseconds() -> u64 {
    use nix::time::{ClockId, clock_gettime};

    // Fails only for clocks that do not exist.
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC_COARSE);
    now.map_or(0, |now| monotonic_milliseconds(now.tv_sec(), now.tv_nsec()))
}

/// A clock that does not start at zero may start below it.
#[cfg(target_os = "linux")]
fn monotonic_milliseconds(seconds: i64, nanoseconds: i64) -> u64 {
    let milliseconds = seconds
        .saturating_mul(1000)
        .saturating_add(nanoseconds / 1_000_000);
    milliseconds.cast_unsigned() ^ (1 << 63)
}

/// Milliseconds on a monotonic clock.
#[cfg(not(target_os = "linux"))]
pub(crate) fn coarse_milliseconds() -> u64 {
    use once_cell::sync::Lazy;
    use std::time::Instant;

    static START: Lazy<Instant> = Lazy::new(Instant::now);
    u64::try_from(START.elapsed().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::monotonic_milliseconds;

    #[test]
    fn a_clock_below_zero_still_advances() {
        let times = [
            (i64::MIN / 1000, 0),
            (-1_000_000, 0),
            (-1, 0),
            (-1, 999_000_000),
            (0, 0),
            (0, 1_000_000),
            (1, 0),
            (i64::MAX / 1000, 0),
        ];
        let milliseconds = times.map(|(seconds, rest)| monotonic_milliseconds(seconds, rest));
        assert!(milliseconds.is_sorted_by(|one, next| one < next));
        assert_eq!(milliseconds[4] - milliseconds[2], 1000);
    }
}
