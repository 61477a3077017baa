//! How a key ring is assembled: from environment keys, the ring file, or random keys.

use std::sync::atomic::{AtomicU64, Ordering};

use super::document::RingContents;
use super::kind::{KeyKind, RingKind};
use super::origin::{KeyOrigin, Origin};
use super::place::Place;
use super::ring::KeyRing;
use super::seal::{AtRest, RingSeal};
use super::settings::{GivenKeys, Settings};
use super::state::{Held, KeyState};
use crate::base::encoding::encode_hex;
use crate::base::random::random_key;
use crate::cipher::{CbcKey, CbcMode, DataKey};
use crate::signing::{TokenAlgorithm, TokenKey};
use crate::{Error, Secret};

/// What to do when keys are needed and there is no ring file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    /// Create the file, or random keys if the settings ask for those.
    Make,
    /// Nothing: the caller only reads.
    Leave,
}

impl KeyRing {
    /// Collects the keys without creating any, so a kind of key may be missing.
    pub(crate) fn as_it_is(settings: &Settings) -> Result<Self, Error> {
        KeyRing::collect(settings, &RingSeal::of(&settings.ring)?, Missing::Leave)
    }

    /// With [`Missing::Leave`] a kind of key may be missing; otherwise none ever is.
    pub(super) fn collect(
        settings: &Settings,
        seal: &RingSeal,
        missing: Missing,
    ) -> Result<Self, Error> {
        static GENERATIONS: AtomicU64 = AtomicU64::new(1);
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
            generation: GENERATIONS.fetch_add(1, Ordering::Relaxed),
        };
        if settings.ephemeral {
            if missing == Missing::Make {
                ring.add_random(settings)?;
            }
        } else if let Some(place) = Place::of(settings)? {
            ring.add_stored(settings, &place, seal, missing)?;
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

    fn add_random(&mut self, settings: &Settings) -> Result<(), Error> {
        const FROM: &str = "random bytes, lost when the process exits";
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

    fn add_stored(
        &mut self,
        settings: &Settings,
        place: &Place,
        seal: &RingSeal,
        missing: Missing,
    ) -> Result<(), Error> {
        let contents = match place.read(seal)? {
            Some(found) => {
                self.sealed = matches!(found.at_rest, AtRest::Sealed(_));
                found.contents
            }
            None if needs_no_ring(&settings.given) => return Ok(()),
            None if missing == Missing::Leave => return place.check_not_lost(seal),
            None => {
                self.sealed = seal.seals();
                make_ring(place, seal, settings.rotation.token_algorithm)?
            }
        };
        self.has_file = true;
        let from = place.from();
        for key in &contents.token_keys {
            self.add_token_key(key.token_key()?, Origin::of(key, &from))?;
        }
        for key in &contents.data_keys {
            let bytes = key.key.expose();
            let bytes = bytes.try_into().expect("checked when the ring is read");
            self.add_data_key(DataKey::new(bytes)?, Origin::of(key, &from))?;
        }
        Ok(())
    }

    /// Environment keys come last: they are the newest.
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
                .expect("checked when the setting is parsed");
            self.cbc = Some(CbcKey::new(aes_key, iv)?);
            self.origins.push(KeyOrigin {
                kind: KeyKind::AesCbc,
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
            return Err(same_id(KeyKind::Token, key.id()));
        }
        self.origins.push(KeyOrigin {
            algorithm: Some(key.algorithm()),
            ..origin.describe(KeyKind::Token, key.id().to_owned())
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
            return Err(same_id(KeyKind::Data, &id));
        }
        self.origins
            .retain(|origin| origin.kind != KeyKind::Data || origin.id != id);
        self.origins.push(origin.describe(KeyKind::Data, id));
        self.data_keys.push(Held {
            key,
            state: origin.state,
            signs_from: None,
        });
        Ok(())
    }

    /// A key found both in the ring file and in the environment counts once, as the newest.
    fn forget_token_key(&mut self, id: &str, secret: &Secret) {
        self.token_keys
            .retain(|known| known.key.id() != id || !known.key.is_secret(secret));
        self.origins
            .retain(|origin| origin.kind != KeyKind::Token || origin.id != id);
    }
}

/// Creates the ring file with one key of each kind, unless another process was faster.
fn make_ring(
    place: &Place,
    seal: &RingSeal,
    algorithm: Option<TokenAlgorithm>,
) -> Result<RingContents, Error> {
    let changed = place.change(seal, |ring| {
        let new = ring.is_empty();
        if new {
            ring.add_new(RingKind::Token, algorithm)?;
            ring.add_new(RingKind::Data, None)?;
        }
        Ok(new)
    })?;
    Ok(changed.contents)
}

/// Whether the environment provides a key of each kind.
fn needs_no_ring(given: &GivenKeys) -> bool {
    given.jwt_secret_key.is_some() && given.aes_key.is_some()
}

/// A token key that is stored nowhere.
fn random_token_key(algorithm: Option<TokenAlgorithm>) -> Result<TokenKey, Error> {
    let mut ring = RingContents::default();
    ring.add_new(RingKind::Token, algorithm)?;
    ring.token_keys[0].token_key()
}

fn same_id(kind: KeyKind, id: &str) -> Error {
    Error::KeyRing(format!(
        "Two different {kind} keys have the id {id}, so their tokens or data would be ambiguous. Replace the one that you set."
    ))
}

/// "32 raw bytes", but "32 bytes of hex digits".
fn byte_form(form: &str) -> String {
    match form {
        "raw bytes" => form.to_owned(),
        other => format!("bytes of {other}"),
    }
}
