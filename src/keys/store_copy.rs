//! The ring as a copy of a whole store takes it along: read from a data directory or a shared store, and sealed again.

use std::path::Path;
use std::sync::Arc;

use super::document::RingContents;
use super::file;
use super::place::Place;
use super::seal::{AtRest, RingSeal};
use super::usage::KeyUsage;
use super::{Settings, write};
use crate::base::private_files::{self, Writer};
use crate::store::{SharedStore, open_shared};
use crate::{Error, Secret};

/// A ring that is being copied. Nobody changes one in a data directory meanwhile, not even a version that does not know of copies.
pub(crate) struct MovedRing {
    contents: RingContents,
    text: Secret,
    usage: KeyUsage,
    seal: RingSeal,
    _lock: Option<Writer>,
}

impl MovedRing {
    /// The ring in the directory; `None` if there is none.
    pub(crate) fn in_folder(settings: &Settings, folder: &Path) -> Result<Option<Self>, Error> {
        let lock =
            private_files::make_and_lock(folder, write::LOCK_FILE).map_err(Error::KeyRing)?;
        let ring = MovedRing::in_folder_now(settings, folder)?;
        if ring.is_none() {
            file::check_not_lost(folder, &RingSeal::of(&settings.ring)?)?;
        }
        Ok(ring.map(|ring| MovedRing {
            _lock: Some(lock),
            ..ring
        }))
    }

    /// The same as it is now; it may be changed meanwhile.
    pub(crate) fn in_folder_now(settings: &Settings, folder: &Path) -> Result<Option<Self>, Error> {
        MovedRing::read(settings, &Place::Folder(folder.to_owned()))
    }

    /// The ring in the shared store; `None` if there is none.
    pub(crate) fn in_store(settings: &Settings) -> Result<Option<Self>, Error> {
        let store: Option<Arc<dyn SharedStore>> = open_shared(&settings.shared)?;
        let Some(store) = store else {
            return Ok(None);
        };
        let address = settings.shared.url.as_ref().map(ToString::to_string);
        let place = Place::Shared {
            store,
            address: address.unwrap_or_default(),
            copy: None,
        };
        MovedRing::read(settings, &place)
    }

    fn read(settings: &Settings, place: &Place) -> Result<Option<Self>, Error> {
        let seal = RingSeal::of(&settings.ring)?;
        let Some(kept) = place.read(&seal)? else {
            return Ok(None);
        };
        let usage = place.usage();
        if let Some(trouble) = &usage.trouble {
            return Err(Error::KeyRing(trouble.clone()));
        }
        Ok(Some(MovedRing {
            contents: kept.contents,
            text: kept.text,
            usage,
            seal,
            _lock: None,
        }))
    }

    /// How many token keys and data keys it has.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (
            self.contents.token_keys.len(),
            self.contents.data_keys.len(),
        )
    }

    /// How many messages its data keys have sealed.
    pub(crate) fn usage(&self) -> Vec<(String, u64)> {
        let is_known = |id: &str| self.contents.data_keys.iter().any(|key| key.id == id);
        let mut usage = self.usage.all();
        usage.retain(|(id, _)| is_known(id));
        usage
    }

    /// The same as the text of a file; empty if there are no counts.
    pub(crate) fn usage_text(&self) -> String {
        KeyUsage::of(Ok(self.usage())).text()
    }

    /// Its text, sealed under the secret that the settings name.
    pub(crate) fn sealed(&self) -> Result<Secret, Error> {
        if !self.seal.seals() {
            return Err(Error::KeyRing(
                "A key ring in a shared store has to be sealed: whoever reads the database could read it. Set SEALGATE_RING_KEY or \
                 SEALGATE_RING_KEY_FILE to the same secret on all machines. Nothing was changed."
                    .to_owned(),
            ));
        }
        let by = self.seal.derivation(&AtRest::Plain)?;
        self.seal.seal(self.text.expose(), &by)
    }
}
