//! How many connections each address has: its limit, and which addresses have the most.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Mutex;

use crate::base::address::{Counted, counted};
use crate::base::sync::lock;

/// Counts the connections of each address.
pub(super) struct Addresses {
    /// Zero: no fixed limit.
    max: usize,
    counts: Mutex<Counts>,
}

struct Counts {
    of: HashMap<Counted, usize>,
    /// An address with this many connections is a crowd; with a fixed limit, none is.
    crowd: usize,
    /// The addresses that are crowds: at most three, unless there are more connections than the limit.
    crowds: Vec<Counted>,
}

/// An address with more than one in this many of all connections is a crowd.
const CROWD_PART: usize = 4;

impl Addresses {
    /// `max`: connection limit per address. Zero means no fixed limit; then, with a limit of `places` connections in
    /// all, connections of crowds are evicted first.
    pub(super) fn new(max: usize, places: usize) -> Self {
        let addresses = Addresses {
            max,
            counts: Mutex::new(Counts {
                of: HashMap::new(),
                crowd: usize::MAX,
                crowds: Vec::new(),
            }),
        };
        addresses.fit(places);
        addresses
    }

    /// Changes the total connection limit.
    pub(super) fn fit(&self, places: usize) {
        let crowd = places / CROWD_PART + 1;
        let counts = &mut *lock(&self.counts);
        if self.max > 0 || counts.crowd == crowd {
            return;
        }
        counts.crowd = crowd;
        let is_crowd = |(_, count): &(&Counted, &usize)| **count >= crowd;
        let crowds = counts.of.iter().filter(is_crowd).map(|(key, _)| *key);
        counts.crowds = crowds.collect();
    }

    /// Counts a connection of this address; an error if the address has reached its limit. A trusted proxy stands for
    /// many clients, so only a fixed limit applies to it.
    pub(super) fn enter(
        &self,
        address: Option<IpAddr>,
        is_trusted: impl Fn(&IpAddr) -> bool,
    ) -> Result<Option<Counted>, ()> {
        let Some(ip) = address.filter(|ip| self.max > 0 || !is_trusted(ip)) else {
            return Ok(None);
        };
        let key = counted(ip);
        let counts = &mut *lock(&self.counts);
        let count = counts.of.entry(key).or_default();
        if self.max > 0 && *count == self.max {
            return Err(());
        }
        *count += 1;
        if *count == counts.crowd {
            counts.crowds.push(key);
        }
        Ok(Some(key))
    }

    /// Uncounts a closed connection of this address.
    pub(super) fn leave(&self, address: Option<Counted>) {
        let Some(key) = address else {
            return;
        };
        let counts = &mut *lock(&self.counts);
        if let Some(count) = counts.of.get_mut(&key) {
            let before = *count;
            *count -= 1;
            if before == 1 {
                counts.of.remove(&key);
            }
            if before == counts.crowd {
                counts.crowds.retain(|crowd| *crowd != key);
            }
        }
    }

    /// The crowd with the most connections, if there is one.
    pub(super) fn largest_crowd(&self) -> Option<Counted> {
        let counts = lock(&self.counts);
        let crowds = counts.crowds.iter();
        crowds.max_by_key(|crowd| counts.of.get(*crowd)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_with_a_large_part_of_all_connections_is_a_crowd() {
        let addresses = Addresses::new(0, 40);
        let ip = |last: u8| IpAddr::from([192, 0, 2, last]);
        let enter = |last| addresses.enter(Some(ip(last)), |_| false).unwrap();
        let one: Vec<_> = (0..10).map(|_| enter(1)).collect();
        assert_eq!(addresses.largest_crowd(), None);
        let first = enter(1);
        assert_eq!(addresses.largest_crowd(), first);
        let other: Vec<_> = (0..12).map(|_| enter(2)).collect();
        assert_eq!(addresses.largest_crowd(), other[0]);
        other.into_iter().for_each(|key| addresses.leave(key));
        assert_eq!(addresses.largest_crowd(), first);
        one.into_iter()
            .chain([first])
            .for_each(|key| addresses.leave(key));
        assert_eq!(addresses.largest_crowd(), None);
        assert!(lock(&addresses.counts).of.is_empty());
        // The threshold of a crowd follows the total limit.
        let few: Vec<_> = (0..6).map(|_| enter(4)).collect();
        assert_eq!(addresses.largest_crowd(), None);
        addresses.fit(20);
        assert_eq!(addresses.largest_crowd(), few[0]);
        addresses.fit(40);
        assert_eq!(addresses.largest_crowd(), None);
        addresses.fit(20);
        few.into_iter().for_each(|key| addresses.leave(key));
        assert_eq!(addresses.largest_crowd(), None);
        // A trusted proxy is never a crowd; only a fixed limit applies to it.
        assert_eq!(addresses.enter(Some(ip(3)), |_| true), Ok(None));
        let fixed = Addresses::new(1, 40);
        assert!(fixed.enter(Some(ip(3)), |_| true).is_ok());
        assert_eq!(fixed.enter(Some(ip(3)), |_| true), Err(()));
    }
}
