//! The text of the ring file: what is written, what is accepted, and how new keys get in. Knows no file.

use std::fmt;

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::{KeyState, hex};
use crate::cipher::{DataKey, decode_base64, encode_base64, random_key};
use crate::clock::unix_now;
use crate::token::{TokenAlgorithm, TokenKey};
use crate::{Error, Secret};

const FORMAT: &str = "sealgate key ring";
/// Version 1 has no states and no algorithms: its keys are all accepted, and its token keys are HS256. A ring that needs
/// neither is still written as such.
const FORMAT_VERSION: u32 = 2;
/// Far more than a ring can need; a larger file is none.
pub(super) const MAX_TEXT: usize = 1 << 20;

/// The keys of a ring file, oldest first.
#[derive(Default)]
pub(super) struct RingContents {
    pub(super) token_keys: Vec<RingKey>,
    pub(super) data_keys: Vec<RingKey>,
}

/// One key of a ring file; its bytes are right for its kind.
pub(super) struct RingKey {
    /// Follows from the key: a key that was damaged does not have its id any more.
    pub(super) id: String,
    pub(super) key: Secret,
    /// Of a token key; `None` for a data key.
    pub(super) algorithm: Option<TokenAlgorithm>,
    /// Seconds since 1970-01-01 UTC.
    pub(super) created: u64,
    pub(super) state: KeyState,
}

/// Which list of the ring a key belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Token,
    Data,
}

/// Why a text is no ring that can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The end of a sentence that begins with the ring's name.
    Damaged(&'static str),
    /// Nothing is wrong with it but that it is not for this version.
    Newer,
    /// It is sealed, and there is nothing to open it with.
    Sealed,
    /// It is sealed, and does not open.
    OtherSecret,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Fault::Damaged(what) => what,
            Fault::Sealed => {
                "is sealed. Set SEALGATE_RING_KEY or SEALGATE_RING_KEY_FILE to what it was sealed under"
            }
            Fault::OtherSecret => {
                "does not open under SEALGATE_RING_KEY (or the previous one): it was sealed under another key or passphrase, or it is damaged"
            }
            Fault::Newer => "was written by a newer version of sealgate, which has to be used",
        })
    }
}

// Members that are not known here would be lost when the ring is written again.
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
    /// Of a token key; absent for HS256.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    algorithm: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    accepted_until: Option<u64>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    retired: bool,
}

impl RingContents {
    /// Reads a ring and judges all of it.
    pub(super) fn parse(text: &[u8]) -> Result<Self, Fault> {
        #[derive(Deserialize)]
        struct Head {
            format: String,
            version: u32,
        }
        let head: Head = serde_json::from_slice(text)
            .map_err(|_| Fault::Damaged("is damaged or not a key ring at all"))?;
        if head.format != FORMAT {
            return Err(Fault::Damaged("is not a key ring"));
        }
        if head.version > FORMAT_VERSION {
            return Err(Fault::Newer);
        }
        if head.version == 0 {
            return Err(Fault::Damaged("is damaged: there is no such version"));
        }
        let document: Document =
            serde_json::from_slice(text).map_err(|_| Fault::Damaged("is damaged"))?;
        let ring = RingContents {
            token_keys: Kind::Token.read(&document.token_keys)?,
            data_keys: Kind::Data.read(&document.data_keys)?,
        };
        if head.version == 1 && ring.needs_version_2() {
            return Err(Fault::Damaged(
                "is damaged: its version has neither states nor algorithms",
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

    fn needs_version_2(&self) -> bool {
        let mut keys = self.token_keys.iter().chain(&self.data_keys);
        keys.any(|key| {
            key.state != KeyState::Accepted
                || key.algorithm.unwrap_or_default() != TokenAlgorithm::Hs256
        })
    }

    /// How the newest token key signs.
    pub(super) fn token_algorithm(&self) -> Option<TokenAlgorithm> {
        self.token_keys.last().and_then(|key| key.algorithm)
    }

    /// Whether the key of each kind that is used for new tokens or data may be.
    fn newest_are_accepted(&self) -> bool {
        [&self.token_keys, &self.data_keys].iter().all(|keys| {
            keys.last()
                .is_none_or(|key| key.state == KeyState::Accepted)
        })
    }

    pub(super) fn keys_mut(&mut self, kind: Kind) -> &mut Vec<RingKey> {
        match kind {
            Kind::Token => &mut self.token_keys,
            Kind::Data => &mut self.data_keys,
        }
    }

    /// The text of this ring.
    pub(super) fn to_text(&self) -> Zeroizing<Vec<u8>> {
        let stored = |keys: &[RingKey]| keys.iter().map(RingKey::stored).collect();
        let document = Document {
            format: FORMAT.to_owned(),
            version: match self.needs_version_2() {
                true => FORMAT_VERSION,
                false => 1,
            },
            token_keys: stored(&self.token_keys),
            data_keys: stored(&self.data_keys),
        };
        // Room for all of it: a text that grows leaves unwiped copies behind.
        let keys = self.token_keys.len() + self.data_keys.len();
        let mut text = Zeroizing::new(Vec::with_capacity(512 + 512 * keys));
        serde_json::to_writer_pretty(&mut *text, &document).expect("plain data is JSON");
        text.push(b'\n');
        text
    }

    /// Whether there is no key yet: the contents of a ring that is about to be made.
    pub(super) fn is_empty(&self) -> bool {
        self.token_keys.is_empty() && self.data_keys.is_empty()
    }

    /// Adds a random key as the newest of its kind. A token key gets this algorithm; where none is asked for, that of the
    /// newest one, HS256 where there is none.
    pub(super) fn add_new(
        &mut self,
        kind: Kind,
        algorithm: Option<TokenAlgorithm>,
    ) -> Result<(), Error> {
        let algorithm = algorithm.or(self.token_algorithm()).unwrap_or_default();
        self.add_from(kind, algorithm, random_key)
    }

    /// Takes keys from `random` until one has an id that is free.
    pub(super) fn add_from(
        &mut self,
        kind: Kind,
        algorithm: TokenAlgorithm,
        mut random: impl FnMut() -> Result<Zeroizing<[u8; 32]>, Error>,
    ) -> Result<(), Error> {
        let created = unix_now();
        let algorithm = (kind == Kind::Token).then_some(algorithm);
        let keys = self.keys_mut(kind);
        // Two collisions in a row are beyond chance; a generator that repeats itself must not end in a loop.
        for _ in 0..4 {
            let key = random()?;
            // Not all bytes are a private key of P-256, but nearly all.
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
                });
                return Ok(());
            }
        }
        Err(Error::Crypto("the random generator repeats itself"))
    }
}

impl RingKey {
    /// The key as it signs and checks tokens.
    pub(super) fn token_key(&self) -> Result<TokenKey, Error> {
        self.algorithm
            .and_then(|algorithm| TokenKey::new(algorithm, self.key.expose()))
            .ok_or(Error::Crypto("a key is no token key"))
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
        }
    }
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::Token => "token",
            Kind::Data => "data",
        }
    }

    /// How a stored key signs.
    fn algorithm(self, stored: &StoredKey) -> Result<Option<TokenAlgorithm>, Fault> {
        match (self, &stored.algorithm) {
            (Kind::Data, None) => Ok(None),
            (Kind::Data, Some(_)) => Err(Fault::Damaged("is damaged: a data key signs nothing")),
            (Kind::Token, None) => Ok(Some(TokenAlgorithm::Hs256)),
            (Kind::Token, Some(name)) => TokenAlgorithm::from_name(name)
                .filter(|algorithm| *algorithm != TokenAlgorithm::Hs256)
                .map(Some)
                .ok_or(Fault::Damaged(
                    "has a key of an algorithm that is not known",
                )),
        }
    }

    fn read(self, stored: &[StoredKey]) -> Result<Vec<RingKey>, Fault> {
        let mut keys: Vec<RingKey> = Vec::with_capacity(stored.len());
        for stored in stored {
            let algorithm = self.algorithm(stored)?;
            let key = decode_base64(&stored.key).ok().map(Secret::new);
            let key = key
                .filter(|key| key_id(algorithm, key.expose()).as_ref() == Some(&stored.id))
                .ok_or(Fault::Damaged("is damaged: a key does not have its id"))?;
            if keys.iter().any(|known| known.id == stored.id) {
                return Err(Fault::Damaged("is damaged: two keys have one id"));
            }
            keys.push(RingKey {
                id: stored.id.clone(),
                key,
                algorithm,
                created: stored.created,
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

/// The id of a token key of this algorithm, or of a data key, if the bytes can be one.
fn key_id(algorithm: Option<TokenAlgorithm>, key: &[u8]) -> Option<String> {
    match algorithm {
        Some(algorithm) => Some(TokenKey::new(algorithm, key)?.id().to_owned()),
        None => {
            let key = DataKey::new(key.try_into().ok()?).ok()?;
            Some(hex(&key.id()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(keys: usize) -> RingContents {
        let mut ring = RingContents::default();
        for _ in 0..keys {
            ring.add_new(Kind::Token, None).unwrap();
            ring.add_new(Kind::Data, None).unwrap();
        }
        ring
    }

    fn keys(ring: &RingContents) -> Vec<(&str, &[u8])> {
        let all = ring.token_keys.iter().chain(&ring.data_keys);
        all.map(|key| (key.id.as_str(), key.key.expose())).collect()
    }

    #[test]
    fn a_ring_reads_as_it_was_written() {
        let ring = ring(3);
        let text = ring.to_text();
        let read = RingContents::parse(&text).unwrap();
        assert_eq!(keys(&read), keys(&ring));
        assert_eq!(*read.to_text(), *text);
    }

    #[test]
    fn no_beginning_of_a_ring_is_a_ring() {
        let text = ring(2).to_text();
        let whole = text.trim_ascii_end().len();
        for length in 0..whole {
            assert!(
                RingContents::parse(&text[..length]).is_err(),
                "{length} bytes"
            );
        }
    }

    #[test]
    fn no_flipped_bit_changes_a_key_unseen() {
        let ring = ring(1);
        let mut text = ring.to_text();
        for at in 0..text.len() {
            for bit in 0..8 {
                text[at] ^= 1 << bit;
                if let Ok(read) = RingContents::parse(&text) {
                    assert_eq!(keys(&read), keys(&ring), "bit {bit} of byte {at}");
                }
                text[at] ^= 1 << bit;
            }
        }
    }

    fn pairs() -> RingContents {
        let mut ring = ring(1);
        for algorithm in [TokenAlgorithm::EdDsa, TokenAlgorithm::Es256] {
            ring.add_new(Kind::Token, Some(algorithm)).unwrap();
        }
        ring
    }

    #[test]
    fn key_pairs_read_as_they_were_written_in_a_ring_of_version_2() {
        let ring = pairs();
        let text = ring.to_text();
        let read = RingContents::parse(&text).unwrap();
        assert_eq!(keys(&read), keys(&ring));
        let algorithms: Vec<_> = read.token_keys.iter().map(|key| key.algorithm).collect();
        assert_eq!(algorithms, TokenAlgorithm::ALL.map(Some));
        assert_eq!(*read.to_text(), *text);
        let text = std::str::from_utf8(&text).unwrap();
        assert!(text.contains("\"version\": 2"));
        assert!(!text.contains("HS256"), "absent, as rings always had it");
        let first = text.replacen("\"version\": 2", "\"version\": 1", 1);
        assert!(matches!(
            RingContents::parse(first.as_bytes()),
            Err(Fault::Damaged(_))
        ));
    }

    #[test]
    fn no_key_is_taken_for_one_of_another_algorithm() {
        let text = String::from_utf8(pairs().to_text().to_vec()).unwrap();
        for (from, to) in [
            ("\"EdDSA\"", "\"ES256\""),
            ("\"ES256\"", "\"EdDSA\""),
            ("\"EdDSA\"", "\"HS256\""),
            ("\"EdDSA\"", "\"RS256\""),
            ("\"EdDSA\"", "null"),
            (",\n      \"algorithm\": \"EdDSA\"", ""),
            (
                "\"data_keys\": [\n    {\n",
                "\"data_keys\": [\n    {\n\"algorithm\": \"EdDSA\",\n",
            ),
        ] {
            let changed = text.replacen(from, to, 1);
            assert_ne!(changed, text, "{from}");
            assert!(
                RingContents::parse(changed.as_bytes()).is_err(),
                "{from} {to}"
            );
        }
    }

    #[test]
    fn a_new_key_is_of_the_set_algorithm_else_of_the_newest_ones() {
        let mut ring = RingContents::default();
        let mut added = |algorithm| {
            ring.add_new(Kind::Token, algorithm).unwrap();
            ring.token_algorithm().unwrap()
        };
        assert_eq!(added(None), TokenAlgorithm::Hs256);
        assert_eq!(added(Some(TokenAlgorithm::EdDsa)), TokenAlgorithm::EdDsa);
        assert_eq!(added(None), TokenAlgorithm::EdDsa);
        assert_eq!(added(Some(TokenAlgorithm::Hs256)), TokenAlgorithm::Hs256);
    }

    #[test]
    fn bytes_that_are_no_private_key_are_passed_over() {
        let mut ring = ring(1);
        let mut next = [[0xff; 32], [0; 32], [9; 32]].into_iter();
        ring.add_from(Kind::Token, TokenAlgorithm::Es256, || {
            Ok(Zeroizing::new(next.next().unwrap()))
        })
        .unwrap();
        assert_eq!(ring.token_keys[1].key.expose(), [9; 32]);
    }

    #[test]
    fn a_member_that_a_change_would_lose_is_refused() {
        let text = String::from_utf8(ring(1).to_text().to_vec()).unwrap();
        for (from, to) in [
            ("\"version\"", "\"note\": 1, \"version\""),
            ("\"id\"", "\"state\": \"retired\", \"id\""),
        ] {
            assert!(RingContents::parse(text.replacen(from, to, 1).as_bytes()).is_err());
        }
        let old = text.replacen("\"version\": 1", "\"version\": 0", 1);
        assert!(matches!(
            RingContents::parse(old.as_bytes()),
            Err(Fault::Damaged(_))
        ));
    }

    #[test]
    fn a_new_key_never_takes_an_id_that_is_taken() {
        let mut ring = ring(1);
        let known: [u8; 32] = ring.data_keys[0].key.expose().try_into().unwrap();
        let mut next = [known, [7; 32]].into_iter();
        ring.add_from(Kind::Data, TokenAlgorithm::Hs256, || {
            Ok(Zeroizing::new(next.next().unwrap()))
        })
        .unwrap();
        assert_eq!(ring.data_keys[1].key.expose(), [7; 32]);
        assert!(
            ring.add_from(Kind::Data, TokenAlgorithm::Hs256, || Ok(Zeroizing::new(
                known
            )))
            .is_err(),
            "no endless loop"
        );
        assert_eq!(ring.data_keys.len(), 2);
    }
}
