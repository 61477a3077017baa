//! How often each of a few outcomes occurred.

use std::collections::BTreeMap;
use std::sync::Mutex;

use super::Sharded;
use crate::base::sync::lock;

/// Counts by two names, such as an event and its result. The names are known at compile time: nobody who sends requests
/// can add to them.
#[derive(Debug, Default)]
pub(crate) struct Codes(Sharded<Mutex<BTreeMap<(&'static str, &'static str), u64>>>);

impl Codes {
    pub(crate) fn add(&self, one: &'static str, other: &'static str) {
        *lock(self.0.own()).entry((one, other)).or_default() += 1;
    }

    /// All that occurred, in order.
    pub(crate) fn all(&self) -> BTreeMap<(&'static str, &'static str), u64> {
        let mut sums = BTreeMap::new();
        for shard in self.0.all() {
            for (names, count) in &*lock(shard) {
                *sums.entry(*names).or_default() += count;
            }
        }
        sums
    }
}
