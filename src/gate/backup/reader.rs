//! A backup that is being read, sealed or not.

use std::io::{self, Read};

use super::{container, sealed};
use crate::Error;
use crate::keys::RingSecret;

/// A backup to be restored.
pub struct BackupReader<'r> {
    pub(super) from: Box<dyn Read + 'r>,
    /// Its size in bytes, if known. `None` once it is opened: that of the plaintext is unknown.
    pub(super) length: Option<u64>,
    /// The first line, if it is sealed and has not been opened.
    sealed: Option<Vec<u8>>,
}

impl<'r> BackupReader<'r> {
    /// Reads the first line. `length`: the size of the backup in bytes, if known in advance.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] if it cannot be read.
    pub fn new(mut from: impl Read + 'r, length: Option<u64>) -> Result<Self, Error> {
        let head = container::line(&mut from)?;
        if head.starts_with(sealed::FORMAT.as_bytes()) {
            return Ok(BackupReader {
                from: Box::new(from),
                length,
                sealed: Some(head),
            });
        }
        Ok(BackupReader {
            from: Box::new(io::Cursor::new(head).chain(from)),
            length,
            sealed: None,
        })
    }

    /// Whether it has to be [opened](Self::open) before it is restored.
    pub fn is_sealed(&self) -> bool {
        self.sealed.is_some()
    }

    /// Opens a sealed backup. Whether the passphrase is right shows when it is restored.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] if it was written by a newer version, or is damaged.
    pub fn open(self, secret: &RingSecret) -> Result<Self, Error> {
        let Some(head) = self.sealed else {
            return Ok(self);
        };
        Ok(BackupReader {
            from: sealed::open(self.from, &head, secret)?,
            length: None,
            sealed: None,
        })
    }
}
