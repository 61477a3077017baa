//! How this crate uses OpenSSL: ciphers are fetched once, contexts are reused per thread.
//!
//! Contexts are per thread, not per key, so that no lock is held across a cryptographic call: a fork during the call would
//! leave the child with a lock that is never released.

use std::cell::RefCell;

use once_cell::sync::OnceCell;
use openssl::cipher::{Cipher, CipherRef};
use openssl::cipher_ctx::CipherCtx;
use openssl::error::ErrorStack;

use crate::Error;

/// How many keys' expanded schedules a thread caches for deriving message keys.
const KEYED_CONTEXTS: usize = 8;

/// The contexts of one thread.
pub(super) struct Contexts {
    pub(super) gcm_seal: CipherCtx,
    pub(super) gcm_open: CipherCtx,
    pub(super) cbc: CipherCtx,
    /// Keyed AES-256-ECB contexts by the serial number of their `XaesKey`, most recently used first.
    ecb: Vec<(u64, CipherCtx)>,
}

impl Contexts {
    fn new() -> Result<Self, ErrorStack> {
        let mut gcm_seal = CipherCtx::new()?;
        gcm_seal.encrypt_init(Some(aes_256_gcm()?), None, None)?;
        let mut gcm_open = CipherCtx::new()?;
        gcm_open.decrypt_init(Some(aes_256_gcm()?), None, None)?;
        Ok(Contexts {
            gcm_seal,
            gcm_open,
            cbc: CipherCtx::new()?,
            ecb: Vec::with_capacity(KEYED_CONTEXTS),
        })
    }

    /// AES-256-ECB under `key`, ready to encrypt whole blocks.
    pub(super) fn ecb(
        &mut self,
        serial: u64,
        key: &[u8; 32],
    ) -> Result<&mut CipherCtx, ErrorStack> {
        if let Some(at) = self.ecb.iter().position(|(known, _)| *known == serial) {
            self.ecb[..=at].rotate_right(1);
        } else {
            let mut context = CipherCtx::new()?;
            context.encrypt_init(Some(aes_256_ecb()?), Some(key), None)?;
            context.set_padding(false);
            self.ecb.truncate(KEYED_CONTEXTS - 1);
            self.ecb.insert(0, (serial, context));
        }
        Ok(&mut self.ecb[0].1)
    }
}

/// Runs `work` with this thread's contexts.
pub(super) fn with_contexts<T>(
    work: impl FnOnce(&mut Contexts) -> Result<T, Error>,
) -> Result<T, Error> {
    thread_local! {
        static CONTEXTS: RefCell<Option<Contexts>> = const { RefCell::new(None) };
    }
    CONTEXTS.with_borrow_mut(|slot| {
        let contexts = match slot {
            Some(contexts) => contexts,
            None => slot.insert(Contexts::new().map_err(|_| Error::Crypto("no cipher context"))?),
        };
        work(contexts)
    })
}

pub(super) fn aes_256_gcm() -> Result<&'static CipherRef, ErrorStack> {
    static CIPHER: OnceCell<Cipher> = OnceCell::new();
    CIPHER
        .get_or_try_init(|| Cipher::fetch(None, "AES-256-GCM", None))
        .map(|cipher| &**cipher)
}

fn aes_256_ecb() -> Result<&'static CipherRef, ErrorStack> {
    static CIPHER: OnceCell<Cipher> = OnceCell::new();
    CIPHER
        .get_or_try_init(|| Cipher::fetch(None, "AES-256-ECB", None))
        .map(|cipher| &**cipher)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_keeps_the_contexts_of_the_keys_used_last() {
        let mut contexts = Contexts::new().unwrap();
        let kept = KEYED_CONTEXTS as u64;
        for serial in 0..2 * kept {
            contexts.ecb(serial, &[7; 32]).unwrap();
            contexts.ecb(0, &[7; 32]).unwrap();
            assert!(contexts.ecb.len() <= KEYED_CONTEXTS);
        }
        let serials = contexts.ecb.iter().map(|(serial, _)| *serial);
        let last = (kept + 1..2 * kept).rev();
        assert!(serials.eq(std::iter::once(0).chain(last)));
    }
}
