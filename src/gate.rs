//! Gate: everything a caller may do, in one handle. Every door leads here.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::cipher::{self, CbcMode, DataKey};
use crate::config::GateSettings;
use crate::keys::{KeyOrigin, KeyRing};
use crate::limiter::{Admission, Limiter};
use crate::secret::wipe;
use crate::token::{Claims, Grant, TokenRules};
use crate::{Error, Secret, TokenError};

/// Issues and checks tokens, encrypts and decrypts data, and limits callers.
///
/// Cheap to clone: clones share keys and counters. `Send` and `Sync`; calls from many threads do not wait for one another,
/// except that two requests of callers in one of the limiter's 64 shards do for some nanoseconds.
#[derive(Clone)]
pub struct Gate {
    inner: Arc<Inner>,
}

struct Inner {
    ring: KeyRing,
    tokens: TokenRules,
    /// `None`: the limit is switched off.
    limiter: Option<Limiter>,
}

impl Gate {
    /// Makes a gate. Touches the file system only where `settings.data_dir` is set: the key ring is read there, and made
    /// if keys are missing.
    ///
    /// # Errors
    /// [`Error::Setting`] where there are no keys to be had; [`Error::KeyRing`] where the ring cannot be read, trusted or
    /// written.
    pub fn new(settings: &GateSettings) -> Result<Self, Error> {
        let limiter = match settings.max_requests {
            0 => None,
            limit => Some(Limiter::new(
                limit,
                settings.rate_limit_window,
                settings.limiter_memory,
            )?),
        };
        Ok(Gate {
            inner: Arc::new(Inner {
                ring: KeyRing::load(settings)?,
                tokens: TokenRules::new(settings)?,
                limiter,
            }),
        })
    }

    /// Issues a signed token for `grant.subject`.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] where the subject or the scope is not acceptable.
    pub fn issue_token(&self, grant: &Grant<'_>) -> Result<String, Error> {
        self.inner.tokens.issue(&self.inner.ring, grant)
    }

    /// Checks a token and gives its claims. Tokens of ours and, where `JWT_SECRET_KEY` is set, of the original's form.
    ///
    /// # Errors
    /// Malformed, foreign, expired and not yet valid tokens are told apart.
    pub fn verify_token(&self, token: &str) -> Result<Claims, TokenError> {
        if token.is_empty() {
            return Err(TokenError::Missing);
        }
        self.inner.tokens.verify(&self.inner.ring, token)
    }

    /// How long a new token lives where the grant does not say.
    pub fn token_ttl(&self) -> Duration {
        self.inner.tokens.ttl()
    }

    /// Encrypts `data` and gives it as standard base64. `context` is authenticated but not stored: the same is needed to
    /// decrypt. Sealed format, unless the original's AES-CBC is asked for by the settings.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] where the data is larger than [`cipher::MAX_PLAINTEXT`](crate::MAX_PLAINTEXT), or a context
    /// comes while AES-CBC is in use, which cannot authenticate one.
    pub fn encrypt_data(&self, data: &[u8], context: &[u8]) -> Result<String, Error> {
        if let Some(cbc) = self.inner.ring.cbc_for_sealing() {
            if !context.is_empty() {
                return Err(Error::InvalidInput(
                    "A context needs the sealed format, and SEALGATE_CBC=seal asks for AES-CBC."
                        .into(),
                ));
            }
            return Ok(cipher::encode_base64(&cbc.encrypt(data)?));
        }
        Ok(cipher::encode_base64(&self.seal(data, context)?))
    }

    /// Decrypts what [`encrypt_data`](Self::encrypt_data) made, here or behind any other door with the same keys.
    ///
    /// # Errors
    /// [`Error::Decrypt`], one error for every cause.
    pub fn decrypt_data(&self, encrypted_data: &str, context: &[u8]) -> Result<Secret, Error> {
        self.open(&cipher::decode_base64(encrypted_data)?, context)
    }

    /// Seals `data` as bytes: [`OVERHEAD`](crate::OVERHEAD) more than it has. Always the sealed format.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] where the data is too large.
    pub fn seal(&self, data: &[u8], context: &[u8]) -> Result<Vec<u8>, Error> {
        self.inner.ring.newest_data_key().seal(context, data)
    }

    /// Seals `data` into `out`, which must be exactly [`OVERHEAD`](crate::OVERHEAD) longer. On failure `out` is wiped.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] where the data is too large or `out` is of another size.
    pub fn seal_into(&self, data: &[u8], context: &[u8], out: &mut [u8]) -> Result<(), Error> {
        if data.len().checked_add(cipher::OVERHEAD) != Some(out.len()) {
            return Err(Error::InvalidInput(
                "The output must have exactly the size of the sealed data.".into(),
            ));
        }
        let key = self.inner.ring.newest_data_key();
        key.seal_into(context, data, out).inspect_err(|_| wipe(out))
    }

    /// Opens sealed bytes into the beginning of `out` and tells how many they are. `Ok(Err(size))`: `out` is smaller than
    /// that, and nothing was written. On failure what was written is wiped.
    ///
    /// # Errors
    /// [`Error::Decrypt`], one error for every cause.
    pub(crate) fn open_into(
        &self,
        sealed: &[u8],
        context: &[u8],
        out: &mut [u8],
    ) -> Result<Result<usize, usize>, Error> {
        if let Some(key) = self.key_of(sealed) {
            let size = cipher::opened_size(sealed.len()).ok_or(Error::Decrypt)?;
            let Some(place) = out.get_mut(..size) else {
                return Ok(Err(size));
            };
            return key.open_into(context, sealed, place).map(|()| Ok(size));
        }
        let opened = self.open(sealed, context)?;
        let Some(place) = out.get_mut(..opened.len()) else {
            return Ok(Err(opened.len()));
        };
        place.copy_from_slice(opened.expose());
        Ok(Ok(opened.len()))
    }

    /// Opens sealed bytes; also the original's AES-CBC, where the settings permit it and no context is given.
    ///
    /// # Errors
    /// [`Error::Decrypt`], one error for every cause.
    pub fn open(&self, sealed: &[u8], context: &[u8]) -> Result<Secret, Error> {
        if let Some(key) = self.key_of(sealed) {
            return key.open(context, sealed);
        }
        match self.inner.ring.cbc_for_opening() {
            Some(cbc) if context.is_empty() => cbc.decrypt(sealed),
            _ => Err(Error::Decrypt),
        }
    }

    /// The key that sealed data names. What names a key of ours is sealed data, and never tried as anything weaker.
    fn key_of(&self, sealed: &[u8]) -> Option<&DataKey> {
        self.inner.ring.data_key(cipher::key_id_of(sealed)?)
    }

    /// Replaces all but the first `visible_chars` characters by `*`.
    pub fn mask_data(&self, data: &str, visible_chars: usize) -> String {
        crate::mask::mask(data, visible_chars)
    }

    /// Counts a request of `username` and says whether it may go on. `None` where the limit is switched off.
    pub fn enforce_rate_limit(&self, username: &str) -> Option<Admission> {
        let limiter = self.inner.limiter.as_ref()?;
        Some(limiter.admit(username.as_bytes()))
    }

    /// Which keys there are and where they come from, without their secrets; oldest first.
    pub fn key_origins(&self) -> &[KeyOrigin] {
        self.inner.ring.origins()
    }

    /// Whether and how the original's AES-CBC is spoken.
    pub fn cbc_mode(&self) -> CbcMode {
        self.inner.ring.cbc_mode()
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate")
            .field("keys", &self.key_origins())
            .field("limiter", &self.inner.limiter)
            .finish_non_exhaustive()
    }
}
