//! The keys that sign and verify tokens, one kind per algorithm: HS256 (RFC 7518, section 3.2), EdDSA over Ed25519 (RFC
//! 8037) and ES256 (RFC 7518, section 3.4).
//!
//! jwt-simple defines the keys and the form of header and claims, and does all of EdDSA. For HS256 and ES256 it takes
//! about three times as long, so OpenSSL computes these signatures, and the text that is signed is put together here. Tests
//! hold both equal to jwt-simple.

mod eddsa;
mod es256;
mod hs256;

use std::fmt;

use jwt_simple::algorithms::MACLike;
use jwt_simple::claims::JWTClaims;
use serde::Serialize;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::base::encoding::{append_url, decode_url_array, encode_url, url_size};
use crate::base::hkdf::hkdf_sha256;
use crate::{Error, Secret, TokenError};

use eddsa::EdDsaKey;
use es256::Es256Key;
use hs256::Hs256Key;

/// Longest token that is accepted, in bytes.
pub const MAX_TOKEN: usize = 8192;
/// `typ` of access tokens (RFC 9068, section 2.1).
pub(crate) const ACCESS_TYPE: &str = "at+jwt";
/// The shortest secret of HS256 (RFC 7518, section 3.2).
const SHORTEST_SECRET: usize = 32;

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
    Hs256(Hs256Key),
    EdDsa(EdDsaKey),
    Es256(Es256Key),
}

impl TokenKey {
    /// The key from these bytes: the secret of HS256, at least 32 bytes; the seed of an Ed25519 key pair (RFC 8032,
    /// section 5.1.5) or the private scalar of a P-256 one, big-endian, 32 bytes each. `None` if the bytes are not a valid
    /// key.
    pub(crate) fn new(algorithm: TokenAlgorithm, bytes: &[u8]) -> Option<Self> {
        let (signer, id) = match algorithm {
            TokenAlgorithm::Hs256 if bytes.len() >= SHORTEST_SECRET => {
                let id = token_key_id(bytes).ok()?;
                (Signer::Hs256(Hs256Key::new(bytes, &id)), id)
            }
            TokenAlgorithm::EdDsa => {
                let key = EdDsaKey::new(bytes.try_into().ok()?)?;
                let id = public_key_id(algorithm, &key.public_bytes()).ok()?;
                (Signer::EdDsa(key.named(&id)), id)
            }
            TokenAlgorithm::Es256 => {
                let key = Es256Key::new(bytes.try_into().ok()?)?;
                let id = public_key_id(algorithm, &key.public_point()).ok()?;
                (Signer::Es256(key.named(&id)), id)
            }
            TokenAlgorithm::Hs256 => return None,
        };
        Some(TokenKey {
            header: encoded_header(algorithm, &id, ACCESS_TYPE),
            signer,
            id,
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
            Signer::EdDsa(_) => TokenAlgorithm::EdDsa,
            Signer::Es256(_) => TokenAlgorithm::Es256,
        }
    }

    /// Whether this is HS256 with this secret.
    pub(crate) fn is_secret(&self, secret: &Secret) -> bool {
        self.algorithm() == TokenAlgorithm::Hs256 && *self.bytes() == secret.expose()
    }

    /// The bytes that [`new`](Self::new) accepts.
    pub(crate) fn bytes(&self) -> Zeroizing<Vec<u8>> {
        match &self.signer {
            Signer::Hs256(key) => Zeroizing::new(key.key().to_bytes()),
            Signer::EdDsa(key) => key.seed(),
            Signer::Es256(key) => key.scalar(),
        }
    }

    /// The public key as a JSON Web Key (RFC 7517; RFC 8037, section 2); `None` for a shared secret, which has none.
    pub(crate) fn public_jwk(&self) -> Option<Value> {
        let text = match &self.signer {
            Signer::Hs256(_) => return None,
            Signer::EdDsa(key) => key.public_jwk(),
            Signer::Es256(key) => key.public_jwk(),
        };
        let mut jwk: Value = serde_json::from_str(&text).ok()?;
        jwk.as_object_mut()?.insert("use".into(), "sig".into());
        Some(jwk)
    }

    /// Signs claims; `typ` becomes that of the header. ECDSA's nonce and EdDSA's noise are derived from the key and the
    /// message as well as from a random generator, so a forked process leaks nothing even if that generator repeats itself.
    pub(crate) fn sign<C: Serialize>(
        &self,
        claims: JWTClaims<C>,
        typ: &str,
    ) -> Result<String, Error> {
        match &self.signer {
            Signer::Hs256(key) => self.build(&claims, typ, |signed| Some(key.tag(signed))),
            Signer::EdDsa(key) => key.sign(claims, typ),
            Signer::Es256(key) => self.build(&claims, typ, |signed| key.sign(signed)),
        }
        .ok_or(Error::Crypto("a token could not be signed"))
    }

    /// The token with these claims (RFC 7515, section 7.1).
    fn build<const N: usize>(
        &self,
        claims: &JWTClaims<impl Serialize>,
        typ: &str,
        sign: impl FnOnce(&[u8]) -> Option<[u8; N]>,
    ) -> Option<String> {
        let claims = serde_json::to_vec(claims).ok()?;
        let other_header;
        let header = match typ {
            ACCESS_TYPE => &self.header,
            _ => {
                other_header = encoded_header(self.algorithm(), &self.id, typ);
                &other_header
            }
        };
        let size = header.len() + url_size(claims.len()) + url_size(N) + 2;
        let mut token = String::with_capacity(size);
        token.push_str(header);
        token.push('.');
        append_url(&claims, &mut token);
        let signature = sign(token.as_bytes())?;
        token.push('.');
        append_url(&signature, &mut token);
        Some(token)
    }

    /// Verifies the signature, with the key's own algorithm whatever the header names, and nothing else: header and claims
    /// have been read before.
    pub(crate) fn verify(&self, token: &str) -> Result<(), TokenError> {
        let valid = match &self.signer {
            Signer::Hs256(key) => {
                split(token).is_some_and(|(signed, tag)| key.is_tag(signed, &tag))
            }
            Signer::EdDsa(key) => return key.verify(token),
            Signer::Es256(key) => {
                split(token).is_some_and(|(signed, signature)| key.verify(signed, &signature))
            }
        };
        match valid {
            true => Ok(()),
            false => Err(TokenError::Invalid),
        }
    }
}

/// What is signed, and the signature; `None` if that does not have this size.
fn split<const N: usize>(token: &str) -> Option<(&[u8], [u8; N])> {
    let (signed, signature) = token.rsplit_once('.')?;
    Some((signed.as_bytes(), decode_url_array(signature)?))
}

/// The header as jwt-simple writes it, encoded.
fn encoded_header(algorithm: TokenAlgorithm, id: &str, typ: &str) -> String {
    encode_url(format!(r#"{{"alg":"{algorithm}","kid":"{id}","typ":"{typ}"}}"#).as_bytes())
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

#[cfg(test)]
mod tests;
