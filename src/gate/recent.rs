//! The latest events of the audit trail, kept in memory for administrators: how many, and how many bytes, is bounded. Only those
//! of this process are there.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use crate::base::clock::unix_now;
use crate::base::sync::lock;

/// How many events are kept at most, and how many bytes of text.
const MOST: usize = 10_000;
const MOST_BYTES: usize = 4 << 20;
/// A process numbers its events from the time of its start on, counted in this many parts of a second, so that the numbers also
/// grow across restarts. They stay below 2^53, where JavaScript's numbers become inexact.
const NUMBERS_A_SECOND: u64 = 1_000_000;

/// An event as administrators see it; what it does not have is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RecentEvent {
    pub(crate) seq: u64,
    /// In seconds since 1970-01-01 UTC.
    pub(crate) time: u64,
    pub(crate) event: &'static str,
    pub(crate) result: &'static str,
    /// Whom it concerns; masked if only a failed attempt names it, since it may be a password typed in the wrong place.
    pub(crate) user: String,
    pub(crate) who: String,
    pub(crate) peer: String,
    /// Who asked for it, and the pseudonym.
    pub(crate) by: String,
    pub(crate) by_who: String,
    pub(crate) key: String,
    pub(crate) trace: String,
    pub(crate) id: String,
}

impl RecentEvent {
    /// All its texts.
    pub(crate) fn texts(&self) -> [&str; 10] {
        [
            self.event,
            self.result,
            &self.user,
            &self.who,
            &self.peer,
            &self.by,
            &self.by_who,
            &self.key,
            &self.trace,
            &self.id,
        ]
    }

    fn bytes(&self) -> usize {
        let texts: usize = self.texts().iter().map(|text| text.len()).sum();
        texts + size_of::<RecentEvent>()
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Recent(Mutex<Ring>);

#[derive(Debug)]
struct Ring {
    events: VecDeque<Arc<RecentEvent>>,
    bytes: usize,
    next: u64,
}

impl Recent {
    pub(super) fn new() -> Self {
        Recent(Mutex::new(Ring {
            events: VecDeque::new(),
            bytes: 0,
            next: unix_now().saturating_mul(NUMBERS_A_SECOND),
        }))
    }

    /// Adds an event, which gets its number and time here, and forgets the oldest ones for which there is no room.
    pub(super) fn add(&self, mut event: RecentEvent) {
        event.time = unix_now();
        let bytes = event.bytes();
        // Usually there is one, which is freed after the lock.
        let mut oldest = None;
        let mut ring = lock(&self.0);
        event.seq = ring.next;
        ring.next += 1;
        ring.bytes += bytes;
        ring.events.push_back(Arc::new(event));
        while ring.events.len() > MOST || ring.bytes > MOST_BYTES {
            oldest = ring.events.pop_front();
            let Some(oldest) = &oldest else {
                break;
            };
            ring.bytes -= oldest.bytes();
        }
        drop(ring);
        drop(oldest);
    }

    /// All that are kept, oldest first.
    pub(super) fn all(&self) -> Vec<Arc<RecentEvent>> {
        lock(&self.0).events.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(recent: &Recent) -> Vec<u64> {
        recent.all().iter().map(|event| event.seq).collect()
    }

    #[test]
    fn the_latest_events_are_kept_and_numbered_without_a_gap() {
        let recent = Recent::new();
        (0..MOST + 5).for_each(|_| recent.add(RecentEvent::default()));
        let kept = numbers(&recent);
        assert_eq!(kept.len(), MOST);
        assert!(kept.windows(2).all(|pair| pair[0] + 1 == pair[1]));
        assert!(kept[0] < 1 << 53);
    }

    #[test]
    fn long_texts_take_no_more_memory() {
        let recent = Recent::new();
        for _ in 0..100 {
            recent.add(RecentEvent {
                peer: "x".repeat(100_000),
                ..RecentEvent::default()
            });
        }
        let kept: usize = recent.all().iter().map(|event| event.bytes()).sum();
        assert!(kept <= MOST_BYTES && numbers(&recent).len() > 30, "{kept}");
        recent.add(RecentEvent {
            peer: "x".repeat(2 * MOST_BYTES),
            ..RecentEvent::default()
        });
        assert_eq!(numbers(&recent).len(), 0);
        recent.add(RecentEvent::default());
        assert_eq!(numbers(&recent).len(), 1);
    }
}
