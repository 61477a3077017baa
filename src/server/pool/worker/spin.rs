//! Whether a worker polls for a while before it sleeps. A sleeping thread takes about 30 µs to wake up, which is several
//! times what a request takes, so with a few clients that respond at once a worker would mostly wait for itself to wake.
//!
//! It polls only while the last waits were short, and for no longer than sleeping and waking would take. If another thread
//! took the core meanwhile, or if polling finds nothing several times, it stops for a while, and longer each time. A worker without traffic sleeps without a timeout; nothing here wakes it.

use std::thread;
use std::time::{Duration, Instant};

/// The longest poll: about what sleeping and waking takes.
const LONGEST: Duration = Duration::from_micros(30);
/// A wait that ended in sleep counts as short up to this, since waking up is included.
const SHORT: Duration = Duration::from_micros(100);
/// Short waits in a row before polling begins.
const SHORT_WAITS: u32 = 16;
/// Polling stops when it has found nothing this many times more often than every [`HITS_PER_MISS`]th time.
const MISSES: u32 = 8;
const HITS_PER_MISS: u32 = 4;
/// In a poll that took longer another thread had the core, and it will want it again: polling stops at once.
const CROWDED: Duration = Duration::from_micros(100);
/// How long it stops then. This doubles each time up to the longest pause, and is reset by [`PROVEN`] hits.
const PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(256);
const PROVEN: u32 = 1000;
/// The largest share of its time that a worker polls, in percent,
const SHARE: u32 = 75;
/// over periods that are longer than a few times this.
const BURST: Duration = Duration::from_millis(5);

/// See the module.
pub(super) struct Spin {
    /// False where another core could not run the clients meanwhile.
    allowed: bool,
    stage: Stage,
    pause: Duration,
    /// How long it may poll, as of a moment.
    credit: Duration,
    as_of: Instant,
}

enum Stage {
    /// Sleeps until the time given, and until as many waits as are needed were short.
    Sleeping { until: Instant, short: u32 },
    /// Misses, weighted, less hits; and hits since polling began.
    Polling { debt: u32, hits: u32 },
}

impl Spin {
    pub(super) fn new(now: Instant) -> Self {
        Spin {
            // It takes a container's CPU limit into account.
            allowed: thread::available_parallelism().is_ok_and(|cores| cores.get() > 1),
            stage: Stage::Sleeping {
                until: now,
                short: 0,
            },
            pause: PAUSE,
            credit: BURST,
            as_of: now,
        }
    }

    /// How long to poll before sleeping, from now; zero for not at all.
    pub(super) fn limit(&mut self, now: Instant) -> Duration {
        if !self.allowed || !matches!(self.stage, Stage::Polling { .. }) {
            return Duration::ZERO;
        }
        let earned = now.saturating_duration_since(self.as_of) * SHARE / 100;
        self.credit = (self.credit + earned).min(BURST);
        self.as_of = now;
        if self.credit < LONGEST {
            return Duration::ZERO;
        }
        LONGEST
    }

    /// Takes note of a wait: how long it polled, whether that found something, and how long it took in all.
    pub(super) fn waited(&mut self, now: Instant, polled: Duration, found: bool, took: Duration) {
        self.credit = self.credit.saturating_sub(polled);
        match &mut self.stage {
            Stage::Sleeping { until, short } => {
                *short = if took <= SHORT { *short + 1 } else { 0 };
                if *short >= SHORT_WAITS && now >= *until {
                    self.stage = Stage::Polling { debt: 0, hits: 0 };
                }
            }
            Stage::Polling { debt, hits } if found => {
                *debt = debt.saturating_sub(1);
                *hits += 1;
                if *hits == PROVEN {
                    self.pause = PAUSE;
                }
            }
            // It was out of credit.
            Stage::Polling { .. } if polled.is_zero() && took <= SHORT => {}
            Stage::Polling { debt, .. } => {
                *debt += HITS_PER_MISS;
                if *debt >= MISSES * HITS_PER_MISS || polled > CROWDED {
                    self.stage = Stage::Sleeping {
                        until: now + self.pause,
                        short: 0,
                    };
                    self.pause = (2 * self.pause).min(LONGEST_PAUSE);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HIT: Duration = Duration::from_micros(5);

    struct Clock {
        spin: Spin,
        now: Instant,
        /// Time polled so far.
        polled: Duration,
    }

    impl Clock {
        fn new() -> Self {
            let now = Instant::now();
            let mut spin = Spin::new(now);
            spin.allowed = true;
            Clock {
                spin,
                now,
                polled: Duration::ZERO,
            }
        }

        /// A wait for an event that comes after this time. Waking up takes 30 µs. Returns whether it polled.
        fn wait(&mut self, until: Duration) -> bool {
            self.wait_beside(until, Duration::ZERO)
        }

        /// The same, while another thread takes the core for this long as soon as it can.
        fn wait_beside(&mut self, until: Duration, other: Duration) -> bool {
            let limit = self.spin.limit(self.now);
            let polled = until.min(limit).max(other);
            let found = polled < limit;
            let took = if found {
                until
            } else {
                until.max(polled) + Duration::from_micros(30)
            };
            self.now += took;
            self.polled += polled;
            self.spin.waited(self.now, polled, found, took);
            !limit.is_zero()
        }
    }

    #[test]
    fn it_polls_once_waits_are_short_and_stops_when_they_are_not() {
        let mut clock = Clock::new();
        for _ in 0..SHORT_WAITS {
            assert!(!clock.wait(HIT));
        }
        assert!(clock.wait(HIT));
        for _ in 0..MISSES {
            assert!(clock.wait(2 * LONGEST));
        }
        assert!(!clock.wait(HIT));
    }

    #[test]
    fn a_miss_now_and_then_does_not_stop_it() {
        let mut clock = Clock::new();
        for _ in 0..SHORT_WAITS {
            clock.wait(HIT);
        }
        for turn in 0..10_000 {
            let miss = turn % (2 * HITS_PER_MISS) == 0;
            let wait = if miss { 2 * LONGEST } else { HIT };
            assert!(clock.wait(wait), "turn {turn}");
            clock.now += HIT;
        }
    }

    #[test]
    fn the_pause_grows_while_polling_is_in_vain() {
        let mut clock = Clock::new();
        let begun = clock.now;
        // Requests every 70 µs look short, but come after the longest poll.
        while clock.now - begun < Duration::from_secs(10) {
            clock.wait(Duration::from_micros(40));
        }
        let share = clock.polled.as_secs_f64() / 10.0;
        assert!(share < 0.01, "{share}");
        assert_eq!(clock.spin.pause, LONGEST_PAUSE);
    }

    #[test]
    fn another_thread_that_wants_the_core_stops_it_at_once() {
        let mut clock = Clock::new();
        for _ in 0..SHORT_WAITS {
            clock.wait(HIT);
        }
        assert!(clock.wait_beside(HIT, Duration::from_millis(3)));
        assert!(!clock.wait(HIT));
    }

    #[test]
    fn long_waits_never_begin_it() {
        let mut clock = Clock::new();
        for _ in 0..10_000 {
            assert!(!clock.wait(Duration::from_micros(200)));
        }
    }

    #[test]
    fn it_polls_for_no_more_than_its_share() {
        let mut clock = Clock::new();
        let begun = clock.now;
        // Nothing but waits that polling would always shorten.
        while clock.now - begun < Duration::from_secs(1) {
            clock.wait(LONGEST - Duration::from_micros(1));
        }
        let share = clock.polled.as_secs_f64();
        assert!((0.5..0.77).contains(&share), "{share}");
    }

    #[test]
    fn never_where_there_is_one_core() {
        let mut clock = Clock::new();
        clock.spin.allowed = false;
        for _ in 0..100 {
            assert!(!clock.wait(HIT));
        }
    }
}
