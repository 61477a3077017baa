//! What can go wrong with a call, and the sentence for it.

use std::fmt;
use std::time::Duration;

use tokio_postgres::error::SqlState;

use crate::Error;

/// The error code of the database's function `sealgate.check_writable`.
const MOVED: &str = "SG001";

/// Why a call failed.
#[derive(Debug)]
pub(in crate::store::postgres) enum Fault {
    /// The database's answer, or the end of the connection.
    Database(tokio_postgres::Error),
    /// No connection could be made.
    Connect(tokio_postgres::Error),
    /// The name of a host could not be resolved, and why.
    Unresolved(String),
    /// Nothing came in time.
    Deadline(Duration),
    /// The last calls failed, so this one was not tried.
    Down,
    /// All connections are in use.
    Busy(Duration),
    /// What is stored is not what this program stores.
    Damaged(&'static str),
    /// Text for people.
    Refused(String),
    /// A statement had failed, so that the transaction was undone.
    Undone,
    /// Whether the transaction was committed is not known.
    Unknown,
    /// What work found wrong itself, which ends its transaction.
    Other(Error),
}

impl From<tokio_postgres::Error> for Fault {
    fn from(error: tokio_postgres::Error) -> Self {
        Fault::Database(error)
    }
}

impl Fault {
    /// The SQLSTATE of the database's answer.
    pub(in crate::store::postgres) fn code(&self) -> Option<&SqlState> {
        match self {
            Fault::Database(error) | Fault::Connect(error) => error.code(),
            _ => None,
        }
    }

    /// Whether the connection is of no more use.
    pub(super) fn breaks(&self) -> bool {
        match self {
            Fault::Database(error) => {
                error.as_db_error().is_none()
                    || self.code() == Some(&SqlState::READ_ONLY_SQL_TRANSACTION)
                    || self.code().is_some_and(is_shut_down)
            }
            Fault::Deadline(_) | Fault::Connect(_) | Fault::Unresolved(_) | Fault::Unknown => true,
            _ => false,
        }
    }

    /// Whether the store itself cannot be used, as opposed to one call.
    pub(super) fn is_outage(&self) -> bool {
        match self {
            Fault::Database(_) => self.breaks(),
            Fault::Connect(_) | Fault::Unresolved(_) | Fault::Deadline(_) | Fault::Unknown => true,
            _ => false,
        }
    }

    /// Whether the transaction was rolled back because of another one, and may be tried again.
    pub(super) fn is_conflict(&self) -> bool {
        self.code().is_some_and(|code| {
            *code == SqlState::T_R_SERIALIZATION_FAILURE || *code == SqlState::T_R_DEADLOCK_DETECTED
        })
    }

    /// Whether the connection had ended before it was used. Its server may have been restarted.
    pub(super) fn is_dead(&self) -> bool {
        match self {
            Fault::Database(error) => {
                error.is_closed()
                    || error.as_db_error().is_none()
                    || self.code() == Some(&SqlState::READ_ONLY_SQL_TRANSACTION)
                    || self.code().is_some_and(is_shut_down)
            }
            _ => false,
        }
    }

    /// Whether a table or function is missing.
    pub(in crate::store::postgres) fn is_missing(&self) -> bool {
        self.code().is_some_and(|code| {
            [
                SqlState::UNDEFINED_TABLE,
                SqlState::INVALID_SCHEMA_NAME,
                SqlState::UNDEFINED_FUNCTION,
                SqlState::UNDEFINED_COLUMN,
            ]
            .contains(code)
        })
    }

    /// Whether the role lacks a right.
    pub(in crate::store::postgres) fn is_forbidden(&self) -> bool {
        self.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE)
    }

    /// The same for callers.
    pub(super) fn explain(&self, place: &str) -> Error {
        let text = match self {
            Fault::Deadline(longest) => format!(
                "The store {place} did not answer within {} ms. Look whether the database is overloaded or cannot be reached; \
                 SEALGATE_STORE_TIMEOUT sets how long calls wait.",
                longest.as_millis()
            ),
            Fault::Down => format!(
                "The store {place} cannot be used at the moment. It is tried again every second."
            ),
            Fault::Busy(longest) => format!(
                "All connections to the store {place} were in use for {} ms. SEALGATE_STORE_CONNECTIONS permits more.",
                longest.as_millis()
            ),
            Fault::Damaged(what) => format!("The store {place} is damaged: {what}."),
            Fault::Refused(text) => text.clone(),
            Fault::Undone => {
                format!(
                    "A change in the store {place} was undone, because a part of it failed. Try again."
                )
            }
            Fault::Unknown => format!(
                "The store {place} was lost while a change was being written. Look whether it was made before trying again."
            ),
            Fault::Other(error) => return error.clone(),
            Fault::Connect(error) => format!(
                "The store {place} cannot be reached: {}. Check SEALGATE_STORE, and that the database is running.",
                Sources(error)
            ),
            Fault::Unresolved(why) => format!(
                "The store {place} cannot be reached: the name of its host cannot be resolved: {why}. Check SEALGATE_STORE and the \
                 name server."
            ),
            Fault::Database(_) if self.code().is_some_and(|code| code.code() == MOVED) => format!(
                "The store {place} has been copied to another one, so it takes no changes any more. Use the other one. To go on \
                 with this one instead: sealgate store unlock"
            ),
            Fault::Database(_) if self.is_missing() => format!(
                "The store {place} has no tables for this version. Create them with: sealgate store migrate"
            ),
            Fault::Database(error) if self.is_forbidden() => format!(
                "The role of SEALGATE_STORE lacks a right in the store {place}: {}. docs/fleet.md lists the rights that it needs.",
                Sources(error)
            ),
            // What it says about data may quote it.
            Fault::Database(error) if is_about_data(error) => format!(
                "The store {place} refused a statement (SQLSTATE {}). The database's log has the reason.",
                self.code().map_or("unknown", SqlState::code)
            ),
            Fault::Database(error) => format!("The store {place} failed: {}.", Sources(error)),
        };
        Error::Store(text)
    }
}

/// The server is going away, or has no room for another connection.
fn is_shut_down(code: &SqlState) -> bool {
    [
        SqlState::ADMIN_SHUTDOWN,
        SqlState::CRASH_SHUTDOWN,
        SqlState::CANNOT_CONNECT_NOW,
        SqlState::TOO_MANY_CONNECTIONS,
        SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
    ]
    .contains(code)
}

/// Whether the database's words may contain what was stored: of class 22 (data) or 23 (constraints).
fn is_about_data(error: &tokio_postgres::Error) -> bool {
    let code = error.code().map(SqlState::code);
    code.is_some_and(|code| code.starts_with("22") || code.starts_with("23"))
}

/// What the innermost cause says, without the statement's parameters: the database's detail may quote them.
struct Sources<'a>(&'a tokio_postgres::Error);

impl fmt::Display for Sources<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(error) = self.0.as_db_error() {
            return f.write_str(error.message().trim_end_matches('.'));
        }
        let mut last: &dyn std::error::Error = self.0;
        while let Some(source) = last.source() {
            last = source;
        }
        f.write_str(last.to_string().trim_end_matches('.'))
    }
}
