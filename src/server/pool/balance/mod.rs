//! How many of the workers are active: as few as the load needs. A second thread that has to share a core with another
//! program responds later than a single thread that need not, because whichever program has the core keeps it for
//! milliseconds.
//!
//! The engine starts with one active worker. When the active ones are fully loaded, their number doubles as a trial;
//! unless throughput rises, it goes back, and the next trial comes later. When they have idle time, their number is
//! halved, also as a trial unless half are clearly enough. Throughput is measured before, during and after a trial, so
//! that a load that merely grows or fades in the meantime is not mistaken for the trial's effect.
//!
//! Workers sample their load regularly and decide this among themselves; connections move while they are idle. Times
//! are relative to the start of the engine.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// How often a busy worker samples its load.
pub(super) const LOOK: Duration = Duration::from_millis(20);
/// Consecutive samples for which a worker must be loaded before more workers are tried.
const LOADED_LOOKS: u32 = 3;
/// A worker that works for at least this fraction of its time is loaded,
const LOADED: f64 = 0.9;
/// and one that works for no more than this has time for connections of others.
const LEISURE: f64 = 0.5;
/// Fewer workers are tried when all together work for less than this fraction of their time.
const REST: f64 = 0.85;
/// Half of the workers become inactive without a trial when the others would work for less than this fraction of their
/// time,
const QUIET: f64 = 0.4;
/// for this long.
const QUIET_FOR: Duration = Duration::from_secs(1);
/// How long connections have to move before measuring starts, and how long measuring takes.
const SETTLE: Duration = Duration::from_millis(20);
const MEASURE: Duration = Duration::from_millis(80);
/// Required throughput in a trial of more workers, as a multiple of the throughput without,
const GAIN: f64 = 1.05;
/// and in one of fewer workers.
const NO_LOSS: f64 = 0.97;
/// The time between a failed trial and the next one; it doubles with each failure.
const PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// See the module.
pub(super) struct Balance {
    workers: usize,
    active: AtomicUsize,
    /// Counts the changes of `active`.
    version: AtomicU64,
    plan: Mutex<Plan>,
}

struct Plan {
    trial: Option<Trial>,
    more: Pause,
    fewer: Pause,
    /// Since when half of the workers would clearly be enough.
    quiet_since: Option<Duration>,
}

/// When the next trial in a direction may begin, and how long to pause if it fails.
struct Pause {
    until: Duration,
    length: Duration,
}

struct Trial {
    /// Number of active workers without the trial and during it.
    without: usize,
    with: usize,
    stage: Stage,
    settled: Duration,
    /// When measuring began, and the total count of turns then.
    from: Option<(Duration, u64)>,
    /// Turns per second before and during the trial.
    before: f64,
    during: f64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Before,
    During,
    After,
}

/// What a worker reports with each sample.
pub(super) struct View<'a> {
    pub(super) number: usize,
    pub(super) now: Duration,
    /// The fraction of time it was working since its last sample.
    pub(super) busy: f64,
    /// For how many samples in a row it has been loaded.
    pub(super) loaded_looks: u32,
    /// Turns of all workers so far.
    pub(super) done: u64,
    /// Like `busy`, for any worker.
    pub(super) load: &'a dyn Fn(usize) -> f64,
}

impl Balance {
    pub(super) fn new(workers: usize) -> Self {
        Balance {
            workers,
            active: AtomicUsize::new(1),
            version: AtomicU64::new(0),
            plan: Mutex::new(Plan {
                trial: None,
                more: Pause::NONE,
                fewer: Pause::NONE,
                quiet_since: None,
            }),
        }
    }

    /// Workers with numbers below this get connections.
    pub(super) fn active(&self) -> usize {
        self.active.load(Ordering::Relaxed)
    }

    /// Changes whenever `active` does.
    pub(super) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    fn set_active(&self, active: usize) {
        self.active.store(active, Ordering::Relaxed);
        self.version.fetch_add(1, Ordering::Release);
    }

    /// Whether a worker that works for this fraction of its time is loaded.
    pub(super) fn is_loaded(busy: f64) -> bool {
        busy >= LOADED
    }

    /// Takes a worker's sample and makes any decision that is due. Returns the worker to which it should give some of
    /// its connections, if any.
    pub(super) fn look(&self, view: &View<'_>) -> Option<usize> {
        // Skipped if another worker is deciding right now.
        let mut plan = self.plan.try_lock().ok()?;
        if let Some(trial) = plan.trial.take() {
            plan.trial = self.go_on(trial, view, &mut plan);
            return None;
        }
        let active = self.active();
        if view.number >= active {
            return None;
        }
        if Balance::is_loaded(view.busy) {
            plan.quiet_since = None;
            return self.is_loaded_at(view, &mut plan, active);
        }
        self.has_rest_at(view, &mut plan, active);
        None
    }

    fn is_loaded_at(&self, view: &View<'_>, plan: &mut Plan, active: usize) -> Option<usize> {
        let others = (0..active).filter(|number| *number != view.number);
        let idlest = others
            .map(|number| ((view.load)(number), number))
            .min_by(|(a, _), (b, _)| a.total_cmp(b));
        match idlest {
            Some((load, number)) if load <= LEISURE => return Some(number),
            Some((load, _)) if !Balance::is_loaded(load) => return None,
            _ => {}
        }
        let with = (2 * active).min(self.workers);
        if with > active && view.loaded_looks >= LOADED_LOOKS && view.now >= plan.more.until {
            plan.trial = Some(Trial::new(active, with, view));
        }
        None
    }

    fn has_rest_at(&self, view: &View<'_>, plan: &mut Plan, active: usize) {
        let fewer = active.div_ceil(2);
        let load: f64 = (0..active).map(view.load).sum();
        if fewer == active {
            return;
        }
        if load < QUIET * fewer as f64 {
            let since = *plan.quiet_since.get_or_insert(view.now);
            if view.now.saturating_sub(since) >= QUIET_FOR {
                plan.quiet_since = None;
                self.set_active(fewer);
            }
            return;
        }
        plan.quiet_since = None;
        if load < REST * active as f64 && view.now >= plan.fewer.until {
            plan.trial = Some(Trial::new(active, fewer, view));
        }
    }

    /// Advances a trial; returns it unless it is over.
    fn go_on(&self, mut trial: Trial, view: &View<'_>, plan: &mut Plan) -> Option<Trial> {
        let Some(rate) = trial.measured(view) else {
            return Some(trial);
        };
        match trial.stage {
            Stage::Before => {
                trial.before = rate;
                self.set_active(trial.with);
            }
            Stage::During => {
                trial.during = rate;
                self.set_active(trial.without);
            }
            Stage::After => {
                self.decide(&trial, rate, view.now, plan);
                return None;
            }
        }
        trial.next_stage(view.now);
        Some(trial)
    }

    fn decide(&self, trial: &Trial, after: f64, now: Duration, plan: &mut Plan) {
        let (before, during) = (trial.before, trial.during);
        let (this, other, is_better) = if trial.with > trial.without {
            let is_better = during > GAIN * before.max(after);
            (&mut plan.more, &mut plan.fewer, is_better)
        } else {
            let is_better = during >= NO_LOSS * (before + after) / 2.0;
            (&mut plan.fewer, &mut plan.more, is_better)
        };
        if is_better {
            self.set_active(trial.with);
            this.length = PAUSE;
            // Prevents oscillation.
            *other = Pause {
                until: now + PAUSE,
                length: PAUSE,
            };
        } else {
            this.until = now + this.length;
            this.length = (2 * this.length).min(LONGEST_PAUSE);
        }
    }
}

impl Pause {
    const NONE: Pause = Pause {
        until: Duration::ZERO,
        length: PAUSE,
    };
}

impl Trial {
    fn new(without: usize, with: usize, view: &View<'_>) -> Self {
        Trial {
            without,
            with,
            stage: Stage::Before,
            settled: view.now,
            from: Some((view.now, view.done)),
            before: 0.0,
            during: 0.0,
        }
    }

    /// Turns per second, once measured for long enough.
    fn measured(&mut self, view: &View<'_>) -> Option<f64> {
        if self.from.is_none() && view.now >= self.settled {
            self.from = Some((view.now, view.done));
        }
        let (from, done) = self.from?;
        let took = view.now.saturating_sub(from);
        (took >= MEASURE).then(|| view.done.saturating_sub(done) as f64 / took.as_secs_f64())
    }

    fn next_stage(&mut self, now: Duration) {
        self.stage = match self.stage {
            Stage::Before => Stage::During,
            _ => Stage::After,
        };
        self.settled = now + SETTLE;
        self.from = None;
    }
}

#[cfg(test)]
mod tests;
