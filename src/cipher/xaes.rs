//! XAES-256-GCM (<https://c2sp.org/XAES-256-GCM>): AES-256-GCM with 24-byte nonces that may be random.
//!
//! The first half of the nonce determines the message key (NIST SP 800-108r1 with CMAC, one AES block for each half of the
//! key); the second half is GCM's nonce under that key.

use std::sync::atomic::{AtomicU64, Ordering};

use openssl::cipher_ctx::CipherCtxRef;
use openssl::error::ErrorStack;
use zeroize::Zeroizing;

use super::openssl_contexts::{Contexts, with_contexts};
use crate::Error;
use crate::base::secret::wipe;

pub(super) const NONCE: usize = 24;
pub(super) const TAG: usize = 16;
const BLOCK: usize = 16;

/// OpenSSL counts in `int`; one call processes at most this many bytes.
const PIECE: usize = 1 << 30;

/// A key with the part of the derivation that is shared by all its messages.
pub(crate) struct XaesKey {
    key: Zeroizing<[u8; 32]>,
    /// CMAC's first subkey (NIST SP 800-38B, section 6.1), called K1 in the specification.
    subkey: Zeroizing<[u8; BLOCK]>,
    /// Identifies this key in the per-thread caches; never reused within a process.
    serial: u64,
}

impl XaesKey {
    pub(crate) fn new(key: &[u8; 32]) -> Result<Self, Error> {
        static SERIALS: AtomicU64 = AtomicU64::new(0);
        let mut new = XaesKey {
            key: Zeroizing::new(*key),
            subkey: Zeroizing::new([0; BLOCK]),
            serial: SERIALS.fetch_add(1, Ordering::Relaxed),
        };
        let subkey = with_contexts(|contexts| {
            let mut block = Zeroizing::new([0; 2 * BLOCK]);
            contexts
                .ecb(new.serial, &new.key)
                .and_then(|ecb| ecb.cipher_update(&[0; BLOCK], Some(&mut *block)))
                .map_err(|_| Error::Crypto("AES-256-ECB failed"))?;
            let (l, _) = block.split_first_chunk::<BLOCK>().expect("two blocks long");
            Ok(double(l))
        })?;
        new.subkey = subkey;
        Ok(new)
    }

    /// Writes ciphertext and tag to `out`, which must be `plaintext.len() + TAG` long.
    pub(super) fn seal(
        &self,
        nonce: &[u8; NONCE],
        associated: [&[u8]; 2],
        plaintext: &[u8],
        out: &mut [u8],
    ) -> Result<(), Error> {
        with_contexts(|contexts| {
            let seal = |contexts: &mut Contexts, out: &mut [u8]| -> Result<(), ErrorStack> {
                let message_key = self.message_key(contexts, nonce)?;
                let gcm = &mut contexts.gcm_seal;
                gcm.encrypt_init(None, Some(&*message_key), Some(&nonce[12..]))?;
                let (ciphertext, tag) = out.split_at_mut(plaintext.len());
                transform(gcm, associated, plaintext, ciphertext)?;
                gcm.cipher_final(&mut [])?;
                gcm.tag(tag)
            };
            seal(contexts, out).map_err(|_| Error::Crypto("AES-256-GCM failed"))
        })
    }

    /// Writes the plaintext to `out`, which must be `sealed.len() - TAG` long; wipes it if the tag does not match.
    pub(super) fn open(
        &self,
        nonce: &[u8; NONCE],
        associated: [&[u8]; 2],
        sealed: &[u8],
        out: &mut [u8],
    ) -> Result<(), Error> {
        with_contexts(|contexts| {
            let open = |contexts: &mut Contexts, out: &mut [u8]| -> Result<(), ErrorStack> {
                let message_key = self.message_key(contexts, nonce)?;
                let gcm = &mut contexts.gcm_open;
                gcm.decrypt_init(None, Some(&*message_key), Some(&nonce[12..]))?;
                let (ciphertext, tag) = sealed.split_at(out.len());
                transform(gcm, associated, ciphertext, out)?;
                gcm.set_tag(tag)?;
                gcm.cipher_final(&mut [])?;
                Ok(())
            };
            open(contexts, out).map_err(|_| {
                wipe(out);
                Error::Decrypt
            })
        })
    }

    /// Steps 3 to 5 of the specification: the key of the message with this nonce.
    fn message_key(
        &self,
        contexts: &mut Contexts,
        nonce: &[u8; NONCE],
    ) -> Result<Zeroizing<[u8; 32]>, ErrorStack> {
        let mut blocks = Zeroizing::new([0; 2 * BLOCK]);
        for (counter, block) in (1u8..).zip(blocks.chunks_exact_mut(BLOCK)) {
            block[..4].copy_from_slice(&[0, counter, b'X', 0]);
            block[4..].copy_from_slice(&nonce[..12]);
            for (byte, mask) in block.iter_mut().zip(self.subkey.iter()) {
                *byte ^= mask;
            }
        }
        // The wrapper requires room for one block more than it writes.
        let mut derived = Zeroizing::new([0; 3 * BLOCK]);
        contexts
            .ecb(self.serial, &self.key)?
            .cipher_update(&*blocks, Some(&mut *derived))?;
        let mut key = Zeroizing::new([0; 32]);
        key.copy_from_slice(&derived[..32]);
        Ok(key)
    }
}

/// Feeds the associated data and then the message.
pub(super) fn transform(
    gcm: &mut CipherCtxRef,
    associated: [&[u8]; 2],
    input: &[u8],
    output: &mut [u8],
) -> Result<(), ErrorStack> {
    for part in associated {
        for piece in part.chunks(PIECE) {
            gcm.cipher_update(piece, None)?;
        }
    }
    for (input, output) in input.chunks(PIECE).zip(output.chunks_mut(PIECE)) {
        gcm.cipher_update(input, Some(output))?;
    }
    Ok(())
}

/// Doubling in GF(2^128), without a branch on the secret.
fn double(l: &[u8; BLOCK]) -> Zeroizing<[u8; BLOCK]> {
    let value = u128::from_be_bytes(*l);
    let carry = 0u128.wrapping_sub(value >> 127) & 0x87;
    Zeroizing::new(((value << 1) ^ carry).to_be_bytes())
}

#[cfg(test)]
impl XaesKey {
    pub(super) fn subkey_for_test(&self) -> [u8; BLOCK] {
        *self.subkey
    }
}
