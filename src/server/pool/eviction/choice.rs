//! Which kind of connection is evicted: one in mid-transfer or an idle one.

/// A connection this far behind, in milliseconds, is evicted before any other.
const FAR_BEHIND: u64 = 750;
/// An idle connection is not evicted for this long, in milliseconds, while others are slow.
const RECENT: u64 = 15_000;
/// If more than three quarters of a worker's connections are in mid-transfer, those are evicted first: a flood that
/// reconnects as fast as it is closed does not push out idle connections.
const MOSTLY: usize = 3;
/// The same applies above this fraction (one in `MANY`) once they are known not to be a legitimate burst.
const MANY: usize = 8;

/// The connections that a worker could evict. Times are milliseconds since the engine started, zero if there is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::server::pool) struct Spare {
    /// When the slowest connection in mid-transfer fell or falls behind.
    pub(in crate::server::pool) slow: u64,
    /// Since when the longest-idle connection has been idle.
    pub(in crate::server::pool) idle: u64,
    /// How many are in mid-transfer, and how many there are in all.
    pub(in crate::server::pool) slow_ones: usize,
    pub(in crate::server::pool) connections: usize,
}

/// Which of the two to evict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::server::pool) enum Victim {
    Slow,
    Idle,
}

/// Orders the victims of several workers: the lowest is evicted.
pub(in crate::server::pool) type Rank = (u8, u64);

impl Spare {
    /// The connection to evict. `besieged`: a flood that completes nothing is in progress.
    pub(in crate::server::pool) fn choose(
        self,
        now: u64,
        besieged: bool,
    ) -> Option<(Rank, Victim)> {
        let slow = (self.slow > 0).then_some((self.slow, Victim::Slow));
        let idle = (self.idle > 0).then_some((self.idle, Victim::Idle));
        let behind = |by: u64| slow.filter(|(falls_behind, _)| falls_behind + by <= now);
        let in_order = [
            behind(FAR_BEHIND),
            slow.filter(|_| self.is_crowded_by_slow(besieged)),
            idle.filter(|(since, _)| since + RECENT <= now),
            behind(0),
            idle,
            slow,
        ];
        (0u8..)
            .zip(in_order)
            .find_map(|(rank, choice)| choice.map(|(time, victim)| ((rank, time), victim)))
    }

    /// Whether connections in mid-transfer are evicted before idle ones.
    pub(in crate::server::pool) fn is_crowded_by_slow(self, besieged: bool) -> bool {
        besieged || self.are_mostly_slow()
    }

    /// Whether many are in mid-transfer.
    pub(in crate::server::pool) fn are_many_slow(self) -> bool {
        self.slow_ones * MANY > self.connections
    }

    pub(in crate::server::pool) fn are_mostly_slow(self) -> bool {
        self.slow_ones * (MOSTLY + 1) > self.connections * MOSTLY
    }

    /// How many evictions can be outstanding without comparing victims again: with many slow connections, any of them
    /// will do.
    pub(in crate::server::pool) fn at_once(self, besieged: bool) -> usize {
        match self.is_crowded_by_slow(besieged) {
            true => self.slow_ones / 8,
            false => 0,
        }
    }

    /// The same with connections that are still on their way to the worker; they count as in mid-transfer.
    pub(in crate::server::pool) fn with_newcomers(self, connections: usize) -> Self {
        Spare {
            slow_ones: self.slow_ones + connections.saturating_sub(self.connections),
            connections,
            ..self
        }
    }

    /// Whether it is so far behind that nothing else matters.
    pub(in crate::server::pool) fn is_far_behind(rank: Rank) -> bool {
        rank.0 == 0
    }
}
