//! The ring file: made once, replaced whole or not at all, and refused where others could have read or changed it.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

#[cfg(unix)]
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::{hex, token_key_id};
use crate::cipher::{DataKey, decode_base64, encode_base64, random_key};
use crate::{Error, Secret};

/// The ring's file in the data directory.
pub const RING_FILE: &str = "keys.json";
const LOCK_FILE: &str = "keys.lock";
const NEW_FILE: &str = "keys.json.new";
const FORMAT: &str = "sealgate key ring";
const FORMAT_VERSION: u32 = 1;
/// Far more than a ring can need; a larger file is none.
const MAX_FILE: u64 = 1 << 20;

/// The keys of a ring file, oldest first.
pub(super) struct RingContents {
    pub(super) token_keys: Vec<Secret>,
    pub(super) data_keys: Vec<Secret>,
}

#[derive(Serialize, Deserialize)]
struct RingDocument {
    format: String,
    version: u32,
    token_keys: Vec<StoredKey>,
    data_keys: Vec<StoredKey>,
}

#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
struct StoredKey {
    /// Follows from the key: a key that was damaged does not have its id any more.
    id: String,
    /// Standard base64.
    key: String,
    /// Seconds since 1970-01-01 UTC.
    created: u64,
}

/// Reads the ring in `folder`. Where there is none, makes folder and ring if `create`, else gives nothing.
pub(super) fn load_or_create(folder: &Path, create: bool) -> Result<Option<RingContents>, Error> {
    let path = folder.join(RING_FILE);
    if let Some(found) = load(folder, &path)? {
        return Ok(Some(found));
    }
    if !create {
        return Ok(None);
    }
    make_folder(folder)?;
    check_permissions(folder, 0o700)?;
    let lock = lock(folder)?;
    // Another process may have made it while this one waited.
    if let Some(found) = load(folder, &path)? {
        return Ok(Some(found));
    }
    write(folder, &path, &RingDocument::with_new_keys()?)?;
    let made = load(folder, &path)?;
    drop(lock);
    Ok(made)
}

fn load(folder: &Path, path: &Path) -> Result<Option<RingContents>, Error> {
    let unreadable = |error: io::Error| {
        Error::KeyRing(format!(
            "The key ring {} cannot be read: {error}.",
            path.display()
        ))
    };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error)),
    };
    check_permissions(folder, 0o700)?;
    // Of the file that is open, not of whatever has its name by now.
    check_mode(path, &file.metadata().map_err(unreadable)?, 0o600)?;
    let mut text = Zeroizing::new(Vec::new());
    file.take(MAX_FILE + 1)
        .read_to_end(&mut text)
        .map_err(unreadable)?;
    parse(&text)
        .map(Some)
        .map_err(|what| {
            Error::KeyRing(format!(
                "The key ring {} {what}. Nothing was changed. Restore it from a backup; or, to start with new keys and \
                 lose what the old ones made, move it away.",
                path.display()
            ))
        })
}

fn parse(text: &[u8]) -> Result<RingContents, &'static str> {
    #[derive(Deserialize)]
    struct Head {
        format: String,
        version: u32,
    }
    let head: Head =
        serde_json::from_slice(text).map_err(|_| "is damaged or not a key ring at all")?;
    if head.format != FORMAT {
        return Err("is not a key ring");
    }
    if head.version != FORMAT_VERSION {
        return Err("was written by a newer version of sealgate, which has to be used");
    }
    let document: RingDocument = serde_json::from_slice(text).map_err(|_| "is damaged")?;
    let keys = |stored: &[StoredKey], id_of: fn(&[u8]) -> Option<String>| {
        stored
            .iter()
            .map(|stored| {
                let key = Secret::new(decode_base64(&stored.key).ok()?);
                (id_of(key.expose())? == stored.id).then_some(key)
            })
            .collect::<Option<Vec<_>>>()
            .ok_or("is damaged: a key does not have its id")
    };
    Ok(RingContents {
        token_keys: keys(&document.token_keys, token_id)?,
        data_keys: keys(&document.data_keys, data_id)?,
    })
}

/// The id of a token key, if the bytes can be one.
fn token_id(key: &[u8]) -> Option<String> {
    token_key_id(key).ok().filter(|_| key.len() >= 32)
}

/// The id of a data key, if the bytes can be one.
fn data_id(key: &[u8]) -> Option<String> {
    let key = DataKey::new(key.try_into().ok()?).ok()?;
    Some(hex(&key.id()))
}

impl RingDocument {
    fn with_new_keys() -> Result<Self, Error> {
        let created = SystemTime::UNIX_EPOCH
            .elapsed()
            .map_or(0, |age| age.as_secs());
        let new_key = |id_of: fn(&[u8]) -> Option<String>| -> Result<StoredKey, Error> {
            let key = random_key()?;
            Ok(StoredKey {
                id: id_of(&*key).ok_or(Error::Crypto("a key has no id"))?,
                key: encode_base64(&*key),
                created,
            })
        };
        Ok(RingDocument {
            format: FORMAT.to_owned(),
            version: FORMAT_VERSION,
            token_keys: vec![new_key(token_id)?],
            data_keys: vec![new_key(data_id)?],
        })
    }
}

/// Writes the whole ring to a file beside it and renames that: a reader sees the old ring or the new one.
fn write(folder: &Path, path: &Path, document: &RingDocument) -> Result<(), Error> {
    let mut text = Zeroizing::new(serde_json::to_vec_pretty(document).expect("plain data is JSON"));
    text.push(b'\n');
    let new_path = folder.join(NEW_FILE);
    let attempt = || -> io::Result<()> {
        // Left behind by a process that was killed; the lock is ours.
        match fs::remove_file(&new_path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        options.mode(0o600);
        let mut file = options.open(&new_path)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&new_path, path)?;
        File::open(folder)?.sync_all()
    };
    attempt().map_err(|error| {
        let _ = fs::remove_file(&new_path);
        Error::KeyRing(format!(
            "The key ring {} cannot be written: {error}. Free space or permit writing in that folder, or choose another \
             with SEALGATE_DATA_DIR.",
            path.display()
        ))
    })
}

fn make_folder(folder: &Path) -> Result<(), Error> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    builder.mode(0o700);
    builder.create(folder).map_err(|error| {
        Error::KeyRing(format!(
            "The data directory {} cannot be made: {error}. Choose another with SEALGATE_DATA_DIR.",
            folder.display()
        ))
    })
}

/// One writer at a time. The lock goes when the file is closed, so a killed process leaves none behind.
fn lock(folder: &Path) -> Result<File, Error> {
    let path: PathBuf = folder.join(LOCK_FILE);
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    options.mode(0o600);
    options
        .open(&path)
        .and_then(|file| {
            file.lock()?;
            Ok(file)
        })
        .map_err(|error| {
            Error::KeyRing(format!(
                "The data directory {} cannot be written: {error}. Permit it, or choose another with SEALGATE_DATA_DIR.",
                folder.display()
            ))
        })
}

/// Nobody but the owner may get at secrets.
fn check_permissions(path: &Path, wanted: u32) -> Result<(), Error> {
    let metadata = fs::metadata(path).map_err(|error| {
        Error::KeyRing(format!("{} cannot be looked at: {error}.", path.display()))
    })?;
    check_mode(path, &metadata, wanted)
}

#[cfg(unix)]
fn check_mode(path: &Path, metadata: &Metadata, wanted: u32) -> Result<(), Error> {
    let mode = metadata.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(Error::KeyRing(format!(
            "{} is open to other users (mode {mode:04o}), so its keys may be known. Mend it with: chmod {wanted:o} {}",
            path.display(),
            path.display()
        )));
    }
    Ok(())
}

#[cfg(not(unix))]
fn check_mode(_path: &Path, _metadata: &Metadata, _wanted: u32) -> Result<(), Error> {
    Ok(())
}
