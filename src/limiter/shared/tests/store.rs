//! What the functions in `schema/windows.sql` do, over a clock of the test's.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use super::super::{Answer, Central, Named, Return, Whom, Wish};
use super::{SECOND, nanoseconds};
use crate::Error;

/// In order of their ends.
#[derive(Debug, Clone, Copy)]
struct Entry {
    end: u64,
    cost: u32,
    lease: u64,
}

#[derive(Debug, Default)]
struct Row {
    clock: u64,
    entries: Vec<Entry>,
    /// Who wanted how much, and when.
    wants: Vec<(u64, u32, u64)>,
}

#[derive(Default)]
pub(super) struct Store {
    pub(super) now: AtomicU64,
    rows: Mutex<HashMap<Vec<u8>, Row>>,
    pub(super) is_down: AtomicBool,
    /// The next answer is lost, the one after is not.
    pub(super) loses: AtomicBool,
    calls: AtomicU64,
    pub(super) nodes: AtomicU32,
    /// When entries were lost, plus one.
    lost: AtomicU64,
    /// When the last request was admitted by the store itself.
    pub(super) granted_at: AtomicU64,
    /// Who asks.
    pub(super) asker: AtomicU64,
    /// How long a request travels, and its answer.
    pub(super) travels: AtomicU64,
}

fn down() -> Error {
    Error::Store("down".to_owned())
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    crate::base::sync::lock(mutex)
}

impl Store {
    pub(super) fn now(&self) -> u64 {
        self.now.load(Ordering::Relaxed)
    }

    pub(super) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    pub(super) fn empty(&self) {
        lock(&self.rows).clear();
        self.lost.store(self.now() + 1, Ordering::Relaxed);
    }

    /// What counts now.
    pub(super) fn live(&self, name: &[u8]) -> u32 {
        let rows = lock(&self.rows);
        let entries = rows.get(name).map_or(&[][..], |row| &row.entries);
        let live = entries.iter().filter(|entry| entry.end > self.now());
        live.map(|entry| entry.cost).sum()
    }

    fn travel(&self) {
        let time = self.travels.load(Ordering::Relaxed);
        self.now.fetch_add(time, Ordering::Relaxed);
    }

    fn called(&self) -> Result<(), Error> {
        self.travel();
        if self.is_down.load(Ordering::Relaxed) {
            return Err(down());
        }
        self.calls.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

impl Row {
    fn counted(&self) -> u32 {
        self.entries.iter().map(|entry| entry.cost).sum()
    }

    fn give_back(&mut self, back: &Return) {
        let Ok(lease) = u64::try_from(back.lease) else {
            return;
        };
        let spent: u32 = back.spent.iter().map(|(_, spent)| spent).sum();
        let found = self.entries.iter().position(|entry| entry.lease == lease);
        let Some(at) = found.filter(|at| spent <= self.entries[*at].cost) else {
            return;
        };
        let entry = self.entries.remove(at);
        for (sooner, cost) in &back.spent {
            let end = entry.end - nanoseconds(*sooner);
            let cost = *cost;
            self.entries.push(Entry {
                end,
                cost,
                lease: 0,
            });
        }
        self.entries.sort_by_key(|entry| entry.end);
    }

    fn refusal(&self, limit: u32, cost: u32, now: u64) -> Answer {
        let counted = self.counted();
        let until = |entry: &Entry| Duration::from_nanos(entry.end - now);
        let mut freed = 0;
        let fits = self.entries.iter().find(|entry| {
            freed += entry.cost;
            counted - freed + cost <= limit
        });
        Answer {
            counted,
            wait: fits.map_or(Duration::ZERO, until),
            first: self.entries.first().map_or(Duration::ZERO, until),
            ..Answer::default()
        }
    }

    fn take(&mut self, (limit, window): (u32, u64), ask: &Wish, asker: u64, now: u64) -> Answer {
        let mut answer = self.refusal(limit, ask.cost, now);
        let room = limit.saturating_sub(answer.counted);
        let hold = nanoseconds(ask.hold);
        if room < ask.cost && (hold == 0 || answer.counted > limit) {
            return answer;
        }
        let (mut due, mut all, mut ending) = (ask.cost, 0, 0);
        let soon = now + hold - hold / 16;
        if hold > 0 {
            let ends_soon = self.entries.iter().filter(|entry| entry.end <= soon);
            ending = ends_soon.map(|entry| entry.cost).sum();
            self.wants
                .retain(|(who, _, at)| *who != asker && at + 2 * hold > now);
            self.wants.push((asker, ask.wanted, now));
            all = self.wants.iter().map(|(_, wants, _)| *wants).sum();
            due = ask
                .cost
                .max(ask.wanted.min((room + ending) * ask.wanted / all.max(1)));
        }
        if room >= ask.cost {
            answer.granted = ask.cost.max(due.min(room * ask.wanted / all.max(1)));
        }
        let mut total = answer.granted;
        if total < due && ending > 0 {
            let missing = (due - total).min(ending);
            let mut passed = 0;
            for entry in self.entries.iter_mut().filter(|entry| entry.end <= soon) {
                let part = (passed + entry.cost) * missing / ending - passed * missing / ending;
                passed += entry.cost;
                if part > 0 {
                    let after = Duration::from_nanos(entry.end - now);
                    answer.later.push((after, part));
                    entry.cost -= part;
                    entry.lease = 0;
                    total += part;
                }
            }
            self.entries.retain(|entry| entry.cost > 0);
        }
        if total > 0 {
            let is_lease = total > ask.cost || answer.granted == 0;
            let lease = if is_lease { now } else { 0 };
            answer.lease = lease as i64;
            self.entries.push(Entry {
                end: now + window + if is_lease { hold } else { 0 },
                cost: total,
                lease,
            });
            self.entries.sort_by_key(|entry| entry.end);
        }
        answer.counted += answer.granted;
        answer
    }
}

impl Central for Store {
    fn take(&self, whom: Whom<'_>, ask: Wish) -> Result<Answer, Error> {
        self.called()?;
        let mut rows = lock(&self.rows);
        let row = rows.entry(whom.name.to_vec()).or_default();
        if let Some(back) = &ask.back {
            row.give_back(back);
        }
        let now = self.now().max(row.clock + 1);
        row.clock = now;
        row.entries.retain(|entry| entry.end > now);
        let lost = self.lost.load(Ordering::Relaxed);
        if ask.patient && lost > 0 && now < lost + nanoseconds(whom.window) + SECOND {
            return Ok(Answer {
                counted: whom.limit,
                ..row.refusal(whom.limit, ask.cost, now)
            });
        }
        let rule = (whom.limit, nanoseconds(whom.window));
        // More than the limit can only count where it has been lowered.
        let most = whom.limit.max(row.counted());
        let answer = row.take(rule, &ask, self.asker.load(Ordering::Relaxed), now);
        assert!(row.counted() <= most, "{row:?}");
        if answer.granted > 0 {
            self.granted_at.store(now, Ordering::Relaxed);
        }
        self.travel();
        match self.loses.swap(false, Ordering::Relaxed) {
            true => Err(down()),
            false => Ok(answer),
        }
    }

    fn give_back(&self, all: &[(Named, Return)]) -> Result<(), Error> {
        self.called()?;
        let mut rows = lock(&self.rows);
        for (named, back) in all {
            rows.entry(named.whom().name.to_vec())
                .or_default()
                .give_back(back);
        }
        Ok(())
    }

    fn counted(&self, whom: Whom<'_>, cost: u32) -> Result<Answer, Error> {
        self.called()?;
        let mut rows = lock(&self.rows);
        let row = rows.entry(whom.name.to_vec()).or_default();
        let now = self.now();
        row.entries.retain(|entry| entry.end > now);
        Ok(row.refusal(whom.limit, cost, now))
    }

    fn forget(&self, whom: Whom<'_>) -> Result<u32, Error> {
        self.called()?;
        let mut rows = lock(&self.rows);
        let row = rows.entry(whom.name.to_vec()).or_default();
        let counted = row.counted();
        row.entries.clear();
        Ok(counted)
    }

    fn tidy(&self) -> Result<(), Error> {
        Ok(())
    }

    fn nodes(&self) -> u32 {
        self.nodes.load(Ordering::Relaxed)
    }
}
