//! What the limiter asks of a shared store.

use std::time::Duration;

use crate::Error;

/// The store, as the limiter needs it. Calls are bounded in time.
pub(crate) trait Central: Send + Sync {
    fn take(&self, whom: Whom<'_>, ask: Wish) -> Result<Answer, Error>;
    /// As if a request of this cost had been refused. Counts nothing.
    fn counted(&self, whom: Whom<'_>, cost: u32) -> Result<Answer, Error>;
    /// Forgets what is counted and returns how much it was.
    fn forget(&self, whom: Whom<'_>) -> Result<u32, Error>;
    /// How many nodes there are, this one included. Now and then it asks the store if it `may_ask`.
    fn nodes(&self, may_ask: bool) -> u32;
}

/// What is counted together: the requests of one name under one limit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Whom<'a> {
    pub(crate) policy: &'a str,
    pub(crate) name: &'a [u8],
    pub(crate) limit: u32,
    pub(crate) window: Duration,
}

/// What is asked of the store.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wish {
    pub(crate) cost: u32,
    /// How much may be leased, the request included.
    pub(crate) wanted: u32,
    /// At most this part of what is left is leased.
    pub(crate) part: u32,
    pub(crate) hold: Duration,
    /// Whether to refuse while entries may have been lost.
    pub(crate) patient: bool,
    pub(crate) back: Option<Return>,
}

/// A lease that is given back: its entry, what was granted and not spent, and how long before its end it was last spent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Return {
    pub(crate) entry: i64,
    pub(crate) granted: u32,
    pub(crate) unused: u32,
    pub(crate) sooner: Duration,
}

/// What the store says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answer {
    /// 0: refused.
    pub(crate) granted: u32,
    pub(crate) entry: i64,
    pub(crate) counted: u32,
    /// Until the request would fit.
    pub(crate) wait: Duration,
    /// Until the first entry ends.
    pub(crate) first: Duration,
}

/// The rate at which a node's clock may differ from the store's: one in so many.
pub(super) const DRIFT: u64 = 1_000;
/// Limits below this are never leased.
pub(super) const LEASED: u32 = 100;
