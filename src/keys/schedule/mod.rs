//! When token keys sign. Clients that verify tokens with a copy of jwks.json have to know a key before it signs, so a new
//! key pair is published first: it is in the ring as the next key, with the time from which it signs. That time is in the
//! ring file, so all processes switch at once.

use std::time::Duration;

use super::KeyState;
use super::Rotation;
use super::document::{RingContents, RingKey};
use super::kind::RingKind;
use crate::Error;

/// How a new key takes over from the previous one.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Takeover {
    /// How long the previous key is accepted after that; `None`: indefinitely.
    pub(super) grace: Option<Duration>,
    /// Whether it signs at once, even if clients should know it first.
    pub(super) now: bool,
}

/// The index of the token key that signs at this time, among keys ordered by when they start: the last accepted one whose
/// time has come. `of` returns when a key starts signing, and its state.
pub(super) fn signing<K>(
    keys: &[K],
    now: u64,
    of: impl Fn(&K) -> (Option<u64>, KeyState),
) -> usize {
    let is_accepted = |key: &K| of(key).1.accepts_at(now);
    let has_begun = |key: &K| of(key).0.is_none_or(|time| time <= now);
    let last = keys
        .iter()
        .rposition(|key| is_accepted(key) && has_begun(key));
    // With a clock far behind, no key's time may have come: then the first one signs.
    let first = || keys.iter().position(is_accepted);
    last.or_else(first)
        .unwrap_or_else(|| keys.len().saturating_sub(1))
}

/// The same for the keys of the ring file. A data key is used from the start.
pub(super) fn in_use(keys: &[RingKey], now: u64) -> usize {
    signing(keys, now, |key| (key.signs_from, key.state))
}

impl RingContents {
    /// Adds a random key that takes over from the previous one, at once or when clients know it.
    pub(super) fn add_successor(
        &mut self,
        kind: RingKind,
        rotation: &Rotation,
        takeover: Takeover,
        now: u64,
    ) -> Result<(), Error> {
        // A zero grace means that everybody has to log in again, now. Data cannot be recreated: what older keys sealed
        // still opens.
        let ends_all = kind == RingKind::Token && takeover.grace == Some(Duration::ZERO);
        let lead = rotation.token_key_lead.as_secs();
        let is_published_first = kind == RingKind::Token
            && !self.token_keys.is_empty()
            && self
                .next_algorithm(rotation.token_algorithm)
                .has_public_key()
            && !ends_all
            && !takeover.now
            && lead > 0;
        let signs_from = is_published_first.then(|| now.saturating_add(lead));
        let keys = self.keys_mut(kind);
        set_aside(keys, now, signs_from.unwrap_or(now), takeover.grace);
        if ends_all {
            for key in keys.iter_mut().filter(|key| key.state.accepts_at(now)) {
                key.state = KeyState::AcceptedUntil(now);
            }
        }
        self.add_new(kind, rotation.token_algorithm)?;
        if let Some(key) = self.keys_mut(kind).last_mut() {
            key.signs_from = signs_from;
        }
        Ok(())
    }

    /// Removes a next key from the ring so that it never signs; the current key stays in use. `false`: there is no such
    /// next key.
    pub(super) fn withdraw(&mut self, id: &str, now: u64) -> bool {
        let keys = &mut self.token_keys;
        let signing = in_use(keys, now);
        let Some(at) = keys.iter().position(|key| key.id == id) else {
            return false;
        };
        let (Some(time), true) = (keys[at].signs_from, at > signing) else {
            return false;
        };
        keys.remove(at);
        let later = keys.get(at).map(|next| next.signs_from.unwrap_or(time));
        if let KeyState::AcceptedUntil(end) = keys[at - 1].state {
            // The promised time runs from the change to another key, if there is one.
            keys[at - 1].state = match later {
                Some(later) => {
                    KeyState::AcceptedUntil(end.saturating_add(later.saturating_sub(time)))
                }
                None => KeyState::Accepted,
            };
        }
        true
    }
}

/// A key takes over from these at this time: those that would have signed beyond it are then accepted for `grace`; `None`:
/// indefinitely.
fn set_aside(keys: &mut [RingKey], now: u64, time: u64, grace: Option<Duration>) {
    let state = grace.map_or(KeyState::Accepted, |grace| {
        KeyState::AcceptedUntil(time.saturating_add(whole(grace)))
    });
    let signing = in_use(keys, now);
    for at in signing..keys.len() {
        let next = keys.get(at + 1);
        if next.is_none_or(|next| next.signs_from.is_some_and(|next| next > time)) {
            keys[at].state = state;
        }
    }
    for key in keys.iter_mut().skip(signing) {
        // A next key that is too late starts when its successor does, and so never signs. A start time that has passed is
        // cleared.
        let begins = key.signs_from.map(|begins| begins.min(time));
        key.signs_from = begins.filter(|begins| *begins > now);
    }
}

/// In whole seconds, rounded up: a promised time is never cut short.
fn whole(time: Duration) -> u64 {
    time.as_secs()
        .saturating_add(u64::from(time.subsec_nanos() > 0))
}

#[cfg(test)]
mod tests;
