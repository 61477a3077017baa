//! The original program's encryption: AES-CBC with PKCS#7 padding under one fixed key and IV. For compatibility only.
//!
//! Its weaknesses: nothing authenticates the data, so a modified ciphertext decrypts to something else, and an endpoint
//! that reveals whether decryption succeeded is a padding oracle; and because the IV never changes, plaintexts with a
//! common prefix have ciphertexts with a common prefix. The sealed format has neither flaw.

use std::fmt;

use openssl::cipher::{Cipher, CipherRef};
use zeroize::Zeroizing;

use super::openssl_contexts::with_contexts;
use crate::base::secret::wipe;
use crate::{Error, Secret};

const BLOCK: usize = 16;

/// How far the original's AES-CBC is supported (`SEALGATE_CBC`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CbcMode {
    /// Not at all.
    Off,
    /// Old data can be decrypted, new data is sealed: for migration.
    Open,
    /// New data is encrypted with AES-CBC like the original, and old data can be decrypted.
    Seal,
}

impl CbcMode {
    pub(crate) const ALL: [CbcMode; 3] = [CbcMode::Off, CbcMode::Open, CbcMode::Seal];

    /// Its name in the settings.
    pub fn name(self) -> &'static str {
        match self {
            CbcMode::Off => "off",
            CbcMode::Open => "open",
            CbcMode::Seal => "seal",
        }
    }
}

impl fmt::Display for CbcMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// `AES_KEY` and `AES_IV`.
pub(crate) struct CbcKey {
    key: Secret,
    iv: Zeroizing<[u8; BLOCK]>,
}

impl CbcKey {
    /// `key` must be 16, 24 or 32 bytes long.
    pub(crate) fn new(key: &Secret, iv: &[u8; BLOCK]) -> Result<Self, Error> {
        cipher_for(key.len())?;
        Ok(CbcKey {
            key: key.clone(),
            iv: Zeroizing::new(*iv),
        })
    }

    pub(crate) fn encrypt(&self, plaintext: &[u8]) -> Result<Vec<u8>, Error> {
        super::sealed::check_plaintext_size(plaintext.len())?;
        let cipher = cipher_for(self.key.len())?;
        with_contexts(|contexts| {
            let cbc = &mut contexts.cbc;
            let mut out = vec![0; plaintext.len() + 2 * BLOCK];
            let written = cbc
                .encrypt_init(Some(cipher), Some(self.key.expose()), Some(&*self.iv))
                .and_then(|()| cbc.cipher_update(plaintext, Some(&mut out)))
                .and_then(|head| Ok(head + cbc.cipher_final(&mut out[head..])?))
                .map_err(|_| Error::Crypto("AES-CBC failed"))?;
            out.truncate(written);
            Ok(out)
        })
    }

    pub(crate) fn decrypt(&self, ciphertext: &[u8]) -> Result<Secret, Error> {
        if super::sealed::check_plaintext_size(ciphertext.len()).is_err() {
            return Err(Error::Decrypt);
        }
        let cipher = cipher_for(self.key.len())?;
        with_contexts(|contexts| {
            let cbc = &mut contexts.cbc;
            let mut out = vec![0; ciphertext.len() + 2 * BLOCK];
            let written = cbc
                .decrypt_init(Some(cipher), Some(self.key.expose()), Some(&*self.iv))
                .and_then(|()| cbc.cipher_update(ciphertext, Some(&mut out)))
                .and_then(|head| Ok(head + cbc.cipher_final(&mut out[head..])?));
            match written {
                Ok(written) => {
                    out.truncate(written);
                    Ok(Secret::new(out))
                }
                Err(_) => {
                    wipe(&mut out);
                    Err(Error::Decrypt)
                }
            }
        })
    }
}

fn cipher_for(key_length: usize) -> Result<&'static CipherRef, Error> {
    match key_length {
        16 => Ok(Cipher::aes_128_cbc()),
        24 => Ok(Cipher::aes_192_cbc()),
        32 => Ok(Cipher::aes_256_cbc()),
        _ => Err(Error::Setting(
            "AES_KEY must be 16, 24 or 32 bytes long.".into(),
        )),
    }
}
