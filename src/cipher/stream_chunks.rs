//! The key of a sealed stream, and its single chunks.

use openssl::cipher_ctx::CipherCtx;
use openssl::error::ErrorStack;
use zeroize::Zeroizing;

use super::openssl_contexts::aes_256_gcm;
use super::sealed::{DataKey, DataKeyId, KEY_ID};
use super::xaes::transform;
use crate::Error;
use crate::base::hkdf::hkdf_sha256;

/// Version, key id and nonce: the number of bytes before the first chunk.
pub const STREAM_HEADER: usize = 1 + KEY_ID + NONCE;
pub(super) const NONCE: usize = 24;
const INFO: &[u8] = b"sealgate/stream/v1";

pub(super) type Header = [u8; STREAM_HEADER];

/// The bytes before the first chunk.
pub(crate) struct StreamHeader(pub(super) Header);

impl StreamHeader {
    pub(crate) fn key_id(&self) -> DataKeyId {
        let mut id = [0; KEY_ID];
        id.copy_from_slice(&self.0[1..=KEY_ID]);
        id
    }
}

/// The key of one stream, and the data that all its chunks authenticate.
pub(crate) struct StreamKey {
    key: Zeroizing<[u8; 32]>,
    header: Header,
}

impl DataKey {
    /// Each stream has its own key, so its chunks can count nonces from zero.
    pub(crate) fn stream_key(&self, header: &StreamHeader) -> Result<StreamKey, Error> {
        let mut info = [0; INFO.len() + NONCE];
        info[..INFO.len()].copy_from_slice(INFO);
        info[INFO.len()..].copy_from_slice(&header.0[1 + KEY_ID..]);
        let mut key = Zeroizing::new([0; 32]);
        hkdf_sha256(self.bytes(), &info, &mut *key)?;
        Ok(StreamKey {
            key,
            header: header.0,
        })
    }
}

/// AES-256-GCM under the key of one stream.
pub(super) struct Chunks {
    gcm: CipherCtx,
    /// Version and key id: authenticated before the caller's context, as in sealed data.
    prefix: [u8; 1 + KEY_ID],
}

impl Chunks {
    pub(super) fn seal(key: &StreamKey) -> Result<Self, Error> {
        Chunks::new(key, |gcm| {
            gcm.encrypt_init(Some(aes_256_gcm()?), Some(&*key.key), None)
        })
    }

    pub(super) fn open(key: &StreamKey) -> Result<Self, Error> {
        Chunks::new(key, |gcm| {
            gcm.decrypt_init(Some(aes_256_gcm()?), Some(&*key.key), None)
        })
    }

    fn new(
        key: &StreamKey,
        init: impl FnOnce(&mut CipherCtx) -> Result<(), ErrorStack>,
    ) -> Result<Self, Error> {
        let gcm = CipherCtx::new().and_then(|mut gcm| init(&mut gcm).map(|()| gcm));
        let mut prefix = [0; 1 + KEY_ID];
        prefix.copy_from_slice(&key.header[..=KEY_ID]);
        Ok(Chunks {
            gcm: gcm.map_err(|_| Error::Crypto("AES-256-GCM is not available"))?,
            prefix,
        })
    }

    pub(super) fn seal_chunk(
        &mut self,
        nonce: &[u8; 12],
        context: &[u8],
        plaintext: &[u8],
        out: &mut [u8],
    ) -> Result<(), Error> {
        let gcm = &mut self.gcm;
        let (ciphertext, tag) = out.split_at_mut(plaintext.len());
        gcm.encrypt_init(None, None, Some(nonce))
            .and_then(|()| transform(gcm, [&self.prefix, context], plaintext, ciphertext))
            .and_then(|()| gcm.cipher_final(&mut []))
            .and_then(|_| gcm.tag(tag))
            .map_err(|_| Error::Crypto("AES-256-GCM failed"))
    }

    pub(super) fn open_chunk(
        &mut self,
        nonce: &[u8; 12],
        context: &[u8],
        sealed: &[u8],
        out: &mut [u8],
    ) -> Result<(), Error> {
        let gcm = &mut self.gcm;
        let (ciphertext, tag) = sealed.split_at(out.len());
        gcm.decrypt_init(None, None, Some(nonce))
            .and_then(|()| transform(gcm, [&self.prefix, context], ciphertext, out))
            .and_then(|()| gcm.set_tag(tag))
            .and_then(|()| gcm.cipher_final(&mut []))
            .map(drop)
            .map_err(|_| Error::Decrypt)
    }
}

/// The chunk's number in eleven bytes, then whether it is the last.
pub(super) fn chunk_nonce(number: u64, last: bool) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[3..11].copy_from_slice(&number.to_be_bytes());
    nonce[11] = last.into();
    nonce
}
