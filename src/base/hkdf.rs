//! Derivation of keys and ids from a key: OpenSSL's HKDF-SHA256.

use openssl::error::ErrorStack;
use openssl::md::Md;
use openssl::pkey::Id;
use openssl::pkey_ctx::PkeyCtx;
use zeroize::Zeroize;

use super::hmac::{HmacSha256, TAG};
use crate::Error;

/// HKDF-SHA256 (RFC 5869) without salt.
pub(crate) fn hkdf_sha256(key: &[u8], info: &[u8], out: &mut [u8]) -> Result<(), Error> {
    let mut derive = || -> Result<(), ErrorStack> {
        let mut context = PkeyCtx::new_id(Id::HKDF)?;
        context.derive_init()?;
        context.set_hkdf_md(Md::sha256())?;
        context.set_hkdf_key(key)?;
        context.add_hkdf_info(info)?;
        context.derive(Some(out))?;
        Ok(())
    };
    derive().map_err(|_| Error::Crypto("HKDF-SHA256 is not available"))
}

/// The first block of HKDF-SHA256 without salt, for many infos under one key: much faster, since the key is prepared once.
pub(crate) struct FirstBlock(HmacSha256);

impl FirstBlock {
    pub(crate) fn under(key: &[u8]) -> Self {
        let mut extracted = HmacSha256::new(&[]).tag(&[key]);
        let expanding = HmacSha256::new(&extracted);
        extracted.zeroize();
        FirstBlock(expanding)
    }

    pub(crate) fn of(&self, info: &[u8]) -> [u8; TAG] {
        self.0.tag(&[info, &[1]])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_block_is_that_of_openssl() {
        for key in [&[7; 32][..], &[1; 5], &[2; 64], &[3; 200]] {
            let fast = FirstBlock::under(key);
            for info in [&b""[..], b"alice", &[9; 300]] {
                let mut expected = [0; TAG];
                hkdf_sha256(key, info, &mut expected).unwrap();
                assert_eq!(fast.of(info), expected);
            }
        }
    }
}
