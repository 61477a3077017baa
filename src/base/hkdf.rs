//! Derivation of keys and ids from a key: OpenSSL's HKDF-SHA256.

use openssl::error::ErrorStack;
use openssl::md::Md;
use openssl::pkey::Id;
use openssl::pkey_ctx::PkeyCtx;

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
