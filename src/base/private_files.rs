//! Files in the data directory: permissions, ownership, and one writer at a time. Their contents are up to `keys` and
//! `store`. Errors are whole sentences, which each module wraps in its own error variant.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

#[cfg(unix)]
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};

use super::replacement::{self, InUse};

/// A change takes milliseconds; a process that holds the lock for longer is stopped or hangs.
const PATIENCE: Duration = Duration::from_secs(10);

/// One writer at a time, while this exists. A killed process leaves nothing locked.
pub(crate) struct Writer {
    _lock: File,
    _in_use: Option<InUse>,
}

/// Creates the directory if it is missing, ensures that no other user can read it, and locks it for one writer.
pub(crate) fn make_and_lock(folder: &Path, lock_file: &str) -> Result<Writer, String> {
    make(folder)?;
    let _in_use = replacement::enter(folder)?;
    let _lock = lock(folder, lock_file)?;
    Ok(Writer { _lock, _in_use })
}

/// Creates the directory if it is missing, and ensures that no other user can read it.
pub(crate) fn make(folder: &Path) -> Result<(), String> {
    make_folder(folder)?;
    check_folder(folder)?;
    close_to_others(folder)
}

/// Only the owner may access secrets.
pub(crate) fn check_folder(folder: &Path) -> Result<(), String> {
    let metadata = fs::metadata(folder)
        .map_err(|error| format!("{} cannot be examined: {error}.", folder.display()))?;
    // Read only when it matters: another thread may be changing the environment.
    check_mode(folder, &metadata, 0o700).or_else(|refused| match is_state_directory(folder) {
        true => check_state_directory(folder, &metadata).map(drop),
        false => Err(refused),
    })
}

/// The directory that systemd created for this service: the first one in `$STATE_DIRECTORY`, which is a colon-separated
/// list.
pub(crate) fn state_directory() -> Option<PathBuf> {
    let list = std::env::var_os("STATE_DIRECTORY")?;
    let mut folders = std::env::split_paths(&list);
    folders.find(|folder| !folder.as_os_str().is_empty())
}

fn is_state_directory(folder: &Path) -> bool {
    state_directory().is_some_and(|own| own == folder)
}

/// Removes other users' access to `$STATE_DIRECTORY`, which systemd creates with mode 0755.
#[cfg(unix)]
pub(crate) fn close_to_others(folder: &Path) -> Result<(), String> {
    if !is_state_directory(folder) {
        return Ok(());
    }
    let failed =
        |error: io::Error| format!("{} cannot be made private: {error}.", folder.display());
    // The mode is changed on the same open directory that was checked.
    let opened = match File::open(folder) {
        Ok(opened) => opened,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    let metadata = opened.metadata().map_err(failed)?;
    if check_state_directory(folder, &metadata)? {
        let private = fs::Permissions::from_mode(0o700);
        opened.set_permissions(private).map_err(failed)?;
        log::info!(
            "changed the mode of {} from {:04o} to 0700",
            folder.display(),
            metadata.mode() & 0o7777
        );
    }
    Ok(())
}

#[cfg(not(unix))]
pub(crate) fn close_to_others(_folder: &Path) -> Result<(), String> {
    Ok(())
}

/// Whether the directory is open to others but can safely be made private: it is ours, and nobody else could have put
/// anything there.
#[cfg(unix)]
fn check_state_directory(folder: &Path, metadata: &Metadata) -> Result<bool, String> {
    let mode = metadata.mode() & 0o7777;
    if mode & 0o077 == 0 {
        return Ok(false);
    }
    let ours = metadata.uid() == rustix::process::geteuid().as_raw();
    if ours && mode & 0o022 == 0 {
        return Ok(true);
    }
    let why = match ours {
        true => "can be written by other users, so its secrets may not be ours",
        false => "is open to other users and is owned by another user",
    };
    Err(format!(
        "{} {why} (mode {mode:04o}). Set StateDirectoryMode=0700 in the service's unit, or fix it with: chmod 700 {}",
        folder.display(),
        shell_word(folder)
    ))
}

#[cfg(not(unix))]
fn check_state_directory(_folder: &Path, _metadata: &Metadata) -> Result<bool, String> {
    Ok(false)
}

#[cfg(unix)]
pub(crate) fn check_mode(path: &Path, metadata: &Metadata, wanted: u32) -> Result<(), String> {
    let mode = metadata.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(format!(
            "{} is open to other users (mode {mode:04o}), so its secrets may be known. Fix it with: chmod {wanted:o} {}",
            path.display(),
            shell_word(path)
        ));
    }
    Ok(())
}

#[cfg(not(unix))]
pub(crate) fn check_mode(_path: &Path, _metadata: &Metadata, _wanted: u32) -> Result<(), String> {
    Ok(())
}

fn make_folder(folder: &Path) -> Result<(), String> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    builder.mode(0o700);
    builder.create(folder).map_err(|error| {
        format!(
            "The data directory {} cannot be created: {error}. Choose another with SEALGATE_DATA_DIR.",
            folder.display()
        )
    })
}

/// Creates an empty file with the directory's owner and mode 0600. Never follows a link.
pub(crate) fn new_file(folder: &Path, path: &Path) -> io::Result<File> {
    let file = new_private_file(path)?;
    own(folder, &file, 0o600)?;
    Ok(file)
}

/// Creates a directory inside `folder`, with its owner and mode 0700.
pub(crate) fn new_folder(folder: &Path, path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    builder.mode(0o700);
    builder.create(path)?;
    #[cfg(unix)]
    own(folder, &File::open(path)?, 0o700)?;
    Ok(())
}

/// Creates a file with these bytes, owned by the directory's owner and synced to disk; replaces what a killed process
/// left behind. The caller holds a lock.
pub(crate) fn write_new_file(folder: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = new_file(folder, path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Creates an empty file that only this process's user can read. Never follows a link.
pub(crate) fn new_private_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    options.mode(0o600);
    options.open(path)
}

/// An administrator who changes a service's files must leave the service its access.
#[cfg(unix)]
fn own(folder: &Path, file: &File, mode: u32) -> io::Result<()> {
    let owner = fs::metadata(folder)?;
    let metadata = file.metadata()?;
    if metadata.uid() != owner.uid() {
        std::os::unix::fs::fchown(file, Some(owner.uid()), Some(owner.gid()))?;
    }
    // An unusual umask may have removed permissions that the owner needs.
    if metadata.mode() & 0o777 != mode {
        file.set_permissions(fs::Permissions::from_mode(mode))?;
    }
    Ok(())
}

#[cfg(not(unix))]
fn own(_folder: &Path, _file: &File, _mode: u32) -> io::Result<()> {
    Ok(())
}

/// The lock is released when the file is closed.
fn lock(folder: &Path, lock_file: &str) -> Result<File, String> {
    let path = folder.join(lock_file);
    let unwritable = |error: io::Error| {
        format!(
            "The data directory {} cannot be written: {error}. Make it writable, or choose another with SEALGATE_DATA_DIR.",
            folder.display()
        )
    };
    // Checked before it is opened: opening a pipe would wait for its reader.
    if fs::metadata(&path).is_ok_and(|metadata| !metadata.is_file()) {
        return Err(format!(
            "The lock {} is not a file. Remove whatever has that name, then try again.",
            path.display()
        ));
    }
    // Only a newly created file gets an owner: an existing one may be a link to any file.
    let file = match new_file(folder, &path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            OpenOptions::new().write(true).open(&path)
        }
        made_or_not => made_or_not,
    }
    .map_err(unwritable)?;
    let given_up = Instant::now() + PATIENCE;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(error)) => return Err(unwritable(error)),
            Err(TryLockError::WouldBlock) if Instant::now() < given_up => {
                thread::sleep(Duration::from_millis(2));
            }
            Err(TryLockError::WouldBlock) => {
                return Err(format!(
                    "Another process has held the lock {} for {} s. Stop it, then try again.",
                    path.display(),
                    PATIENCE.as_secs()
                ));
            }
        }
    }
}

/// A path quoted as one shell word.
pub fn shell_word(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "/._-+:@%,=".contains(c);
    if text.chars().all(plain) {
        return text;
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_in_a_command_is_one_word() {
        assert_eq!(shell_word(Path::new("/a/b-c.json")), "/a/b-c.json");
        assert_eq!(
            shell_word(Path::new("/my data/$x'y")),
            r"'/my data/$x'\''y'"
        );
    }
}
