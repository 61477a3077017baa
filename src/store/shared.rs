//! What a store offers that several machines share, besides [`Store`].

use std::time::Duration;

use super::windows::WindowStore;
use super::{Change, Moment, Store};
use crate::{Error, Secret};

/// How far a process has read the log of changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Position {
    /// Which transactions had ended when it was read, as the store writes it.
    pub(crate) seen: String,
    /// Which server was read, and since which start of it: another one may have numbered its transactions differently.
    pub(crate) server: String,
}

/// A change that revokes or refuses something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Entry {
    /// A token or a session is revoked until all its tokens have expired; in seconds since 1970-01-01 UTC, like all times here.
    Token { id: String, expires: u64 },
    /// The tokens of a user that were issued until `before` are.
    User {
        name: String,
        before: u64,
        expires: u64,
    },
    /// An account has changed. It is enabled or disabled now, or (`None`) there is none.
    Account {
        name: String,
        disabled: Option<bool>,
    },
}

impl Entry {
    /// A token or a session that was revoked.
    pub(crate) fn token(id: &str, at: Moment) -> Self {
        Entry::Token {
            id: id.to_owned(),
            expires: at.forget,
        }
    }

    /// The same for several changes.
    pub(crate) fn of_changes(name: &str, changes: &[Change], at: Moment) -> Vec<Self> {
        let of = |change| Entry::of_change(name, change, at);
        changes.iter().flat_map(of).collect()
    }

    /// What a change of an account certainly revokes.
    pub(crate) fn of_change(name: &str, change: &Change, at: Moment) -> Vec<Self> {
        let disabled = match change {
            Change::Password(_) | Change::OwnPassword { .. } => None,
            Change::Disabled(true) => Some(Some(true)),
            Change::Removed => Some(None),
            _ => return Vec::new(),
        };
        let user = Entry::User {
            name: name.to_owned(),
            before: at.now,
            expires: at.forget,
        };
        let account = disabled.map(|disabled| Entry::Account {
            name: name.to_owned(),
            disabled,
        });
        [user].into_iter().chain(account).collect()
    }
}

/// What a process has to know besides.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    /// Whether an account has ever existed.
    pub(crate) accounts: bool,
    /// A number that grows with each change of API keys.
    pub(crate) api_keys: u64,
}

/// What has happened since a position.
#[derive(Debug)]
pub(crate) enum News {
    /// The log no longer reaches back that far, or this is another server.
    Lost,
    Changes {
        position: Position,
        facts: Facts,
        entries: Vec<Entry>,
    },
}

/// A process that uses a shared store.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    /// Random; another one in each process.
    pub(crate) id: String,
    pub(crate) host: String,
}

/// A process that has reported lately that it uses a shared store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SeenNode {
    pub(crate) host: String,
    pub(crate) version: String,
    /// When, in seconds since 1970-01-01 UTC by the store's clock, and how many seconds ago that is.
    pub(crate) seen: u64,
    pub(crate) ago: u64,
}

/// How processes hear of what others have revoked.
pub(crate) trait Feed: Send + Sync {
    /// Calls `each` with everything that is revoked or disabled now. What is committed meanwhile is in the news since the
    /// position that it returns.
    fn snapshot(&self, each: &mut dyn FnMut(Entry)) -> Result<(Position, Facts), Error>;
    /// What was committed since: all of it, whatever the order of commits.
    fn news(&self, since: &Position) -> Result<News, Error>;
    /// Waits for a change by any process, at most this long. `true`: there may be one. May miss changes.
    fn wait(&self, longest: Duration) -> bool;
    /// Records that a process is alive; returns how many have done so within the last 15 seconds.
    fn report(&self, node: &Node) -> Result<u32, Error>;
    /// Work that one process has to do now and then: removes old entries of the log.
    fn maintain(&self) -> Result<(), Error>;
    /// Whether calls are tried at all now; `false` while they fail at once, because the last ones did.
    fn is_up(&self) -> bool;
}

/// The key ring as it is stored: sealed.
#[derive(Debug)]
pub(crate) struct StoredRing {
    pub(crate) version: i64,
    pub(crate) sealed: Secret,
}

/// What an attempt to log in is counted under: keyed hashes, so no name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LockoutKeys<'a> {
    /// The account: failures from before it was unlocked do not count.
    pub(crate) account: &'a str,
    pub(crate) name: [u8; 16],
    pub(crate) place: [u8; 16],
    pub(crate) network: [u8; 16],
    /// Failures are forgotten after this long without another.
    pub(crate) memory: Duration,
}

/// Wrong passwords under one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LockoutFailures {
    /// 0: a network that only waits.
    pub(crate) count: u32,
    /// Since the last one.
    pub(crate) age: Duration,
}

/// What counts for or against an attempt to log in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct LockoutsFound {
    pub(crate) place: Option<LockoutFailures>,
    pub(crate) network: Option<LockoutFailures>,
    pub(crate) name: Option<LockoutFailures>,
    /// Whether the name has logged in from this place.
    pub(crate) known: bool,
}

/// A name whose failures are looked for wherever they came from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LockoutName<'a> {
    /// As in [`LockoutKeys`], like its key.
    pub(crate) account: &'a str,
    pub(crate) key: [u8; 16],
}

/// What counts against attempts to log in under one name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LockoutsOfName {
    /// Counted for the name: they came from places that are not known.
    pub(crate) name: Option<LockoutFailures>,
    /// Counted for each of the places that are.
    pub(crate) known: Vec<LockoutFailures>,
}

/// The part of a shared store that a store on one machine lacks.
pub(crate) trait SharedStore: Store + Feed + WindowStore {
    /// How many calls of this process were answered, and how many failed.
    fn calls(&self) -> (u64, u64);

    fn ring(&self) -> Result<Option<StoredRing>, Error>;
    /// The processes that use the store, in order of their hosts; at most 1,000.
    fn nodes(&self) -> Result<Vec<SeenNode>, Error>;
    /// The ring's version as this process knows it; 0: there is none. Asks nobody.
    fn ring_version(&self) -> i64;
    /// Asks for it, unless that was done a moment ago.
    fn ask_ring_version(&self);
    /// Stores a ring in place of the one of this version (`None`: there must be none), and keeps the one before it for
    /// operators. `false`: another process was faster.
    fn replace_ring(
        &self,
        version: Option<i64>,
        sealed: &[u8],
        previous: Option<&[u8]>,
    ) -> Result<bool, Error>;
    /// How many messages each data key has sealed, as far as processes have reported it.
    fn key_usage(&self) -> Result<Vec<(String, u64)>, Error>;
    fn add_key_usage(&self, counts: &[(String, u64)]) -> Result<(), Error>;
    /// Forgets the counts of all other keys.
    fn keep_key_usage(&self, ids: &[&str]) -> Result<(), Error>;

    /// What counts for or against an attempt to log in, by the store's clock.
    fn failures(&self, of: &LockoutKeys<'_>) -> Result<LockoutsFound, Error>;
    /// The same for each of these names in their order, wherever it is tried from. One call however many they are.
    fn failures_of_names(
        &self,
        names: &[LockoutName<'_>],
        memory: Duration,
    ) -> Result<Vec<LockoutsOfName>, Error>;
    /// The network waits from now on, unless it does already.
    fn start_waiting(&self, of: &LockoutKeys<'_>) -> Result<(), Error>;
    /// Counts a wrong password for the place and, unless it is known, for the network and the name.
    fn failed(&self, of: &LockoutKeys<'_>) -> Result<(), Error>;
    /// Forgets the failures of the place, which is known from now on.
    fn passed(&self, of: &LockoutKeys<'_>) -> Result<(), Error>;
}
