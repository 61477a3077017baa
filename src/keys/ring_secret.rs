//! The secret that a ring is sealed under.

use std::fmt;

use crate::Secret;
use crate::base::binary::binary;

/// Minimum length of a passphrase, in characters.
const SHORTEST: usize = 12;
const LONGEST: usize = 1024;

/// The secret that a ring is sealed under: a 32-byte key or a passphrase.
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
    /// A 32-byte key.
    pub(crate) fn key(bytes: Secret) -> Option<Self> {
        let form = Form::Key;
        (bytes.len() == 32).then_some(RingSecret { form, bytes })
    }

    /// Parses a secret from the settings: a key if it has a prefix, otherwise a passphrase. The length does not decide,
    /// because a passphrase may have any. A trailing line break, common in files, is ignored.
    ///
    /// # Errors
    /// The permitted forms, as the end of a sentence.
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
            "must be a passphrase of 12 to 1024 characters, or a 32-byte key prefixed with hex:, base64: \
             or raw:. Create a key with: echo hex:$(openssl rand -hex 32)".to_owned()
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
