//! ES256 keys: P-256 pairs. jwt-simple checks and describes them; OpenSSL signs and verifies in less than half of its time.

use jwt_simple::algorithms::{ECDSAP256PublicKeyLike, ES256KeyPair, ES256PublicKey};
use openssl::bn::{BigNum, BigNumContext, BigNumRef};
use openssl::ec::{EcGroup, EcKey, EcPoint};
use openssl::ecdsa::EcdsaSig;
use openssl::error::ErrorStack;
use openssl::nid::Nid;
use openssl::pkey::Private;
use openssl::sha::Sha256;
use zeroize::Zeroizing;

/// Size of the private scalar, and of the numbers `r` and `s` that a signature consists of (RFC 7518, section 3.4).
const NUMBER: usize = 32;
const SIGNATURE: usize = 2 * NUMBER;

/// A key pair.
pub(super) struct Es256Key {
    public: ES256PublicKey,
    /// Overwrites the private scalar when it is dropped.
    pair: EcKey<Private>,
}

impl Es256Key {
    pub(super) fn new(scalar: &[u8; NUMBER]) -> Option<Self> {
        // Refuses zero and what is not below the order of the curve.
        let checked = ES256KeyPair::from_bytes(scalar).ok()?;
        let public = checked.public_key();
        let point = public.public_key().to_bytes_uncompressed();
        let pair = prepared(scalar, &point).ok()?;
        Some(Es256Key { public, pair })
    }

    /// The same with an id in its public form.
    pub(super) fn named(self, id: &str) -> Self {
        Es256Key {
            public: self.public.with_key_id(id),
            pair: self.pair,
        }
    }

    pub(super) fn scalar(&self) -> Zeroizing<Vec<u8>> {
        let scalar = self.pair.private_key().to_vec_padded(NUMBER as i32);
        Zeroizing::new(scalar.expect("a scalar below the order has at most 32 bytes"))
    }

    /// The public key, uncompressed (SEC 1, section 2.3.3).
    pub(super) fn public_point(&self) -> Vec<u8> {
        self.public.public_key().to_bytes_uncompressed()
    }

    pub(super) fn public_jwk(&self) -> String {
        self.public.to_jwk()
    }

    /// OpenSSL derives the nonce from the key, the digest and its random generator.
    pub(super) fn sign(&self, message: &[u8]) -> Option<[u8; SIGNATURE]> {
        let made = EcdsaSig::sign(&digest(message), &self.pair).ok()?;
        let mut signature = [0; SIGNATURE];
        let (r, s) = signature.split_at_mut(NUMBER);
        write(made.r(), r)?;
        write(made.s(), s)?;
        Some(signature)
    }

    /// OpenSSL refuses an `r` or `s` that is zero or not below the order. It accepts `s` as well as its negative, as
    /// jwt-simple does.
    pub(super) fn verify(&self, message: &[u8], signature: &[u8; SIGNATURE]) -> bool {
        let (r, s) = signature.split_at(NUMBER);
        let verify = || {
            let (r, s) = (BigNum::from_slice(r)?, BigNum::from_slice(s)?);
            EcdsaSig::from_private_components(r, s)?.verify(&digest(message), &self.pair)
        };
        let valid = verify().unwrap_or(false);
        if !valid {
            // A refused number leaves its reason in the thread's error queue, where a TLS connection would take it for its own.
            drop(ErrorStack::get());
        }
        valid
    }
}

/// The key pair as OpenSSL wants it; checks that the point is on the curve and belongs to the scalar.
fn prepared(scalar: &[u8], point: &[u8]) -> Result<EcKey<Private>, ErrorStack> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
    let mut context = BigNumContext::new()?;
    let point = EcPoint::from_bytes(&group, point, &mut context)?;
    let mut scalar = BigNum::from_slice(scalar)?;
    let pair = EcKey::from_private_components(&group, &scalar, &point);
    scalar.clear();
    let pair = pair?;
    pair.check_key()?;
    Ok(pair)
}

/// Unlike `openssl::sha::sha256`, this does not look the algorithm up each time.
fn digest(message: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(message);
    hash.finish()
}

/// Writes a number at full length, big-endian.
fn write(number: &BigNumRef, out: &mut [u8]) -> Option<()> {
    let digits = number.to_vec_padded(i32::try_from(out.len()).ok()?).ok()?;
    out.copy_from_slice(&digits);
    Some(())
}
