//! The one way in which the ring file changes: locked, judged before, replaced whole or not at all, the ring before kept as
//! a backup. A process that is killed at any moment leaves the old ring or the new one.

use std::fs::{self, File};
use std::io;
use std::mem;
use std::path::Path;

#[cfg(unix)]
use std::os::unix::fs::MetadataExt;

use super::document::{MAX_TEXT, RingContents};
use super::file::{self, Found, RING_BACKUP_FILE, RING_FILE};
use super::seal::{AtRest, RingSeal};
use super::usage;
use crate::base::data_dir::{self, write_new_file};
use crate::{Error, Secret};

const LOCK_FILE: &str = "keys.lock";
const NEW_FILE: &str = "keys.json.new";
const NEW_BACKUP_FILE: &str = "keys.json.bak.new";

/// The ring after a call of [`change`].
pub(super) struct Changed {
    pub(super) contents: RingContents,
    /// Whether a ring was there before, which is the backup now.
    pub(super) existed: bool,
}

/// Changes the ring of `folder`, or makes it: `edit` gets what is there (nothing, where there is no ring) and says
/// whether it changed it.
///
/// A ring that cannot be used, or that is gone while its backup is there, is an error, and nothing is written.
pub(super) fn change(
    folder: &Path,
    seal: &RingSeal,
    edit: impl FnOnce(&mut RingContents) -> Result<bool, Error>,
) -> Result<Changed, Error> {
    let (changed, warning) = change_locked(folder, seal, edit)?;
    if let Some(warning) = warning {
        log::warn!("{warning}");
    }
    Ok(changed)
}

/// The same, and what is to be logged: not here, where others may be waiting for the lock.
fn change_locked(
    folder: &Path,
    seal: &RingSeal,
    edit: impl FnOnce(&mut RingContents) -> Result<bool, Error>,
) -> Result<(Changed, Option<String>), Error> {
    let _lock = data_dir::make_and_lock(folder, LOCK_FILE).map_err(Error::KeyRing)?;
    let mut found = read(folder, seal)?;
    let mut contents = found
        .as_mut()
        .map(|found| mem::take(&mut found.contents))
        .unwrap_or_default();
    let mut warning = None;
    if edit(&mut contents)? {
        let text = contents.to_text();
        check_readable(folder, &text, &contents)?;
        write(folder, seal, &contents, &text, found.as_ref())?;
        let ids: Vec<&str> = contents.data_keys.iter().map(|key| &*key.id).collect();
        warning = usage::keep_only(folder, &ids);
    }
    let changed = Changed {
        contents,
        existed: found.is_some(),
    };
    Ok((changed, warning))
}

/// Writes the ring as it is to lie in its file now: sealed where there is a secret for that, else (or where `plain`) plain.
pub(super) fn rewrite(folder: &Path, seal: &RingSeal, plain: bool) -> Result<(), Error> {
    let _lock = data_dir::make_and_lock(folder, LOCK_FILE).map_err(Error::KeyRing)?;
    let found = read(folder, seal)?.ok_or_else(|| file::none_in(folder))?;
    let text = found.text.expose();
    if plain {
        // The backup too: it is to be of use when the secret has been given up.
        return replace(folder, text, Some(text));
    }
    write(folder, seal, &found.contents, text, Some(&found))
}

/// The ring that is to be changed, `None` where one is to be made.
fn read(folder: &Path, seal: &RingSeal) -> Result<Option<Found>, Error> {
    let found = file::read(folder, seal)?;
    match &found {
        Some(found) => check_owner(folder, found)?,
        None => file::check_not_lost(folder, seal)?,
    }
    Ok(found)
}

fn write(
    folder: &Path,
    seal: &RingSeal,
    contents: &RingContents,
    text: &[u8],
    old: Option<&Found>,
) -> Result<(), Error> {
    if !seal.seals() {
        if old.is_some_and(|old| !matches!(old.at_rest, AtRest::Plain)) {
            return Err(Error::KeyRing(format!(
                "The key ring {} is sealed under the previous secret, and SEALGATE_RING_KEY is not set, so it would be \
                 written in the clear. Nothing was changed. Set it, or use: sealgate keys unseal",
                folder.join(RING_FILE).display()
            )));
        }
        return replace(folder, text, old.map(|old| old.raw.expose()));
    }
    let by = seal.derivation(old.map_or(&AtRest::Plain, |old| &old.at_rest))?;
    let sealed = seal.seal(text, &by)?;
    check_size(folder, sealed.expose(), contents)?;
    // The ring before must not stay in the clear, nor under a secret that is given up.
    let backup = old.map(|old| match old.at_rest {
        AtRest::Sealed(_) => Ok(old.raw.clone()),
        AtRest::Plain | AtRest::Outdated => seal.seal(old.text.expose(), &by),
    });
    let backup = backup.transpose()?;
    replace(folder, sealed.expose(), backup.as_ref().map(Secret::expose))
}

/// What is written belongs to the folder's owner, so nobody else's ring may be what it begins with: through a link, an
/// administrator could be led to give one away.
fn check_owner(folder: &Path, found: &Found) -> Result<(), Error> {
    #[cfg(unix)]
    if fs::metadata(folder).is_ok_and(|folder| folder.uid() != found.metadata.uid()) {
        return Err(Error::KeyRing(format!(
            "The key ring {} belongs to another user than its folder. Nothing was changed. Mend it with chown.",
            folder.join(RING_FILE).display()
        )));
    }
    Ok(())
}

/// What is written has to be read again.
fn check_readable(folder: &Path, text: &[u8], contents: &RingContents) -> Result<(), Error> {
    check_size(folder, text, contents)?;
    RingContents::parse(text).map(drop).map_err(|fault| {
        Error::KeyRing(format!(
            "The key ring {} was not changed: the new one {fault}.",
            folder.join(RING_FILE).display()
        ))
    })
}

fn check_size(folder: &Path, text: &[u8], contents: &RingContents) -> Result<(), Error> {
    if text.len() > MAX_TEXT {
        let path = folder.join(RING_FILE);
        return Err(Error::KeyRing(format!(
            "The key ring {} has {} keys, and more would make it larger than {} KiB, which is as much as is read. \
             Nothing was changed. Keep a copy, and take the oldest keys that nothing needs any more out of it.",
            path.display(),
            contents.token_keys.len() + contents.data_keys.len(),
            MAX_TEXT >> 10
        )));
    }
    Ok(())
}

/// Writes whole files beside the ring and renames them: a reader sees the old ring or the new one, never a part.
fn replace(folder: &Path, text: &[u8], old_text: Option<&[u8]>) -> Result<(), Error> {
    let path = folder.join(RING_FILE);
    // Renaming would put a file in the link's place and leave the file behind it as it is.
    if fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_symlink()) {
        return Err(Error::KeyRing(format!(
            "The key ring {} is a symbolic link, and a change would replace the link alone. Name the folder that it \
             leads to with SEALGATE_DATA_DIR.",
            path.display()
        )));
    }
    let new_path = folder.join(NEW_FILE);
    let new_backup_path = folder.join(NEW_BACKUP_FILE);
    let attempt = || -> io::Result<()> {
        write_new_file(folder, &new_path, text)?;
        if let Some(old_text) = old_text {
            write_new_file(folder, &new_backup_path, old_text)?;
            fs::rename(&new_backup_path, folder.join(RING_BACKUP_FILE))?;
        }
        fs::rename(&new_path, &path)
    };
    attempt().map_err(|error| {
        let _ = fs::remove_file(&new_path);
        let _ = fs::remove_file(&new_backup_path);
        Error::KeyRing(format!(
            "The key ring {} cannot be written: {error}. Nothing was changed. Free space or permit writing in that \
             folder, or choose another with SEALGATE_DATA_DIR.",
            path.display()
        ))
    })?;
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| {
            Error::KeyRing(format!(
                "The key ring {} was written, but may not outlive a loss of power: {error}.",
                path.display()
            ))
        })
}
