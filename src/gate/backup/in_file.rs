//! Backups in files, for programs: a backup appears under its name once it is complete, and is checked before it is restored.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::create::Scratch;
use super::{Backup, BackupContents, BackupReader, Restored, check_backup_file};
use crate::Error;
use crate::base::encoding::encode_hex;
use crate::base::private_files::new_private_file;
use crate::base::random::random_bytes;
use crate::keys::RingSecret;

impl Backup<'_> {
    /// Writes a backup to a new file that only its owner can read, as [`write`](Self::write) does. The file appears once it is
    /// complete.
    ///
    /// # Errors
    /// Those of [`write`](Self::write); [`Error::InvalidInput`] if the file exists.
    pub fn write_file(
        &self,
        file: &Path,
        secret: Option<&RingSecret>,
    ) -> Result<Option<BackupContents>, Error> {
        if file.file_name().is_none() {
            return Err(Error::InvalidInput(format!(
                "{:?} is not the name of a file.",
                file.display().to_string()
            )));
        }
        if file.symlink_metadata().is_ok() {
            return Err(exists(file));
        }
        let unwritable =
            |error: io::Error| Error::Io(format!("{} cannot be written: {error}.", file.display()));
        let unfinished = Scratch(beside(file, "part")?);
        let mut out = new_private_file(&unfinished.0).map_err(unwritable)?;
        let mut buffered = BufWriter::new(&mut out);
        let contents = self.write(&beside(file, "store")?, secret, &mut buffered)?;
        buffered.flush().map_err(unwritable)?;
        drop(buffered);
        if contents.is_some() {
            out.sync_all().map_err(unwritable)?;
            // Unlike a renamed file, a link never replaces a file that somebody has created meanwhile.
            match fs::hard_link(&unfinished.0, file) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    return Err(exists(file));
                }
                // Some file systems have no links.
                Err(_) => fs::rename(&unfinished.0, file).map_err(unwritable)?,
            }
        }
        Ok(contents)
    }

    /// Restores the backup in a file, as [`restore`](Self::restore) does. `secret` opens a sealed one.
    ///
    /// # Errors
    /// Those of [`restore`](Self::restore) and [`check_backup_file`]; [`Error::InvalidInput`] if the file cannot be read.
    pub fn restore_file(
        &self,
        file: &Path,
        secret: Option<&RingSecret>,
        force: bool,
    ) -> Result<Restored, Error> {
        if let Some(warning) = check_backup_file(file)? {
            log::warn!("{warning}");
        }
        let unreadable = |error: io::Error| {
            Error::InvalidInput(format!("{} cannot be read: {error}.", file.display()))
        };
        let opened = File::open(file).map_err(unreadable)?;
        let size = opened.metadata().map_err(unreadable)?.len();
        let backup = BackupReader::new(BufReader::new(opened), Some(size))?;
        let backup = match secret {
            Some(secret) => backup.open(secret)?,
            None => backup,
        };
        self.restore(backup, force)
    }
}

fn exists(file: &Path) -> Error {
    Error::InvalidInput(format!(
        "{} already exists. Name a new file.",
        file.display()
    ))
}

/// A name beside the file that nobody else uses.
fn beside(file: &Path, what: &str) -> Result<PathBuf, Error> {
    let digits: [u8; 8] = random_bytes()?;
    let mut name = file.as_os_str().to_owned();
    name.push(format!(".{}.{what}", encode_hex(&digits)));
    Ok(name.into())
}
