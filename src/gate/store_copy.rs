//! Copies of a whole store, from the data directory to a store that machines share and back: accounts, logins, revocations, API
//! keys and the key ring. Recorded in the audit trail.
//!
//! The old store takes no changes from the beginning of the copy on, so that nothing that it confirms is missing from the new
//! one; its servers go on answering what needs no change. The new store is written in one transaction, or beside the files of
//! the data directory, and is complete or unchanged whenever the copy ends.

use std::path::{Path, PathBuf};

use super::Settings;
use super::audit::{Asker, AuditEvent, Trail};
use super::backup::{Part, Staging, state_in};
use crate::Error;
use crate::base::private_files;
use crate::base::replacement::{self, Exclusive};
use crate::keys::{MovedRing, RING_FILE};
use crate::store::{
    Import, Movable, MovableShared, SharedSettings, Sink, SqliteStore, StoreCount, StoreFacts,
    StoreStatus, Tally, check_copy, open_to_copy, write_new,
};

/// The store that the settings name, as a whole, on behalf of an [`Asker`]. Needs no gate.
#[derive(Debug, Clone, Copy)]
pub struct StoreAdmin<'a> {
    settings: &'a Settings,
    asker: Asker<'a>,
}

/// How to copy.
#[derive(Debug, Clone, Copy, Default)]
pub struct CopyOptions {
    /// Whether to replace what the new store has. Nobody may be using it.
    pub replace: bool,
    /// Whether to change nothing, and only to find out what would be copied.
    pub dry_run: bool,
}

/// What was copied, or would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// The old store.
    pub from: String,
    /// The new one.
    pub to: String,
    /// The rows of each table.
    pub counts: Vec<StoreCount>,
    /// How many token keys and data keys the ring has. `None`: there is none.
    pub keys: Option<(usize, usize)>,
    /// The directory with what was in the target directory before.
    pub kept: Option<PathBuf>,
}

/// Called with how many rows have been copied, and how many there are.
pub type Progress<'p> = dyn FnMut(u64, u64) + 'p;

impl<'a> StoreAdmin<'a> {
    /// Reads and writes nothing yet.
    pub fn new(settings: &'a Settings, asker: Asker<'a>) -> Self {
        StoreAdmin { settings, asker }
    }

    /// Copies the data directory to the shared store that the settings name. `None`: there is nothing to copy.
    ///
    /// # Errors
    /// [`Error::Store`] or [`Error::KeyRing`] if the old store cannot be read, or the new one is not empty or cannot be written;
    /// [`Error::Audit`] if the audit trail does not permit it. The new store is unchanged then, unless the error says otherwise.
    pub fn copy_to_shared(
        &self,
        options: CopyOptions,
        progress: &mut Progress<'_>,
    ) -> Result<Option<Copied>, Error> {
        let folder = folder_of(self.settings)?;
        self.recorded(AuditEvent::StoreCopy, options.dry_run, || {
            to_shared(self.settings, folder, options, progress)
        })
    }

    /// Copies the shared store that the settings name to this data directory. `None`: there is nothing to copy.
    ///
    /// # Errors
    /// Those of [`copy_to_shared`](Self::copy_to_shared).
    pub fn copy_to_folder(
        &self,
        folder: &Path,
        options: CopyOptions,
        progress: &mut Progress<'_>,
    ) -> Result<Option<Copied>, Error> {
        self.recorded(AuditEvent::StoreCopy, options.dry_run, || {
            to_folder(self.settings, folder, options, progress)
        })
    }

    /// Lets a store take changes again that was copied to another one. Returns whether it took none; `None`: there is no store.
    ///
    /// # Errors
    /// [`Error::Store`] if that cannot be done; [`Error::Audit`].
    pub fn unlock(&self) -> Result<Option<bool>, Error> {
        self.recorded(AuditEvent::StoreUnlock, false, || {
            let store = self.open()?;
            store.map(|store| store.set_read_only(false)).transpose()
        })
    }

    /// What the store is and what is in it; `None`: there is none.
    ///
    /// # Errors
    /// [`Error::Store`] if it cannot be used.
    pub fn status(&self) -> Result<Option<StoreStatus>, Error> {
        self.open()?.map(|store| store.status()).transpose()
    }

    fn open(&self) -> Result<Option<Box<dyn Movable>>, Error> {
        if self.settings.store.shared.url.is_some() {
            let shared = open_to_copy(&self.settings.store.shared)?;
            return Ok(Some(shared));
        }
        let folder = folder_of(self.settings)?;
        replacement::enter(folder).map_err(Error::Store)?;
        let found = SqliteStore::open(folder)?;
        Ok(found.map(|store| Box::new(store) as Box<dyn Movable>))
    }

    fn recorded<T>(
        &self,
        event: AuditEvent,
        dry_run: bool,
        work: impl FnOnce() -> Result<Option<T>, Error>,
    ) -> Result<Option<T>, Error> {
        if dry_run {
            return work();
        }
        let trail = Trail::without_users(&self.settings.audit);
        trail.permit(event, None, self.asker)?;
        let done = work();
        let result = match &done {
            Ok(Some(_)) => "ok",
            Ok(None) => "not_found",
            Err(error) => error.code(),
        };
        trail.record(event, result, None, self.asker);
        done
    }
}

fn folder_of(settings: &Settings) -> Result<&Path, Error> {
    let folder = settings.store.data_dir.as_deref();
    folder.ok_or_else(|| {
        Error::Setting("There is no data directory. Set one with SEALGATE_DATA_DIR.".to_owned())
    })
}

fn to_shared(
    settings: &Settings,
    folder: &Path,
    options: CopyOptions,
    progress: &mut Progress<'_>,
) -> Result<Option<Copied>, Error> {
    let target = open_to_copy(&settings.store.shared)?;
    let _in_use = replacement::enter(folder).map_err(Error::Store)?;
    let found = SqliteStore::open(folder)?;
    if found.is_none() && !folder.join(RING_FILE).exists() {
        return Ok(None);
    }
    target.check_target(options.replace, options.dry_run)?;
    // Before anything is changed: whether the ring can be opened, and sealed.
    let keys = MovedRing::in_folder_now(&settings.keys, folder)?;
    let keys = keys.map(|ring| ring.sealed().map(|_| ring.counts()));
    let mut copied = Copied {
        from: folder.display().to_string(),
        to: address(&settings.store.shared),
        counts: StoreCount::of(&Tally::default()),
        keys: keys.transpose()?,
        kept: None,
    };
    if options.dry_run {
        if let Some(store) = found {
            copied.counts = store.status()?.counts;
        }
        return Ok(Some(copied));
    }
    let source = match found {
        Some(store) => store,
        // It carries the mark.
        None => SqliteStore::open_or_make(folder)?,
    };
    let tally = while_read_only(&source, || {
        let ring = MovedRing::in_folder(&settings.keys, folder)?;
        copied.keys = ring.as_ref().map(MovedRing::counts);
        let sealed = ring.as_ref().map(MovedRing::sealed).transpose()?;
        let usage = ring.as_ref().map(MovedRing::usage).unwrap_or_default();
        import(
            &*target,
            &source,
            sealed.as_ref().map(|text| text.expose()),
            &usage,
            options,
            progress,
        )
    })?;
    copied.counts = StoreCount::of(&tally);
    Ok(Some(copied))
}

fn import(
    target: &dyn MovableShared,
    source: &dyn Movable,
    ring: Option<&[u8]>,
    usage: &[(String, u64)],
    options: CopyOptions,
    progress: &mut Progress<'_>,
) -> Result<Tally, Error> {
    let total = total(&source.status()?);
    let mut rows = |into: &mut Sink<'_>| reported(source, total, progress, into);
    target.import(Import {
        rows: &mut rows,
        ring,
        usage,
        replace: options.replace,
    })
}

fn to_folder(
    settings: &Settings,
    folder: &Path,
    options: CopyOptions,
    progress: &mut Progress<'_>,
) -> Result<Option<Copied>, Error> {
    let source = open_to_copy(&settings.store.shared)?;
    check_empty(folder, options.replace)?;
    let before = source.status()?;
    let ring = MovedRing::in_store(&settings.keys)?;
    if ring.is_none() && before.counts.iter().all(|table| table.count == 0) {
        return Ok(None);
    }
    let total = total(&before);
    let mut copied = Copied {
        from: address(&settings.store.shared),
        to: folder.display().to_string(),
        counts: before.counts,
        keys: ring.as_ref().map(MovedRing::counts),
        kept: None,
    };
    if options.dry_run {
        return Ok(Some(copied));
    }
    private_files::make(folder).map_err(Error::Store)?;
    let exclusive = Exclusive::of(folder).map_err(Error::Store)?;
    // What was interrupted may be complete only now.
    check_empty(folder, options.replace)?;
    let staging = Staging::new(folder, &exclusive)?;
    let (tally, kept) = while_read_only(&*source, || {
        let ring = MovedRing::in_store(&settings.keys)?;
        copied.keys = ring.as_ref().map(MovedRing::counts);
        write_ring(&staging, ring.as_ref())?;
        let path = staging.path(Part::Store);
        staging
            .create(Part::Store)
            .map_err(|error| staging.unwritable(&error))?;
        let mut rows = |into: &mut Sink<'_>| reported(&*source, total, progress, into);
        let tally = write_new(&path, &mut rows)?;
        check_copy(&path)
            .map_err(|end| Error::Store(format!("The new store {end} Nothing was changed.")))?;
        Ok((tally, staging.replace()?))
    })?;
    copied.counts = StoreCount::of(&tally);
    copied.kept = kept;
    Ok(Some(copied))
}

fn check_empty(folder: &Path, replace: bool) -> Result<(), Error> {
    match state_in(folder) {
        Some(path) if !replace => Err(Error::Store(format!(
            "{} exists, so nothing was copied. If that is an earlier copy, it is complete: a copy is made as a whole or not at all. \
             To replace what is there, and keep it beside the new files, use --replace",
            path.display()
        ))),
        _ => Ok(()),
    }
}

fn write_ring(staging: &Staging<'_>, ring: Option<&MovedRing>) -> Result<(), Error> {
    let Some(ring) = ring else {
        return Ok(());
    };
    staging.write(Part::Ring, ring.sealed()?.expose())?;
    match ring.usage_text() {
        usage if usage.is_empty() => Ok(()),
        usage => staging.write(Part::Usage, usage.as_bytes()),
    }
}

/// Does the work while the store takes no changes. If the work fails, it takes them again.
fn while_read_only<T>(
    source: &dyn Movable,
    work: impl FnOnce() -> Result<T, Error>,
) -> Result<T, Error> {
    let is_new = source.set_read_only(true)?;
    let done = work();
    if done.is_err() && is_new {
        source.set_read_only(false).inspect_err(|error| {
            log::error!("{error} The old store still takes no changes: sealgate store unlock");
        })?;
    }
    done
}

fn total(status: &StoreStatus) -> u64 {
    status.counts.iter().map(|table| table.count).sum()
}

/// Hands on all rows, and reports how many.
fn reported(
    source: &dyn Movable,
    total: u64,
    progress: &mut Progress<'_>,
    into: &mut Sink<'_>,
) -> Result<StoreFacts, Error> {
    let mut done = 0;
    let facts = source.export(&mut |table, rows| {
        into(table, rows)?;
        done += rows.len() as u64;
        progress(done, total.max(done));
        Ok(())
    })?;
    match source.is_read_only()? {
        true => Ok(facts),
        false => Err(Error::Store(
            "The old store was unlocked while it was being copied. Nothing was changed. Try again."
                .to_owned(),
        )),
    }
}

fn address(shared: &SharedSettings) -> String {
    let url = shared.url.as_ref().map(ToString::to_string);
    url.unwrap_or_default()
}
