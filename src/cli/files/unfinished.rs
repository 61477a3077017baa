//! A file that gets its name only once it is complete and safely on disk. Until then it has no name, so nothing is left
//! behind, however the command ends. If the system or the file system does not support that, it is a temporary file in
//! the same directory, removed after a failure and by a signal that ends the command.

use std::env;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

#[cfg(unix)]
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::Signals;

use crate::cli::Failure;

/// The temporary files of this process, shared with the signal thread. Only the holder of the lock may rename or remove
/// them.
static TEMPORARY: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

fn temporary() -> MutexGuard<'static, Vec<PathBuf>> {
    TEMPORARY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes the file, if it is one of the temporary files.
fn remove_temporary(path: &Path) {
    let mut known = temporary();
    if known.iter().any(|known| known == path) {
        known.retain(|known| known != path);
        let _ = fs::remove_file(path);
    }
}

/// The path of a temporary file that others write. If it exists in the end, it is removed.
pub(in crate::cli) struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// In the directory of this file, or where the system keeps temporary files.
    pub(in crate::cli) fn beside(file: Option<&Path>) -> Result<Self, Failure> {
        let path = || {
            remove_at_signals()?;
            let folder = file.map_or_else(env::temp_dir, |file| folder_of(file).to_owned());
            Ok(folder.join(temporary_name()?))
        };
        let path = path().map_err(|error: io::Error| {
            Failure::wrong(format!("A temporary file cannot be made: {error}."))
        })?;
        temporary().push(path.clone());
        Ok(Scratch { path })
    }

    pub(in crate::cli) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        remove_temporary(&self.path);
    }
}

/// A file that has a temporary name, or none, until it is finished. If dropped before that, it is removed.
pub(super) struct Unfinished {
    file: File,
    /// Its temporary name: just before it replaces `path`, or from the start where every file needs a name.
    temporary: PathBuf,
    path: PathBuf,
    /// Whether it replaces an existing file.
    replaces: bool,
    /// Whether it keeps the mode of the file that it replaces.
    keeps_mode: bool,
    /// How many bytes were written since the last sync was requested.
    waiting: usize,
    disk: Option<Disk>,
}

/// How much is written between syncs: otherwise the system may buffer gigabytes and make the command wait at the end.
const MUCH: usize = 64 << 20;

impl Unfinished {
    /// Creates it in the directory of `path`, readable by its owner only. The second value is for writing.
    pub(super) fn new(path: PathBuf) -> io::Result<(Self, File)> {
        remove_at_signals()?;
        let temporary = path.with_file_name(temporary_name()?);
        let file = match nameless_in(folder_of(&path)) {
            Some(file) => file,
            None => Unfinished::named(&temporary)?,
        };
        let writer = file.try_clone();
        let unfinished = Unfinished {
            file,
            temporary,
            path,
            replaces: true,
            keeps_mode: true,
            waiting: 0,
            disk: None,
        };
        Ok((unfinished, writer?))
    }

    /// For secrets: readable by its owner only, and replacing an existing file only if `replaces`.
    pub(super) fn make_private(&mut self, replaces: bool) {
        self.replaces = replaces;
        self.keeps_mode = false;
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn named(temporary_path: &Path) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        options.mode(0o600);
        // Under the lock, so that the signal thread sees both the file and its name, or neither.
        let mut known = temporary();
        let file = options.open(temporary_path)?;
        known.push(temporary_path.to_owned());
        Ok(file)
    }

    /// Records that this many more bytes have been written.
    pub(super) fn has_grown(&mut self, bytes: usize) {
        self.waiting += bytes;
        if self.waiting < MUCH {
            return;
        }
        self.waiting = 0;
        if self.disk.is_none() {
            // Without it, everything is synced at the end.
            self.disk = self.file.try_clone().and_then(Disk::new).ok();
        }
        if let Some(disk) = &self.disk {
            disk.begin();
        }
    }

    pub(super) fn finish(mut self) -> io::Result<()> {
        self.disk.take().map_or(Ok(()), Disk::finish)?;
        // A replaced file keeps its mode; a new one is readable by its owner only.
        #[cfg(unix)]
        if let (true, Ok(before)) = (self.keeps_mode, fs::metadata(&self.path)) {
            let mode = before.permissions().mode() & 0o777;
            self.file
                .set_permissions(fs::Permissions::from_mode(mode))?;
        }
        self.file.sync_all()?;
        self.name()?;
        // Some file systems cannot sync a directory; the file exists all the same.
        let _ = File::open(folder_of(&self.path)).and_then(|folder| folder.sync_all());
        Ok(())
    }

    fn name(&self) -> io::Result<()> {
        let mut known = temporary();
        let is_nameless = !known.contains(&self.temporary);
        // Linking cannot replace an existing file; only renaming can.
        if is_nameless && !self.replaces {
            return give_name(&self.file, &self.path);
        }
        if is_nameless {
            give_name(&self.file, &self.temporary)?;
            known.push(self.temporary.clone());
        }
        if !self.replaces && self.path.symlink_metadata().is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        fs::rename(&self.temporary, &self.path)?;
        known.retain(|known| *known != self.temporary);
        Ok(())
    }
}

/// A thread that syncs what has been written while more is produced.
struct Disk {
    wake: SyncSender<()>,
    thread: JoinHandle<io::Result<()>>,
}

impl Disk {
    fn new(file: File) -> io::Result<Self> {
        let (wake, woken) = sync_channel(1);
        let thread = thread::Builder::new()
            .name("disk".to_owned())
            .spawn(move || woken.iter().try_for_each(|()| file.sync_data()))?;
        Ok(Disk { wake, thread })
    }

    fn begin(&self) {
        // Fails if a sync is already pending or the thread has ended; both are fine.
        let _ = self.wake.try_send(());
    }

    /// The system reports a write error only once, so possibly here and not at the final sync.
    fn finish(self) -> io::Result<()> {
        drop(self.wake);
        let done = self.thread.join();
        done.unwrap_or_else(|_| Err(io::Error::other("a thread has failed")))
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        remove_temporary(&self.temporary);
    }
}

/// The directory that a path is in.
pub(in crate::cli) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// A file without a name, readable by its owner only; `None` if that is not supported, or it could not be named later.
#[cfg(target_os = "linux")]
fn nameless_in(folder: &Path) -> Option<File> {
    let mut options = OpenOptions::new();
    let flags = rustix::fs::OFlags::TMPFILE.bits() as i32;
    options.write(true).mode(0o600).custom_flags(flags);
    let file = options.open(folder).ok()?;
    way_to(&file).exists().then_some(file)
}

#[cfg(not(target_os = "linux"))]
fn nameless_in(_folder: &Path) -> Option<File> {
    None
}

#[cfg(target_os = "linux")]
fn give_name(file: &File, path: &Path) -> io::Result<()> {
    use rustix::fs::{AtFlags, CWD, linkat};
    Ok(linkat(
        CWD,
        way_to(file),
        CWD,
        path,
        AtFlags::SYMLINK_FOLLOW,
    )?)
}

/// Never called: here every file has a name.
#[cfg(not(target_os = "linux"))]
fn give_name(_file: &File, _path: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// The path of an open file of this process that has no name.
#[cfg(target_os = "linux")]
fn way_to(file: &File) -> PathBuf {
    use std::os::fd::AsRawFd;
    format!("/proc/self/fd/{}", file.as_raw_fd()).into()
}

/// A name that no file has.
fn temporary_name() -> io::Result<String> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(format!(".sealgate-{:016x}.part", u64::from_ne_bytes(bytes)))
}

/// A file that exceeds the user's size limit then fails to be written, which is reported, instead of killing the process.
pub(in crate::cli) fn report_size_limit() -> io::Result<()> {
    signal_hook::flag::register(SIGXFSZ, Arc::default()).map(drop)
}

/// Makes signals that end the command remove the temporary files first.
fn remove_at_signals() -> io::Result<()> {
    report_size_limit()?;
    let wanted = [SIGINT, SIGTERM, SIGHUP, SIGQUIT];
    let ignored = ignored_signals();
    let mut signals = Signals::new(
        wanted
            .iter()
            .filter(|signal| ignored >> (**signal - 1) & 1 == 0),
    )?;
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            let Some(signal) = signals.forever().next() else {
                return;
            };
            // Never released: no file gets its name after this.
            let mut known = temporary();
            for path in known.drain(..) {
                let _ = fs::remove_file(path);
            }
            // The parent should see which signal ended the process.
            let _ = signal_hook::low_level::emulate_default_handler(signal);
            process::exit(128 + signal);
        })?;
    Ok(())
}

/// The signals that the parent process ignores (`nohup`, `&` in a script), as a mask; they stay ignored.
fn ignored_signals() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// The fallback for file systems without nameless files; the command's tests cover the others.
    #[test]
    fn a_temporary_file_replaces_the_target_or_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        fs::write(&path, "before").unwrap();
        let unfinished = || {
            let temporary = folder.path().join(".sealgate-0.part");
            let mut file = Unfinished::named(&temporary).unwrap();
            file.write_all(b"after").unwrap();
            assert!(temporary.exists());
            Unfinished {
                file,
                temporary,
                path: path.clone(),
                replaces: true,
                keeps_mode: true,
                waiting: 0,
                disk: None,
            }
        };
        drop(unfinished());
        assert_eq!(fs::read(&path).unwrap(), b"before");
        unfinished().finish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"after");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
