//! The kinds of key.

use std::fmt;

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// Signs tokens.
    Token,
    /// Seals data.
    Data,
    /// Encrypts data with the original's AES-CBC. It is never in the ring.
    AesCbc,
}

impl KeyKind {
    /// Its name, as in the output of `sealgate keys list`.
    pub fn name(self) -> &'static str {
        match self {
            KeyKind::Token => "token",
            KeyKind::Data => "data",
            KeyKind::AesCbc => "AES-CBC",
        }
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The kinds of key that a ring holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RingKind {
    Token,
    Data,
}

impl RingKind {
    pub(super) const ALL: [RingKind; 2] = [RingKind::Token, RingKind::Data];
}

impl From<RingKind> for KeyKind {
    fn from(kind: RingKind) -> Self {
        match kind {
            RingKind::Token => KeyKind::Token,
            RingKind::Data => KeyKind::Data,
        }
    }
}

impl fmt::Display for RingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        KeyKind::from(*self).fmt(f)
    }
}
