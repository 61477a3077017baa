//! What a ring is sealed under.

use std::fmt;

use crate::Secret;
use crate::base::binary::binary;

/// Fewest characters of a passphrase.
const SHORTEST: usize = 12;
const LONGEST: usize = 1024;

/// What a ring is sealed under: a key of 32 bytes, or a passphrase.
#[derive(Clone, PartialEq, Eq)]
pub struct RingSecret {
    pub(super) form: Form,
    pub(super) bytes: Secret,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Key,
    Passphrase,
}

impl RingSecret {
    /// A key of 32 bytes.
    pub(crate) fn key(bytes: Secret) -> Option<Self> {
        let form = Form::Key;
        (bytes.len() == 32).then_some(RingSecret { form, bytes })
    }

    /// A secret as the settings have it: a key behind a prefix, else a passphrase. No length decides, because a passphrase may have any. A line end, as files
    /// have it, does not count.
    ///
    /// # Errors
    /// What is permitted, as the end of a sentence.
    pub(crate) fn read(value: &[u8]) -> Result<Self, String> {
        let value = value.strip_suffix(b"\n").unwrap_or(value);
        let value = value.strip_suffix(b"\r").unwrap_or(value);
        let is_key = [&b"hex:"[..], b"base64:", b"raw:"]
            .iter()
            .any(|prefix| value.starts_with(prefix));
        let secret = if is_key {
            binary(value, &[32], |_| None).and_then(|(key, _)| RingSecret::key(key))
        } else {
            RingSecret::passphrase(value)
        };
        secret.ok_or_else(|| {
            "must be a passphrase of 12 to 1024 characters, or a key of 32 bytes behind hex:, base64: or raw:. Make a key with: echo hex:$(openssl rand -hex 32)".to_owned()
        })
    }

    /// A passphrase of 12 to 1024 characters.
    pub fn passphrase(text: &[u8]) -> Option<Self> {
        let length = std::str::from_utf8(text).ok()?.chars().count();
        (SHORTEST..=LONGEST).contains(&length).then(|| RingSecret {
            form: Form::Passphrase,
            bytes: text.into(),
        })
    }
}

impl fmt::Debug for RingSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RingSecret")
    }
}
