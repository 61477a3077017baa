//! The file as bytes: opened safely, locked against other processes, and appended to completely or not at all.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

#[cfg(unix)]
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};

use crate::base::private_files::new_file;

/// Why nothing was added.
#[derive(Debug)]
pub(in crate::keys) enum Fault {
    /// Another process or thread holds the lock.
    Busy,
    /// A whole sentence.
    Trouble(String),
}

/// The file, open and locked.
pub(super) struct Locked {
    file: File,
    path: PathBuf,
    size: u64,
}

impl Locked {
    /// Opened for exclusive use; created if there is none.
    pub(super) fn make(folder: &Path, path: &Path, patience: Duration) -> Result<Self, Fault> {
        let start = Instant::now();
        loop {
            let Some(file) = open(path, true).map_err(|error| Fault::of(path, &error))? else {
                match new_file(folder, path) {
                    Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                        return Err(Fault::of(path, &error));
                    }
                    _ => continue,
                }
            };
            check_owner(folder, path, &file)?;
            if !is_locked(file.try_lock(), start.elapsed() < patience, path)? {
                continue;
            }
            let locked = Locked::of(file, path)?;
            // Otherwise another file has its name by now.
            if is_at(&locked.file, path) {
                return Ok(locked);
            }
        }
    }

    /// Opened for shared reading; `None` if there is none.
    pub(super) fn shared(path: &Path, patience: Duration) -> Result<Option<Self>, Fault> {
        let start = Instant::now();
        loop {
            let Some(file) = open(path, false).map_err(|error| Fault::of(path, &error))? else {
                return Ok(None);
            };
            if is_locked(file.try_lock_shared(), start.elapsed() < patience, path)? {
                return Locked::of(file, path).map(Some);
            }
        }
    }

    fn of(file: File, path: &Path) -> Result<Self, Fault> {
        let mut locked = Locked {
            file,
            path: path.to_owned(),
            size: 0,
        };
        let metadata = locked.file.metadata();
        locked.size = metadata.map_err(|error| Fault::of(path, &error))?.len();
        Ok(locked)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// At most the first `most` bytes of the file.
    pub(super) fn read(&mut self, most: u64) -> Result<Vec<u8>, Fault> {
        let mut text = Vec::new();
        let read = (&self.file).take(most).read_to_end(&mut text);
        read.map_err(|error| Fault::of(&self.path, &error))?;
        Ok(text)
    }

    /// Appends this.
    pub(super) fn append(&mut self, text: &str) -> Result<(), Fault> {
        self.file.write_all(text.as_bytes()).map_err(|error| {
            // A full disk may have accepted only a part.
            let _ = self.file.set_len(self.size);
            Fault::of(&self.path, &error)
        })
    }
}

#[cfg(test)]
impl Locked {
    /// Another descriptor of the file, as a forked process has.
    pub(super) fn copy(&self) -> File {
        self.file.try_clone().expect("there are descriptors left")
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        // Closing alone would not release it: a process forked meanwhile has a copy of the descriptor, and with it the
        // lock.
        let _ = self.file.unlock();
    }
}

/// Whether the lock was acquired; `false` after a pause if the caller should try again.
fn is_locked(
    tried: Result<(), TryLockError>,
    is_patient: bool,
    path: &Path,
) -> Result<bool, Fault> {
    match tried {
        Ok(()) => Ok(true),
        Err(TryLockError::Error(error)) => Err(Fault::of(path, &error)),
        Err(TryLockError::WouldBlock) if is_patient => {
            thread::sleep(Duration::from_millis(1));
            Ok(false)
        }
        Err(TryLockError::WouldBlock) => Err(Fault::Busy),
    }
}

/// Follows no link and does not block on a pipe.
fn open(path: &Path, to_add: bool) -> io::Result<Option<File>> {
    let mut options = OpenOptions::new();
    options.read(true).append(to_add);
    #[cfg(unix)]
    {
        use rustix::fs::OFlags;
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
        options.custom_flags(flags.bits() as i32);
    }
    let file = match options.open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    match file.metadata()?.is_file() {
        true => Ok(Some(file)),
        false => Err(io::Error::other("it is not a file")),
    }
}

/// An administrator must not be tricked into writing to another user's file.
fn check_owner(folder: &Path, path: &Path, file: &File) -> Result<(), Fault> {
    #[cfg(unix)]
    {
        let owner = |metadata: fs::Metadata| metadata.uid();
        let ours = fs::metadata(folder).map(owner);
        let its = file.metadata().map(owner);
        if ours.ok() != its.ok() {
            return Err(Fault::Trouble(format!(
                "{} belongs to another user than its directory. Fix it with chown.",
                path.display()
            )));
        }
    }
    #[cfg(not(unix))]
    let _ = (folder, path, file);
    Ok(())
}

fn is_at(file: &File, path: &Path) -> bool {
    #[cfg(unix)]
    {
        let place = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
        let now = fs::symlink_metadata(path).map(place);
        file.metadata().map(place).ok() == now.ok()
    }
    #[cfg(not(unix))]
    {
        let _ = (file, path);
        true
    }
}
