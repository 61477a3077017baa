//! EdDSA keys: Ed25519 pairs. All of this is jwt-simple's, which is faster here than OpenSSL.

use jwt_simple::JWTError;
use jwt_simple::algorithms::{
    Ed25519KeyPair, Ed25519PublicKey, EdDSAKeyPairLike, EdDSAPublicKeyLike,
};
use jwt_simple::claims::{JWTClaims, NoCustomClaims};
use jwt_simple::prelude::{HeaderOptions, UnixTimeStamp, VerificationOptions};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::TokenError;

/// Size of a seed (RFC 8032, section 5.1.5).
const SEED: usize = 32;
/// The start of an Ed25519 seed as a PKCS #8 private key (RFC 8410, section 7).
const PKCS8: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

/// A key pair.
pub(super) struct EdDsaKey {
    pair: Ed25519KeyPair,
    public: Ed25519PublicKey,
}

impl EdDsaKey {
    pub(super) fn new(seed: &[u8; SEED]) -> Option<Self> {
        let der = Zeroizing::new([&PKCS8[..], seed].concat());
        let pair = Ed25519KeyPair::from_der(&der).ok()?;
        let public = pair.public_key();
        Some(EdDsaKey { pair, public })
    }

    /// The same, for tokens that name the key.
    pub(super) fn named(self, id: &str) -> Self {
        let pair = self.pair.with_key_id(id);
        let public = pair.public_key();
        EdDsaKey { pair, public }
    }

    pub(super) fn seed(&self) -> Zeroizing<Vec<u8>> {
        // The public key follows the seed.
        let mut bytes = Zeroizing::new(self.pair.to_bytes());
        bytes.truncate(SEED);
        bytes
    }

    pub(super) fn public_bytes(&self) -> Vec<u8> {
        self.public.to_bytes()
    }

    pub(super) fn public_jwk(&self) -> String {
        self.public.to_jwk()
    }

    pub(super) fn sign<C: Serialize>(&self, claims: JWTClaims<C>, typ: &str) -> Option<String> {
        let options = HeaderOptions {
            signature_type: Some(typ.to_owned()),
            content_type: None,
        };
        self.pair.sign_with_options(claims, &options).ok()
    }

    /// Verifies the signature. [`TokenError::Malformed`] is for claims that are not a token's, under a valid signature.
    pub(super) fn verify(&self, token: &str) -> Result<(), TokenError> {
        if !has_long_signature(token) {
            return Err(TokenError::Invalid);
        }
        // At the start of the epoch, and with future times allowed, no time is invalid.
        let options = VerificationOptions {
            artificial_time: Some(UnixTimeStamp::default()),
            time_tolerance: Some(UnixTimeStamp::default()),
            accept_future: true,
            ..VerificationOptions::default()
        };
        let checked = self
            .public
            .verify_token::<NoCustomClaims>(token, Some(options));
        checked
            .map(drop)
            .map_err(|error| match error.downcast_ref::<JWTError>() {
                Some(JWTError::InvalidSignature | JWTError::AlgorithmMismatch) => {
                    TokenError::Invalid
                }
                _ => TokenError::Malformed,
            })
    }
}

/// Whether the signature has 64 bytes.
fn has_long_signature(token: &str) -> bool {
    const ENCODED: usize = 86;
    token
        .rsplit('.')
        .next()
        .is_some_and(|text| text.len() == ENCODED)
}
