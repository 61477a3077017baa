//! Encrypting, decrypting and rewrapping data.

use std::sync::Arc;

use arc_swap::Guard;

use super::Gate;
use crate::base::encoding::{decode_base64, decode_url, encode_base64};
use crate::base::secret::wipe;
use crate::cipher::{self, DataKey, DataKeyId, Stream};
use crate::keys::{KeyRing, Unusable};
use crate::{Error, Secret};

impl Gate {
    /// Encrypts `data` and returns standard base64. `context` is authenticated but not stored: decrypting needs the same
    /// one. The result has the sealed format unless the settings select the original's AES-CBC.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] if the data is larger than [`cipher::MAX_PLAINTEXT`](crate::MAX_PLAINTEXT), or if a context
    /// is given with AES-CBC, which cannot authenticate it.
    pub fn encrypt_data(&self, data: &[u8], context: &[u8]) -> Result<String, Error> {
        if let Some(cbc) = self.inner.keys.current().cbc_for_sealing() {
            if !context.is_empty() {
                return Err(Error::InvalidInput(
                    "A context needs the sealed format, but SEALGATE_CBC=seal selects AES-CBC."
                        .into(),
                ));
            }
            let encrypted = cbc.encrypt(data)?;
            self.inner.counts.sealed();
            return Ok(encode_base64(&encrypted));
        }
        Ok(encode_base64(&self.seal(data, context)?))
    }

    /// Decrypts what [`encrypt_data`](Self::encrypt_data) or [`encrypt_url_safe`](Self::encrypt_url_safe) returned, here or in
    /// any other process or language binding with the same keys.
    ///
    /// # Errors
    /// [`Error::Decrypt`], one error for every cause.
    pub fn decrypt_data(&self, encrypted_data: &str, context: &[u8]) -> Result<Secret, Error> {
        self.open(&bytes_of(encrypted_data)?, context)
    }

    /// Seals `data` into bytes, [`OVERHEAD`](crate::OVERHEAD) longer than `data`. Always uses the sealed format.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] if the data is too large.
    pub fn seal(&self, data: &[u8], context: &[u8]) -> Result<Vec<u8>, Error> {
        self.sealing(|key| key.seal(context, data))
    }

    /// Seals one message under the newest data key and counts it.
    pub(super) fn sealing<T>(
        &self,
        seal: impl FnOnce(&DataKey) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let ring = self.inner.keys.current();
        let sealed = seal(ring.newest_data_key())?;
        ring.count_sealed();
        self.inner.counts.sealed();
        Ok(sealed)
    }

    /// Whether the newest data key can seal and open. The result is discarded, so it does not count as a message.
    pub(crate) fn can_seal(&self) -> bool {
        let ring = self.inner.keys.current();
        let key = ring.newest_data_key();
        let opened = key
            .seal(b"ready", b"")
            .and_then(|sealed| key.open(b"ready", &sealed));
        opened.is_ok()
    }

    /// Seals `data` into `out`, which must be exactly [`OVERHEAD`](crate::OVERHEAD) longer. On failure `out` is wiped.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] if the data is too large or `out` has another size.
    pub fn seal_into(&self, data: &[u8], context: &[u8], out: &mut [u8]) -> Result<(), Error> {
        if data.len().checked_add(cipher::OVERHEAD) != Some(out.len()) {
            return Err(Error::InvalidInput(
                "The output must have exactly the size of the sealed data.".into(),
            ));
        }
        self.sealing(|key| key.seal_into(context, data, out).inspect_err(|_| wipe(out)))
    }

    /// Opens sealed bytes into the beginning of `out` and returns their number. `Ok(Err(size))`: `out` is smaller than
    /// `size`, and nothing was written. On failure anything written is wiped.
    ///
    /// # Errors
    /// [`Error::Decrypt`], one error for every cause.
    pub(crate) fn open_into(
        &self,
        sealed: &[u8],
        context: &[u8],
        out: &mut [u8],
    ) -> Result<Result<usize, usize>, Error> {
        let ring = self.ring_for(sealed);
        if let Some(key) = key_of(&ring, sealed)?
            && !cipher::is_timed(sealed)
        {
            let size = cipher::opened_size(sealed.len()).ok_or(Error::Decrypt)?;
            let Some(place) = out.get_mut(..size) else {
                return Ok(Err(size));
            };
            let opened = key.open_into(context, sealed, place);
            return self.inner.counts.opened(opened).map(|()| Ok(size));
        }
        let opened = self.open(sealed, context)?;
        let Some(place) = out.get_mut(..opened.len()) else {
            return Ok(Err(opened.len()));
        };
        place.copy_from_slice(opened.expose());
        Ok(Ok(opened.len()))
    }

    /// Opens sealed bytes; also the original's AES-CBC, if the settings permit it and no context is given.
    ///
    /// # Errors
    /// [`Error::Decrypt`], one error for every cause.
    pub fn open(&self, sealed: &[u8], context: &[u8]) -> Result<Secret, Error> {
        self.inner.counts.opened(self.open_any(sealed, context))
    }

    fn open_any(&self, sealed: &[u8], context: &[u8]) -> Result<Secret, Error> {
        let ring = self.ring_for(sealed);
        if let Some(key) = key_of(&ring, sealed)? {
            return key.open(context, sealed);
        }
        match ring.cbc_for_opening() {
            Some(cbc) if context.is_empty() => cbc.decrypt(sealed),
            _ => Err(Error::Decrypt),
        }
    }

    /// Re-encrypts data under the newest key and with the same context, without returning the plaintext. Accepts data sealed
    /// with any accepted key and, with `SEALGATE_CBC=open`, the original's AES-CBC (without a context). The result always
    /// has the sealed format, with the same time if the data has one.
    ///
    /// # Errors
    /// [`Error::Decrypt`], one error for every cause; [`Error::KeyRetired`]; [`Error::InvalidInput`] for AES-CBC while
    /// `SEALGATE_CBC=seal` selects it for new data.
    pub fn rewrap(&self, sealed: &[u8], context: &[u8]) -> Result<Vec<u8>, Error> {
        self.rewrap_from(sealed, context, Sources::All)
    }

    /// The same for text from [`encrypt_data`](Self::encrypt_data) or [`encrypt_url_safe`](Self::encrypt_url_safe). Returns
    /// standard base64.
    ///
    /// # Errors
    /// Those of [`rewrap`](Self::rewrap).
    pub fn rewrap_data(&self, encrypted_data: &str, context: &[u8]) -> Result<String, Error> {
        self.rewrap_data_from(encrypted_data, context, Sources::All)
    }

    pub(crate) fn rewrap_data_from(
        &self,
        encrypted_data: &str,
        context: &[u8],
        sources: Sources,
    ) -> Result<String, Error> {
        let sealed = bytes_of(encrypted_data)?;
        let sealed = self.rewrap_from(&sealed, context, sources)?;
        Ok(encode_base64(&sealed))
    }

    fn rewrap_from(
        &self,
        sealed: &[u8],
        context: &[u8],
        sources: Sources,
    ) -> Result<Vec<u8>, Error> {
        let ring = self.ring_for(sealed);
        let key = key_of(&ring, sealed)?;
        if let Some(key) = key
            && cipher::is_timed(sealed)
        {
            let (time, opened) = key.open_timed(context, sealed)?;
            return self.sealing(|key| key.seal_timed(context, time, opened.expose()));
        }
        let opened = match (key, ring.cbc_for_opening(), sources) {
            (Some(key), ..) => key.open(context, sealed)?,
            (None, Some(_), Sources::All) if ring.cbc_for_sealing().is_some() => {
                return Err(Error::InvalidInput(
                    "SEALGATE_CBC=seal selects AES-CBC for new data. Set SEALGATE_CBC=open to move such data to the \
                     sealed format."
                        .into(),
                ));
            }
            (None, Some(cbc), Sources::All) if context.is_empty() => cbc.decrypt(sealed)?,
            _ => return Err(Error::Decrypt),
        };
        self.seal(opened.expose(), context)
    }

    /// Starts sealing a stream: data of any size, in constant memory. Always uses the sealed format for streams and the
    /// newest key at the time of the call.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] if the context is longer than [`MAX_STREAM_CONTEXT`](crate::MAX_STREAM_CONTEXT).
    pub fn seal_stream(&self, context: &[u8]) -> Result<Stream, Error> {
        self.sealing(|key| Stream::seal(key, context))
    }

    /// Starts opening a stream.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] if the context is longer than [`MAX_STREAM_CONTEXT`](crate::MAX_STREAM_CONTEXT).
    pub fn open_stream(&self, context: &[u8]) -> Result<Stream, Error> {
        let gate = self.clone();
        let find: cipher::FindKey = Box::new(move |header| {
            let id = header.key_id();
            let ring = gate.ring_with(id);
            let key = key_with(&ring, id)?.ok_or(Error::Decrypt)?;
            key.stream_key(header)
        });
        Stream::open(find, context)
    }

    /// The ring, reloaded if this sealed data needs a newer one.
    pub(super) fn ring_for(&self, sealed: &[u8]) -> Guard<Arc<KeyRing>> {
        match cipher::key_id_of(sealed) {
            Some(id) => self.ring_with(id),
            None => self.inner.keys.current(),
        }
    }

    pub(super) fn ring_with(&self, id: DataKeyId) -> Guard<Arc<KeyRing>> {
        let keys = &self.inner.keys;
        let ring = keys.current();
        match ring.data_key(id) {
            // Another process may have just created the key.
            Err(Unusable::Unknown) if keys.has_newer_than(&ring) => keys.current(),
            _ => ring,
        }
    }
}

/// The bytes of encrypted data: base64 or, of sealed data, base64url without padding. No text is both with different bytes.
pub(super) fn bytes_of(text: &str) -> Result<Vec<u8>, Error> {
    decode_base64(text).or_else(|error| {
        let packed: String = text.split_ascii_whitespace().collect();
        let decoded = decode_url(&packed).filter(|bytes| cipher::key_id_of(bytes).is_some());
        decoded.ok_or(error)
    })
}

/// The key that sealed data names. Data that names one of our keys is sealed data and is never tried as anything weaker.
pub(super) fn key_of<'a>(ring: &'a KeyRing, sealed: &[u8]) -> Result<Option<&'a DataKey>, Error> {
    cipher::key_id_of(sealed).map_or(Ok(None), |id| key_with(ring, id))
}

/// The key with this id, if there is one.
pub(super) fn key_with(ring: &KeyRing, id: DataKeyId) -> Result<Option<&DataKey>, Error> {
    match ring.data_key(id) {
        Ok(key) => Ok(Some(key)),
        Err(Unusable::Unknown) => Ok(None),
        Err(Unusable::Retired) => Err(Error::KeyRetired),
    }
}

/// Which data may be rewrapped.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sources {
    /// Everything that can be decrypted.
    All,
    /// Sealed data only: to callers who may not decrypt, AES-CBC would be a padding oracle.
    Sealed,
}
