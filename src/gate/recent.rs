//! The latest events of the audit trail, kept in memory for administrators: how many, and how many bytes, is bounded. Only those
//! of this process are there.

use std::collections::VecDeque;
use std::fmt::{self, Write};
use std::sync::{Arc, Mutex};

use super::pseudonyms::Pseudonyms;
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
    /// Its other texts, one after the other, in one allocation: logins are many.
    texts: String,
    ends: [u32; TEXTS],
}

/// What a [`RecentEvent`] is made of.
#[cfg_attr(test, derive(Default))]
pub(super) struct Parts<'a> {
    pub(super) event: &'static str,
    pub(super) result: &'static str,
    pub(super) user: &'a str,
    /// Empty if it is the pseudonym of `user`, which is derived when it is asked for.
    pub(super) who: &'a str,
    pub(super) peer: Option<&'a dyn fmt::Display>,
    pub(super) by: Option<&'a dyn fmt::Display>,
    pub(super) by_who: &'a str,
    pub(super) key: &'a str,
    pub(super) trace: &'a str,
    pub(super) id: &'a str,
}

const TEXTS: usize = 8;

enum Part<'a> {
    Text(&'a str),
    Shown(Option<&'a dyn fmt::Display>),
}

impl RecentEvent {
    fn of(parts: &Parts<'_>) -> Self {
        let mut made = RecentEvent {
            event: parts.event,
            result: parts.result,
            texts: String::with_capacity(96),
            ..RecentEvent::default()
        };
        let all: [Part<'_>; TEXTS] = [
            Part::Text(parts.user),
            Part::Text(parts.who),
            Part::Shown(parts.peer),
            Part::Shown(parts.by),
            Part::Text(parts.by_who),
            Part::Text(parts.key),
            Part::Text(parts.trace),
            Part::Text(parts.id),
        ];
        for (part, end) in all.into_iter().zip(&mut made.ends) {
            match part {
                Part::Text(text) => made.texts.push_str(text),
                Part::Shown(Some(text)) => {
                    let _ = write!(made.texts, "{text}"); // into memory
                }
                Part::Shown(None) => {}
            }
            *end = u32::try_from(made.texts.len()).unwrap_or(u32::MAX);
        }
        made
    }

    fn text(&self, number: usize) -> &str {
        let end = |number: usize| self.ends[number] as usize;
        let start = number.checked_sub(1).map_or(0, end);
        self.texts.get(start..end(number)).unwrap_or_default()
    }

    /// Whom it concerns; masked if only a failed attempt names it, since it may be a password typed in the wrong place.
    pub(crate) fn user(&self) -> &str {
        self.text(0)
    }

    /// The pseudonym, if the name is masked; else it is derived from the name.
    pub(crate) fn kept_who(&self) -> &str {
        self.text(1)
    }

    /// The pseudonym.
    pub(crate) fn who(&self, pseudonyms: &Pseudonyms) -> String {
        match (self.kept_who(), self.user()) {
            ("", "") => String::new(),
            // Without a key nobody has one.
            ("", user) => Some(pseudonyms.pseudonym(user))
                .filter(|who| who != "-")
                .unwrap_or_default(),
            (who, _) => who.to_owned(),
        }
    }

    /// The caller's address.
    pub(crate) fn peer(&self) -> &str {
        self.text(2)
    }

    /// Who asked for it.
    pub(crate) fn by(&self) -> &str {
        self.text(3)
    }

    /// The pseudonym of who asked for it.
    pub(crate) fn by_who(&self) -> &str {
        self.text(4)
    }

    pub(crate) fn key(&self) -> &str {
        self.text(5)
    }

    pub(crate) fn trace(&self) -> &str {
        self.text(6)
    }

    pub(crate) fn id(&self) -> &str {
        self.text(7)
    }

    /// All its texts but the pseudonym.
    pub(crate) fn texts(&self) -> [&str; 9] {
        [
            self.event,
            self.result,
            self.user(),
            self.peer(),
            self.by(),
            self.by_who(),
            self.key(),
            self.trace(),
            self.id(),
        ]
    }

    fn bytes(&self) -> usize {
        self.texts.capacity() + size_of::<RecentEvent>()
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
    pub(super) fn add(&self, parts: &Parts<'_>) {
        let mut event = RecentEvent::of(parts);
        event.time = unix_now();
        let bytes = event.bytes();
        let mut event = Arc::new(event);
        // Usually there is one, which is freed after the lock.
        let mut oldest = None;
        let mut ring = lock(&self.0);
        if let Some(event) = Arc::get_mut(&mut event) {
            event.seq = ring.next;
        }
        ring.next += 1;
        ring.bytes += bytes;
        ring.events.push_back(event);
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
        (0..MOST + 5).for_each(|_| recent.add(&Parts::default()));
        let kept = numbers(&recent);
        assert_eq!(kept.len(), MOST);
        assert!(kept.windows(2).all(|pair| pair[0] + 1 == pair[1]));
        assert!(kept[0] < 1 << 53);
    }

    #[test]
    fn long_texts_take_no_more_memory() {
        let recent = Recent::new();
        for _ in 0..100 {
            recent.add(&Parts {
                peer: Some(&"x".repeat(100_000)),
                ..Parts::default()
            });
        }
        let kept: usize = recent.all().iter().map(|event| event.bytes()).sum();
        assert!(kept <= MOST_BYTES && numbers(&recent).len() > 30, "{kept}");
        recent.add(&Parts {
            peer: Some(&"x".repeat(2 * MOST_BYTES)),
            ..Parts::default()
        });
        assert_eq!(numbers(&recent).len(), 0);
        recent.add(&Parts::default());
        assert_eq!(numbers(&recent).len(), 1);
    }
}
