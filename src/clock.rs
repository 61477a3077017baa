//! The times that decisions go by.

use std::time::SystemTime;

/// Seconds since 1970-01-01 UTC.
pub(crate) fn unix_now() -> u64 {
    SystemTime::UNIX_EPOCH
        .elapsed()
        .map_or(0, |age| age.as_secs())
}

/// The same by the clock that tokens are checked by, which is some milliseconds late.
pub(crate) fn token_now() -> u64 {
    jwt_simple::prelude::Clock::now_since_epoch().as_secs()
}

/// Milliseconds of a clock that never runs backwards, a few of them late: to ask for it costs next to nothing.
#[cfg(target_os = "linux")]
pub(crate) fn coarse_milliseconds() -> u64 {
    use nix::time::{ClockId, clock_gettime};

    // Fails for clocks alone that there are none of.
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC_COARSE);
    now.map_or(0, |now| {
        now.tv_sec().unsigned_abs() * 1000 + now.tv_nsec().unsigned_abs() / 1_000_000
    })
}

/// Milliseconds of a clock that never runs backwards.
#[cfg(not(target_os = "linux"))]
pub(crate) fn coarse_milliseconds() -> u64 {
    use once_cell::sync::Lazy;
    use std::time::Instant;

    static START: Lazy<Instant> = Lazy::new(Instant::now);
    u64::try_from(START.elapsed().as_millis()).unwrap_or(u64::MAX)
}
