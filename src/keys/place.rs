//! Where a ring is: in a file of the data directory, or in a store that several machines share.
//!
//! In a shared store the ring is always sealed, and a change replaces the ring that it was made from: if another process was
//! faster, the change is made again, to the newer ring.

use std::fs;
use std::io;
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::document::{Fault, RingContents};
use super::seal::{AtRest, RingSeal};
use super::usage::{self, Journal, KeyUsage};
use super::write::{self, Changed, check_readable};
use super::{RING_BACKUP_FILE, RING_FILE, Settings, file};
use crate::base::file_stamp::Stamp;
use crate::base::private_files::{self, write_new_file};
use crate::store::{SharedStore, open_shared};
use crate::{Error, Secret};

/// The copy of a shared ring in the data directory, as it is in the store: sealed.
const COPY_FILE: &str = "shared-keys.json";
const NEW_COPY_FILE: &str = "shared-keys.json.new";

/// How often a change is made again because another process was faster.
const TRIES: u32 = 50;

/// See the module.
#[derive(Clone)]
pub(super) enum Place {
    Folder(PathBuf),
    Shared {
        store: Arc<dyn SharedStore>,
        /// For messages; without a password.
        address: String,
        /// The data directory, if a copy of the ring is kept there.
        copy: Option<PathBuf>,
    },
}

/// A ring as it is stored.
pub(super) struct Kept {
    pub(super) contents: RingContents,
    /// Its text, opened if it is sealed.
    pub(super) text: Secret,
    pub(super) at_rest: AtRest,
}

/// Changes whenever the ring does.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Mark {
    File(Stamp),
    Version(i64),
}

impl Place {
    /// Where the settings say that the ring is; `None`: they use none.
    pub(super) fn of(settings: &Settings) -> Result<Option<Self>, Error> {
        if settings.ephemeral {
            return Ok(None);
        }
        if let Some(store) = open_shared(&settings.shared)? {
            let address = settings.shared.url.as_ref().map(ToString::to_string);
            return Ok(Some(Place::Shared {
                store,
                address: address.unwrap_or_default(),
                copy: settings.data_dir.clone().filter(|_| settings.copy),
            }));
        }
        Ok(settings.data_dir.clone().map(Place::Folder))
    }

    /// The same for a change of the ring.
    pub(super) fn required(settings: &Settings) -> Result<Self, Error> {
        if settings.ephemeral {
            return Err(Error::Setting(
                "SEALGATE_KEYS=ephemeral uses no key ring. Set it to ring (or unset it) to make or change one.".into(),
            ));
        }
        Place::of(settings)?.ok_or_else(|| {
            Error::Setting(
                "There is no data directory for a key ring. Name one with SEALGATE_DATA_DIR."
                    .into(),
            )
        })
    }

    /// The file, or the store's address.
    pub(super) fn path(&self) -> PathBuf {
        match self {
            Place::Folder(folder) => folder.join(RING_FILE),
            Place::Shared { address, .. } => PathBuf::from(address),
        }
    }

    /// The file with the ring before its last change.
    pub(super) fn backup(&self) -> Option<PathBuf> {
        match self {
            Place::Folder(folder) => Some(folder.join(RING_BACKUP_FILE)),
            Place::Shared { .. } => None,
        }
    }

    /// Where keys come from, for people.
    pub(super) fn from(&self) -> String {
        let place = match self {
            Place::Folder(_) => "",
            Place::Shared { .. } => "in ",
        };
        format!("the key ring {place}{}", self.path().display())
    }

    /// The error for a ring that must exist but does not.
    pub(super) fn none(&self) -> Error {
        match self {
            Place::Folder(folder) => file::none_in(folder),
            Place::Shared { address, .. } => Error::KeyRing(format!(
                "There is no key ring in {address}. Create one with: sealgate keys generate"
            )),
        }
    }

    /// Refuses to make a new ring if there was one that is lost.
    pub(super) fn check_not_lost(&self, seal: &RingSeal) -> Result<(), Error> {
        match self {
            Place::Folder(folder) => {
                if folder.exists() {
                    private_files::check_folder(folder).map_err(Error::KeyRing)?;
                }
                file::check_not_lost(folder, seal)
            }
            // Nothing but the owner of the tables removes it.
            Place::Shared { .. } => Ok(()),
        }
    }

    /// Changes when the ring does; asks nobody.
    pub(super) fn mark(&self) -> Option<Mark> {
        match self {
            Place::Folder(folder) => Stamp::at(&folder.join(RING_FILE)).map(Mark::File),
            Place::Shared { store, .. } => Some(store.ring_version())
                .filter(|version| *version > 0)
                .map(Mark::Version),
        }
    }

    /// The same in a process that may know nothing of a shared ring yet.
    pub(super) fn first_mark(&self) -> Option<Mark> {
        self.ask();
        self.mark()
    }

    /// Learns of changes now that others made a moment ago.
    pub(super) fn ask(&self) {
        if let Place::Shared { store, .. } = self {
            store.ask_ring_version();
        }
    }

    /// Checks the backup, when a process starts to use the ring: what is wrong with it later must not keep a running server from
    /// new keys.
    pub(super) fn check_backup(&self) -> Result<(), Error> {
        match self {
            Place::Folder(folder) => file::check_backup(folder),
            Place::Shared { .. } => Ok(()),
        }
    }

    /// Reads the ring; `None` if there is none.
    pub(super) fn read(&self, seal: &RingSeal) -> Result<Option<Kept>, Error> {
        let (store, address, copy) = match self {
            Place::Folder(folder) => {
                let found = file::read(folder, seal)?;
                return Ok(found.map(|found| Kept {
                    contents: found.contents,
                    text: found.text,
                    at_rest: found.at_rest,
                }));
            }
            Place::Shared {
                store,
                address,
                copy,
            } => (store, address, copy.as_deref()),
        };
        let raw = match (store.ring(), copy) {
            (Ok(None), _) => return Ok(None),
            (Ok(Some(ring)), None) => ring.sealed,
            (Ok(Some(ring)), Some(folder)) => {
                if let Err(error) = keep_copy(folder, ring.sealed.expose()) {
                    log::warn!(
                        "the copy of the key ring in {} cannot be written: {error}",
                        folder.display()
                    );
                }
                ring.sealed
            }
            (Err(error), None) => return Err(error),
            (Err(error), Some(folder)) => match read_copy(folder)? {
                Some(raw) => {
                    log::warn!(
                        "{error} The copy of the key ring in {} is used, which may be older.",
                        folder.display()
                    );
                    raw
                }
                None => return Err(error),
            },
        };
        open(address, raw, seal).map(Some)
    }

    /// Changes the ring, or creates it: `edit` gets the current contents (empty if there is no ring) and returns whether it
    /// changed them. It is called again if another process was faster.
    pub(super) fn change(
        &self,
        seal: &RingSeal,
        mut edit: impl FnMut(&mut RingContents) -> Result<bool, Error>,
    ) -> Result<Changed, Error> {
        let (store, address) = match self {
            Place::Folder(folder) => return write::change(folder, seal, edit),
            Place::Shared { store, address, .. } => (store, address),
        };
        until_stored(address, || {
            let stored = store.ring()?;
            let version = stored.as_ref().map(|ring| ring.version);
            let mut before = stored
                .map(|ring| open(address, ring.sealed, seal))
                .transpose()?;
            let mut contents = before
                .as_mut()
                .map(|kept| mem::take(&mut kept.contents))
                .unwrap_or_default();
            let existed = before.is_some();
            if !edit(&mut contents)? {
                return Ok(Some(Changed { contents, existed }));
            }
            let text = contents.to_text();
            check_readable(&self.from(), &text, &contents)?;
            if !replace(store, address, version, before.as_ref(), seal, &text)? {
                return Ok(None);
            }
            let ids: Vec<&str> = contents.data_keys.iter().map(|key| &*key.id).collect();
            if let Err(error) = store.keep_key_usage(&ids) {
                log::warn!(
                    "the counts of keys that are no longer in the ring were not removed: {error}"
                );
            }
            Ok(Some(Changed { contents, existed }))
        })
    }

    /// Rewrites the ring: sealed if a secret is set and not `plain`, otherwise unsealed.
    pub(super) fn rewrite(&self, seal: &RingSeal, plain: bool) -> Result<(), Error> {
        let (store, address) = match self {
            Place::Folder(folder) => return write::rewrite(folder, seal, plain),
            Place::Shared { address, .. } if plain => {
                return Err(Error::KeyRing(format!(
                    "The key ring in {address} has to stay sealed, since whoever reads the database could read it. Nothing was \
                     changed."
                )));
            }
            Place::Shared { store, address, .. } => (store, address),
        };
        until_stored(address, || {
            let ring = store.ring()?.ok_or_else(|| self.none())?;
            let before = open(address, ring.sealed, seal)?;
            let (version, text) = (Some(ring.version), before.text.expose());
            let replaced = replace(store, address, version, Some(&before), seal, text)?;
            Ok(replaced.then_some(()))
        })
    }

    /// How many messages each data key has sealed.
    pub(super) fn usage(&self) -> KeyUsage {
        match self {
            Place::Folder(folder) => usage::read(folder),
            Place::Shared { store, .. } => KeyUsage::of(store.key_usage()),
        }
    }

    pub(super) fn journal(&self) -> Journal {
        match self {
            Place::Folder(folder) => Journal::in_folder(folder),
            Place::Shared { store, .. } => Journal::in_store(store.clone()),
        }
    }
}

/// Makes attempts until one stores its ring: `None` if another process was faster.
fn until_stored<T>(
    address: &str,
    mut attempt: impl FnMut() -> Result<Option<T>, Error>,
) -> Result<T, Error> {
    for _ in 0..TRIES {
        if let Some(stored) = attempt()? {
            return Ok(stored);
        }
    }
    Err(Error::KeyRing(format!(
        "The key ring in {address} was changed by others all the time. Nothing was changed. Try again."
    )))
}

fn unusable(address: &str, fault: Fault) -> Error {
    Error::KeyRing(format!(
        "The key ring in {address} {fault}. Nothing was changed."
    ))
}

fn open(address: &str, raw: Secret, seal: &RingSeal) -> Result<Kept, Error> {
    let (contents, text, at_rest) =
        file::parse(raw, seal).map_err(|fault| unusable(address, fault))?;
    if matches!(at_rest, AtRest::Plain) {
        return Err(Error::KeyRing(format!(
            "The key ring in {address} is not sealed, so it is not trusted: whoever changes the database could have written it."
        )));
    }
    Ok(Kept {
        contents,
        text,
        at_rest,
    })
}

/// Stores a ring in place of the one that was read. `false`: another process was faster.
fn replace(
    store: &Arc<dyn SharedStore>,
    address: &str,
    version: Option<i64>,
    before: Option<&Kept>,
    seal: &RingSeal,
    text: &[u8],
) -> Result<bool, Error> {
    if !seal.seals() {
        return Err(Error::KeyRing(format!(
            "A key ring in a shared store has to be sealed: whoever reads the database {address} could read it. Set \
             SEALGATE_RING_KEY or SEALGATE_RING_KEY_FILE to the same secret on all machines."
        )));
    }
    let by = seal.derivation(before.map_or(&AtRest::Plain, |kept| &kept.at_rest))?;
    let sealed = seal.seal(text, &by)?;
    let previous = before.map(|kept| seal.seal(kept.text.expose(), &by));
    let previous = previous.transpose()?;
    store.replace_ring(
        version,
        sealed.expose(),
        previous.as_ref().map(Secret::expose),
    )
}

fn keep_copy(folder: &Path, sealed: &[u8]) -> Result<(), String> {
    private_files::make(folder)?;
    let (path, new) = (folder.join(COPY_FILE), folder.join(NEW_COPY_FILE));
    if fs::read(&path).is_ok_and(|known| known == sealed) {
        return Ok(());
    }
    let _ = fs::remove_file(&new);
    let written = write_new_file(folder, &new, sealed).and_then(|()| fs::rename(&new, &path));
    written.map_err(|error| {
        let _ = fs::remove_file(&new);
        format!("{error}.")
    })
}

fn read_copy(folder: &Path) -> Result<Option<Secret>, Error> {
    let path = folder.join(COPY_FILE);
    let metadata = match fs::symlink_metadata(&path) {
        Ok(metadata) if metadata.is_file() => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        _ => {
            return Err(Error::KeyRing(format!(
                "The copy of the key ring {} is not a regular file.",
                path.display()
            )));
        }
    };
    private_files::check_folder(folder).map_err(Error::KeyRing)?;
    private_files::check_mode(&path, &metadata, 0o600).map_err(Error::KeyRing)?;
    let file = fs::File::open(&path)
        .and_then(|file| Secret::read(file, super::document::MAX_TEXT))
        .map_err(|error| {
            Error::KeyRing(format!(
                "The copy of the key ring {} cannot be read: {error}.",
                path.display()
            ))
        })?;
    Ok(file)
}
