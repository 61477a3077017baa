//! The text of the ring file: what is written, what is accepted, and how new keys are added. Does no file access.

use std::fmt;

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::KeyState;
use super::kind::RingKind;
use crate::base::clock::unix_now;
use crate::base::encoding::{decode_base64, encode_base64, encode_hex};
use crate::base::random::random_key;
use crate::cipher::DataKey;
use crate::signing::{TokenAlgorithm, TokenKey};
use crate::{Error, Secret};

const FORMAT: &str = "sealgate key ring";
/// Version 1 has no states and no algorithms: all keys are accepted and its token keys are HS256. Version 2 has no keys
/// that start signing later. A ring is written as the lowest version that can hold it.
const FORMAT_VERSION: u32 = 3;
/// Far more than a ring needs; a larger file is not a ring.
pub(super) const MAX_TEXT: usize = 1 << 20;

/// The keys of a ring file, oldest first.
#[derive(Default)]
pub(super) struct RingContents {
    pub(super) token_keys: Vec<RingKey>,
    pub(super) data_keys: Vec<RingKey>,
}

/// One key of a ring file, with bytes that are valid for its kind.
#[derive(Clone)]
pub(super) struct RingKey {
    /// Derived from the key: a damaged key no longer matches its id.
    pub(super) id: String,
    pub(super) key: Secret,
    /// For a token key; `None` for a data key.
    pub(super) algorithm: Option<TokenAlgorithm>,
    /// Seconds since 1970-01-01 UTC.
    pub(super) created: u64,
    pub(super) state: KeyState,
    /// For a token key that was published in advance: when it starts signing, also in seconds since 1970-01-01 UTC.
    pub(super) signs_from: Option<u64>,
}

/// Why a text is not a usable ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The end of a sentence that begins with the ring's name.
    Damaged(&'static str),
    /// Valid, but for a newer version.
    Newer,
    /// Sealed, and no secret is set to open it.
    Sealed,
    /// Sealed, and cannot be opened.
    OtherSecret,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Fault::Damaged(what) => what,
            Fault::Sealed => {
                "is sealed. Set SEALGATE_RING_KEY or SEALGATE_RING_KEY_FILE to the key or passphrase that it was sealed under"
            }
            Fault::OtherSecret => {
                "cannot be opened with SEALGATE_RING_KEY (or the previous one): it was sealed under \
                 another key or passphrase, or it is damaged"
            }
            Fault::Newer => "was written by a newer version of sealgate; use that version",
        })
    }
}

// Unknown members would be lost when the ring is written again.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    format: String,
    version: u32,
    token_keys: Vec<StoredKey>,
    data_keys: Vec<StoredKey>,
}

#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(deny_unknown_fields)]
struct StoredKey {
    id: String,
    /// Standard base64.
    key: String,
    created: u64,
    /// For a token key; absent for HS256.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    algorithm: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    accepted_until: Option<u64>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    retired: bool,
    /// For a token key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    signs_from: Option<u64>,
}

impl RingContents {
    /// Parses a ring and validates all of it.
    pub(super) fn parse(text: &[u8]) -> Result<Self, Fault> {
        #[derive(Deserialize)]
        struct Head {
            format: String,
            version: u32,
        }
        let head: Head = serde_json::from_slice(text)
            .map_err(|_| Fault::Damaged("is damaged or not a key ring"))?;
        if head.format != FORMAT {
            return Err(Fault::Damaged("is not a key ring"));
        }
        if head.version > FORMAT_VERSION {
            return Err(Fault::Newer);
        }
        if head.version == 0 {
            return Err(Fault::Damaged("is damaged: its version does not exist"));
        }
        let document: Document =
            serde_json::from_slice(text).map_err(|_| Fault::Damaged("is damaged"))?;
        let ring = RingContents {
            token_keys: RingKind::Token.read(&document.token_keys)?,
            data_keys: RingKind::Data.read(&document.data_keys)?,
        };
        if ring.version() > head.version {
            return Err(Fault::Damaged(
                "is damaged: it has members that its version does not allow",
            ));
        }
        // A ring is never written without keys of both kinds.
        match (ring.token_keys.is_empty(), ring.data_keys.is_empty()) {
            (true, _) => Err(Fault::Damaged("is damaged: it has no token key")),
            (_, true) => Err(Fault::Damaged("is damaged: it has no data key")),
            _ if !ring.newest_are_accepted() => {
                Err(Fault::Damaged("is damaged: a newest key is not accepted"))
            }
            _ => Ok(ring),
        }
    }

    /// The lowest version that can hold it.
    fn version(&self) -> u32 {
        let keys = self.token_keys.iter().chain(&self.data_keys);
        let needed = keys.map(|key| match key {
            key if key.signs_from.is_some() => FORMAT_VERSION,
            key if key.state != KeyState::Accepted => 2,
            key if key.algorithm.unwrap_or_default() != TokenAlgorithm::Hs256 => 2,
            _ => 1,
        });
        needed.max().unwrap_or(1)
    }

    /// The algorithm of the newest token key, even if that does not sign yet.
    pub(super) fn token_algorithm(&self) -> Option<TokenAlgorithm> {
        self.token_keys.last().and_then(|key| key.algorithm)
    }

    /// Whether the newest key of each kind, the one that new tokens and data end up using, is accepted.
    fn newest_are_accepted(&self) -> bool {
        [&self.token_keys, &self.data_keys].iter().all(|keys| {
            keys.last()
                .is_none_or(|key| key.state == KeyState::Accepted)
        })
    }

    pub(super) fn keys(&self, kind: RingKind) -> &[RingKey] {
        match kind {
            RingKind::Token => &self.token_keys,
            RingKind::Data => &self.data_keys,
        }
    }

    pub(super) fn keys_mut(&mut self, kind: RingKind) -> &mut Vec<RingKey> {
        match kind {
            RingKind::Token => &mut self.token_keys,
            RingKind::Data => &mut self.data_keys,
        }
    }

    pub(super) fn to_text(&self) -> Zeroizing<Vec<u8>> {
        let stored = |keys: &[RingKey]| keys.iter().map(RingKey::stored).collect();
        let document = Document {
            format: FORMAT.to_owned(),
            version: self.version(),
            token_keys: stored(&self.token_keys),
            data_keys: stored(&self.data_keys),
        };
        // Reserve all of it: a buffer that grows leaves unwiped copies behind.
        let keys = self.token_keys.len() + self.data_keys.len();
        let mut text = Zeroizing::new(Vec::with_capacity(512 + 512 * keys));
        serde_json::to_writer_pretty(&mut *text, &document).expect("plain data is JSON");
        text.push(b'\n');
        text
    }

    /// Whether there is no key yet, as in a ring that is about to be created.
    pub(super) fn is_empty(&self) -> bool {
        self.token_keys.is_empty() && self.data_keys.is_empty()
    }

    /// The algorithm of the next token key: the requested one, else that of the newest key, else HS256.
    pub(super) fn next_algorithm(&self, asked: Option<TokenAlgorithm>) -> TokenAlgorithm {
        asked.or(self.token_algorithm()).unwrap_or_default()
    }

    /// Adds a random key as the newest of its kind. A token key gets [`next_algorithm`](Self::next_algorithm).
    pub(super) fn add_new(
        &mut self,
        kind: RingKind,
        algorithm: Option<TokenAlgorithm>,
    ) -> Result<(), Error> {
        self.add_from(kind, self.next_algorithm(algorithm), random_key)
    }

    /// Draws keys from `random` until one has an unused id.
    pub(super) fn add_from(
        &mut self,
        kind: RingKind,
        algorithm: TokenAlgorithm,
        mut random: impl FnMut() -> Result<Zeroizing<[u8; 32]>, Error>,
    ) -> Result<(), Error> {
        let created = unix_now();
        let algorithm = (kind == RingKind::Token).then_some(algorithm);
        let keys = self.keys_mut(kind);
        // Two collisions in a row are not chance; a generator that repeats itself must not cause an endless loop.
        for _ in 0..4 {
            let key = random()?;
            // Nearly all byte strings are valid P-256 private keys, but not all.
            let Some(id) = key_id(algorithm, &*key) else {
                continue;
            };
            if keys.iter().all(|known| known.id != id) {
                keys.push(RingKey {
                    id,
                    key: Secret::from(&key[..]),
                    algorithm,
                    created,
                    state: KeyState::Accepted,
                    signs_from: None,
                });
                return Ok(());
            }
        }
        Err(Error::Crypto("the random generator repeats itself"))
    }
}

impl RingKey {
    /// The key, ready to sign and verify tokens.
    pub(super) fn token_key(&self) -> Result<TokenKey, Error> {
        self.algorithm
            .and_then(|algorithm| TokenKey::new(algorithm, self.key.expose()))
            .ok_or(Error::Crypto("a key is not a token key"))
    }

    fn stored(&self) -> StoredKey {
        StoredKey {
            id: self.id.clone(),
            key: encode_base64(self.key.expose()),
            created: self.created,
            algorithm: self
                .algorithm
                .filter(|algorithm| *algorithm != TokenAlgorithm::Hs256)
                .map(|algorithm| algorithm.name().to_owned()),
            accepted_until: match self.state {
                KeyState::AcceptedUntil(time) => Some(time),
                _ => None,
            },
            retired: self.state == KeyState::Retired,
            signs_from: self.signs_from,
        }
    }
}

impl RingKind {
    /// The algorithm of a stored key.
    fn algorithm(self, stored: &StoredKey) -> Result<Option<TokenAlgorithm>, Fault> {
        match (self, &stored.algorithm) {
            (RingKind::Data, None) => Ok(None),
            (RingKind::Data, Some(_)) => Err(Fault::Damaged("is damaged: a data key cannot sign")),
            (RingKind::Token, None) => Ok(Some(TokenAlgorithm::Hs256)),
            (RingKind::Token, Some(name)) => TokenAlgorithm::from_name(name)
                .filter(|algorithm| *algorithm != TokenAlgorithm::Hs256)
                .map(Some)
                .ok_or(Fault::Damaged("has a key with an unknown algorithm")),
        }
    }

    fn read(self, stored: &[StoredKey]) -> Result<Vec<RingKey>, Fault> {
        let mut keys: Vec<RingKey> = Vec::with_capacity(stored.len());
        for stored in stored {
            let algorithm = self.algorithm(stored)?;
            let key = decode_base64(&stored.key).ok().map(Secret::new);
            let key = key
                .filter(|key| key_id(algorithm, key.expose()).as_ref() == Some(&stored.id))
                .ok_or(Fault::Damaged("is damaged: a key does not match its id"))?;
            if self == RingKind::Data && stored.signs_from.is_some() {
                return Err(Fault::Damaged("is damaged: a data key cannot sign"));
            }
            if keys.iter().any(|known| known.id == stored.id) {
                return Err(Fault::Damaged("is damaged: two keys have the same id"));
            }
            keys.push(RingKey {
                id: stored.id.clone(),
                key,
                algorithm,
                created: stored.created,
                signs_from: stored.signs_from,
                state: match (stored.retired, stored.accepted_until) {
                    (false, None) => KeyState::Accepted,
                    (false, Some(time)) => KeyState::AcceptedUntil(time),
                    (true, None) => KeyState::Retired,
                    (true, Some(_)) => {
                        return Err(Fault::Damaged("is damaged: a key has two states"));
                    }
                },
            });
        }
        Ok(keys)
    }
}

/// The id of a token key of this algorithm, or of a data key; `None` if the bytes cannot be such a key.
fn key_id(algorithm: Option<TokenAlgorithm>, key: &[u8]) -> Option<String> {
    match algorithm {
        Some(algorithm) => Some(TokenKey::new(algorithm, key)?.id().to_owned()),
        None => {
            let key = DataKey::new(key.try_into().ok()?).ok()?;
            Some(encode_hex(&key.id()))
        }
    }
}

#[cfg(any(test, fuzzing))]
pub(super) mod fuzz;
#[cfg(test)]
mod tests;
