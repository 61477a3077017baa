//! The times that decisions and texts go by: the clock on the wall, kept within the calendar, and one that only runs forward.

use std::time::{Duration, SystemTime};

/// The last second that a date of four digits can name, as RFC 3339 and HTTP write it: 9999-12-31T23:59:59Z.
const LAST: u64 = 253_402_300_799;

/// Seconds since 1970-01-01 UTC by the clock that tokens and keys are judged by. One that stands outside of 1970 to 9999 is
/// taken to stand at that end of it.
pub fn unix_now() -> u64 {
    now().as_secs()
}

/// Whether a clock that shows this stands outside of the calendar, and so does not go on.
pub(crate) fn stands_still(now: u64) -> bool {
    now == 0 || now >= LAST
}

/// How long 1970-01-01 UTC is past, some milliseconds late: to ask for it costs next to nothing. A clock that stands before
/// that, or behind [`LAST`], is taken to stand there: a wrong clock is no reason to stop.
#[cfg(target_os = "linux")]
pub(crate) fn now() -> Duration {
    use nix::time::{ClockId, clock_gettime};

    // Fails for clocks alone that there are none of.
    let now = clock_gettime(ClockId::CLOCK_REALTIME_COARSE).ok();
    let since = now.and_then(|now| {
        let nanoseconds = now.tv_nsec().try_into().ok()?;
        Some(Duration::new(now.tv_sec().try_into().ok()?, nanoseconds))
    });
    in_calendar(since.unwrap_or_default())
}

/// The same.
#[cfg(not(target_os = "linux"))]
pub(crate) fn now() -> Duration {
    exact_now()
}

/// The same to the microsecond, for what people compare.
pub(crate) fn exact_now() -> Duration {
    in_calendar(SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default())
}

fn in_calendar(since_epoch: Duration) -> Duration {
    since_epoch.min(Duration::from_secs(LAST))
}

/// Milliseconds of a clock that never runs backwards, a few of them late: to ask for it costs next to nothing.
#[cfg(target_os = "linux")]
pub(crate) fn coarse_milliseconds() -> u64 {
    use nix::time::{ClockId, clock_gettime};

    // Fails for clocks alone that there are none of.
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC_COARSE);
    now.map_or(0, |now| monotonic_milliseconds(now.tv_sec(), now.tv_nsec()))
}

/// One that does not start at zero may start below it.
#[cfg(target_os = "linux")]
fn monotonic_milliseconds(seconds: i64, nanoseconds: i64) -> u64 {
    let milliseconds = seconds
        .saturating_mul(1000)
        .saturating_add(nanoseconds / 1_000_000);
    milliseconds.cast_unsigned() ^ (1 << 63)
}

/// Milliseconds of a clock that never runs backwards.
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
    fn a_clock_below_zero_runs_forward_too() {
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
