//! What a shared store offers to rate limits: windows that all machines count in, by keyed hashes of names.

use std::time::Duration;

use crate::Error;

/// A request to be counted.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) key: [u8; 16],
    pub(crate) limit: u32,
    pub(crate) window: Duration,
    pub(crate) cost: u32,
    /// How much may be leased, this request included.
    pub(crate) wanted: u32,
    /// How long a lease lasts, at most a second. Zero: nothing is leased.
    pub(crate) hold: Duration,
    /// Who asks, among those that lease from this window.
    pub(crate) asker: i32,
    /// Whether to refuse while what was counted may have been lost.
    pub(crate) patient: bool,
    /// A lease that is given back first.
    pub(crate) back: Option<Back>,
}

/// A lease that is given back: what was spent of it, each part with how long before the lease's end that was.
#[derive(Debug, Clone)]
pub(crate) struct Back {
    /// [`Taken::lease`].
    pub(crate) lease: i64,
    pub(crate) spent: Vec<(Duration, u32)>,
}

/// What the store said.
#[derive(Debug, Clone, Default)]
pub(crate) struct Taken {
    /// 0: refused. More than the request's cost: the rest is leased.
    pub(crate) granted: u32,
    /// Identifies the lease; 0: nothing is leased.
    pub(crate) lease: i64,
    /// What may be spent later, and how much later.
    pub(crate) later: Vec<(Duration, u32)>,
    /// What counts now, what was granted included.
    pub(crate) counted: u32,
    /// How long until the request would fit, if it was refused.
    pub(crate) wait: Duration,
    /// How long until something stops counting.
    pub(crate) first: Duration,
}

/// See the module. Each call takes at most `longest`.
pub(crate) trait WindowStore: Send + Sync {
    fn take(&self, ask: &Ask, longest: Duration) -> Result<Taken, Error>;
    fn give_back(&self, all: &[([u8; 16], Back)], longest: Duration) -> Result<(), Error>;
    /// What counts now, as if a request of this cost had been refused. Counts nothing.
    fn counted(&self, ask: &Ask, longest: Duration) -> Result<Taken, Error>;
    /// Forgets what is counted and returns how much it was.
    fn forget_window(&self, key: &[u8; 16], longest: Duration) -> Result<u32, Error>;
    /// Removes windows in which nothing counts any more, at most this many, and returns how many.
    fn forget_windows(&self, most: u32) -> Result<u32, Error>;
}
