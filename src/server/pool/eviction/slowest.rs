//! Which connection is furthest behind a fair transfer rate, in whatever phase: handshake, head, body, response or
//! close.
//!
//! Each connection has a time at which it falls behind. It starts a little ahead, and every byte postpones that time;
//! the connection with the earliest time is the slowest. The time does not change while nothing is transferred, so a
//! heap is enough.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The rate that keeps a connection from falling behind, in bytes per second.
const FAIR_RATE: u64 = 4096;
/// How far ahead a client starts. A client that was answered before gets no more: anybody can get a response, and a new
/// client that has not sent anything yet would then rank behind a flood that has one.
const START: Duration = Duration::from_millis(250);
/// The most a connection can be ahead: a quick transfer does not pay for a long silence.
const MOST_AHEAD: Duration = Duration::from_secs(2);

/// How long a connection that has just begun something ranks ahead of all that have had as long: its request may be on
/// its way.
pub(in crate::server::pool) const GRACE: Duration = Duration::from_millis(100);

const NONE: u32 = u32::MAX;

/// See the module. Connections are identified by small indices.
#[derive(Default)]
pub(in crate::server::pool) struct Slowest {
    /// Connection indices as a min-heap: each ranks no later than its two children.
    heap: Vec<u32>,
    nodes: Vec<Node>,
    /// Connections in their grace and when it ends, the oldest first. Outdated entries stay until their turn.
    young: VecDeque<(u32, Instant)>,
}

#[derive(Clone, Copy)]
struct Node {
    falls_behind: Instant,
    /// When its grace ends, while it lasts.
    grace: Option<Instant>,
    position: u32,
}

impl Node {
    fn rank(self) -> (bool, Instant) {
        (self.grace.is_some(), self.falls_behind)
    }
}

/// When a connection that starts something now falls behind.
pub(in crate::server::pool) fn begun(now: Instant) -> Instant {
    now + START
}

/// When a connection that has transferred this many more bytes falls behind.
pub(in crate::server::pool) fn moved(falls_behind: Instant, bytes: u64, now: Instant) -> Instant {
    let earned = Duration::from_millis(bytes.saturating_mul(1000) / FAIR_RATE);
    let ahead = now + MOST_AHEAD;
    falls_behind
        .checked_add(earned)
        .map_or(ahead, |later| later.min(ahead))
}

impl Slowest {
    pub(in crate::server::pool) fn len(&self) -> usize {
        self.heap.len()
    }

    /// When this connection falls behind, if it is tracked.
    pub(in crate::server::pool) fn get(&self, index: u32) -> Option<Instant> {
        let node = self.nodes.get(index as usize)?;
        (node.position != NONE).then_some(node.falls_behind)
    }

    /// The slowest one, and the time that it is compared by.
    pub(in crate::server::pool) fn first(&self) -> Option<(u32, Instant)> {
        let first = *self.heap.first()?;
        Some((first, self.compared(first)?))
    }

    /// The time that this connection is compared by, if it is tracked: when it falls behind, or later than that of all
    /// others in its grace.
    pub(in crate::server::pool) fn compared(&self, index: u32) -> Option<Instant> {
        let falls_behind = self.get(index)?;
        let ahead = match self.nodes[index as usize].grace {
            Some(_) => MOST_AHEAD,
            None => Duration::ZERO,
        };
        Some(falls_behind + ahead)
    }

    /// Ends the grace of those that have had it.
    pub(in crate::server::pool) fn end_grace(&mut self, now: Instant) {
        while let Some((index, ends)) = self.young.front().copied().filter(|(_, ends)| *ends <= now)
        {
            self.young.pop_front();
            let node = &mut self.nodes[index as usize];
            if node.grace == Some(ends) {
                node.grace = None;
                if node.position != NONE {
                    let position = node.position as usize;
                    self.settle(position);
                }
            }
        }
    }

    /// Records a connection that begins something.
    pub(in crate::server::pool) fn begin(
        &mut self,
        index: u32,
        falls_behind: Instant,
        now: Instant,
    ) {
        let ends = now + GRACE;
        self.young.push_back((index, ends));
        self.put(index, falls_behind, Some(ends));
    }

    pub(in crate::server::pool) fn set(&mut self, index: u32, falls_behind: Instant) {
        let grace = self.nodes.get(index as usize).and_then(|node| node.grace);
        self.put(index, falls_behind, grace);
    }

    fn put(&mut self, index: u32, falls_behind: Instant, grace: Option<Instant>) {
        let at = index as usize;
        if at >= self.nodes.len() {
            let empty = Node {
                falls_behind,
                grace,
                position: NONE,
            };
            self.nodes.resize(at + 1, empty);
        }
        self.nodes[at].falls_behind = falls_behind;
        self.nodes[at].grace = grace;
        if self.nodes[at].position == NONE {
            self.nodes[at].position = self.heap.len() as u32;
            self.heap.push(index);
        }
        self.settle(self.nodes[at].position as usize);
    }

    pub(in crate::server::pool) fn remove(&mut self, index: u32) {
        let Some(node) = self.nodes.get_mut(index as usize) else {
            return;
        };
        node.grace = None;
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
        while at > 0 && self.rank(at) < self.rank((at - 1) / 2) {
            self.swap(at, (at - 1) / 2);
            at = (at - 1) / 2;
        }
        loop {
            let below = [2 * at + 1, 2 * at + 2];
            let first = below
                .into_iter()
                .filter(|child| *child < self.heap.len())
                .min_by_key(|child| self.rank(*child));
            match first {
                Some(child) if self.rank(child) < self.rank(at) => {
                    self.swap(at, child);
                    at = child;
                }
                _ => return,
            }
        }
    }

    fn rank(&self, position: usize) -> (bool, Instant) {
        self.nodes[self.heap[position] as usize].rank()
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
    fn who_has_just_begun_comes_after_all_others() {
        let start = Instant::now();
        let mut slowest = Slowest::default();
        slowest.begin(1, begun(start), start);
        slowest.set(2, start + MOST_AHEAD);
        assert_eq!(slowest.first(), Some((2, start + MOST_AHEAD)));
        // What it sends does not shorten its grace.
        slowest.set(1, begun(start));
        slowest.end_grace(start + GRACE / 2);
        assert_eq!(slowest.first().map(|(index, _)| index), Some(2));
        // Who begins again, or was removed meanwhile, has nothing left of the first.
        slowest.begin(3, begun(start), start);
        slowest.remove(3);
        slowest.begin(3, begun(start), start + GRACE);
        slowest.end_grace(start + GRACE);
        assert_eq!(slowest.first(), Some((1, begun(start))));
        slowest.remove(1);
        assert_eq!(slowest.first().map(|(index, _)| index), Some(2));
        slowest.end_grace(start + GRACE * 2);
        assert_eq!(slowest.first(), Some((3, begun(start))));
        assert!(slowest.young.is_empty());
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
