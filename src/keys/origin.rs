//! Where keys come from, without their secrets.

use std::fmt;

use super::KeyState;
use super::document::RingKey;
use super::kind::KeyKind;
use crate::base::clock::unix_now;
use crate::signing::TokenAlgorithm;

/// A key's id and origin, for start-up log lines. Holds no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyOrigin {
    /// What it is for.
    pub kind: KeyKind,
    /// The id by which tokens or data name the key; empty for AES-CBC, which names none.
    pub id: String,
    /// Where it comes from, and how it was read.
    pub from: String,
    /// The algorithm of a token key; `None` for other kinds.
    pub algorithm: Option<TokenAlgorithm>,
    /// When it was created, in seconds since 1970-01-01 UTC, if known.
    pub created: Option<u64>,
    /// Whether it is used for new tokens or data. With AES-CBC in use, [`Gate::seal`](crate::Gate::seal) still has a
    /// newest data key.
    pub newest: bool,
    /// When a token key that was published in advance starts signing, in seconds since 1970-01-01 UTC; `None` if it always
    /// could.
    pub signs_from: Option<u64>,
    /// Whether its tokens or data are still accepted.
    pub state: KeyState,
}

impl fmt::Display for KeyOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} key", self.kind)?;
        if !self.id.is_empty() {
            write!(f, " {}", self.id)?;
        }
        if let Some(algorithm) = self
            .algorithm
            .filter(|algorithm| *algorithm != TokenAlgorithm::Hs256)
        {
            write!(f, " ({algorithm})")?;
        }
        write!(f, " from {}", self.from)?;
        if let Some(time) = self.signs_from {
            write!(
                f,
                ", next: it signs in {} s",
                time.saturating_sub(unix_now())
            )?;
        }
        match self.state {
            KeyState::Accepted => Ok(()),
            KeyState::AcceptedUntil(_) => f.write_str(", accepted for a time"),
            KeyState::Retired => f.write_str(", retired"),
        }
    }
}

/// Where a key comes from, how long it is accepted, and when it starts signing.
#[derive(Clone, Copy)]
pub(super) struct Origin<'a> {
    pub(super) from: &'a str,
    pub(super) created: Option<u64>,
    pub(super) state: KeyState,
    pub(super) signs_from: Option<u64>,
}

impl<'a> Origin<'a> {
    pub(super) fn new(from: &'a str) -> Self {
        Origin {
            from,
            created: None,
            state: KeyState::Accepted,
            signs_from: None,
        }
    }

    pub(super) fn of(key: &RingKey, from: &'a str) -> Self {
        Origin {
            from,
            created: Some(key.created),
            state: key.state,
            signs_from: key.signs_from,
        }
    }

    pub(super) fn describe(&self, kind: KeyKind, id: String) -> KeyOrigin {
        KeyOrigin {
            kind,
            id,
            from: self.from.to_owned(),
            algorithm: None,
            created: self.created,
            newest: false,
            signs_from: self.signs_from,
            state: self.state,
        }
    }
}
