//! HMAC with OpenSSL's SHA-256, which uses the processor's SHA instructions.

use std::hint::black_box;

use openssl::sha::{Sha256, sha256};
use zeroize::Zeroizing;

/// Size of SHA-256's blocks.
const BLOCK: usize = 64;
pub(crate) const TAG: usize = 32;

/// HMAC-SHA256 under one key: the hashes of RFC 2104, section 2, after their first block, which contains only the key. Each tag
/// continues from a copy.
pub(crate) struct HmacSha256 {
    inner: Sha256,
    outer: Sha256,
}

impl HmacSha256 {
    pub(crate) fn new(key: &[u8]) -> Self {
        let mut padded = Zeroizing::new([0; BLOCK]);
        match padded.get_mut(..key.len()) {
            Some(start) => start.copy_from_slice(key),
            None => padded[..TAG].copy_from_slice(&*Zeroizing::new(sha256(key))),
        }
        let hash = |pad: u8| {
            let block = Zeroizing::new(padded.map(|byte| byte ^ pad));
            let mut hash = Sha256::new();
            hash.update(&*block);
            hash
        };
        HmacSha256 {
            inner: hash(0x36),
            outer: hash(0x5c),
        }
    }

    /// Of all parts, one after the other.
    pub(crate) fn tag(&self, message: &[&[u8]]) -> [u8; TAG] {
        let mut inner = self.inner.clone();
        message.iter().for_each(|part| inner.update(part));
        let mut outer = self.outer.clone();
        outer.update(&inner.finish());
        outer.finish()
    }
}

/// The hashes are as good as the key.
impl Drop for HmacSha256 {
    fn drop(&mut self) {
        self.inner = Sha256::new();
        self.outer = Sha256::new();
        // The type gives no access to its bytes; this keeps the compiler from removing the assignments.
        black_box(&mut self.inner);
        black_box(&mut self.outer);
    }
}
