//! HS256 keys: HMAC with OpenSSL's SHA-256, which uses the processor's SHA instructions.

use jwt_simple::JWTError;
use jwt_simple::algorithms::{HMACKey, MACLike};
use jwt_simple::common::KeyMetadata;
use openssl::memcmp;

use crate::base::hmac::{HmacSha256, TAG};

/// A shared secret. `HMACKey` and `HmacSha256` wipe themselves.
pub(super) struct Hs256Key {
    key: HMACKey,
    key_id: Option<String>,
    hmac: HmacSha256,
}

impl Hs256Key {
    pub(super) fn new(secret: &[u8], key_id: &str) -> Self {
        Hs256Key {
            key: HMACKey::from_bytes(secret),
            key_id: Some(key_id.to_owned()),
            hmac: HmacSha256::new(secret),
        }
    }

    pub(super) fn tag(&self, message: &[u8]) -> [u8; TAG] {
        self.hmac.tag(&[message])
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
