//! Counters that threads change without waiting for one another.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// More threads than this share counters.
const SHARDS: usize = 16;

/// On a cache line of its own, so that cores do not take it from one another (128 bytes: they are fetched in pairs).
#[derive(Debug, Default)]
#[repr(align(128))]
struct Aligned<T>(T);

/// A value for each of some threads.
#[derive(Debug, Default)]
pub(crate) struct Sharded<T>([Aligned<T>; SHARDS]);

impl<T> Sharded<T> {
    /// This thread's.
    pub(crate) fn own(&self) -> &T {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        thread_local! {
            static OWN: usize = NEXT.fetch_add(1, Ordering::Relaxed) % SHARDS;
        }
        &self.0[OWN.with(|own| *own)].0
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|shard| &shard.0)
    }

    /// The sum over all threads.
    pub(crate) fn sum(&self, count: impl Fn(&T) -> &Count) -> u64 {
        self.all().map(|shard| count(shard).get()).sum()
    }
}

/// A number that only grows, or wraps after 2^64.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_lost_between_threads() {
        let counts: Sharded<Count> = Sharded::default();
        std::thread::scope(|scope| {
            for _ in 0..2 * SHARDS {
                scope.spawn(|| (0..1000).for_each(|_| counts.own().add(1)));
            }
        });
        assert_eq!(counts.sum(|count| count), 2 * SHARDS as u64 * 1000);
    }
}
