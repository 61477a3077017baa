//! The only way to change the ring file: under a lock, validated before, replaced completely or not at all, with the
//! previous ring kept as a backup. A process killed at any moment leaves the old ring or the new one.

use std::fs::{self, File};
use std::io;
use std::mem;
use std::path::Path;

#[cfg(unix)]
use std::os::unix::fs::MetadataExt;

use super::document::{MAX_TEXT, RingContents};
use super::file::{self, Found, RING_BACKUP_FILE, RING_FILE, fault_of};
use super::seal::{AtRest, RingSeal};
use super::usage;
use crate::base::private_files::{self, write_new_file};
use crate::store::check_not_copied;
use crate::{Error, Secret};

pub(super) const LOCK_FILE: &str = "keys.lock";
const NEW_FILE: &str = "keys.json.new";
const NEW_BACKUP_FILE: &str = "keys.json.bak.new";

/// The ring after [`change`].
pub(super) struct Changed {
    pub(super) contents: RingContents,
    /// Whether there was a ring before, which is now the backup.
    pub(super) existed: bool,
}

/// Changes the ring of `directory`, or creates it: `edit` gets the current contents (empty if there is no ring) and
/// returns whether it changed them.
///
/// If the ring cannot be used, or is missing while its backup exists, returns an error and writes nothing.
pub(super) fn change(
    folder: &Path,
    seal: &RingSeal,
    edit: impl FnMut(&mut RingContents) -> Result<bool, Error>,
) -> Result<Changed, Error> {
    let (changed, warning) = change_locked(folder, seal, edit)?;
    if let Some(warning) = warning {
        log::warn!("{warning}");
    }
    Ok(changed)
}

/// The same; also returns the text to log, which must not be logged while other threads wait for the lock.
fn change_locked(
    folder: &Path,
    seal: &RingSeal,
    mut edit: impl FnMut(&mut RingContents) -> Result<bool, Error>,
) -> Result<(Changed, Option<String>), Error> {
    let _lock = private_files::make_and_lock(folder, LOCK_FILE).map_err(Error::KeyRing)?;
    check_not_copied(folder)?;
    let mut found = read(folder, seal)?;
    let mut contents = found
        .as_mut()
        .map(|found| mem::take(&mut found.contents))
        .unwrap_or_default();
    let mut warning = None;
    if edit(&mut contents)? {
        let text = contents.to_text();
        check_readable(&from(folder), &text, &contents)?;
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

/// Rewrites the ring: sealed if a secret is set and not `plain`, otherwise unsealed.
pub(super) fn rewrite(folder: &Path, seal: &RingSeal, plain: bool) -> Result<(), Error> {
    let _lock = private_files::make_and_lock(folder, LOCK_FILE).map_err(Error::KeyRing)?;
    check_not_copied(folder)?;
    let found = read(folder, seal)?.ok_or_else(|| file::none_in(folder))?;
    let text = found.text.expose();
    if plain {
        // The backup too: it has to be usable after the secret has been discarded.
        return replace(folder, text, Some(text));
    }
    write(folder, seal, &found.contents, text, Some(&found))
}

/// The ring to change; `None` if one is to be created.
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
            return Err(fault_of(
                folder,
                "is sealed under the previous secret, and SEALGATE_RING_KEY is not set, so it would be written \
                 unencrypted. Nothing was changed. Set it, or use: sealgate keys unseal",
            ));
        }
        return replace(folder, text, old.map(|old| old.raw.expose()));
    }
    let by = seal.derivation(old.map_or(&AtRest::Plain, |old| &old.at_rest))?;
    let sealed = seal.seal(text, &by)?;
    check_size(&from(folder), sealed.expose(), contents)?;
    // The backup must not stay unsealed, nor sealed under a secret that is being replaced.
    let backup = old.map(|old| match old.at_rest {
        AtRest::Sealed(_) => Ok(old.raw.clone()),
        AtRest::Plain | AtRest::Outdated => seal.seal(old.text.expose(), &by),
    });
    let backup = backup.transpose()?;
    replace(folder, sealed.expose(), backup.as_ref().map(Secret::expose))
}

/// The new file belongs to the directory's owner, so its contents must not come from another user's ring: through a
/// link, an administrator could be tricked into disclosing one.
fn check_owner(folder: &Path, found: &Found) -> Result<(), Error> {
    #[cfg(unix)]
    if fs::metadata(folder).is_ok_and(|folder| folder.uid() != found.metadata.uid()) {
        return Err(fault_of(
            folder,
            "belongs to another user than its directory. Nothing was changed. Fix it with chown.",
        ));
    }
    Ok(())
}

fn from(folder: &Path) -> String {
    format!("the key ring {}", folder.join(RING_FILE).display())
}

/// The new text must be readable again. `from`: the ring, for people.
pub(super) fn check_readable(
    from: &str,
    text: &[u8],
    contents: &RingContents,
) -> Result<(), Error> {
    check_size(from, text, contents)?;
    RingContents::parse(text)
        .map(drop)
        .map_err(|fault| unchanged(from, format!("was not changed: the new one {fault}.")))
}

fn check_size(from: &str, text: &[u8], contents: &RingContents) -> Result<(), Error> {
    if text.len() > MAX_TEXT {
        let keys = contents.token_keys.len() + contents.data_keys.len();
        let what = format!(
            "has {keys} keys, and more would make it larger than {} KiB, the size limit. Nothing was changed. Keep a \
             copy, and remove the oldest keys that are no longer needed from it.",
            MAX_TEXT >> 10
        );
        return Err(unchanged(from, what));
    }
    Ok(())
}

fn unchanged(from: &str, what: String) -> Error {
    let rest = from.strip_prefix("the ").unwrap_or(from);
    Error::KeyRing(format!("The {rest} {what}"))
}

/// Writes complete files beside the ring and renames them: a reader sees the old ring or the new one, never a part.
fn replace(folder: &Path, text: &[u8], old_text: Option<&[u8]>) -> Result<(), Error> {
    let path = folder.join(RING_FILE);
    // Renaming would replace the link and leave the file behind it unchanged.
    if fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_symlink()) {
        return Err(fault_of(
            folder,
            "is a symbolic link, so a change would replace only the link. Set SEALGATE_DATA_DIR to the folder of its \
             target.",
        ));
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
        let what = format!(
            "cannot be written: {error}. Nothing was changed. Free space, make the folder writable, or choose another \
             with SEALGATE_DATA_DIR."
        );
        fault_of(folder, what)
    })?;
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| {
            let what = format!("was written, but may not survive a power failure: {error}.");
            fault_of(folder, what)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_of_the_largest_size_is_written_and_one_byte_more_is_not() {
        let check = |size: usize| {
            let text = vec![b' '; size];
            check_size("the key ring state", &text, &RingContents::default())
        };
        assert_eq!(check(MAX_TEXT), Ok(()));
        let refused = check(MAX_TEXT + 1).unwrap_err().to_string();
        assert!(refused.contains("larger than 1024 KiB"), "{refused}");
    }
}
