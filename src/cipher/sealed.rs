//! The sealed format, version 1: a version byte, the id of the key, a nonce, and what XAES-256-GCM makes of the data.

use zeroize::Zeroizing;

use super::xaes::{self, XaesKey};
use crate::base::hkdf::hkdf_sha256;
use crate::base::random::random;
use crate::{Error, Secret};

/// First byte of sealed data without a time.
pub(super) const VERSION: u8 = 0x01;
/// First byte of sealed data with a time. It is authenticated like the other, so neither can be changed into the other.
pub(super) const TIMED_VERSION: u8 = 0x03;
/// Version, key id, nonce and tag: the number of bytes that sealing adds.
pub const OVERHEAD: usize = HEADER + xaes::NONCE + xaes::TAG;
/// The largest plaintext of one message, in bytes. GCM allows 64 GiB; this limit is about memory.
pub const MAX_PLAINTEXT: usize = 1 << 30;

/// Version and key id: authenticated before the caller's context.
pub(super) const HEADER: usize = 1 + KEY_ID;
pub(super) const KEY_ID: usize = 4;
const SEALING_INFO: &[u8] = b"sealgate/xaes-256-gcm/v1";
const KEY_ID_INFO: &[u8] = b"sealgate/key-id/v1";

/// The id of a data key, as stored in sealed data.
pub(crate) type DataKeyId = [u8; KEY_ID];

/// A key that seals and opens data with XAES-256-GCM.
pub(crate) struct DataKey {
    pub(super) id: DataKeyId,
    bytes: Zeroizing<[u8; 32]>,
    pub(super) xaes: XaesKey,
}

impl DataKey {
    pub(crate) fn new(bytes: &[u8; 32]) -> Result<Self, Error> {
        let mut id = [0; KEY_ID];
        hkdf_sha256(bytes, KEY_ID_INFO, &mut id)?;
        Ok(DataKey {
            id,
            bytes: Zeroizing::new(*bytes),
            xaes: XaesKey::new(bytes)?,
        })
    }

    /// The sealing key for `AES_KEY`. It is derived, never the raw key: AES-CBC with a fixed IV under the raw key would
    /// let a caller compute the message keys of XAES under it.
    pub(crate) fn from_aes_key(aes_key: &[u8]) -> Result<Self, Error> {
        let mut derived = Zeroizing::new([0; 32]);
        hkdf_sha256(aes_key, SEALING_INFO, &mut *derived)?;
        DataKey::new(&derived)
    }

    pub(crate) fn id(&self) -> DataKeyId {
        self.id
    }

    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.bytes
    }

    pub(crate) fn seal(&self, context: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, Error> {
        // Before any memory is allocated: too large an allocation would abort the process.
        check_plaintext_size(plaintext.len())?;
        let mut sealed = zeros(plaintext.len() + OVERHEAD);
        self.seal_into(context, plaintext, &mut sealed)?;
        Ok(sealed)
    }

    /// Seals `plaintext` into `out`, which must be exactly `plaintext.len() + OVERHEAD` long.
    pub(crate) fn seal_into(
        &self,
        context: &[u8],
        plaintext: &[u8],
        out: &mut [u8],
    ) -> Result<(), Error> {
        check_plaintext_size(plaintext.len())?;
        debug_assert_eq!(out.len(), plaintext.len() + OVERHEAD);
        let (header, rest) = out.split_at_mut(HEADER);
        let (nonce, ciphertext_and_tag) = rest.split_at_mut(xaes::NONCE);
        header[0] = VERSION;
        header[1..].copy_from_slice(&self.id);
        random(nonce)?;
        let nonce: &[u8; xaes::NONCE] = (&*nonce).try_into().expect("split at this length above");
        self.xaes
            .seal(nonce, [header, context], plaintext, ciphertext_and_tag)
    }

    /// Opens sealed data that names this key, with or without a time.
    pub(crate) fn open(&self, context: &[u8], sealed: &[u8]) -> Result<Secret, Error> {
        if is_timed(sealed) {
            return self.open_timed(context, sealed).map(|(_, opened)| opened);
        }
        // On failure it is wiped in place.
        let mut plaintext = zeros(opened_size(sealed.len()).ok_or(Error::Decrypt)?);
        self.open_into(context, sealed, &mut plaintext)?;
        Ok(Secret::new(plaintext))
    }

    /// Opens sealed data without a time into `out`, which must be exactly `sealed.len() - OVERHEAD` long. On failure `out` is
    /// wiped.
    pub(crate) fn open_into(
        &self,
        context: &[u8],
        sealed: &[u8],
        out: &mut [u8],
    ) -> Result<(), Error> {
        if opened_size(sealed.len()) != Some(out.len()) {
            return Err(Error::Decrypt);
        }
        let (header, rest) = sealed.split_at(HEADER);
        let (nonce, ciphertext_and_tag) = rest.split_at(xaes::NONCE);
        let nonce: &[u8; xaes::NONCE] = nonce.try_into().expect("split at this length above");
        self.xaes
            .open(nonce, [header, context], ciphertext_and_tag, out)
    }
}

/// The plaintext size for `sealed` bytes of sealed data; `None` if that is too short or too long to be valid.
pub(crate) fn opened_size(sealed: usize) -> Option<usize> {
    sealed
        .checked_sub(OVERHEAD)
        .filter(|size| *size <= MAX_PLAINTEXT)
}

/// Whether the data begins like sealed data with a time.
pub(crate) fn is_timed(sealed: &[u8]) -> bool {
    sealed.first() == Some(&TIMED_VERSION)
}

/// The key id in sealed data, even if the rest is damaged or truncated; `None` if it does not start like either version.
pub(crate) fn key_id_of(sealed: &[u8]) -> Option<DataKeyId> {
    match sealed {
        [VERSION | TIMED_VERSION, a, b, c, d, ..] => Some([*a, *b, *c, *d]),
        _ => None,
    }
}

/// A buffer with one spare byte, so that it can become a C string without a copy.
pub(super) fn zeros(size: usize) -> Vec<u8> {
    let mut buffer = vec![0; size + 1];
    buffer.truncate(size);
    buffer
}

/// Refuses data that is too large for one message.
pub(super) fn check_plaintext_size(size: usize) -> Result<(), Error> {
    if size > MAX_PLAINTEXT {
        return Err(Error::InvalidInput(format!(
            "The data exceeds the size limit of one message ({} MiB).",
            MAX_PLAINTEXT >> 20
        )));
    }
    Ok(())
}
