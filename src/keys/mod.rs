//! The key ring: which keys there are, which one is the newest, and the ids by which tokens and data name them.
//!
//! Keys come from the environment and from the ring file; a key of the environment is always the newest. `document` is
//! the ring file's text, `file` reads it, `write` changes it, `seal` is how its text lies there, `watch` notices
//! changes, `schedule` is when token keys sign, `manage`, `rotate` and `export` are what operators do with it. `tally` counts what data keys seal, and `usage` keeps
//! the numbers. What a key does is the business of `token` and `cipher`.

mod document;
#[cfg(any(test, fuzzing))]
pub(crate) use document::fuzz::documents;
mod export;
mod file;
mod manage;
mod ring_secret;
mod rotate;
mod schedule;
mod seal;
mod settings;
mod state;
mod tally;
mod usage;
mod watch;
mod write;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::base::clock::unix_now;
use crate::base::data_dir::check_folder;
use crate::base::encoding::encode_hex;
use crate::base::random::random_key;
use crate::cipher::{CbcKey, CbcMode, DataKey, DataKeyId};
use crate::signing::{TokenAlgorithm, TokenKey};
use crate::{Error, Secret};

use document::{Kind, RingContents, RingKey};
use schedule::signing;
use seal::{AtRest, RingSeal};
use tally::Tally;
use usage::{Haste, Journal};

pub use export::{export, import, seal, unseal};
pub use file::{RING_BACKUP_FILE, RING_FILE};
pub use manage::{Generated, KeyList, NewKeys, generate, list};
pub use ring_secret::RingSecret;
pub use rotate::{Changed, rotate, set_state};
pub use settings::{GivenKeys, RingSecrets, Rotation, Settings};
pub use state::KeyState;
pub(crate) use state::{Held, Unusable};
pub(crate) use tally::write_all_at_exit;
pub use usage::{KeyUsage, USAGE_FILE};
pub(crate) use watch::Keys;

/// All keys of a gate. Immutable: a change of keys is a new ring.
pub(crate) struct KeyRing {
    /// Oldest first, in the order in which they begin to sign; never empty.
    token_keys: Vec<Held<TokenKey>>,
    /// Oldest first; never empty.
    data_keys: Vec<Held<DataKey>>,
    /// Whether the newest token key is `JWT_SECRET_KEY`, which alone signs tokens without a key id.
    secret_from_settings: bool,
    cbc: Option<CbcKey>,
    cbc_mode: CbcMode,
    origins: Vec<KeyOrigin>,
    /// Whether there is a ring file, and whether it is sealed under the current secret.
    has_file: bool,
    sealed: bool,
    /// Counts what the newest data key seals, where that is one of the ring file.
    tally: Option<Arc<Tally>>,
    /// Tells this ring from every other one of the process.
    generation: u64,
}

/// What to do where keys are needed and there is no ring file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Missing {
    /// Make the file, or random keys where the settings ask for those.
    Make,
    /// Nothing: somebody only looks.
    Leave,
}

/// A key by its id and where it comes from, for start-up lines. Holds no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyOrigin {
    /// `token`, `data` or `AES-CBC`.
    pub kind: &'static str,
    /// The id under which tokens or data name the key; empty for AES-CBC, which names none.
    pub id: String,
    /// Where it comes from, and how it was read.
    pub from: String,
    /// How a token key signs, a name of RFC 7518 or RFC 8037; `None` for other kinds.
    pub algorithm: Option<&'static str>,
    /// When it was made, in seconds since 1970-01-01 UTC, where that is known.
    pub created: Option<u64>,
    /// Whether it is used for new tokens or data. Where AES-CBC is, [`Gate::seal`](crate::Gate::seal) still has a newest
    /// data key.
    pub newest: bool,
    /// When a token key that was published before its time begins to sign, in the same seconds; `None` where it could already.
    pub signs_from: Option<u64>,
    /// Whether what it made is accepted still.
    pub state: KeyState,
}

impl fmt::Display for KeyOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} key", self.kind)?;
        if !self.id.is_empty() {
            write!(f, " {}", self.id)?;
        }
        if let Some(algorithm) = self.algorithm.filter(|name| *name != "HS256") {
            write!(f, " ({algorithm})")?;
        }
        write!(f, " from {}", self.from)?;
        if let Some(time) = self.signs_from {
            write!(
                f,
                ", next: it signs in {} s",
                time.saturating_sub(unix_now())
            )?;
        }
        match self.state {
            KeyState::Accepted => Ok(()),
            KeyState::AcceptedUntil(_) => f.write_str(", accepted for a time"),
            KeyState::Retired => f.write_str(", retired"),
        }
    }
}

impl KeyRing {
    /// Collects the keys that the settings name: of the environment, of the ring file (made where it is needed and not
    /// yet there), or random ones.
    #[cfg(test)]
    pub(crate) fn load(settings: &Settings) -> Result<Self, Error> {
        KeyRing::collect(settings, &RingSeal::of(&settings.ring)?, Missing::Make)
    }

    /// The same without making any: a kind of key may be missing then.
    pub(crate) fn as_it_is(settings: &Settings) -> Result<Self, Error> {
        KeyRing::collect(settings, &RingSeal::of(&settings.ring)?, Missing::Leave)
    }

    /// With [`Missing::Leave`] a kind of key may be missing, which otherwise never is.
    fn collect(settings: &Settings, seal: &RingSeal, missing: Missing) -> Result<Self, Error> {
        let mut ring = KeyRing {
            token_keys: Vec::new(),
            data_keys: Vec::new(),
            secret_from_settings: false,
            cbc: None,
            cbc_mode: CbcMode::Off,
            origins: Vec::new(),
            has_file: false,
            sealed: false,
            tally: None,
            generation: next_generation(),
        };
        if settings.ephemeral {
            if missing == Missing::Make {
                ring.add_random(settings)?;
            }
        } else if let Some(folder) = &settings.data_dir {
            ring.add_file(settings, folder, seal, missing)?;
        } else if !needs_no_ring(&settings.given) {
            return Err(Error::Setting(
                "No keys: set SEALGATE_DATA_DIR (keys are then made and kept there), or JWT_SECRET_KEY and AES_KEY, \
                 or SEALGATE_KEYS=ephemeral for keys that die with the process."
                    .into(),
            ));
        }
        ring.add_settings(&settings.given)?;
        Ok(ring)
    }

    /// The token key that signs now.
    pub(crate) fn signing_key(&self) -> &TokenKey {
        let place = self.signing_place();
        &self
            .token_keys
            .get(place)
            .expect("a ring has a token key")
            .key
    }

    fn signing_place(&self) -> usize {
        match self.token_keys.last() {
            // The clock is read only where it matters.
            Some(newest) if newest.signs_from.is_none() => self.token_keys.len() - 1,
            _ => signing(&self.token_keys, unix_now(), |held| {
                (held.signs_from, held.state)
            }),
        }
    }

    /// The public keys of those token keys that are accepted and have one, oldest first (RFC 7517).
    pub(crate) fn public_jwks(&self) -> Vec<serde_json::Value> {
        let keys = self.token_keys.iter();
        keys.filter_map(|held| held.accepted().ok()?.public_jwk())
            .collect()
    }

    /// Oldest first; none only where keys may be missing.
    pub(crate) fn token_keys(&self) -> impl Iterator<Item = &TokenKey> {
        self.token_keys.iter().map(|held| &held.key)
    }

    /// The key that a token names.
    pub(crate) fn token_key(&self, id: &str) -> Result<&Held<TokenKey>, Unusable> {
        let held = self.token_keys.iter().find(|held| held.key.id() == id);
        held.ok_or(Unusable::Unknown)
    }

    /// The key whose own tokens have this encoded header.
    pub(crate) fn token_key_with_header(&self, header: &str) -> Option<&Held<TokenKey>> {
        let mut keys = self.token_keys.iter();
        keys.rfind(|held| held.key.header() == header)
    }

    /// Names this ring: what was found good under one generation has to be looked at anew under another.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// `JWT_SECRET_KEY`, if it is set: the key of tokens that name none.
    pub(crate) fn settings_token_key(&self) -> Option<&Held<TokenKey>> {
        self.token_keys.last().filter(|_| self.secret_from_settings)
    }

    pub(crate) fn newest_data_key(&self) -> &DataKey {
        &self.data_keys.last().expect("a ring has a data key").key
    }

    /// Has what is sealed from now on counted there, if the key is one of the ring file: those have a time when they were
    /// made.
    fn count_in(&mut self, journal: &Arc<Journal>) {
        let kept = self
            .newest_origin("data")
            .filter(|origin| origin.created.is_some());
        self.tally = kept.map(|origin| Tally::new(journal, origin.id.clone()));
    }

    /// The newest data key has sealed one message.
    pub(crate) fn count_sealed(&self) {
        if let Some(tally) = &self.tally {
            tally.count();
        }
    }

    fn write_usage(&self, haste: Haste) {
        if let Some(tally) = &self.tally {
            tally.write(haste);
        }
    }

    /// The key that sealed data names.
    pub(crate) fn data_key(&self, id: DataKeyId) -> Result<&DataKey, Unusable> {
        let held = self.data_keys.iter().find(|held| held.key.id() == id);
        held.ok_or(Unusable::Unknown)?.accepted()
    }

    /// Whether it has keys for tokens and for data.
    fn is_complete(&self) -> bool {
        !self.token_keys.is_empty() && !self.data_keys.is_empty()
    }

    /// The original's AES-CBC, if it may open data.
    pub(crate) fn cbc_for_opening(&self) -> Option<&CbcKey> {
        self.cbc.as_ref()
    }

    /// The original's AES-CBC, if new data is to be encrypted with it.
    pub(crate) fn cbc_for_sealing(&self) -> Option<&CbcKey> {
        self.cbc.as_ref().filter(|_| self.cbc_mode == CbcMode::Seal)
    }

    pub(crate) fn cbc_mode(&self) -> CbcMode {
        self.cbc_mode
    }

    /// Whether the ring's file is still to be sealed under the secret that the settings name.
    pub(crate) fn is_to_be_sealed(&self, secrets: &RingSecrets) -> bool {
        self.has_file
            && !self.sealed
            && (secrets.ring_key.is_some() || secrets.ring_key_file.is_some())
    }

    /// The keys without their secrets, as they are used at this moment.
    pub(crate) fn origins(&self) -> Vec<KeyOrigin> {
        let now = unix_now();
        let signing = self.token_keys.get(self.signing_place());
        let token = signing.map(|held| held.key.id().to_owned());
        let data = self.data_keys.last().map(|held| encode_hex(&held.key.id()));
        let mut origins = self.origins.clone();
        for origin in &mut origins {
            origin.newest = match origin.kind {
                "token" => Some(&origin.id) == token.as_ref(),
                "data" => Some(&origin.id) == data.as_ref(),
                _ => self.cbc_mode == CbcMode::Seal,
            };
            origin.signs_from = origin
                .signs_from
                .filter(|time| *time > now && !origin.newest);
        }
        origins
    }

    /// The key of this kind that was added last, even if it does not sign yet.
    fn newest_origin(&self, kind: &str) -> Option<&KeyOrigin> {
        self.origins.iter().rfind(|origin| origin.kind == kind)
    }

    fn add_random(&mut self, settings: &Settings) -> Result<(), Error> {
        const FROM: &str = "random bytes, gone when the process ends";
        if settings.given.jwt_secret_key.is_none() {
            self.add_token_key(
                random_token_key(settings.rotation.token_algorithm)?,
                Origin::new(FROM),
            )?;
        }
        if settings.given.aes_key.is_none() {
            self.add_data_key(DataKey::new(&*random_key()?)?, Origin::new(FROM))?;
        }
        Ok(())
    }

    fn add_file(
        &mut self,
        settings: &Settings,
        folder: &Path,
        seal: &RingSeal,
        missing: Missing,
    ) -> Result<(), Error> {
        let contents = match file::read(folder, seal)? {
            Some(found) => {
                self.sealed = matches!(found.at_rest, AtRest::Sealed(_));
                found.contents
            }
            None if needs_no_ring(&settings.given) => return Ok(()),
            None if missing == Missing::Leave => {
                if folder.exists() {
                    check_folder(folder).map_err(Error::KeyRing)?;
                }
                return file::check_not_lost(folder, seal);
            }
            None => {
                self.sealed = seal.seals();
                make_file(folder, seal, settings.rotation.token_algorithm)?
            }
        };
        self.has_file = true;
        let from = format!("the key ring {}", folder.join(RING_FILE).display());
        for key in &contents.token_keys {
            self.add_token_key(key.token_key()?, Origin::of(key, &from))?;
        }
        for key in &contents.data_keys {
            let bytes = key.key.expose();
            let bytes = bytes.try_into().expect("the ring's reader checks the size");
            self.add_data_key(DataKey::new(bytes)?, Origin::of(key, &from))?;
        }
        Ok(())
    }

    /// The environment's keys come last: they are the newest.
    fn add_settings(&mut self, given: &GivenKeys) -> Result<(), Error> {
        if let Some(secret) = &given.jwt_secret_key {
            let key = TokenKey::new(TokenAlgorithm::Hs256, secret.expose())
                .ok_or(Error::Crypto("a token key has no id"))?;
            self.forget_token_key(key.id(), secret);
            self.add_token_key(key, Origin::new("JWT_SECRET_KEY"))?;
            self.secret_from_settings = true;
        }
        let Some(aes_key) = &given.aes_key else {
            return Ok(());
        };
        let from = format!(
            "AES_KEY (read as {} {})",
            aes_key.len(),
            byte_form(given.aes_key_form)
        );
        let data_key = DataKey::from_aes_key(aes_key.expose())?;
        self.data_keys
            .retain(|known| known.key.bytes() != data_key.bytes());
        self.add_data_key(data_key, Origin::new(&from))?;
        let Some(iv) = &given.aes_iv else {
            return Ok(());
        };
        self.cbc_mode = given.cbc.unwrap_or(CbcMode::Seal);
        if self.cbc_mode != CbcMode::Off {
            let iv = iv
                .expose()
                .try_into()
                .expect("the setting's parser checks the size");
            self.cbc = Some(CbcKey::new(aes_key, iv)?);
            self.origins.push(KeyOrigin {
                kind: "AES-CBC",
                id: String::new(),
                from: format!(
                    "AES_KEY and AES_IV (read as 16 {})",
                    byte_form(given.aes_iv_form)
                ),
                algorithm: None,
                created: None,
                newest: false,
                signs_from: None,
                state: KeyState::Accepted,
            });
        }
        Ok(())
    }

    fn add_token_key(&mut self, key: TokenKey, origin: Origin<'_>) -> Result<(), Error> {
        if self.token_key(key.id()).is_ok() {
            return Err(same_id("token", key.id()));
        }
        self.origins.push(KeyOrigin {
            algorithm: Some(key.algorithm().name()),
            ..origin.told("token", key.id().to_owned())
        });
        self.token_keys.push(Held {
            key,
            state: origin.state,
            signs_from: origin.signs_from,
        });
        Ok(())
    }

    fn add_data_key(&mut self, key: DataKey, origin: Origin<'_>) -> Result<(), Error> {
        let id = encode_hex(&key.id());
        if self.data_keys.iter().any(|held| held.key.id() == key.id()) {
            return Err(same_id("data", &id));
        }
        self.origins
            .retain(|origin| origin.kind != "data" || origin.id != id);
        self.origins.push(origin.told("data", id));
        self.data_keys.push(Held {
            key,
            state: origin.state,
            signs_from: None,
        });
        Ok(())
    }

    /// A key that stands in the ring file and in the environment is one key, and the newest.
    fn forget_token_key(&mut self, id: &str, secret: &Secret) {
        self.token_keys
            .retain(|known| known.key.id() != id || !known.key.is_secret(secret));
        self.origins
            .retain(|origin| origin.kind != "token" || origin.id != id);
    }
}

/// Where a key comes from, how long it is accepted, and from when on it signs.
#[derive(Clone, Copy)]
struct Origin<'a> {
    from: &'a str,
    created: Option<u64>,
    state: KeyState,
    signs_from: Option<u64>,
}

impl<'a> Origin<'a> {
    fn new(from: &'a str) -> Self {
        Origin {
            from,
            created: None,
            state: KeyState::Accepted,
            signs_from: None,
        }
    }

    fn of(key: &RingKey, from: &'a str) -> Self {
        Origin {
            from,
            created: Some(key.created),
            state: key.state,
            signs_from: key.signs_from,
        }
    }

    fn told(&self, kind: &'static str, id: String) -> KeyOrigin {
        KeyOrigin {
            kind,
            id,
            from: self.from.to_owned(),
            algorithm: None,
            created: self.created,
            newest: false,
            signs_from: self.signs_from,
            state: self.state,
        }
    }
}

/// Makes the ring file with one key of each kind, unless another process was faster.
fn make_file(
    folder: &Path,
    seal: &RingSeal,
    algorithm: Option<TokenAlgorithm>,
) -> Result<RingContents, Error> {
    let changed = write::change(folder, seal, |ring| {
        let new = ring.is_empty();
        if new {
            ring.add_new(Kind::Token, algorithm)?;
            ring.add_new(Kind::Data, None)?;
        }
        Ok(new)
    })?;
    Ok(changed.contents)
}

/// Whether the environment has a key of each kind.
fn needs_no_ring(given: &GivenKeys) -> bool {
    given.jwt_secret_key.is_some() && given.aes_key.is_some()
}

fn next_generation() -> u64 {
    static GENERATIONS: AtomicU64 = AtomicU64::new(1);
    GENERATIONS.fetch_add(1, Ordering::Relaxed)
}

/// A token key that nothing keeps.
fn random_token_key(algorithm: Option<TokenAlgorithm>) -> Result<TokenKey, Error> {
    let mut ring = RingContents::default();
    ring.add_new(Kind::Token, algorithm)?;
    ring.token_keys[0].token_key()
}

fn same_id(kind: &str, id: &str) -> Error {
    Error::KeyRing(format!(
        "Two different {kind} keys have the id {id}, so what they made could not be told apart. Replace the one that you set."
    ))
}

/// "32 raw bytes", but "32 bytes of hex digits".
fn byte_form(form: &str) -> String {
    match form {
        "raw bytes" => form.to_owned(),
        other => format!("bytes of {other}"),
    }
}

#[cfg(test)]
mod tests;
