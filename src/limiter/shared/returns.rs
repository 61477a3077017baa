//! Leases that are over and that no further request takes along.

use std::sync::{Arc, Mutex, Weak};

use super::central::{Named, Return};
use super::slots::Name;
use crate::base::sync::lock;

/// Leases beyond this number are not remembered, and so given back only by a further request.
const MOST: usize = 100_000;
/// How long a lease must have been over, in nanoseconds: a busy name's goes with its next request.
const AFTER: u64 = 100_000_000;

struct Due {
    ends: u64,
    slot: Weak<Name>,
    name: Named,
}

/// Leases that will have to be given back.
#[derive(Default)]
pub(super) struct Returns(Mutex<Vec<Due>>);

impl Returns {
    pub(super) fn add(&self, ends: u64, slot: &Arc<Name>, name: Named) {
        let mut all = lock(&self.0);
        if all.len() < MOST {
            all.push(Due {
                ends,
                slot: Arc::downgrade(slot),
                name,
            });
        }
    }

    /// Takes those that have been over for a while, and returns what to report of them.
    pub(super) fn due(&self, now: u64) -> Vec<(Named, Return)> {
        let mut all = lock(&self.0);
        let is_due = |due: &Due| due.ends.saturating_add(AFTER) <= now;
        // Leases last at most a second, so there are never many.
        let (due, rest): (Vec<_>, _) = all.drain(..).partition(is_due);
        *all = rest;
        drop(all);
        let mut reports = Vec::new();
        for due in due {
            let Some(slot) = due.slot.upgrade() else {
                continue;
            };
            let mut slot = slot.slot();
            // The next request for a lease takes one report along; for the rest there is an entry here for the last lease.
            if slot.end_leases(false, now) || slot.backs.len() > 1 {
                reports.extend(slot.backs.drain(..).map(|back| (due.name.clone(), back)));
            }
        }
        reports
    }
}
