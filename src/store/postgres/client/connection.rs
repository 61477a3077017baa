//! A connection while it is lent to a caller: statements, each with the caller's deadline.

use std::time::{Duration, Instant};

use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

use super::fault::Fault;
use super::link::Link;
use super::wait::wait;

/// A statement's parameters with their types.
pub(in crate::store::postgres) type Parameters<'a> = &'a [(&'a (dyn ToSql + Sync), Type)];

/// A connection lent to one caller.
pub(in crate::store::postgres) struct Connection<'a> {
    pub(super) link: &'a Link,
    pub(super) deadline: Instant,
    pub(super) longest: Duration,
    /// A call has not been answered, or found the connection dead: it is not used again.
    pub(super) broken: bool,
    /// A statement has failed: its transaction cannot be committed.
    pub(super) failed: bool,
}

impl<'a> Connection<'a> {
    pub(in crate::store::postgres) fn query(
        &mut self,
        sql: &str,
        parameters: Parameters<'_>,
    ) -> Result<Vec<Row>, Fault> {
        self.wait(|link| link.query_typed(sql, parameters))
    }

    /// Exactly one row.
    pub(in crate::store::postgres) fn query_one(
        &mut self,
        sql: &str,
        parameters: Parameters<'_>,
    ) -> Result<Row, Fault> {
        self.query_opt(sql, parameters)?
            .ok_or(Fault::Damaged("a row is missing"))
    }

    /// The first row, if there is one.
    pub(in crate::store::postgres) fn query_opt(
        &mut self,
        sql: &str,
        parameters: Parameters<'_>,
    ) -> Result<Option<Row>, Fault> {
        Ok(self.query(sql, parameters)?.into_iter().next())
    }

    /// Returns how many rows it changed.
    pub(in crate::store::postgres) fn execute(
        &mut self,
        sql: &str,
        parameters: Parameters<'_>,
    ) -> Result<u64, Fault> {
        self.wait(|link| link.execute_typed(sql, parameters))
    }

    /// Lets the next statements take as long again: for work of many statements, none of which may hang.
    pub(in crate::store::postgres) fn go_on(&mut self) {
        self.deadline = Instant::now() + self.longest;
    }

    /// Several statements without parameters, in one round trip.
    pub(in crate::store::postgres) fn batch(&mut self, sql: &str) -> Result<(), Fault> {
        self.wait(|link| link.batch_execute(sql))
    }

    /// Ends a transaction without its changes; a connection that does not confirm it is not used again.
    pub(super) fn roll_back(&mut self) {
        if !self.broken && self.batch("ROLLBACK").is_err() {
            self.broken = true;
        }
    }

    fn wait<T, F>(&mut self, start: impl FnOnce(&'a Link) -> F) -> Result<T, Fault>
    where
        F: Future<Output = Result<T, tokio_postgres::Error>>,
    {
        if self.broken {
            return Err(Fault::Deadline(self.longest));
        }
        let fault = match wait(self.deadline, start(self.link)) {
            Some(Ok(answer)) => return Ok(answer),
            Some(Err(error)) => Fault::Database(error),
            None => Fault::Deadline(self.longest),
        };
        self.failed = true;
        self.broken = fault.breaks();
        Err(fault)
    }
}
