//! Backups of a data directory: made while servers use it, restored completely or not at all, and recorded in the audit
//! trail. `create` makes a backup of the `contents`, and `restore` restores what `reader` reads; `container` has the bytes of a
//! backup, `sealed` seals it under a passphrase, and `staging` holds the restored files until they are checked. `in_file` writes
//! and reads files, and `json` describes backups.

mod container;
mod contents;
mod create;
mod in_file;
mod json;
mod reader;
mod restore;
mod sealed;
mod staging;

use std::fs;
use std::io::Write;
use std::path::Path;

use super::Settings;
use super::audit::{Asker, AuditEvent, Trail};
use crate::Error;
use crate::base::given_file;
use crate::keys::RingSecret;

pub use crate::keys::KeyLosses;
pub(super) use container::Part;
pub use contents::{BackupContents, RingContents};
pub use reader::BackupReader;
pub use restore::Restored;
pub(super) use staging::{Staging, state_in};

/// Backups of the data directory that the settings name, on behalf of an [`Asker`]. Needs no gate.
#[derive(Debug, Clone, Copy)]
pub struct Backup<'a> {
    settings: &'a Settings,
    asker: Asker<'a>,
}

impl<'a> Backup<'a> {
    /// Reads and writes nothing yet.
    pub fn new(settings: &'a Settings, asker: Asker<'a>) -> Self {
        Backup { settings, asker }
    }

    /// Writes a backup, sealed under `secret` if there is one. Servers may use the directory meanwhile. `scratch`: the path of
    /// a file that does not exist yet, which holds a copy of the store until that has been written. `None`, and nothing is
    /// written: the directory has neither keys nor a store.
    ///
    /// # Errors
    /// [`Error::KeyRing`] or [`Error::Store`] if the ring or the store cannot be read or trusted, [`Error::Io`] if the backup
    /// cannot be written, [`Error::Audit`] if the audit trail does not permit it.
    pub fn write(
        &self,
        scratch: &Path,
        secret: Option<&RingSecret>,
        out: &mut dyn Write,
    ) -> Result<Option<BackupContents>, Error> {
        let trail = self.trail();
        trail.permit(AuditEvent::Backup, None, self.asker)?;
        let done = folder_of(self.settings)
            .and_then(|folder| create::create(self.settings, folder, scratch, secret, out));
        let result = match &done {
            Ok(None) => "not_found",
            Ok(Some(_)) => "ok",
            Err(error) => error.code(),
        };
        trail.record(AuditEvent::Backup, result, None, self.asker);
        done
    }

    /// Replaces the state of the data directory by that of the backup, once all of it has been checked. The previous state is
    /// kept in a directory inside the data directory. Unless `force`, there must be none.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] if the backup is damaged, of a newer version or sealed under another secret, or there is a state
    /// already; [`Error::Store`] if a server or a program uses the directory; [`Error::Io`] if it cannot be written;
    /// [`Error::Audit`] if the audit trail does not permit it. Nothing has changed then, unless the error says otherwise.
    pub fn restore(&self, backup: BackupReader<'_>, force: bool) -> Result<Restored, Error> {
        let trail = self.trail();
        trail.permit(AuditEvent::Restore, None, self.asker)?;
        let done = folder_of(self.settings)
            .and_then(|folder| restore::restore(self.settings, folder, backup, force));
        trail.record_end(AuditEvent::Restore, &done, None, self.asker);
        done
    }

    fn trail(&self) -> Trail {
        Trail::without_users(&self.settings.audit)
    }
}

/// Refuses a backup file that other users could have changed. If others can read it, returns a warning.
///
/// # Errors
/// [`Error::InvalidInput`] with the command that fixes it.
pub fn check_backup_file(path: &Path) -> Result<Option<String>, Error> {
    let sentence = |end: String| format!("{} {end}", path.display());
    let metadata = fs::metadata(path)
        .map_err(|error| Error::InvalidInput(sentence(format!("cannot be read: {error}."))))?;
    match given_file::check(path, &metadata) {
        Ok(warning) => Ok(warning.map(sentence)),
        Err(end) => Err(Error::InvalidInput(sentence(end))),
    }
}

/// The data directory.
fn folder_of(settings: &Settings) -> Result<&Path, Error> {
    if settings.store.shared.url.is_some() {
        return Err(Error::Setting(
            "SEALGATE_STORE is set, so everything is in its database: make and restore backups with PostgreSQL's own tools, such \
             as pg_dump --schema=sealgate."
                .to_owned(),
        ));
    }
    let folder = settings.store.data_dir.as_deref();
    folder.ok_or_else(|| {
        Error::Setting("There is no data directory. Set one with SEALGATE_DATA_DIR.".to_owned())
    })
}
