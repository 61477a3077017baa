//! Makes a backup: a consistent copy of each file, taken while others change it.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::container::{self, Part};
use super::contents::{BackupContents, RingContents};
use super::sealed::SealingWriter;
use crate::base::clock::unix_now;
use crate::base::replacement;
use crate::gate::Settings;
use crate::keys::{self, RingCopy, RingSecret};
use crate::store::{SqliteStore, Store, StoreContents, check_copy};
use crate::{Error, Secret};

/// See [`Backup::write`](super::Backup::write).
pub(super) fn create(
    settings: &Settings,
    folder: &Path,
    scratch: &Path,
    secret: Option<&RingSecret>,
    out: &mut dyn Write,
) -> Result<Option<BackupContents>, Error> {
    let _in_use = replacement::enter(folder).map_err(Error::Store)?;
    // Before anything is copied: no change before this time is missing.
    let created = unix_now();
    // The ring last: a key of which the store knows anything is in it.
    let store = StoreCopy::make(folder, scratch)?;
    let usage = keys::usage_for_backup(folder);
    let ring = RingCopy::of(&settings.keys, folder)?;
    if store.is_none() && ring.is_none() {
        return Ok(None);
    }
    let contents = BackupContents {
        created,
        store: store.as_ref().map(|store| store.contents),
        ring: ring.as_ref().map(|ring| RingContents {
            sealed: ring.sealed,
            keys: ring.counts(),
        }),
    };
    let ring = ring.map_or_else(|| Secret::new(Vec::new()), |ring| ring.raw);
    let mut parts: Vec<(Part, u64, Box<dyn Read + '_>)> = Vec::new();
    if let Some(store) = store {
        parts.push((Part::Store, store.size, Box::new(store.file)));
    }
    for (part, bytes) in [(Part::Usage, usage.as_bytes()), (Part::Ring, ring.expose())] {
        if !bytes.is_empty() {
            parts.push((part, bytes.len() as u64, Box::new(bytes)));
        }
    }
    let unwritable =
        |error: io::Error| Error::Io(format!("The backup cannot be written: {error}."));
    match secret {
        None => container::write(out, created, parts),
        Some(secret) => {
            let mut sealing = SealingWriter::new(out, secret)?;
            container::write(&mut sealing, created, parts).and_then(|()| sealing.finish())
        }
    }
    .map_err(unwritable)?;
    Ok(Some(contents))
}

/// A checked copy of the store, without a name.
struct StoreCopy {
    contents: StoreContents,
    file: File,
    size: u64,
}

impl StoreCopy {
    /// `None`: there is no store.
    fn make(folder: &Path, scratch: &Path) -> Result<Option<Self>, Error> {
        let Some(store) = SqliteStore::open(folder)? else {
            return Ok(None);
        };
        store.back_up(scratch)?;
        let scratch = Scratch(scratch.to_owned());
        let contents = check_copy(&scratch.0)
            .map_err(|end| Error::Store(format!("The copy of the store {end}")))?;
        let opened = || {
            let file = File::open(&scratch.0)?;
            let size = file.metadata()?.len();
            Ok((file, size))
        };
        let (file, size) = opened().map_err(|error: io::Error| {
            Error::Io(format!("The copy of the store cannot be read: {error}."))
        })?;
        Ok(Some(StoreCopy {
            contents,
            file,
            size,
        }))
    }
}

/// A file that is removed in the end.
pub(super) struct Scratch(pub(super) PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
