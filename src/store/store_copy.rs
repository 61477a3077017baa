//! What copying a store to another one needs of both engines, and what they report of themselves.

use super::tables::{Facts, Row, Table, Tally};
use super::{SeenNode, SharedStore};
use crate::Error;

/// Gets rows, some of one table at a time.
pub(crate) type Sink<'a> = dyn FnMut(&'static Table, &[Row]) -> Result<(), Error> + 'a;
/// Hands all rows of a store to a sink.
pub(crate) type Rows<'a> = dyn FnMut(&mut Sink<'_>) -> Result<Facts, Error> + 'a;

/// How many rows are handed on together.
pub(super) const TOGETHER: usize = 1_000;

/// A store that can be copied.
pub(crate) trait Movable {
    /// Refuses changes from now on, or permits them again. Changes that were confirmed before are in the store then. Returns
    /// whether that is new.
    fn set_read_only(&self, read_only: bool) -> Result<bool, Error>;
    /// All rows as of one moment.
    fn export(&self, into: &mut Sink<'_>) -> Result<Facts, Error>;
    /// Whether it refuses changes.
    fn is_read_only(&self) -> Result<bool, Error>;
    fn status(&self) -> Result<StoreStatus, Error>;
}

/// Everything that is copied into a shared store.
pub(crate) struct Import<'a> {
    pub(crate) rows: &'a mut Rows<'a>,
    /// The key ring, sealed, and how many messages its data keys have sealed.
    pub(crate) ring: Option<&'a [u8]>,
    pub(crate) usage: &'a [(String, u64)],
    /// Whether to remove what is in the store.
    pub(crate) replace: bool,
}

/// A store that machines share, to which another store can be copied.
pub(crate) trait MovableShared: Movable + SharedStore {
    /// Copies everything, or nothing. The result: what was copied.
    fn import(&self, from: Import<'_>) -> Result<Tally, Error>;
    /// Refuses a store that [`import`](Self::import) would refuse. Unless `dry_run`, its tables are created if need be.
    fn check_target(&self, replace: bool, dry_run: bool) -> Result<(), Error>;
}

/// What a store is, and what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreStatus {
    /// `sqlite` or `postgresql`.
    pub kind: &'static str,
    /// Its file, or its address without a password.
    pub place: String,
    /// The version of its tables.
    pub version: i64,
    /// Whether it refuses changes, because it has been copied to another store.
    pub read_only: bool,
    /// The rows of each table, with its name.
    pub counts: Vec<StoreCount>,
    /// Bytes on the disk.
    pub size: u64,
    /// The processes that use it, if it is shared.
    pub nodes: Vec<StoreNode>,
    /// How far back its log of changes reaches, in seconds, if it is shared and there are any.
    pub log_age: Option<u64>,
}

/// How many rows there are of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreCount {
    /// The table.
    pub table: &'static str,
    /// What its rows are, for people.
    pub rows: &'static str,
    /// How many there are.
    pub count: u64,
}

/// A process that uses a shared store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreNode {
    /// The host's name.
    pub host: String,
    /// Its version of sealgate.
    pub version: String,
    /// Seconds since it last reported.
    pub seen: u64,
}

impl StoreNode {
    #[cfg_attr(not(feature = "postgres"), expect(dead_code))]
    pub(super) fn of(node: SeenNode) -> Self {
        StoreNode {
            host: node.host,
            version: node.version,
            seen: node.ago,
        }
    }
}

impl StoreCount {
    /// Those of all tables.
    pub(crate) fn of(tally: &Tally) -> Vec<Self> {
        let one = |(table, count): (&Table, u64)| StoreCount {
            table: table.name,
            rows: table.rows,
            count,
        };
        tally.counts().into_iter().map(one).collect()
    }
}
