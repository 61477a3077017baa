//! Key management for operators: listing keys and adding new ones.

use std::path::PathBuf;
use std::time::Duration;

use openssl::sha::sha256;

use super::Settings;
use super::document::{RingContents, RingKey};
use super::kind::{KeyKind, RingKind};
use super::place::Place;
use super::schedule::Takeover;
use super::seal::RingSeal;
use super::{KeyOrigin, KeyRing, KeyState, KeyUsage};
use crate::Error;
use crate::base::clock::unix_now;
use crate::base::encoding::encode_url;

/// All keys, without their secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyList {
    /// The ring file, if there is one.
    pub ring: Option<PathBuf>,
    /// Keys from the ring and the environment, oldest first.
    pub keys: Vec<KeyOrigin>,
    /// How many messages each data key of the ring has sealed.
    pub usage: KeyUsage,
    /// Whether the ring's file is sealed.
    pub sealed: bool,
}

impl KeyList {
    /// How many messages a key of the list has sealed, as far as recorded; a running server records counts every
    /// second.
    /// `None` unless the key is a data key of the ring: others are not counted.
    pub fn messages(&self, key: &KeyOrigin) -> Option<u64> {
        let counted = key.kind == KeyKind::Data && key.created.is_some();
        counted.then(|| self.usage.messages(&key.id))
    }

    /// Changes with the keys of the ring: which there are, how long they are accepted, and when they sign.
    pub fn mark(&self) -> String {
        let of_ring = self.keys.iter().filter(|key| key.created.is_some());
        mark(of_ring.map(|key| (key.kind, &*key.id, key.state, key.signs_from)))
    }

    /// Whether there are keys for tokens and for data, so that a gate would not need to create any.
    pub fn is_complete(&self) -> bool {
        RingKind::ALL
            .map(KeyKind::from)
            .iter()
            .all(|kind| self.keys.iter().any(|key| key.kind == *kind))
    }
}

/// Which kinds of key to add.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewKeys {
    /// A key that signs tokens.
    pub token: bool,
    /// A key that seals data.
    pub data: bool,
    /// Whether the token key signs at once, even if it would normally be published first.
    pub now: bool,
}

impl NewKeys {
    pub(super) fn has(self, kind: RingKind) -> bool {
        match kind {
            RingKind::Token => self.token,
            RingKind::Data => self.data,
        }
    }
}

/// The result of adding keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generated {
    /// The ring file.
    pub ring: PathBuf,
    /// The previous ring; `None` if there was none.
    pub backup: Option<PathBuf>,
    /// The keys that were added.
    pub added: Vec<KeyOrigin>,
}

/// See [`KeyList::mark`].
fn mark<'k>(keys: impl Iterator<Item = (KeyKind, &'k str, KeyState, Option<u64>)>) -> String {
    let mut marked: Vec<String> = keys.map(|key| format!("{key:?}")).collect();
    // The list is in the order of age, the ring in that of kinds.
    marked.sort_unstable();
    encode_url(&sha256(marked.join("\n").as_bytes())[..12])
}

/// The mark of a ring that is about to be changed.
pub(super) fn mark_of(ring: &mut RingContents) -> String {
    let mut keys = Vec::new();
    for kind in RingKind::ALL {
        for key in &*ring.keys_mut(kind) {
            keys.push((kind.into(), key.id.clone(), key.state, key.signs_from));
        }
    }
    let keys = keys.iter();
    mark(keys.map(|(kind, id, state, from)| (*kind, &**id, *state, *from)))
}

/// Lists the keys of the ring file and of the settings. Read-only: creates neither directory nor ring.
///
/// # Errors
/// [`Error::KeyRing`] if the ring cannot be read or trusted, or is missing while its backup exists.
pub fn list(settings: &Settings) -> Result<KeyList, Error> {
    let ring = KeyRing::as_it_is(settings)?;
    let place = Place::of(settings)?;
    place.as_ref().map_or(Ok(()), Place::check_backup)?;
    Ok(list_in_use(settings, &ring))
}

/// Lists the keys of a ring that these settings name.
pub(crate) fn list_in_use(settings: &Settings, ring: &KeyRing) -> KeyList {
    let place = Place::of(settings).ok().flatten();
    let place = place.filter(|_| ring.has_file);
    KeyList {
        ring: place.as_ref().map(Place::path),
        keys: ring.origins(),
        sealed: ring.sealed,
        usage: place.as_ref().map(Place::usage).unwrap_or_default(),
    }
}

/// Adds random keys to the ring file as the newest; if there is no ring, creates one.
pub(crate) fn generate(settings: &Settings, kinds: NewKeys) -> Result<Generated, Error> {
    add(settings, kinds, |_| None)
}

/// Adds keys, or creates the ring. `grace`: how long the previous keys of each kind are accepted.
pub(super) fn add(
    settings: &Settings,
    kinds: NewKeys,
    grace: impl Fn(RingKind) -> Option<Duration>,
) -> Result<Generated, Error> {
    let added = add_if(settings, kinds, grace, None)?;
    Ok(added.expect("without a condition nothing keeps it from being made"))
}

/// The same for a ring with this mark; `None`: it has another one, and was not changed.
pub(super) fn add_if(
    settings: &Settings,
    kinds: NewKeys,
    grace: impl Fn(RingKind) -> Option<Duration>,
    only_if: Option<&str>,
) -> Result<Option<Generated>, Error> {
    check_use(settings, kinds)?;
    let mut fits = true;
    let added = add_where(settings, &RingSeal::of(&settings.ring)?, |ring, kind| {
        // Tokens come first: what has been added of them must not count.
        if kind == RingKind::Token {
            fits = only_if.is_none_or(|mark| mark == mark_of(ring));
        }
        (fits && kinds.has(kind)).then(|| Takeover {
            grace: grace(kind),
            now: kinds.now,
        })
    })?;
    Ok(fits.then_some(added))
}

/// Adds a key of each kind that `wanted` selects, under the ring's lock; of both kinds if there is no ring.
pub(super) fn add_where(
    settings: &Settings,
    seal: &RingSeal,
    mut wanted: impl FnMut(&mut RingContents, RingKind) -> Option<Takeover>,
) -> Result<Generated, Error> {
    let place = Place::required(settings)?;
    let from = place.from();
    let mut added = Vec::new();
    let changed = place.change(seal, |ring| {
        added.clear();
        let new = ring.is_empty();
        for kind in RingKind::ALL {
            let first = new.then(Takeover::default);
            if let Some(takeover) = wanted(ring, kind).or(first) {
                ring.add_successor(kind, &settings.rotation, takeover, unix_now())?;
                let key = ring.keys_mut(kind).last().expect("just added");
                added.push(KeyOrigin {
                    newest: key.signs_from.is_none(),
                    ..origin(kind, key, &from)
                });
            }
        }
        Ok(!added.is_empty())
    })?;
    Ok(Generated {
        ring: place.path(),
        backup: place.backup().filter(|_| changed.existed),
        added,
    })
}

/// The public description of a key of the ring.
pub(super) fn origin(kind: RingKind, key: &RingKey, from: &str) -> KeyOrigin {
    KeyOrigin {
        kind: kind.into(),
        id: key.id.clone(),
        from: from.to_owned(),
        algorithm: key.algorithm,
        created: Some(key.created),
        newest: false,
        signs_from: key.signs_from,
        state: key.state,
    }
}

/// Does not create a key that would never be used: the operator would believe that the old one is retired.
fn check_use(settings: &Settings, kinds: NewKeys) -> Result<(), Error> {
    let sentence = match (
        kinds.token && settings.given.jwt_secret_key.is_some(),
        kinds.data && settings.given.aes_key.is_some(),
    ) {
        (false, false) => return Ok(()),
        (true, true) => {
            "JWT_SECRET_KEY and AES_KEY are set and are always the newest keys, so keys added to the ring would not be \
             used. Unset them first."
        }
        (true, false) if kinds.data => {
            "JWT_SECRET_KEY is set and is always the newest token key, so one added to the ring would not be used. \
             Unset it first, or add only a data key with --data"
        }
        (false, true) if kinds.token => {
            "AES_KEY is set and is always the newest data key, so one added to the ring would not be used. Unset it \
             first, or add only a token key with --token"
        }
        (true, false) => {
            "JWT_SECRET_KEY is set and is always the newest token key, so one added to the ring would not be used. \
             Unset it first."
        }
        (false, true) => {
            "AES_KEY is set and is always the newest data key, so one added to the ring would not be used. Unset it \
             first."
        }
    };
    Err(Error::Setting(sentence.into()))
}
