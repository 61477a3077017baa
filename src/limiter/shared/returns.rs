//! Leases that are over and that no further request takes along.

use std::sync::{Arc, Mutex, Weak};

use super::central::{Named, Return};
use super::slots::Name;
use crate::base::fork::forks;
use crate::base::sync::lock;

/// Leases beyond this number are not remembered, and so given back only by a further request.
const MOST: usize = 100_000;
/// How long a lease must have been over, in nanoseconds: a busy name's goes with a later renewal.
const AFTER: u64 = 100_000_000;

struct Due {
    ends: u64,
    slot: Weak<Name>,
    name: Named,
    /// A child of a fork reports nothing for its parent.
    forks: u64,
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
                forks: forks(),
            });
        }
    }

    /// Takes those that have been over for a while, and returns what to report of them.
    pub(super) fn due(&self, clock: &dyn Fn() -> u64) -> Vec<(Named, Return)> {
        let now = clock();
        let mut all = lock(&self.0);
        let is_due = |due: &Due| due.ends.saturating_add(AFTER) <= now;
        // Leases last at most a second, so there are never many.
        let (due, rest): (Vec<_>, _) = all.drain(..).partition(is_due);
        *all = rest;
        drop(all);
        let mut reports = Vec::new();
        for due in due.into_iter().filter(|due| due.forks == forks()) {
            let Some(slot) = due.slot.upgrade() else {
                continue;
            };
            let mut slot = slot.slot();
            // A single report waits for the next call; the last lease has an entry here, with which the rest goes.
            if slot.end_leases(false, clock()) || slot.backs.len() > 1 {
                reports.extend(slot.backs.drain(..).map(|back| (due.name.clone(), back)));
            }
        }
        reports
    }
}
