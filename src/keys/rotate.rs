//! Keys that are replaced: new ones that are used from now on, old ones that are accepted for a time, or not any more.

use std::path::PathBuf;
use std::time::Duration;

use super::Settings;
use super::document::{Kind, RingContents};
use super::schedule::{Takeover, in_use};
use super::seal::RingSeal;
use super::{Generated, KeyOrigin, KeyState, NewKeys, file, manage, write};
use crate::Error;
use crate::base::clock::unix_now;

/// What [`set_state`] has done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// The ring file.
    pub ring: PathBuf,
    /// The keys that have another state now: kind, id and the state before.
    pub keys: Vec<(&'static str, String, KeyState)>,
    /// The ids of token keys that had not begun to sign, and never will: they are not in the ring any more.
    pub withdrawn: Vec<String>,
}

/// Adds keys to the ring that replace those in use, which are then accepted for `grace` (`None`: without an end); where it
/// is zero, they are accepted no more, and neither is any older token key. Gates notice within half a second, in all processes
/// that use the ring.
///
/// A token key with a public key is published first, and signs when `settings.rotation.token_key_lead` is over, unless `kinds.now` or a
/// `grace` of zero asks for it at once: [`KeyOrigin::signs_from`] has the time. All other keys are used at once.
///
/// # Errors
/// Those of [`generate`](super::generate); the ring is then as it was.
pub fn rotate(
    settings: &Settings,
    kinds: NewKeys,
    grace: impl Fn(&'static str) -> Option<Duration>,
) -> Result<Generated, Error> {
    manage::add(settings, kinds, |kind| grace(kind.name()))
}

/// Whether a key that was made then, in seconds since 1970-01-01 UTC, has reached this age; zero is never reached.
pub(super) fn is_old(made: u64, age: Duration) -> bool {
    !age.is_zero() && made.saturating_add(age.as_secs()) <= unix_now()
}

/// Rotates these kinds of key where the newest one is older than the settings permit, and tells which ones are new. May be
/// called by several processes at once: one of them does it.
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
            Kind::Token => (
                settings.rotation.rotate_token_key_after,
                Some(settings.rotation.token_grace),
            ),
            Kind::Data => (settings.rotation.rotate_data_key_after, None),
        };
        // Another process may have been faster.
        let newest = ring.keys_mut(kind).last();
        let wanted = kinds.has(kind) && newest.is_some_and(|key| is_old(key.created, age));
        wanted.then_some(Takeover { grace, now: false })
    })?;
    Ok(generated.added)
}

/// Adds a token key of the algorithm that the settings ask for, where the newest one is of another: that one is accepted
/// until the last of its tokens has expired. The new one signs at once, or is published first. May be called by several processes at once: one of them does it.
///
/// # Errors
/// Those of [`rotate`].
pub(super) fn to_set_algorithm(
    settings: &Settings,
    seal: &RingSeal,
) -> Result<Vec<KeyOrigin>, Error> {
    let generated = manage::add_where(settings, seal, |ring, kind| {
        let wanted =
            kind == Kind::Token && ring.token_algorithm() != settings.rotation.token_algorithm;
        wanted.then_some(Takeover {
            grace: Some(settings.rotation.token_grace),
            now: false,
        })
    })?;
    Ok(generated.added)
}

/// Changes whether what these keys made is accepted, by their ids. A token key that is to sign later and is retired is taken
/// out of the ring: it has made nothing.
///
/// # Errors
/// [`Error::InvalidInput`] where no key has an id, or it is the one of a key in use; [`Error::KeyRing`] where the ring
/// cannot be read, trusted or written. The ring is then as it was.
pub fn set_state(settings: &Settings, ids: &[&str], state: KeyState) -> Result<Changed, Error> {
    let folder = manage::folder(settings)?;
    let (mut keys, mut withdrawn) = (Vec::new(), Vec::new());
    write::change(folder, &RingSeal::of(&settings.ring)?, |ring| {
        if ring.is_empty() {
            return Err(file::none_in(folder));
        }
        for id in ids {
            if state == KeyState::Retired && ring.withdraw(id, unix_now()) {
                withdrawn.push((*id).to_owned());
                continue;
            }
            let (kind, before) = change(ring, id, state)?;
            keys.push((kind.name(), (*id).to_owned(), before));
        }
        Ok(!withdrawn.is_empty() || keys.iter().any(|(_, _, before)| *before != state))
    })?;
    keys.retain(|(_, _, before)| *before != state);
    Ok(Changed {
        ring: folder.join(super::RING_FILE),
        keys,
        withdrawn,
    })
}

fn change(ring: &mut RingContents, id: &str, state: KeyState) -> Result<(Kind, KeyState), Error> {
    for kind in [Kind::Token, Kind::Data] {
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
    // An id is no secret, but what was typed may be anything.
    let shown: String = id.chars().take(32).collect();
    Err(Error::InvalidInput(format!(
        "No key of the ring has the id {shown:?}. See: sealgate keys list"
    )))
}

/// What is new needs a key, so the one in use goes on being accepted, and the next one begins so.
fn check_replaced(keys: usize, at: usize, used: usize, kind: Kind, id: &str) -> Result<(), Error> {
    let name = kind.name();
    let sentence = match at {
        _ if at < used => return Ok(()),
        _ if at > used => format!(
            "{id} is the next {name} key and has made nothing yet. To keep it from ever being used: sealgate keys retire {id}"
        ),
        _ if at + 1 < keys => format!(
            "{id} is the {name} key in use until the next one takes over. To use a new one at once: sealgate keys rotate \
             --{name} --now"
        ),
        _ => format!(
            "{id} is the newest {name} key, which is used for what is new. Replace it first: sealgate keys rotate --{name}"
        ),
    };
    Err(Error::InvalidInput(sentence))
}
