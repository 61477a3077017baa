//! What each connection waits for, and since when. All waits of a kind have the same timeout, so each kind is a queue
//! with the next deadline at the front: setting, moving and finding one take constant time.

use std::time::{Duration, Instant};

/// What a connection waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// The rest of a head, or of a TLS handshake.
    Head,
    /// The rest of a body.
    Body,
    /// The next request.
    Idle,
    /// The client to read a response.
    Write,
    /// The client to close after we have.
    Linger,
}

const KINDS: usize = 5;
const NONE: u32 = u32::MAX;

/// The queues. Connections are identified by small indices.
pub(super) struct Deadlines {
    queues: [Queue; KINDS],
    nodes: Vec<Node>,
}

struct Queue {
    patience: Duration,
    first: u32,
    last: u32,
}

#[derive(Clone, Copy)]
struct Node {
    queue: Option<Wait>,
    since: Instant,
    previous: u32,
    next: u32,
}

impl Deadlines {
    /// `patience` gives the timeout of each kind of wait.
    pub(super) fn new(patience: impl Fn(Wait) -> Duration) -> Self {
        let kinds = [
            Wait::Head,
            Wait::Body,
            Wait::Idle,
            Wait::Write,
            Wait::Linger,
        ];
        Deadlines {
            queues: kinds.map(|kind| Queue {
                patience: patience(kind),
                first: NONE,
                last: NONE,
            }),
            nodes: Vec::new(),
        }
    }

    /// Connection `index` waits for this from now on; `now` never goes backwards.
    pub(super) fn set(&mut self, index: u32, wait: Wait, now: Instant) {
        self.clear(index);
        let at = index as usize;
        if at >= self.nodes.len() {
            let empty = Node {
                queue: None,
                since: now,
                previous: NONE,
                next: NONE,
            };
            self.nodes.resize(at + 1, empty);
        }
        let queue = &mut self.queues[wait as usize];
        let last = std::mem::replace(&mut queue.last, index);
        match last {
            NONE => queue.first = index,
            last => self.nodes[last as usize].next = index,
        }
        self.nodes[at] = Node {
            queue: Some(wait),
            since: now,
            previous: last,
            next: NONE,
        };
    }

    /// What the connection waits for.
    pub(super) fn get(&self, index: u32) -> Option<Wait> {
        self.nodes.get(index as usize)?.queue
    }

    /// Since when it has been waiting.
    pub(super) fn since(&self, index: u32) -> Option<Instant> {
        let node = self.nodes.get(index as usize)?;
        node.queue.map(|_| node.since)
    }

    /// The connection no longer waits for anything.
    pub(super) fn clear(&mut self, index: u32) {
        let Some(node) = self.nodes.get_mut(index as usize) else {
            return;
        };
        let Some(wait) = node.queue.take() else {
            return;
        };
        let (previous, next) = (node.previous, node.next);
        let queue = &mut self.queues[wait as usize];
        match previous {
            NONE => queue.first = next,
            previous => self.nodes[previous as usize].next = next,
        }
        match next {
            NONE => queue.last = previous,
            next => self.nodes[next as usize].previous = previous,
        }
    }

    /// The connection that has waited longest for this, and since when.
    pub(super) fn oldest(&self, wait: Wait) -> Option<(u32, Instant)> {
        let first = self.queues[wait as usize].first;
        (first != NONE).then(|| (first, self.nodes[first as usize].since))
    }

    /// A connection whose deadline has passed, and what it waited for.
    pub(super) fn due(&self, now: Instant) -> Option<(u32, Wait)> {
        self.fronts()
            .find(|(_, _, due)| *due <= now)
            .map(|(index, wait, _)| (index, wait))
    }

    /// The next deadline.
    pub(super) fn next(&self) -> Option<Instant> {
        self.fronts().map(|(_, _, due)| due).min()
    }

    fn fronts(&self) -> impl Iterator<Item = (u32, Wait, Instant)> + '_ {
        self.queues
            .iter()
            .filter(|queue| queue.first != NONE)
            .filter_map(|queue| {
                let node = &self.nodes[queue.first as usize];
                Some((queue.first, node.queue?, node.since + queue.patience))
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deadlines() -> Deadlines {
        Deadlines::new(|wait| Duration::from_secs(1 + wait as u64))
    }

    #[test]
    fn agrees_with_a_plain_list() {
        let kinds = [
            Wait::Head,
            Wait::Body,
            Wait::Idle,
            Wait::Write,
            Wait::Linger,
        ];
        let mut seed = 0x9e37_79b9u32;
        let mut random = move |below: u32| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 8) % below
        };
        let mut deadlines = deadlines();
        let mut plain: Vec<Option<(Wait, Instant)>> = vec![None; 20];
        let mut now = Instant::now();
        for _ in 0..20_000 {
            now += Duration::from_millis(random(50).into());
            let index = random(20);
            if random(4) == 0 {
                deadlines.clear(index);
                plain[index as usize] = None;
            } else {
                let wait = kinds[random(5) as usize];
                deadlines.set(index, wait, now);
                plain[index as usize] = Some((wait, now));
            }
            let due = |wait: Wait, since: Instant| since + Duration::from_secs(1 + wait as u64);
            assert_eq!(
                deadlines.next(),
                plain.iter().flatten().map(|(w, s)| due(*w, *s)).min()
            );
            for wait in kinds {
                assert_eq!(
                    deadlines.oldest(wait).map(|(_, since)| since),
                    plain
                        .iter()
                        .flatten()
                        .filter(|(w, _)| *w == wait)
                        .map(|(_, s)| *s)
                        .min()
                );
            }
            while let Some((index, wait)) = deadlines.due(now) {
                let (expected, since) = plain[index as usize].take().unwrap();
                assert_eq!(wait, expected);
                assert!(due(wait, since) <= now);
                deadlines.clear(index);
            }
            assert!(plain.iter().flatten().all(|(w, s)| due(*w, *s) > now));
            assert_eq!(deadlines.get(index), plain[index as usize].map(|(w, _)| w));
        }
    }
}
