//! Restores a backup: everything is written beside the current state and checked, and only then takes its place.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::container::{self, Part, damaged, unreadable};
use super::contents::{BackupContents, RingContents};
use super::reader::BackupReader;
use super::staging::{Staging, state_in};
use crate::base::private_files;
use crate::base::replacement::Exclusive;
use crate::gate::Settings;
use crate::keys::{KeyLosses, MAX_RING, RingCopy};
use crate::store::check_copy;
use crate::{Error, Secret};

/// What a restore did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// The data directory.
    pub data_dir: PathBuf,
    /// What it contains now.
    pub contents: BackupContents,
    /// The directory with the state from before; `None` if there was none.
    pub kept: Option<PathBuf>,
    /// What has changed for the keys from before. `None`: their ring could not be read.
    pub losses: Option<KeyLosses>,
}

/// See [`Backup::restore`](super::Backup::restore).
pub(super) fn restore(
    settings: &Settings,
    folder: &Path,
    backup: BackupReader<'_>,
    force: bool,
) -> Result<Restored, Error> {
    if backup.is_sealed() {
        return Err(Error::InvalidInput(
            "The backup is sealed. Open it with its passphrase.".into(),
        ));
    }
    check_empty(folder, force)?;
    private_files::make(folder).map_err(Error::Store)?;
    let exclusive = Exclusive::of(folder).map_err(Error::Store)?;
    // A restore that was interrupted may be complete only now.
    check_empty(folder, force)?;
    let staging = Staging::new(folder, &exclusive)?;
    let files = Files::read(backup, &staging)?;
    if !files.has_store && files.ring.is_none() {
        return Err(damaged("there is nothing in it"));
    }
    let store = files
        .has_store
        .then(|| check_copy(&staging.path(Part::Store)))
        .transpose()
        .map_err(|end| {
            Error::InvalidInput(format!(
                "The store in the backup {end} Nothing was changed."
            ))
        })?;
    let ring = files
        .ring
        .map(|raw| RingCopy::of_backup(&settings.keys, raw))
        .transpose()?;
    let before = RingCopy::of(&settings.keys, folder);
    let losses = losses(ring.as_ref(), before);
    if let Some(ring) = &ring {
        staging.write(Part::Ring, ring.raw.expose())?;
        let usage = ring
            .usage_after_restore(&files.usage, folder)
            .ok_or_else(|| damaged("its counts of messages cannot be read"))?;
        if !usage.is_empty() {
            staging.write(Part::Usage, usage.as_bytes())?;
        }
    }
    let contents = BackupContents {
        created: files.created,
        store,
        ring: ring.map(|ring| RingContents {
            sealed: ring.sealed,
            keys: ring.counts(),
        }),
    };
    let kept = staging.replace()?;
    Ok(Restored {
        data_dir: folder.to_owned(),
        contents,
        kept,
        losses,
    })
}

fn check_empty(folder: &Path, force: bool) -> Result<(), Error> {
    match state_in(folder) {
        Some(path) if !force => Err(Error::InvalidInput(format!(
            "{} exists, so the data directory is in use already. Nothing was changed. To replace what is there, and keep \
             it beside the restored files, use --force",
            path.display()
        ))),
        _ => Ok(()),
    }
}

/// What changes for the keys of the ring that was there before.
fn losses(ring: Option<&RingCopy>, before: Result<Option<RingCopy>, Error>) -> Option<KeyLosses> {
    match (ring, before.ok()?) {
        (_, None) => Some(KeyLosses::default()),
        (Some(ring), Some(before)) => ring.losses(&before),
        (None, Some(before)) => before.all_lost(),
    }
}

/// The files of a backup whose checksum is right. The store is in the staging directory.
struct Files {
    created: u64,
    has_store: bool,
    usage: Vec<u8>,
    ring: Option<Secret>,
}

impl Files {
    fn read(mut backup: BackupReader<'_>, staging: &Staging<'_>) -> Result<Self, Error> {
        let mut files = Files {
            created: 0,
            has_store: false,
            usage: Vec::new(),
            ring: None,
        };
        let created = container::read(&mut backup.from, backup.length, |part, size, from| {
            match part {
                Part::Store => {
                    files.has_store = true;
                    write_store(staging, from)?;
                }
                Part::Usage => files.usage = small(size, from)?.into_vec(),
                Part::Ring => files.ring = Some(small(size, from)?),
            }
            Ok(())
        })?;
        files.created = created;
        Ok(files)
    }
}

fn write_store(staging: &Staging<'_>, from: &mut dyn Read) -> Result<(), Error> {
    let unwritable = |error: io::Error| staging.unwritable(&error);
    let mut file = staging.create(Part::Store).map_err(unwritable)?;
    let mut failed = None;
    let copied = container::copy(from, &mut Noting(&mut file, &mut failed));
    match (copied, failed) {
        (_, Some(error)) => Err(unwritable(error)),
        (Err(error), None) => Err(unreadable(error)),
        (Ok(_), None) => Ok(()),
    }
}

/// Keeps a write error, so that it can be told from a read error.
struct Noting<'w>(&'w mut fs::File, &'w mut Option<io::Error>);

impl Write for Noting<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map_err(|error| {
            let kind = error.kind();
            if kind != io::ErrorKind::Interrupted {
                *self.1 = Some(error);
            }
            kind.into()
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// A file that cannot be larger than a ring.
fn small(size: u64, from: &mut dyn Read) -> Result<Secret, Error> {
    let size = usize::try_from(size).ok().filter(|size| *size <= MAX_RING);
    let size = size.ok_or_else(|| damaged("one of its files is too large"))?;
    let mut bytes = Vec::with_capacity(size);
    let read = from.read_to_end(&mut bytes);
    let bytes = Secret::new(bytes);
    read.map_err(unreadable)?;
    Ok(bytes)
}
