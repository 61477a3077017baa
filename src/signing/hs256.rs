//! HS256 keys: HMAC with OpenSSL's SHA-256, which uses the processor's SHA instructions.

use std::hint::black_box;

use jwt_simple::JWTError;
use jwt_simple::algorithms::{HMACKey, MACLike};
use jwt_simple::common::KeyMetadata;
use openssl::memcmp;
use openssl::sha::{Sha256, sha256};
use zeroize::Zeroizing;

/// Size of SHA-256's blocks.
const BLOCK: usize = 64;
const TAG: usize = 32;

/// A shared secret.
pub(super) struct Hs256Key {
    key: HMACKey,
    key_id: Option<String>,
    /// The hashes of HMAC (RFC 2104, section 2) after their first block, which contains only the key: each tag continues
    /// from a copy.
    inner: Sha256,
    outer: Sha256,
}

impl Hs256Key {
    pub(super) fn new(secret: &[u8], key_id: &str) -> Self {
        let mut padded = Zeroizing::new([0; BLOCK]);
        match padded.get_mut(..secret.len()) {
            Some(start) => start.copy_from_slice(secret),
            None => padded[..TAG].copy_from_slice(&*Zeroizing::new(sha256(secret))),
        }
        let hash = |pad: u8| {
            let block = Zeroizing::new(padded.map(|byte| byte ^ pad));
            let mut hash = Sha256::new();
            hash.update(&*block);
            hash
        };
        Hs256Key {
            key: HMACKey::from_bytes(secret),
            key_id: Some(key_id.to_owned()),
            inner: hash(0x36),
            outer: hash(0x5c),
        }
    }

    pub(super) fn tag(&self, message: &[u8]) -> [u8; TAG] {
        let mut inner = self.inner.clone();
        inner.update(message);
        let mut outer = self.outer.clone();
        outer.update(&inner.finish());
        outer.finish()
    }

    /// Compares in constant time.
    pub(super) fn is_tag(&self, message: &[u8], tag: &[u8; TAG]) -> bool {
        memcmp::eq(&self.tag(message), tag)
    }
}

/// A key of jwt-simple's like its own `HS256Key`.
impl MACLike for Hs256Key {
    fn jwt_alg_name() -> &'static str {
        "HS256"
    }

    fn key(&self) -> &HMACKey {
        &self.key
    }

    fn key_id(&self) -> &Option<String> {
        &self.key_id
    }

    fn set_key_id(&mut self, key_id: String) {
        self.key_id = Some(key_id);
    }

    fn metadata(&self) -> &Option<KeyMetadata> {
        &None
    }

    fn attach_metadata(&mut self, _: KeyMetadata) -> Result<(), jwt_simple::Error> {
        Err(JWTError::InternalError("our headers have no room for metadata".to_owned()).into())
    }

    fn authentication_tag(&self, message: &[u8]) -> Vec<u8> {
        self.tag(message).to_vec()
    }
}

/// The states are as good as the key for signing. `HMACKey` wipes itself.
impl Drop for Hs256Key {
    fn drop(&mut self) {
        self.inner = Sha256::new();
        self.outer = Sha256::new();
        // The type gives no access to its bytes; this keeps the compiler from removing the assignments.
        black_box(&mut self.inner);
        black_box(&mut self.outer);
    }
}
