//! Keys that are replaced: new ones that are used from now on, old ones that are accepted for a time, or not any more.

use std::path::PathBuf;
use std::time::Duration;

use super::document::{Kind, RingContents, RingKey};
use super::seal::RingSeal;
use super::{Generated, KeyOrigin, KeyState, NewKeys, file, manage, write};
use crate::Error;
use crate::clock::unix_now;
use crate::config::GateSettings;

/// What [`set_state`] has done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// The ring file.
    pub ring: PathBuf,
    /// The keys that have another state now: kind, id and the state before.
    pub keys: Vec<(&'static str, String, KeyState)>,
}

/// Adds keys to the ring that are used from now on. Those that were used before are accepted for `grace` (`None`: without
/// an end); where it is zero, they are accepted no more, and neither is any older token key. Gates notice within half a
/// second, in all processes that use the ring.
///
/// # Errors
/// Those of [`generate`](super::generate); the ring is then as it was.
pub fn rotate(
    settings: &GateSettings,
    kinds: NewKeys,
    grace: impl Fn(&'static str) -> Option<Duration>,
) -> Result<Generated, Error> {
    manage::add(settings, kinds, |ring, kind| {
        let grace = grace(kind.name());
        set_aside(ring, kind, grace);
        // Who asks for this wants everybody to log in again. Data cannot be had again: that of older keys still opens.
        if kind == Kind::Token && grace == Some(Duration::ZERO) {
            end_all(ring.keys_mut(kind));
        }
    })
}

/// None of these is accepted any longer.
fn end_all(keys: &mut [RingKey]) {
    let now = unix_now();
    for key in keys.iter_mut().filter(|key| key.state.accepts_at(now)) {
        key.state = KeyState::AcceptedUntil(now);
    }
}

/// The key that is the newest still is accepted for `grace` from now on; `None`: without an end.
fn set_aside(ring: &mut RingContents, kind: Kind, grace: Option<Duration>) {
    if let Some(key) = ring.keys_mut(kind).last_mut() {
        key.state = grace.map_or(KeyState::Accepted, |grace| {
            KeyState::AcceptedUntil(unix_now().saturating_add(whole(grace)))
        });
    }
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
    settings: &GateSettings,
    seal: &RingSeal,
    kinds: NewKeys,
) -> Result<Vec<KeyOrigin>, Error> {
    let generated = manage::add_where(settings, seal, |ring, kind| {
        let (age, grace) = match kind {
            Kind::Token => (settings.rotate_token_key_after, Some(token_grace(settings))),
            Kind::Data => (settings.rotate_data_key_after, None),
        };
        // Another process may have been faster.
        let newest = ring.keys_mut(kind).last();
        let wanted = kinds.has(kind) && newest.is_some_and(|key| is_old(key.created, age));
        if wanted {
            set_aside(ring, kind, grace);
        }
        wanted
    })?;
    Ok(generated.added)
}

/// Adds a token key of the algorithm that the settings ask for, where the newest one is of another: that one is accepted
/// until the last of its tokens has expired. May be called by several processes at once: one of them does it.
///
/// # Errors
/// Those of [`rotate`].
pub(super) fn to_set_algorithm(
    settings: &GateSettings,
    seal: &RingSeal,
) -> Result<Vec<KeyOrigin>, Error> {
    let generated = manage::add_where(settings, seal, |ring, kind| {
        if kind != Kind::Token || ring.token_algorithm() == settings.token_algorithm {
            return false;
        }
        set_aside(ring, kind, Some(token_grace(settings)));
        true
    })?;
    Ok(generated.added)
}

/// How long the tokens of a replaced key are accepted where nobody says otherwise: until the last one has expired, and that
/// is mostly one for refreshing a login.
pub fn token_grace(settings: &GateSettings) -> Duration {
    let longest = settings.token_ttl.max(settings.refresh_ttl);
    longest.saturating_add(settings.leeway)
}

/// Changes whether what these keys made is accepted, by their ids.
///
/// # Errors
/// [`Error::InvalidInput`] where no key has an id, or it is the one of a newest key; [`Error::KeyRing`] where the ring
/// cannot be read, trusted or written. The ring is then as it was.
pub fn set_state(settings: &GateSettings, ids: &[&str], state: KeyState) -> Result<Changed, Error> {
    let folder = manage::folder(settings)?;
    let mut keys = Vec::new();
    write::change(folder, &RingSeal::of(settings)?, |ring| {
        if ring.is_empty() {
            return Err(file::none_in(folder));
        }
        for id in ids {
            let (kind, before) = change(ring, id, state)?;
            keys.push((kind.name(), (*id).to_owned(), before));
        }
        Ok(keys.iter().any(|(_, _, before)| *before != state))
    })?;
    keys.retain(|(_, _, before)| *before != state);
    Ok(Changed {
        ring: folder.join(super::RING_FILE),
        keys,
    })
}

fn change(ring: &mut RingContents, id: &str, state: KeyState) -> Result<(Kind, KeyState), Error> {
    for kind in [Kind::Token, Kind::Data] {
        let keys = ring.keys_mut(kind);
        let Some(at) = keys.iter().position(|key| key.id == id) else {
            continue;
        };
        if at + 1 == keys.len() && state != KeyState::Accepted {
            return Err(Error::InvalidInput(format!(
                "{id} is the newest {name} key, which is used for what is new. Replace it first: sealgate keys rotate --{name}",
                name = kind.name()
            )));
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

/// In whole seconds, rounded up: a time that was promised is kept.
fn whole(time: Duration) -> u64 {
    time.as_secs()
        .saturating_add(u64::from(time.subsec_nanos() > 0))
}
