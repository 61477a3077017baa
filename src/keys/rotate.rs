//! Key rotation: new keys replace old ones, which stay accepted for a limited time or are retired.

use std::path::PathBuf;
use std::time::Duration;

use super::Settings;
use super::document::RingContents;
use super::kind::{KeyKind, RingKind};
use super::place::Place;
use super::schedule::{Takeover, in_use};
use super::seal::RingSeal;
use super::{Generated, KeyOrigin, KeyState, NewKeys, manage};
use crate::Error;
use crate::base::clock::unix_now;

/// The result of changing the state of keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// The ring file.
    pub ring: PathBuf,
    /// The keys whose state changed: kind, id and previous state.
    pub keys: Vec<(KeyKind, String, KeyState)>,
    /// The ids of token keys that had not started signing and were removed from the ring.
    pub withdrawn: Vec<String>,
}

/// Adds keys to the ring that replace those in use. `grace`: how long the replaced keys are accepted, by their kind.
pub(crate) fn rotate(
    settings: &Settings,
    kinds: NewKeys,
    grace: impl Fn(KeyKind) -> Option<Duration>,
) -> Result<Generated, Error> {
    manage::add(settings, kinds, |kind| grace(kind.into()))
}

/// The same for a ring with this mark; `None`: it has another one, and was not changed.
pub(crate) fn rotate_if(
    settings: &Settings,
    kinds: NewKeys,
    grace: impl Fn(KeyKind) -> Option<Duration>,
    only_if: Option<&str>,
) -> Result<Option<Generated>, Error> {
    manage::add_if(settings, kinds, |kind| grace(kind.into()), only_if)
}

/// Whether a key created at `made`, in seconds since 1970-01-01 UTC, has reached this age; zero is never reached.
pub(super) fn is_old(made: u64, age: Duration) -> bool {
    !age.is_zero() && made.saturating_add(age.as_secs()) <= unix_now()
}

/// Rotates these kinds of key if the newest one is older than the settings permit, and returns the new keys. Several
/// processes may call this at once: only one rotates.
///
/// # Errors
/// Those of [`rotate`].
pub(super) fn rotate_old(
    settings: &Settings,
    seal: &RingSeal,
    kinds: NewKeys,
) -> Result<Vec<KeyOrigin>, Error> {
    let generated = manage::add_where(settings, seal, |ring, kind| {
        let (age, grace) = match kind {
            RingKind::Token => (
                settings.rotation.rotate_token_key_after,
                Some(settings.rotation.token_grace),
            ),
            RingKind::Data => (settings.rotation.rotate_data_key_after, None),
        };
        // Another process may have been faster.
        let newest = ring.keys_mut(kind).last();
        let wanted = kinds.has(kind) && newest.is_some_and(|key| is_old(key.created, age));
        wanted.then_some(Takeover { grace, now: false })
    })?;
    Ok(generated.added)
}

/// Adds a token key of the algorithm that the settings ask for, if the newest one has another. The old key is accepted
/// until the last of its tokens has expired; the new one signs at once or is published first. Several processes may call
/// this at once: only one adds a key.
///
/// # Errors
/// Those of [`rotate`].
pub(super) fn to_set_algorithm(
    settings: &Settings,
    seal: &RingSeal,
) -> Result<Vec<KeyOrigin>, Error> {
    let generated = manage::add_where(settings, seal, |ring, kind| {
        let wanted =
            kind == RingKind::Token && ring.token_algorithm() != settings.rotation.token_algorithm;
        wanted.then_some(Takeover {
            grace: Some(settings.rotation.token_grace),
            now: false,
        })
    })?;
    Ok(generated.added)
}

/// Sets the state of the keys with these ids: whether their tokens or data are accepted.
pub(crate) fn set_state(
    settings: &Settings,
    ids: &[&str],
    state: KeyState,
) -> Result<Changed, Error> {
    let changed = set_state_if(settings, ids, state, None)?;
    Ok(changed.expect("without a condition nothing keeps it from being made"))
}

/// The same for a ring with this mark; `None`: it has another one, and was not changed.
pub(crate) fn set_state_if(
    settings: &Settings,
    ids: &[&str],
    state: KeyState,
    only_if: Option<&str>,
) -> Result<Option<Changed>, Error> {
    let place = Place::required(settings)?;
    let (mut keys, mut withdrawn) = (Vec::new(), Vec::new());
    let mut fits = true;
    place.change(&RingSeal::of(&settings.ring)?, |ring| {
        keys.clear();
        withdrawn.clear();
        if ring.is_empty() {
            return Err(place.none());
        }
        fits = only_if.is_none_or(|mark| mark == manage::mark_of(ring));
        if !fits {
            return Ok(false);
        }
        for id in ids {
            if state == KeyState::Retired && ring.withdraw(id, unix_now()) {
                withdrawn.push((*id).to_owned());
                continue;
            }
            let (kind, before) = change(ring, id, state)?;
            keys.push((kind.into(), (*id).to_owned(), before));
        }
        Ok(!withdrawn.is_empty() || keys.iter().any(|(_, _, before)| *before != state))
    })?;
    keys.retain(|(_, _, before)| *before != state);
    Ok(fits.then(|| Changed {
        ring: place.path(),
        keys,
        withdrawn,
    }))
}

fn change(
    ring: &mut RingContents,
    id: &str,
    state: KeyState,
) -> Result<(RingKind, KeyState), Error> {
    for kind in RingKind::ALL {
        let keys = ring.keys_mut(kind);
        let Some(at) = keys.iter().position(|key| key.id == id) else {
            continue;
        };
        if state != KeyState::Accepted {
            check_replaced(keys.len(), at, in_use(keys, unix_now()), kind, id)?;
        }
        let before = std::mem::replace(&mut keys[at].state, state);
        return Ok((kind, before));
    }
    // An id is not a secret, but the operator may have typed anything.
    let shown: String = id.chars().take(32).collect();
    Err(Error::InvalidInput(format!(
        "No key of the ring has the id {shown:?}. See: sealgate keys list"
    )))
}

/// New tokens and data need a key, so the one in use stays accepted, and so does the next one.
fn check_replaced(
    keys: usize,
    at: usize,
    used: usize,
    kind: RingKind,
    id: &str,
) -> Result<(), Error> {
    let sentence = match at {
        _ if at < used => return Ok(()),
        _ if at > used => format!(
            "{id} is the next {kind} key and has not been used yet. To prevent its use: sealgate keys retire {id}"
        ),
        _ if at + 1 < keys => format!(
            "{id} is the {kind} key in use until the next one takes over. To use a new one at once: sealgate keys rotate \
             --{kind} --now"
        ),
        _ => format!(
            "{id} is the newest {kind} key and is in use. Replace it first: sealgate keys rotate --{kind}"
        ),
    };
    Err(Error::InvalidInput(sentence))
}
