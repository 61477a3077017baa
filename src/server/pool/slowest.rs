//! Which connection is furthest behind a fair transfer rate, in whatever phase: handshake, head, body, response or
//! close.
//!
//! Each connection has a time at which it falls behind. It starts a little ahead, and every byte postpones that time;
//! the connection with the earliest time is the slowest. The time does not change while nothing is transferred, so a
//! heap is enough.

use std::time::{Duration, Instant};

/// The rate that keeps a connection from falling behind, in bytes per second.
const FAIR_RATE: u64 = 4096;
/// How far ahead a client starts. A client that was answered before gets no more: anybody can get a response, and a new
/// client that has not sent anything yet would then rank behind a flood that has one.
const START: Duration = Duration::from_millis(250);
/// The most a connection can be ahead: a quick transfer does not pay for a long silence.
const MOST_AHEAD: Duration = Duration::from_secs(2);

const NONE: u32 = u32::MAX;

/// See the module. Connections are identified by small indices.
#[derive(Default)]
pub(super) struct Slowest {
    /// Connection indices as a min-heap: each time is no later than those of the two children.
    heap: Vec<u32>,
    nodes: Vec<Node>,
}

#[derive(Clone, Copy)]
struct Node {
    falls_behind: Instant,
    position: u32,
}

/// When a connection that starts something now falls behind.
pub(super) fn begun(now: Instant) -> Instant {
    now + START
}

/// When a connection that has transferred this many more bytes falls behind.
pub(super) fn moved(falls_behind: Instant, bytes: u64, now: Instant) -> Instant {
    let earned = Duration::from_millis(bytes.saturating_mul(1000) / FAIR_RATE);
    let ahead = now + MOST_AHEAD;
    falls_behind
        .checked_add(earned)
        .map_or(ahead, |later| later.min(ahead))
}

impl Slowest {
    pub(super) fn len(&self) -> usize {
        self.heap.len()
    }

    /// When this connection falls behind, if it is tracked.
    pub(super) fn get(&self, index: u32) -> Option<Instant> {
        let node = self.nodes.get(index as usize)?;
        (node.position != NONE).then_some(node.falls_behind)
    }

    /// The slowest one, and when it fell or falls behind.
    pub(super) fn first(&self) -> Option<(u32, Instant)> {
        let first = *self.heap.first()?;
        Some((first, self.nodes[first as usize].falls_behind))
    }

    pub(super) fn set(&mut self, index: u32, falls_behind: Instant) {
        let at = index as usize;
        if at >= self.nodes.len() {
            let empty = Node {
                falls_behind,
                position: NONE,
            };
            self.nodes.resize(at + 1, empty);
        }
        self.nodes[at].falls_behind = falls_behind;
        if self.nodes[at].position == NONE {
            self.nodes[at].position = self.heap.len() as u32;
            self.heap.push(index);
        }
        self.settle(self.nodes[at].position as usize);
    }

    pub(super) fn remove(&mut self, index: u32) {
        let Some(node) = self.nodes.get_mut(index as usize) else {
            return;
        };
        let position = std::mem::replace(&mut node.position, NONE) as usize;
        if position == NONE as usize {
            return;
        }
        self.heap.swap_remove(position);
        if let Some(&last) = self.heap.get(position) {
            self.nodes[last as usize].position = position as u32;
            self.settle(position);
        }
    }

    /// Sifts the entry at this position up or down.
    fn settle(&mut self, mut at: usize) {
        while at > 0 && self.time(at) < self.time((at - 1) / 2) {
            self.swap(at, (at - 1) / 2);
            at = (at - 1) / 2;
        }
        loop {
            let below = [2 * at + 1, 2 * at + 2];
            let first = below
                .into_iter()
                .filter(|child| *child < self.heap.len())
                .min_by_key(|child| self.time(*child));
            match first {
                Some(child) if self.time(child) < self.time(at) => {
                    self.swap(at, child);
                    at = child;
                }
                _ => return,
            }
        }
    }

    fn time(&self, position: usize) -> Instant {
        self.nodes[self.heap[position] as usize].falls_behind
    }

    fn swap(&mut self, one: usize, other: usize) {
        self.heap.swap(one, other);
        for position in [one, other] {
            self.nodes[self.heap[position] as usize].position = position as u32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_a_plain_list() {
        let mut seed = 0x9e37_79b9u32;
        let mut random = move |below: u32| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 8) % below
        };
        let start = Instant::now();
        let mut slowest = Slowest::default();
        let mut plain: Vec<Option<Instant>> = vec![None; 40];
        for _ in 0..20_000 {
            let index = random(40);
            if random(3) == 0 {
                slowest.remove(index);
                plain[index as usize] = None;
            } else {
                let time = start + Duration::from_millis(random(5000).into());
                slowest.set(index, time);
                plain[index as usize] = Some(time);
            }
            let first = plain.iter().flatten().min().copied();
            assert_eq!(slowest.first().map(|(_, time)| time), first);
            assert_eq!(slowest.len(), plain.iter().flatten().count());
            assert_eq!(slowest.get(index), plain[index as usize]);
        }
    }

    #[test]
    fn the_rate_counts_and_not_the_time_taken() {
        let start = Instant::now();
        let (mut dripping, mut sending) = (begun(start), begun(start));
        let mut now = start;
        for _ in 0..20 {
            now += Duration::from_secs(1);
            dripping = moved(dripping, 1, now);
            sending = moved(sending, 20_000, now);
        }
        assert!(dripping < now && sending > now);
        // A silent new client does not rank behind one that has trickled for long.
        assert!(dripping < begun(now));
        // Speed does not pay for a later silence.
        assert!(moved(sending, u64::MAX, now) <= now + MOST_AHEAD);
    }
}
