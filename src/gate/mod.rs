//! Gate: everything a caller may do, in one handle. Every door leads here. Logins of accounts are in `login`.

pub mod audit;
mod login;
mod settings;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::Guard;

use crate::base::data_dir;
use crate::base::encoding::{decode_base64, encode_base64};
use crate::base::secret::wipe;
use crate::cipher::{self, CbcMode, DataKey, DataKeyId, Stream};
use crate::gate::audit::{Asker, Event, Pseudonyms};
use crate::keys::{KeyOrigin, KeyRing, Keys, Unusable};
use crate::limiter::{Admission, Limiter};
use crate::store::Ledger;
use crate::tokens::{Claims, Grant, Making, TokenRules, TokenUse};
use crate::users::Users;
use crate::{Error, Secret, TokenError};

pub use login::{Refreshed, Tokens};
pub use settings::Settings;

/// Issues and checks tokens, encrypts and decrypts data, and limits callers.
///
/// Cheap to clone: clones share keys and counters. `Send` and `Sync`; calls from many threads do not wait for one another,
/// except that two requests of callers in one of the limiter's 64 shards do for some nanoseconds.
#[derive(Clone)]
pub struct Gate {
    inner: Arc<Inner>,
}

struct Inner {
    keys: Keys,
    tokens: TokenRules,
    ledger: Arc<Ledger>,
    users: Users,
    pseudonyms: Pseudonyms,
    refresh_ttl: Duration,
    token_key_lead: Duration,
    /// `None`: the limit is switched off.
    limiter: Option<Limiter>,
}

impl Gate {
    /// Makes a gate. Touches the file system only where `settings.keys.data_dir` is set: the key ring is read there, and made
    /// if keys are missing.
    ///
    /// # Errors
    /// [`Error::Setting`] where there are no keys to be had; [`Error::KeyRing`] where the ring cannot be read, trusted or
    /// written.
    pub fn new(settings: &Settings) -> Result<Self, Error> {
        let limiter = Limiter::of(&settings.limiter)?;
        if let Some(folder) = &settings.keys.data_dir {
            // Whatever reads or writes a file there says why it cannot be; without any there is nothing to protect.
            let _ = data_dir::close_to_others(folder);
        }
        let ledger = Arc::new(Ledger::new(&settings.store));
        let (keys, added) = Keys::load(&settings.keys)?;
        let gate = Gate {
            inner: Arc::new(Inner {
                pseudonyms: Pseudonyms::from_ring(&keys.current())?,
                keys,
                tokens: TokenRules::new(&settings.tokens)?,
                users: Users::with_ledger(&settings.users, ledger.clone())?,
                ledger,
                refresh_ttl: settings.tokens.refresh_ttl,
                token_key_lead: settings.keys.rotation.token_key_lead,
                limiter,
            }),
        };
        if !added.is_empty() {
            gate.tell_replaced_keys();
        }
        Ok(gate)
    }

    /// Tells the audit trail that keys were replaced without anybody's doing.
    pub(crate) fn tell_replaced_keys(&self) {
        self.pseudonyms().tell(&Event {
            event: "keys.rotate",
            result: "ok",
            user: None,
            peer: &"server",
            id: "-",
        });
    }

    /// Issues a signed token for `grant.subject`. The audit trail gets the event `token.issue`.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] where the subject or the scope is not acceptable.
    pub fn issue_token(&self, grant: &Grant<'_>) -> Result<String, Error> {
        self.issue_token_by(grant, Asker::LIBRARY)
    }

    /// The same on behalf of `asker`, who is named in the audit trail.
    ///
    /// # Errors
    /// Those of [`issue_token`](Self::issue_token).
    pub fn issue_token_by(&self, grant: &Grant<'_>, asker: Asker<'_>) -> Result<String, Error> {
        self.issue(grant, "token.issue", asker)
    }

    /// The same as what the audit trail calls `event`: a login that gives a token is told as a login, and not twice.
    pub(crate) fn issue(
        &self,
        grant: &Grant<'_>,
        event: &'static str,
        asker: Asker<'_>,
    ) -> Result<String, Error> {
        let Inner {
            keys,
            tokens,
            ledger,
            ..
        } = &*self.inner;
        let made = tokens.issue(
            &keys.current(),
            &Making {
                grant,
                used_for: TokenUse::Access,
                session: None,
                issued_at: ledger.issue_time(grant.subject)?,
            },
        )?;
        self.tell_issued(event, grant.subject, asker);
        Ok(made.token)
    }

    /// Tells the audit trail that somebody was given a token. All doors lead here, so none can forget it.
    fn tell_issued(&self, event: &'static str, user: &str, asker: Asker<'_>) {
        self.pseudonyms().tell(&Event {
            event,
            result: "ok",
            user: Some(user),
            peer: asker.peer,
            id: asker.id,
        });
    }

    /// Checks a token and gives its claims. Tokens of ours and, where `JWT_SECRET_KEY` is set, of the original's form.
    ///
    /// # Errors
    /// Malformed, foreign, expired and not yet valid tokens are told apart.
    pub fn verify_token(&self, token: &str) -> Result<Claims, TokenError> {
        if token.is_empty() {
            return Err(TokenError::Missing);
        }
        let Inner { tokens, ledger, .. } = &*self.inner;
        self.with_its_key(|ring| tokens.verify(ring, ledger, token))
    }

    /// Checks a token but for whether it was taken back.
    fn read_token(&self, token: &str, used_for: TokenUse) -> Result<Claims, TokenError> {
        self.with_its_key(|ring| self.inner.tokens.read(ring, token, used_for))
    }

    /// Checks a token with the ring, as new as is needed for it.
    fn with_its_key(
        &self,
        check: impl Fn(&KeyRing) -> Result<Claims, TokenError>,
    ) -> Result<Claims, TokenError> {
        let keys = &self.inner.keys;
        let ring = keys.current();
        match check(&ring) {
            // Another process may have made its key just now.
            Err(TokenError::Foreign) if keys.has_newer_than(&ring) => check(&keys.current()),
            checked => checked,
        }
    }

    /// The public keys that check tokens, each a JSON Web Key (RFC 7517), oldest first: of the accepted keys that have one,
    /// so none with HS256.
    pub fn public_keys(&self) -> Vec<serde_json::Value> {
        self.inner.keys.current().public_jwks()
    }

    /// How long others may use a copy of [`public_keys`](Self::public_keys). A third of the time for which a new key is published
    /// before it signs leaves two thirds for what clients do with a copy that is that old already.
    pub fn public_keys_max_age(&self) -> Duration {
        const LONGEST: Duration = Duration::from_secs(300);
        let third = self.inner.token_key_lead.as_secs() / 3;
        Duration::from_secs(third).min(LONGEST)
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
        if let Some(cbc) = self.inner.keys.current().cbc_for_sealing() {
            if !context.is_empty() {
                return Err(Error::InvalidInput(
                    "A context needs the sealed format, and SEALGATE_CBC=seal asks for AES-CBC."
                        .into(),
                ));
            }
            return Ok(encode_base64(&cbc.encrypt(data)?));
        }
        Ok(encode_base64(&self.seal(data, context)?))
    }

    /// Decrypts what [`encrypt_data`](Self::encrypt_data) made, here or behind any other door with the same keys.
    ///
    /// # Errors
    /// [`Error::Decrypt`], one error for every cause.
    pub fn decrypt_data(&self, encrypted_data: &str, context: &[u8]) -> Result<Secret, Error> {
        self.open(&decode_base64(encrypted_data)?, context)
    }

    /// Seals `data` as bytes: [`OVERHEAD`](crate::OVERHEAD) more than it has. Always the sealed format.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] where the data is too large.
    pub fn seal(&self, data: &[u8], context: &[u8]) -> Result<Vec<u8>, Error> {
        self.sealing(|key| key.seal(context, data))
    }

    /// Does what makes one message under the newest data key, and counts it.
    fn sealing<T>(&self, seal: impl FnOnce(&DataKey) -> Result<T, Error>) -> Result<T, Error> {
        let ring = self.inner.keys.current();
        let sealed = seal(ring.newest_data_key())?;
        ring.count_sealed();
        Ok(sealed)
    }

    /// Whether the newest data key seals, and opens that: nothing of it gets out, so it is no message.
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
    /// [`Error::InvalidInput`] where the data is too large or `out` is of another size.
    pub fn seal_into(&self, data: &[u8], context: &[u8], out: &mut [u8]) -> Result<(), Error> {
        if data.len().checked_add(cipher::OVERHEAD) != Some(out.len()) {
            return Err(Error::InvalidInput(
                "The output must have exactly the size of the sealed data.".into(),
            ));
        }
        self.sealing(|key| key.seal_into(context, data, out).inspect_err(|_| wipe(out)))
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
        let ring = self.ring_for(sealed);
        if let Some(key) = key_of(&ring, sealed)? {
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
        let ring = self.ring_for(sealed);
        if let Some(key) = key_of(&ring, sealed)? {
            return key.open(context, sealed);
        }
        match ring.cbc_for_opening() {
            Some(cbc) if context.is_empty() => cbc.decrypt(sealed),
            _ => Err(Error::Decrypt),
        }
    }

    /// Seals data anew, under the newest key and with the same context, without showing it to the caller. Takes sealed data
    /// of any key that is accepted, and the original's AES-CBC (without a context) with `SEALGATE_CBC=open`. Always the
    /// sealed format.
    ///
    /// # Errors
    /// [`Error::Decrypt`], one error for every cause; [`Error::KeyRetired`]; [`Error::InvalidInput`] for AES-CBC while
    /// `SEALGATE_CBC=seal` asks for new data of that kind.
    pub fn rewrap(&self, sealed: &[u8], context: &[u8]) -> Result<Vec<u8>, Error> {
        self.rewrap_from(sealed, context, Sources::All)
    }

    /// The same for base64 text.
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
        let sealed = decode_base64(encrypted_data)?;
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
        let opened = match (key_of(&ring, sealed)?, ring.cbc_for_opening(), sources) {
            (Some(key), ..) => key.open(context, sealed)?,
            (None, Some(_), Sources::All) if ring.cbc_for_sealing().is_some() => {
                return Err(Error::InvalidInput(
                    "SEALGATE_CBC=seal asks for new data in AES-CBC. With SEALGATE_CBC=open such data can be moved to the \
                     sealed format."
                        .into(),
                ));
            }
            (None, Some(cbc), Sources::All) if context.is_empty() => cbc.decrypt(sealed)?,
            _ => return Err(Error::Decrypt),
        };
        self.seal(opened.expose(), context)
    }

    /// Begins to seal a stream: data of any size, in constant memory. Always the sealed format for streams, under the key
    /// that is the newest now.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] where the context is longer than [`MAX_STREAM_CONTEXT`](crate::MAX_STREAM_CONTEXT).
    pub fn seal_stream(&self, context: &[u8]) -> Result<Stream, Error> {
        self.sealing(|key| Stream::seal(key, context))
    }

    /// Begins to open a stream.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] where the context is longer than [`MAX_STREAM_CONTEXT`](crate::MAX_STREAM_CONTEXT).
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

    /// The ring, as new as is needed for this sealed data.
    fn ring_for(&self, sealed: &[u8]) -> Guard<Arc<KeyRing>> {
        match cipher::key_id_of(sealed) {
            Some(id) => self.ring_with(id),
            None => self.inner.keys.current(),
        }
    }

    fn ring_with(&self, id: DataKeyId) -> Guard<Arc<KeyRing>> {
        let keys = &self.inner.keys;
        let ring = keys.current();
        match ring.data_key(id) {
            // Another process may have made its key just now.
            Err(Unusable::Unknown) if keys.has_newer_than(&ring) => keys.current(),
            _ => ring,
        }
    }

    /// Reads the key ring anew, for changes that are to be seen at once: they are seen within half a second anyway.
    ///
    /// # Errors
    /// [`Error::KeyRing`] where the ring cannot be read or trusted; the keys from before stay in use.
    pub fn reload_keys(&self) -> Result<(), Error> {
        self.inner.keys.reload()
    }

    /// Replaces keys of the ring that have reached the age that the settings give them, and tells which ones are new. A
    /// server does that by itself.
    ///
    /// # Errors
    /// [`Error::KeyRing`] where the ring cannot be read, trusted or written; it is then as it was.
    pub fn rotate_old_keys(&self) -> Result<Vec<KeyOrigin>, Error> {
        self.inner.keys.rotate_old()
    }

    /// Writes down how many messages the ring's newest data key has sealed, for `sealgate keys list`. That happens by itself
    /// now and then, each second in a server, and when the last clone of a gate is dropped; a program that ends without that
    /// calls this. What goes wrong is told in the log.
    pub fn write_key_usage(&self) {
        self.inner.keys.write_usage();
    }

    /// Whether there is something to write down from time to time.
    pub(crate) fn keeps_key_usage(&self) -> bool {
        self.inner.keys.keeps_usage()
    }

    /// The age at which a key is to be replaced, the lower one of the two kinds; `None` where none is.
    pub(crate) fn key_age(&self) -> Option<Duration> {
        self.inner.keys.age()
    }

    /// Whether the key ring's file is still to be sealed under the secret that the settings name.
    pub fn is_ring_to_be_sealed(&self) -> bool {
        self.inner.keys.is_to_be_sealed()
    }

    /// Why the key ring as its file is now is not in use, if it is not: the keys from before are.
    pub fn key_trouble(&self) -> Option<String> {
        self.inner.keys.trouble()
    }

    /// Whether that is because the ring was sealed under a secret that this gate does not have.
    pub(crate) fn lacks_ring_secret(&self) -> bool {
        self.inner.keys.lacks_secret()
    }

    /// Replaces all but the first `visible_chars` characters by `*`.
    pub fn mask_data(&self, data: &str, visible_chars: usize) -> String {
        crate::logging::mask::mask(data, visible_chars)
    }

    /// Counts a request of `username` and says whether it may go on. `None` where the limit is switched off.
    pub fn enforce_rate_limit(&self, username: &str) -> Option<Admission> {
        let limiter = self.inner.limiter.as_ref()?;
        Some(limiter.admit(username.as_bytes()))
    }

    /// Which keys there are and where they come from, without their secrets; oldest first.
    pub fn key_origins(&self) -> Vec<KeyOrigin> {
        self.inner.keys.current().origins()
    }

    /// What the audit trail joins the events of a user by.
    pub fn pseudonyms(&self) -> &Pseudonyms {
        &self.inner.pseudonyms
    }

    /// Whether and how the original's AES-CBC is spoken.
    pub fn cbc_mode(&self) -> CbcMode {
        self.inner.keys.current().cbc_mode()
    }
}

/// The key that sealed data names. What names a key of ours is sealed data, and never tried as anything weaker.
fn key_of<'a>(ring: &'a KeyRing, sealed: &[u8]) -> Result<Option<&'a DataKey>, Error> {
    cipher::key_id_of(sealed).map_or(Ok(None), |id| key_with(ring, id))
}

/// The key of this id, if there is one.
fn key_with(ring: &KeyRing, id: DataKeyId) -> Result<Option<&DataKey>, Error> {
    match ring.data_key(id) {
        Ok(key) => Ok(Some(key)),
        Err(Unusable::Unknown) => Ok(None),
        Err(Unusable::Retired) => Err(Error::KeyRetired),
    }
}

/// From what data may be sealed anew.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sources {
    /// All that opens.
    All,
    /// Sealed data only: to whoever may not decrypt, AES-CBC would tell more than that (a padding oracle).
    Sealed,
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate")
            .field("keys", &self.key_origins())
            .field("limiter", &self.inner.limiter)
            .finish_non_exhaustive()
    }
}
