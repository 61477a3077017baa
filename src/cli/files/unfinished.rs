//! A file that gets its name only once it is complete and safely on disk. Until then it has no name, so nothing is left
//! behind, however the command ends. If the system or the file system does not support that, it is a temporary file in
//! the same directory, removed after a failure and by a signal that ends the command.

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

/// The temporary file of this process, shared with the signal thread. Only the holder of the lock may rename or remove
/// it.
static TEMPORARY: Mutex<Option<PathBuf>> = Mutex::new(None);

fn temporary() -> MutexGuard<'static, Option<PathBuf>> {
    TEMPORARY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A file that has a temporary name, or none, until it is finished. If dropped before that, it is removed.
pub(super) struct Unfinished {
    file: File,
    /// Its temporary name: just before it replaces `path`, or from the start where every file needs a name.
    temporary: PathBuf,
    path: PathBuf,
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
        let name = format!(".sealgate-{:016x}.part", random_number()?);
        let temporary = path.with_file_name(name);
        let file = match nameless_in(folder_of(&path)) {
            Some(file) => file,
            None => Unfinished::named(&temporary)?,
        };
        let writer = file.try_clone();
        let unfinished = Unfinished {
            file,
            temporary,
            path,
            waiting: 0,
            disk: None,
        };
        Ok((unfinished, writer?))
    }

    fn named(temporary_path: &Path) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        options.mode(0o600);
        // Under the lock, so that the signal thread sees both the file and its name, or neither.
        let mut known = temporary();
        let file = options.open(temporary_path)?;
        *known = Some(temporary_path.to_owned());
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
        if let Ok(before) = fs::metadata(&self.path) {
            let mode = before.permissions().mode() & 0o777;
            self.file
                .set_permissions(fs::Permissions::from_mode(mode))?;
        }
        self.file.sync_all()?;
        let mut known = temporary();
        if known.is_none() {
            // Linking cannot replace an existing file; only renaming can.
            give_name(&self.file, &self.temporary)?;
            *known = Some(self.temporary.clone());
        }
        let renamed = fs::rename(&self.temporary, &self.path);
        if renamed.is_ok() {
            *known = None;
        }
        drop(known);
        renamed?;
        // Some file systems cannot sync a directory; the file exists all the same.
        let _ = File::open(folder_of(&self.path)).and_then(|folder| folder.sync_all());
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
        let mut known = temporary();
        if known.take().is_some() {
            let _ = fs::remove_file(&self.temporary);
        }
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

fn random_number() -> io::Result<u64> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(u64::from_ne_bytes(bytes))
}

/// Makes signals that end the command remove the temporary file first.
fn remove_at_signals() -> io::Result<()> {
    // A file that exceeds the user's size limit then fails to be written, which is reported, instead of killing the
    // process.
    signal_hook::flag::register(SIGXFSZ, Arc::default())?;
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
            if let Some(path) = known.take() {
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
