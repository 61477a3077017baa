//! Secret bytes: wiped on drop, never printed.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};

use zeroize::Zeroize;

/// Secret bytes: a key, a password, an opened plaintext.
///
/// Wiped when dropped, and `Debug` shows only the length.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Takes ownership of the bytes; they are wiped when the `Secret` is dropped.
    pub fn new(bytes: Vec<u8>) -> Self {
        Secret(bytes)
    }

    /// Reads a whole file; `None` if it has more than `most` bytes. The file may be a pipe, but not one that never ends.
    ///
    /// # Errors
    /// The system's error if it cannot be read.
    pub fn read(file: File, most: usize) -> io::Result<Option<Self>> {
        // Reserve all of it: reallocation would leave unwiped copies behind.
        let size = usize::try_from(file.metadata()?.len()).unwrap_or(most);
        let mut secret = Secret::new(Vec::with_capacity(size.min(most) + 2));
        file.take(most as u64 + 1).read_to_end(&mut secret.0)?;
        Ok((secret.len() <= most).then_some(secret))
    }

    /// The bytes themselves.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The bytes as text.
    ///
    /// # Errors
    /// If they are not UTF-8.
    pub fn expose_str(&self) -> Result<&str, std::str::Utf8Error> {
        std::str::from_utf8(&self.0)
    }

    /// Returns the bytes to the caller, who now has to wipe them.
    pub fn into_vec(mut self) -> Vec<u8> {
        std::mem::take(&mut self.0)
    }

    /// Number of bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        // A vector's spare capacity may hold secret bytes too.
        self.0.resize(self.0.capacity(), 0);
        wipe(&mut self.0);
    }
}

/// Overwrites `bytes` in a way that the optimiser cannot remove. Works on eight bytes at a time: byte by byte, wiping a
/// large plaintext would take longer than opening it.
pub(crate) fn wipe(bytes: &mut [u8]) {
    // An empty vector has no address: glibc's memset takes a masked store there, which costs the processor a fault.
    if bytes.is_empty() {
        return;
    }
    let (head, words, tail) = bytemuck::pod_align_to_mut::<u8, u64>(bytes);
    head.zeroize();
    words.zeroize();
    tail.zeroize();
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({} bytes)", self.0.len())
    }
}

impl From<&[u8]> for Secret {
    fn from(bytes: &[u8]) -> Self {
        Secret::new(bytes.to_vec())
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Secret::from(text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wiping_leaves_no_byte_at_any_alignment() {
        for length in 0..70 {
            for start in 0..length {
                let mut bytes = [7; 70];
                wipe(&mut bytes[start..length]);
                assert!(bytes[start..length].iter().all(|byte| *byte == 0));
                assert!(bytes[..start].iter().all(|byte| *byte == 7));
                assert!(bytes[length..].iter().all(|byte| *byte == 7));
            }
        }
    }

    #[test]
    fn debug_shows_no_byte() {
        let shown = format!("{:?}", Secret::from("hunter2hunter2"));
        assert_eq!(shown, "Secret(14 bytes)");
    }
}
