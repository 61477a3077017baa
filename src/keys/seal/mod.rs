//! The ring at rest: its text sealed under an operator's key or passphrase. Does no file access except for secret files.
//!
//! The written form records how its key is derived from the secret, so it can be read wherever the secret is known. A key
//! is derived once per salt and cached, since a passphrase takes a tenth of a second; rewriting a ring keeps its salt.

use std::fs::{self, File};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use argon2::{Algorithm, Argon2, Params, Version};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::document::Fault;
use super::ring_secret::{Form, RingSecret};
use super::settings::RingSecrets;
use crate::base::encoding::{decode_base64, encode_base64};
use crate::base::given_file;
use crate::base::hkdf::hkdf_sha256;
use crate::base::random::random_bytes;
use crate::base::sync::lock;
use crate::cipher::DataKey;
use crate::{Error, Secret};

pub(in crate::keys) const FORMAT: &str = "sealgate sealed key ring";
const FORMAT_VERSION: u32 = 1;
const SALT: usize = 16;
const INFO: &[u8] = b"sealgate/ring-key/v1";
/// Argon2id cost for passphrases: memory in KiB, passes, lanes.
const COST: (u32, u32, u32) = (64 << 10, 3, 1);
/// A file that demands more was not written by sealgate.
const HIGHEST_COST: (u32, u32, u32) = (1 << 20, 16, 16);
const LARGEST_FILE: usize = 8 << 10;

/// The secrets that can open a ring, and the one that seals it.
pub(crate) struct RingSeal {
    current: Option<RingSecret>,
    previous: Option<RingSecret>,
    derived: Mutex<Vec<Derived>>,
}

struct Derived {
    by: Derivation,
    from: RingSecret,
    key: Arc<DataKey>,
}

/// How a key is derived from a secret. All of it is authenticated.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kdf", rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::keys) enum Derivation {
    #[serde(rename = "argon2id")]
    Argon2id {
        memory_kib: u32,
        passes: u32,
        lanes: u32,
        salt: String,
    },
    HkdfSha256 {
        salt: String,
    },
}

/// How a ring's text is stored in its file.
#[derive(Clone)]
pub(in crate::keys) enum AtRest {
    Plain,
    /// Sealed under the current secret, with this key.
    Sealed(Derivation),
    /// Sealed under the previous secret.
    Outdated,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope {
    format: String,
    version: u32,
    key: Derivation,
    /// Standard base64 of sealed data.
    sealed: String,
}

impl RingSeal {
    /// The secrets that the settings name. Their files are read now.
    pub(crate) fn of(settings: &RingSecrets) -> Result<Self, Error> {
        let current = secret_of(
            "SEALGATE_RING_KEY",
            &settings.ring_key,
            &settings.ring_key_file,
        )?;
        let previous = secret_of(
            "SEALGATE_RING_KEY_PREVIOUS",
            &settings.ring_key_previous,
            &settings.ring_key_previous_file,
        )?;
        Ok(RingSeal::new(current, previous))
    }

    /// The same with the current contents of the secret files; `None` if none of them can be read a second time.
    pub(in crate::keys) fn of_files_again(settings: &RingSecrets) -> Option<Self> {
        let files = [&settings.ring_key_file, &settings.ring_key_previous_file];
        let mut files = files.into_iter().flatten().peekable();
        files.peek()?;
        // A pipe has already been read, or would block.
        let are_files = files.all(|path| fs::metadata(path).is_ok_and(|found| found.is_file()));
        are_files.then(|| RingSeal::of(settings).ok()).flatten()
    }

    pub(in crate::keys) fn has_secrets_of(&self, other: &RingSeal) -> bool {
        self.current == other.current && self.previous == other.previous
    }

    pub(in crate::keys) fn new(current: Option<RingSecret>, previous: Option<RingSecret>) -> Self {
        RingSeal {
            current,
            previous,
            derived: Mutex::default(),
        }
    }

    /// Whether a written ring has to be sealed.
    pub(in crate::keys) fn seals(&self) -> bool {
        self.current.is_some()
    }

    /// The ring's text, opened if it was sealed, and how it was stored.
    pub(in crate::keys) fn open(&self, text: Secret) -> Result<(Secret, AtRest), Fault> {
        #[derive(Deserialize)]
        struct Head {
            format: String,
            version: u32,
        }
        let head = serde_json::from_slice::<Head>(text.expose());
        let Some(head) = head.ok().filter(|head| head.format == FORMAT) else {
            return Ok((text, AtRest::Plain));
        };
        if head.version > FORMAT_VERSION {
            return Err(Fault::Newer);
        }
        let envelope: Envelope =
            serde_json::from_slice(text.expose()).map_err(|_| Fault::Damaged("is damaged"))?;
        if envelope.version != FORMAT_VERSION || !envelope.key.is_ours() {
            return Err(Fault::Damaged("is damaged"));
        }
        let sealed = decode_base64(&envelope.sealed).map_err(|_| Fault::Damaged("is damaged"))?;
        if self.current.is_none() && self.previous.is_none() {
            return Err(Fault::Sealed);
        }
        let opens = |secret: &Option<RingSecret>| {
            let key = self.derive(secret.as_ref()?, &envelope.key).ok()?;
            key.open(&envelope.key.context(), &sealed).ok()
        };
        if let Some(text) = opens(&self.current) {
            return Ok((text, AtRest::Sealed(envelope.key)));
        }
        match opens(&self.previous) {
            Some(text) => Ok((text, AtRest::Outdated)),
            None => Err(Fault::OtherSecret),
        }
    }

    /// How to derive the sealing key from the current secret: as before, if that already used this secret.
    pub(in crate::keys) fn derivation(&self, before: &AtRest) -> Result<Derivation, Error> {
        let secret = self.current()?;
        match before {
            AtRest::Sealed(by) if by.fits(secret) => Ok(by.clone()),
            _ => Derivation::new(secret),
        }
    }

    fn current(&self) -> Result<&RingSecret, Error> {
        let nothing = Error::Crypto("there is nothing to seal a ring under");
        self.current.as_ref().ok_or(nothing)
    }

    /// Seals a text under the current secret.
    pub(in crate::keys) fn seal(&self, text: &[u8], by: &Derivation) -> Result<Secret, Error> {
        let key = self.derive(self.current()?, by)?;
        let sealed = key.seal(&by.context(), text)?;
        let envelope = Envelope {
            format: FORMAT.to_owned(),
            version: FORMAT_VERSION,
            key: by.clone(),
            sealed: encode_base64(&sealed),
        };
        let mut text = serde_json::to_vec_pretty(&envelope).expect("plain data is JSON");
        text.push(b'\n');
        Ok(Secret::new(text))
    }

    fn derive(&self, secret: &RingSecret, by: &Derivation) -> Result<Arc<DataKey>, Error> {
        let known = lock(&self.derived)
            .iter()
            .find(|known| known.by == *by && known.from == *secret)
            .map(|known| known.key.clone());
        if let Some(known) = known {
            return Ok(known);
        }
        let key = Arc::new(DataKey::new(&*by.key(secret)?)?);
        let mut derived = lock(&self.derived);
        // A ring has one salt at a time; its backup may have another.
        derived.truncate(3);
        derived.insert(
            0,
            Derived {
                by: by.clone(),
                from: secret.clone(),
                key: key.clone(),
            },
        );
        Ok(key)
    }
}

fn secret_of(
    name: &str,
    given: &Option<RingSecret>,
    file: &Option<PathBuf>,
) -> Result<Option<RingSecret>, Error> {
    let Some(path) = file else {
        return Ok(given.clone());
    };
    let wrong = |what: &str| Error::Setting(format!("{name}_FILE: {} {what}", path.display()));
    if given.is_some() {
        return Err(Error::Setting(format!(
            "{name} and {name}_FILE are both set. Unset one of them."
        )));
    }
    // It may be a pipe: a shell's `<(...)`.
    let file = File::open(path).map_err(|error| wrong(&format!("cannot be read: {error}.")))?;
    let judged = file
        .metadata()
        .map_err(|error| error.to_string())
        .and_then(|metadata| given_file::check(path, &metadata));
    judged.map_err(|end| wrong(&end))?;
    let text = Secret::read(file, LARGEST_FILE)
        .map_err(|error| wrong(&format!("cannot be read: {error}.")))?
        .ok_or_else(|| wrong("is larger than 8 KiB."))?;
    RingSecret::read(text.expose())
        .map(Some)
        .map_err(|wanted| wrong(&wanted))
}

impl Derivation {
    pub(in crate::keys) fn new(secret: &RingSecret) -> Result<Self, Error> {
        let salt: [u8; SALT] = random_bytes()?;
        let salt = encode_base64(&salt);
        Ok(match secret.form {
            Form::Key => Derivation::HkdfSha256 { salt },
            Form::Passphrase => Derivation::Argon2id {
                memory_kib: COST.0,
                passes: COST.1,
                lanes: COST.2,
                salt,
            },
        })
    }

    fn fits(&self, secret: &RingSecret) -> bool {
        matches!(self, Derivation::HkdfSha256 { .. }) == (secret.form == Form::Key)
    }

    fn salt(&self) -> Option<Vec<u8>> {
        let (Derivation::Argon2id { salt, .. } | Derivation::HkdfSha256 { salt }) = self;
        decode_base64(salt).ok().filter(|salt| salt.len() == SALT)
    }

    /// Whether its cost is within what sealgate writes.
    pub(in crate::keys) fn is_ours(&self) -> bool {
        let bearable = match self {
            Derivation::HkdfSha256 { .. } => true,
            Derivation::Argon2id {
                memory_kib,
                passes,
                lanes,
                ..
            } => {
                *memory_kib <= HIGHEST_COST.0
                    && *passes <= HIGHEST_COST.1
                    && *lanes <= HIGHEST_COST.2
            }
        };
        bearable && self.salt().is_some()
    }

    /// The data authenticated with the ring.
    fn context(&self) -> Vec<u8> {
        let by = match self {
            Derivation::HkdfSha256 { salt } => format!("hkdf-sha256 {salt}"),
            Derivation::Argon2id {
                memory_kib,
                passes,
                lanes,
                salt,
            } => format!("argon2id {memory_kib} {passes} {lanes} {salt}"),
        };
        format!("{FORMAT} {FORMAT_VERSION} {by}").into_bytes()
    }

    pub(in crate::keys) fn key(&self, secret: &RingSecret) -> Result<Zeroizing<[u8; 32]>, Error> {
        const FAILED: Error = Error::Crypto("a ring's key could not be derived");
        let salt = self.salt().ok_or(FAILED)?;
        let mut key = Zeroizing::new([0; 32]);
        match self {
            Derivation::HkdfSha256 { .. } => {
                let info = [INFO, &salt].concat();
                hkdf_sha256(secret.bytes.expose(), &info, &mut *key)?;
            }
            Derivation::Argon2id {
                memory_kib,
                passes,
                lanes,
                ..
            } => {
                let params =
                    Params::new(*memory_kib, *passes, *lanes, Some(32)).map_err(|_| FAILED)?;
                Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
                    .hash_password_into(secret.bytes.expose(), &salt, &mut *key)
                    .map_err(|_| FAILED)?;
            }
        }
        Ok(key)
    }
}

#[cfg(test)]
mod tests;
