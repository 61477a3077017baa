//! What a ring says about itself and what changes it: `changes` has the operator's changes and rotation, `secrets` sealing,
//! `damaged` rings that cannot be used, `described` what is listed of keys, `collected` how a ring is assembled, `copied` what
//! a backup takes of it, `environment` keys of the environment.

mod changes;
mod collected;
mod copied;
mod damaged;
mod described;
mod environment;
mod secrets;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::collect::Missing;
use super::rotate::is_old;
use super::seal::RingSeal;
use super::state::Held;
use super::*;
use crate::base::clock::unix_now;
use crate::signing::TokenAlgorithm;
use crate::{Config, Error, Secret};

const BOTH: NewKeys = NewKeys {
    token: true,
    data: true,
    now: false,
};

const TOKEN: NewKeys = NewKeys {
    data: false,
    ..BOTH
};

const DATA: NewKeys = NewKeys {
    token: false,
    ..BOTH
};

struct Ring {
    _home: tempfile::TempDir,
    folder: PathBuf,
    settings: Settings,
}

impl Ring {
    /// Settings without a ring file yet. Token keys are EdDSA, so a new one is published before it signs.
    fn none() -> Ring {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("state");
        let mut settings = Settings {
            data_dir: Some(folder.clone()),
            ..Settings::default()
        };
        settings.rotation.token_algorithm = Some(TokenAlgorithm::EdDsa);
        Ring {
            _home: home,
            folder,
            settings,
        }
    }

    /// With one key of each kind.
    fn made() -> Ring {
        let ring = Ring::none();
        ring.add(BOTH);
        ring
    }

    fn add(&self, kinds: NewKeys) -> Vec<KeyOrigin> {
        generate(&self.settings, kinds).unwrap().added
    }

    fn file(&self) -> PathBuf {
        self.folder.join(RING_FILE)
    }

    fn text(&self) -> Vec<u8> {
        fs::read(self.file()).unwrap()
    }

    fn ids(&self, kind: KeyKind) -> Vec<String> {
        let keys = list(&self.settings).unwrap().keys.into_iter();
        keys.filter(|key| key.kind == kind)
            .map(|key| key.id)
            .collect()
    }

    fn seal(&self) -> RingSeal {
        RingSeal::of(&self.settings.ring).unwrap()
    }

    /// Lets all keys be as old as this.
    fn age(&self, seconds: u64) {
        write::change(&self.folder, &self.seal(), |ring| {
            for key in ring.token_keys.iter_mut().chain(&mut ring.data_keys) {
                key.created = unix_now() - seconds;
            }
            Ok(true)
        })
        .unwrap();
    }

    fn set(&self, id: &str, state: KeyState) -> Result<Changed, Error> {
        set_state(&self.settings, &[id], state)
    }
}

fn load(settings: &Settings) -> Result<KeyRing, Error> {
    KeyRing::collect(settings, &RingSeal::of(&settings.ring)?, Missing::Make)
}

fn secret(byte: u8) -> RingSecret {
    RingSecret::key(Secret::new(vec![byte; 32])).unwrap()
}

fn sentence<T>(result: Result<T, Error>) -> String {
    result.err().expect("an error").to_string()
}
