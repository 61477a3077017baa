//! The keys that sign and verify tokens, one kind per algorithm: HS256 (RFC 7518, section 3.2), EdDSA over Ed25519 (RFC
//! 8037) and ES256 (RFC 7518, section 3.4). jwt-simple does the signing and verification.

use std::fmt;

use jwt_simple::JWTError;
use jwt_simple::algorithms::{
    ECDSAP256KeyPairLike, ECDSAP256PublicKeyLike, ES256KeyPair, ES256PublicKey, Ed25519KeyPair,
    Ed25519PublicKey, EdDSAKeyPairLike, EdDSAPublicKeyLike, HS256Key, MACLike,
};
use jwt_simple::claims::{JWTClaims, NoCustomClaims};
use jwt_simple::prelude::{HeaderOptions, UnixTimeStamp, VerificationOptions};
use serde::Serialize;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::base::encoding::encode_url;
use crate::base::hkdf::hkdf_sha256;
use crate::{Error, Secret, TokenError};

/// Longest token that is accepted, in bytes.
pub const MAX_TOKEN: usize = 8192;
/// `typ` of access tokens (RFC 9068, section 2.1).
pub(crate) const ACCESS_TYPE: &str = "at+jwt";
/// Size of keys that the ring generates, and the only size of a key pair's private key; an operator's HS256 secret may be
/// longer.
const KEY_SIZE: usize = 32;
/// The start of an Ed25519 seed as a PKCS #8 private key (RFC 8410, section 7).
const ED25519_PKCS8: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

/// How tokens are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TokenAlgorithm {
    /// HMAC with SHA-256 under a shared secret: anyone who can verify tokens can also issue them.
    #[default]
    Hs256,
    /// Ed25519 key pairs: anyone can verify with the public key, which cannot sign.
    EdDsa,
    /// ECDSA key pairs over P-256, for verifiers without EdDSA.
    Es256,
}

impl TokenAlgorithm {
    pub(crate) const ALL: [TokenAlgorithm; 3] = [
        TokenAlgorithm::Hs256,
        TokenAlgorithm::EdDsa,
        TokenAlgorithm::Es256,
    ];

    /// Its name, as in the `alg` member of a token's header.
    pub fn name(self) -> &'static str {
        match self {
            TokenAlgorithm::Hs256 => "HS256",
            TokenAlgorithm::EdDsa => "EdDSA",
            TokenAlgorithm::Es256 => "ES256",
        }
    }

    /// Whether tokens are verified with a public key, which clients have to fetch first.
    pub(crate) fn has_public_key(self) -> bool {
        self != TokenAlgorithm::Hs256
    }

    /// Whether a header may use this name: EdDSA has a second name, for Ed25519 only (RFC 9864, section 2.2).
    pub(crate) fn is_named(self, name: &str) -> bool {
        name == self.name() || (self == TokenAlgorithm::EdDsa && name == "Ed25519")
    }

    /// The algorithm with this name; the comparison is exact.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.name() == name)
    }
}

impl fmt::Display for TokenAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A key that signs and verifies tokens.
pub(crate) struct TokenKey {
    id: String,
    signer: Signer,
    /// The encoded header of the tokens that this key signs: a token that starts with it needs no header parsing.
    header: String,
}

enum Signer {
    Hs256(HS256Key),
    EdDsa(Ed25519KeyPair, Ed25519PublicKey),
    Es256(ES256KeyPair, ES256PublicKey),
}

impl TokenKey {
    /// The key from these bytes: the secret of HS256, at least 32 bytes; the seed of an Ed25519 key pair (RFC 8032,
    /// section 5.1.5) or the private scalar of a P-256 one, big-endian, 32 bytes each. `None` if the bytes are not a valid
    /// key.
    pub(crate) fn new(algorithm: TokenAlgorithm, bytes: &[u8]) -> Option<Self> {
        let (signer, id) = match algorithm {
            TokenAlgorithm::Hs256 if bytes.len() >= KEY_SIZE => (
                Signer::Hs256(HS256Key::from_bytes(bytes)),
                token_key_id(bytes),
            ),
            TokenAlgorithm::EdDsa if bytes.len() == KEY_SIZE => {
                let der = Zeroizing::new([&ED25519_PKCS8, bytes].concat());
                let pair = Ed25519KeyPair::from_der(&der).ok()?;
                let public = pair.public_key();
                let id = public_key_id(algorithm, &public.to_bytes());
                (Signer::EdDsa(pair, public), id)
            }
            TokenAlgorithm::Es256 if bytes.len() == KEY_SIZE => {
                let pair = ES256KeyPair::from_bytes(bytes).ok()?;
                let public = pair.public_key();
                let id = public_key_id(algorithm, &public.public_key().to_bytes_uncompressed());
                (Signer::Es256(pair, public), id)
            }
            _ => return None,
        };
        let id = id.ok()?;
        let header = format!(r#"{{"alg":"{algorithm}","kid":"{id}","typ":"{ACCESS_TYPE}"}}"#);
        Some(TokenKey {
            signer: signer.named(&id),
            id,
            header: encode_url(header.as_bytes()),
        })
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn header(&self) -> &str {
        &self.header
    }

    pub(crate) fn algorithm(&self) -> TokenAlgorithm {
        match self.signer {
            Signer::Hs256(_) => TokenAlgorithm::Hs256,
            Signer::EdDsa(..) => TokenAlgorithm::EdDsa,
            Signer::Es256(..) => TokenAlgorithm::Es256,
        }
    }

    /// Whether this is HS256 with this secret.
    pub(crate) fn is_secret(&self, secret: &Secret) -> bool {
        self.algorithm() == TokenAlgorithm::Hs256 && *self.bytes() == secret.expose()
    }

    /// The bytes that [`new`](Self::new) accepts.
    pub(crate) fn bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(match &self.signer {
            Signer::Hs256(key) => return Zeroizing::new(key.to_bytes()),
            // The public key follows the seed.
            Signer::EdDsa(pair, _) => pair.to_bytes(),
            Signer::Es256(pair, _) => pair.to_bytes(),
        });
        bytes.truncate(KEY_SIZE);
        bytes
    }

    /// The public key as a JSON Web Key (RFC 7517; RFC 8037, section 2); `None` for a shared secret, which has none.
    pub(crate) fn public_jwk(&self) -> Option<Value> {
        let text = match &self.signer {
            Signer::Hs256(_) => return None,
            Signer::EdDsa(_, public) => public.to_jwk(),
            Signer::Es256(_, public) => public.to_jwk(),
        };
        let mut jwk: Value = serde_json::from_str(&text).ok()?;
        jwk.as_object_mut()?.insert("use".into(), "sig".into());
        Some(jwk)
    }

    /// Signs claims. ECDSA's nonce and EdDSA's noise are derived from the key and the message as well as from a random
    /// generator, so a forked process leaks nothing even if that generator repeats itself.
    pub(crate) fn sign<C: Serialize>(
        &self,
        claims: JWTClaims<C>,
        options: &HeaderOptions,
    ) -> Result<String, Error> {
        match &self.signer {
            Signer::Hs256(key) => key.authenticate_with_options(claims, options),
            Signer::EdDsa(pair, _) => pair.sign_with_options(claims, options),
            Signer::Es256(pair, _) => pair.sign_with_options(claims, options),
        }
        .map_err(|_| Error::Crypto("a token could not be signed"))
    }

    /// Verifies the signature, with the key's own algorithm whatever the header names, but not the times.
    /// [`TokenError::Malformed`] is returned for claims only once the signature is valid.
    pub(crate) fn verify(&self, token: &str) -> Result<(), TokenError> {
        // At the start of the epoch, and with future times allowed, no time is invalid.
        let options = Some(VerificationOptions {
            artificial_time: Some(UnixTimeStamp::default()),
            time_tolerance: Some(UnixTimeStamp::default()),
            accept_future: true,
            max_token_length: Some(MAX_TOKEN),
            ..VerificationOptions::default()
        });
        let checked: Result<JWTClaims<NoCustomClaims>, _> = match &self.signer {
            Signer::Hs256(key) => key.verify_token(token, options),
            Signer::EdDsa(..) | Signer::Es256(..) if !has_long_signature(token) => {
                return Err(TokenError::Invalid);
            }
            Signer::EdDsa(_, public) => public.verify_token(token, options),
            Signer::Es256(_, public) => public.verify_token(token, options),
        };
        checked
            .map(drop)
            .map_err(|error| match error.downcast_ref::<JWTError>() {
                Some(
                    JWTError::InvalidAuthenticationTag
                    | JWTError::InvalidSignature
                    | JWTError::AlgorithmMismatch
                    | JWTError::MissingSalt,
                ) => TokenError::Invalid,
                _ => TokenError::Malformed,
            })
    }
}

impl Signer {
    /// The same, for tokens that name the key.
    fn named(self, id: &str) -> Self {
        match self {
            Signer::Hs256(key) => Signer::Hs256(key.with_key_id(id)),
            Signer::EdDsa(pair, _) => {
                let pair = pair.with_key_id(id);
                let public = pair.public_key();
                Signer::EdDsa(pair, public)
            }
            Signer::Es256(pair, _) => {
                let pair = pair.with_key_id(id);
                let public = pair.public_key();
                Signer::Es256(pair, public)
            }
        }
    }
}

/// Whether the signature has 64 bytes, the size for both kinds of key pair.
fn has_long_signature(token: &str) -> bool {
    const ENCODED: usize = 86;
    token
        .rsplit('.')
        .next()
        .is_some_and(|text| text.len() == ENCODED)
}

/// The id of an HS256 key, as in `kid`.
pub(crate) fn token_key_id(secret: &[u8]) -> Result<String, Error> {
    short_id(secret, b"sealgate/key-id/v1")
}

/// The id of a key pair, derived from the public key, so anyone who has that can compute it.
fn public_key_id(algorithm: TokenAlgorithm, public: &[u8]) -> Result<String, Error> {
    short_id(public, format!("sealgate/key-id/v1/{algorithm}").as_bytes())
}

fn short_id(key: &[u8], info: &[u8]) -> Result<String, Error> {
    let mut id = [0; 8];
    hkdf_sha256(key, info, &mut id)?;
    Ok(encode_url(&id))
}
