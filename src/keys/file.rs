//! The ring file in the data directory: reading and validating it, and refusing it if other users could have read or
//! changed it, with an error that says how to restore it. Changes nothing; `write` does that.

use std::fmt::Display;
use std::fs::{self, File, Metadata};
use std::io;
use std::path::Path;

use super::document::{Fault, MAX_TEXT, RingContents};
use super::seal::{AtRest, RingSeal};
use crate::base::private_files::{check_folder, check_mode, shell_word};
use crate::base::replacement;
use crate::{Error, Secret};

/// The ring's file in the data directory.
pub const RING_FILE: &str = "keys.json";
/// Beside [`RING_FILE`]: the ring before its last change.
pub const RING_BACKUP_FILE: &str = "keys.json.bak";

/// A valid ring.
pub(super) struct Found {
    pub(super) contents: RingContents,
    /// The file, byte for byte.
    pub(super) raw: Secret,
    /// The same, opened if it is sealed.
    pub(super) text: Secret,
    pub(super) at_rest: AtRest,
    #[cfg_attr(not(unix), allow(dead_code))] // for the owner
    pub(super) metadata: Metadata,
}

/// Reads the ring in `directory`; `None` if there is none.
pub(super) fn read(folder: &Path, seal: &RingSeal) -> Result<Option<Found>, Error> {
    // Otherwise the file may be one of a restore that is not complete.
    let _in_use = replacement::enter(folder).map_err(Error::KeyRing)?;
    let Some((raw, metadata)) = read_raw(folder)? else {
        return Ok(None);
    };
    match parse(raw.clone(), seal) {
        Ok((contents, text, at_rest)) => Ok(Some(Found {
            contents,
            raw,
            text,
            at_rest,
            metadata,
        })),
        Err(fault) => Err(unusable(folder, seal, fault)),
    }
}

/// Reads the file of the ring as it is; `None` if there is none. The caller uses the directory.
pub(super) fn read_raw(folder: &Path) -> Result<Option<(Secret, Metadata)>, Error> {
    let path = folder.join(RING_FILE);
    let unreadable = |error: io::Error| fault_of(folder, format!("cannot be read: {error}."));
    // Checked before it is opened: opening a pipe would wait for its writer.
    let metadata = match fs::metadata(&path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return match fs::symlink_metadata(&path) {
                Ok(_) => Err(fault_of(
                    folder,
                    "is a symbolic link to a missing file. Restore that file, or remove the link.",
                )),
                Err(_) => Ok(None),
            };
        }
        Err(error) => return Err(unreadable(error)),
    };
    if !metadata.is_file() {
        return Err(fault_of(
            folder,
            "is not a file. Move whatever has that name away, then restore the ring from a backup.",
        ));
    }
    check_folder(folder).map_err(Error::KeyRing)?;
    let file = File::open(&path).map_err(unreadable)?;
    // Of the open file, not of whatever has its name by now.
    let metadata = file.metadata().map_err(unreadable)?;
    check_mode(&path, &metadata, 0o600).map_err(Error::KeyRing)?;
    let raw = read_text(file).map_err(unreadable)?;
    Ok(Some((raw, metadata)))
}

/// The keys in the bytes of a ring file, its text, and how that was stored.
pub(super) fn parse(raw: Secret, seal: &RingSeal) -> Result<(RingContents, Secret, AtRest), Fault> {
    let (text, at_rest) = seal.open(raw)?;
    let contents = RingContents::parse(text.expose())?;
    Ok((contents, text, at_rest))
}

/// The error for a ring that cannot be used, with the remedy.
pub(super) fn unusable(folder: &Path, seal: &RingSeal, fault: Fault) -> Error {
    let remedy = remedy(folder, seal, fault);
    fault_of(folder, format!("{fault}. Nothing was changed.{remedy}"))
}

/// The error for the ring of a directory; `what` continues the sentence that begins with its path.
pub(super) fn fault_of(folder: &Path, what: impl Display) -> Error {
    let path = folder.join(RING_FILE);
    Error::KeyRing(format!("The key ring {} {what}", path.display()))
}

/// The error for a ring that must exist but does not.
pub(super) fn none_in(folder: &Path) -> Error {
    Error::KeyRing(format!(
        "There is no key ring in {}. Set SEALGATE_DATA_DIR to its directory, or create one with: sealgate keys generate",
        folder.display()
    ))
}

/// Refuses a ring whose backup others can read: most keys of a backup are in use.
pub(super) fn check_backup(folder: &Path) -> Result<(), Error> {
    let backup = folder.join(RING_BACKUP_FILE);
    match fs::metadata(&backup) {
        Ok(metadata) => check_mode(&backup, &metadata, 0o600).map_err(Error::KeyRing),
        Err(_) => Ok(()),
    }
}

/// The error for a missing ring whose backup exists: new keys would open nothing that the old keys sealed.
pub(super) fn check_not_lost(folder: &Path, seal: &RingSeal) -> Result<(), Error> {
    let backup = folder.join(RING_BACKUP_FILE);
    if fs::symlink_metadata(&backup).is_err() {
        return Ok(());
    }
    let path = folder.join(RING_FILE);
    let restore = if reads_well(&backup, seal) {
        format!(
            "restore it (without the keys of its last change) with: {}",
            copy(&backup, &path)
        )
    } else {
        "restore the ring from a backup of your own, since that one cannot be used either."
            .to_owned()
    };
    Err(Error::KeyRing(format!(
        "The key ring {} is missing, but its backup {} exists, and new keys could not open data sealed under the old \
         ones. To start with new keys, move the backup away; otherwise {restore}",
        path.display(),
        backup.display()
    )))
}

/// How to restore a ring that cannot be used.
fn remedy(folder: &Path, seal: &RingSeal, fault: Fault) -> String {
    if matches!(fault, Fault::Newer | Fault::Sealed) {
        return String::new();
    }
    let path = folder.join(RING_FILE);
    let backup = folder.join(RING_BACKUP_FILE);
    if reads_well(&backup, seal) {
        return format!(
            " The backup from before its last change is good (without the keys that the change added); restore it with: {}",
            copy(&backup, &path)
        );
    }
    if fault == Fault::OtherSecret {
        return String::new();
    }
    " Restore it from a backup of your own; or, to start with new keys and lose the tokens and data of the old ones, move it \
     away."
        .to_owned()
}

/// Whether the file is a usable ring.
fn reads_well(path: &Path, seal: &RingSeal) -> bool {
    let text = || {
        if !fs::metadata(path)?.is_file() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        read_text(File::open(path)?)
    };
    text().is_ok_and(|raw| parse(raw, seal).is_ok())
}

/// A file that is too long to be a ring is read as empty, so it is rejected.
fn read_text(file: File) -> io::Result<Secret> {
    Ok(Secret::read(file, MAX_TEXT)?.unwrap_or_else(|| Secret::new(Vec::new())))
}

/// A command line that copies a file and preserves owner and mode.
fn copy(from: &Path, to: &Path) -> String {
    format!("cp -p {} {}", shell_word(from), shell_word(to))
}
