//! What the limiter asks of a shared store.

use std::time::Duration;

use crate::Error;

/// The store, as the limiter needs it. Calls are bounded in time.
pub(crate) trait Central: Send + Sync {
    fn take(&self, whom: Whom<'_>, wish: Wish) -> Result<Answer, Error>;
    /// Gives back leases that are over.
    fn give_back(&self, all: &[(Named, Return)]) -> Result<(), Error>;
    /// As if a request of this cost had been refused. Counts nothing.
    fn counted(&self, whom: Whom<'_>, cost: u32) -> Result<Answer, Error>;
    /// Forgets what is counted and returns how much it was.
    fn forget(&self, whom: Whom<'_>) -> Result<u32, Error>;
    /// Removes what no longer counts.
    fn tidy(&self) -> Result<(), Error>;
    /// How many nodes there are, this one included, as far as is known.
    fn nodes(&self) -> u32;
}

/// What is counted together: the requests of one name under one limit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Whom<'a> {
    pub(crate) policy: &'a str,
    pub(crate) name: &'a [u8],
    pub(crate) limit: u32,
    pub(crate) window: Duration,
}

/// The same to be kept.
#[derive(Debug, Clone)]
pub(crate) struct Named {
    policy: String,
    name: Vec<u8>,
    limit: u32,
    window: Duration,
}

impl From<Whom<'_>> for Named {
    fn from(whom: Whom<'_>) -> Self {
        Named {
            policy: whom.policy.to_owned(),
            name: whom.name.to_vec(),
            limit: whom.limit,
            window: whom.window,
        }
    }
}

impl Named {
    pub(crate) fn whom(&self) -> Whom<'_> {
        Whom {
            policy: &self.policy,
            name: &self.name,
            limit: self.limit,
            window: self.window,
        }
    }
}

/// What is asked of the store.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    pub(crate) cost: u32,
    /// How much may be leased, the request included.
    pub(crate) wanted: u32,
    /// How long a lease lasts. Zero: nothing is leased.
    pub(crate) hold: Duration,
    /// Whether to refuse while entries may have been lost.
    pub(crate) patient: bool,
    pub(crate) back: Option<Return>,
}

/// A lease that is given back: what was spent of it, each part with how long before the lease's end that was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Return {
    pub(crate) lease: i64,
    pub(crate) spent: Vec<(Duration, u32)>,
}

/// What the store says.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answer {
    /// 0: refused. The request is admitted, and the rest may be spent.
    pub(crate) granted: u32,
    /// 0: nothing is leased.
    pub(crate) lease: i64,
    /// What may be spent later: from when on after the answer was made, and how much.
    pub(crate) later: Vec<(Duration, u32)>,
    pub(crate) counted: u32,
    /// Until the request would fit.
    pub(crate) wait: Duration,
    /// Until the first entry ends.
    pub(crate) first: Duration,
}

/// The rate at which a node's clock may differ from the store's: one in so many.
pub(super) const DRIFT: u64 = 1_000;
/// Limits below this are never leased.
const LEASED: u32 = 100;

impl Whom<'_> {
    /// How long a lease of this limit lasts: long enough that a busy node asks only some times a second. Zero: none is made.
    pub(super) fn hold(self) -> Duration {
        if self.limit < LEASED {
            return Duration::ZERO;
        }
        let least = (self.window / 4).min(Duration::from_millis(250));
        (self.window / 50).clamp(least, Duration::from_secs(1))
    }
}
