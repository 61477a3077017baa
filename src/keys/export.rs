//! How the ring file is sealed and unsealed, and how a ring is moved from one machine to another.

use std::path::PathBuf;

use super::Settings;
use super::document::{Fault, RingContents, RingKey};
use super::kind::RingKind;
use super::place::Place;
use super::ring_secret::RingSecret;
use super::schedule::in_use;
use super::seal::{AtRest, RingSeal};
use super::{Generated, manage};
use crate::base::clock::unix_now;
use crate::{Error, Secret};

/// Rewrites the ring and its backup sealed under the secret that the settings name.
pub(crate) fn seal(settings: &Settings) -> Result<PathBuf, Error> {
    let seal = RingSeal::of(&settings.ring)?;
    if !seal.seals() {
        return Err(Error::Setting(
            "There is no key or passphrase to seal the key ring under. Set SEALGATE_RING_KEY or SEALGATE_RING_KEY_FILE.".into(),
        ));
    }
    rewrite(settings, &seal, false)
}

/// Rewrites the ring and its backup unsealed.
pub(crate) fn unseal(settings: &Settings) -> Result<PathBuf, Error> {
    rewrite(settings, &RingSeal::of(&settings.ring)?, true)
}

fn rewrite(settings: &Settings, seal: &RingSeal, plain: bool) -> Result<PathBuf, Error> {
    let place = Place::required(settings)?;
    place.rewrite(seal, plain)?;
    Ok(place.path())
}

/// The text of the ring, sealed under `secret`.
pub(crate) fn export(settings: &Settings, secret: &RingSecret) -> Result<Secret, Error> {
    let place = Place::required(settings)?;
    let found = place.read(&RingSeal::of(&settings.ring)?)?;
    let found = found.ok_or_else(|| place.none())?;
    let seal = RingSeal::new(Some(secret.clone()), None);
    seal.seal(found.text.expose(), &seal.derivation(&AtRest::Plain)?)
}

/// Adds the keys of an exported ring to the ring of the settings, or creates that ring from them.
pub(crate) fn import(
    settings: &Settings,
    text: Secret,
    secret: &RingSecret,
) -> Result<Generated, Error> {
    let place = Place::required(settings)?;
    let (text, at_rest) = RingSeal::new(Some(secret.clone()), None)
        .open(text)
        .map_err(|fault| match fault {
            Fault::OtherSecret => Error::InvalidInput(
                "The exported key ring cannot be opened with this passphrase: it was sealed under another one, or it is damaged."
                    .into(),
            ),
            fault => Error::InvalidInput(format!("The exported key ring {fault}.")),
        })?;
    if !matches!(at_rest, AtRest::Sealed(_)) {
        return Err(Error::InvalidInput(
            "This is not an exported key ring. Create one with: sealgate keys export".into(),
        ));
    }
    let exported = RingContents::parse(text.expose())
        .map_err(|fault| Error::InvalidInput(format!("The exported key ring {fault}.")))?;
    let from = place.from();
    let mut added = Vec::new();
    let changed = place.change(&RingSeal::of(&settings.ring)?, |ring| {
        added.clear();
        for kind in RingKind::ALL {
            let keys = ring.keys_mut(kind);
            let mut new = exported.keys(kind).to_vec();
            if let Some(id) = other_key_of_same_id(keys, &new) {
                return Err(Error::InvalidInput(format!(
                    "The exported key ring has a {kind} key {id} that differs from the key with this id in {from}, so their \
                     tokens or data would be ambiguous. Nothing was changed."
                )));
            }
            new.retain(|key| keys.iter().all(|known| known.id != key.id));
            if !keys.is_empty() {
                new.iter_mut().for_each(|key| key.signs_from = None);
            }
            added.extend(new.iter().map(|key| manage::origin(kind, key, &from)));
            // Before the key in use, if there is one.
            let at = in_use(keys, unix_now());
            keys.splice(at..at, new);
        }
        Ok(!added.is_empty())
    })?;
    Ok(Generated {
        ring: place.path(),
        backup: place.backup().filter(|_| changed.existed),
        added,
    })
}

/// Data key ids are so short that two keys can share one by chance.
fn other_key_of_same_id<'k>(known: &[RingKey], new: &'k [RingKey]) -> Option<&'k str> {
    let mut new = new.iter();
    new.find(|new| {
        known
            .iter()
            .any(|known| known.id == new.id && known.key != new.key)
    })
    .map(|new| &*new.id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::KeyState;

    #[test]
    fn two_keys_may_not_share_an_id() {
        let key = |id: &str, byte: u8| RingKey {
            id: id.to_owned(),
            key: Secret::from(&[byte; 32][..]),
            algorithm: None,
            created: 0,
            state: KeyState::Accepted,
            signs_from: None,
        };
        let known = [key("a", 1), key("b", 2)];
        for (new, other) in [
            (vec![], None),
            (vec![key("a", 1), key("b", 2), key("c", 1)], None),
            (vec![key("c", 3), key("b", 1)], Some("b")),
        ] {
            assert_eq!(other_key_of_same_id(&known, &new), other);
        }
    }
}
