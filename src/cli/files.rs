//! Where large data comes from and goes to: files and the standard streams.
//!
//! A file that is written gets its name only when all of it is there and safely on the disk. Until then it has none, so that
//! nothing is left behind, however the command ends; where the system or the file system cannot do that, it is a temporary
//! file in the same folder, which is removed after a failure and after a signal that ends the command.

use std::fs::{self, File, OpenOptions};
use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::{process, thread};

#[cfg(unix)]
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt, PermissionsExt};

use clap::{Arg, ArgMatches, ValueHint, value_parser};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::Failure;

/// `--in` and `--out`, for commands that work on files as well as on the standard streams.
pub(super) fn arguments(read: &'static str, write: &'static str) -> [Arg; 2] {
    [("in", read), ("out", write)].map(|(name, help)| {
        Arg::new(name)
            .long(name)
            .value_name("FILE")
            .value_parser(value_parser!(PathBuf))
            .value_hint(ValueHint::FilePath)
            .help(help)
    })
}

/// What is read: a file, or standard input.
pub(super) struct Source {
    reader: Box<dyn Read + Send>,
    name: String,
    /// How many bytes it has, where that is known before.
    pub(super) size: Option<u64>,
}

impl Source {
    /// The file that `--in` names; standard input for `-` and without it.
    pub(super) fn of(matches: &ArgMatches) -> Result<Self, Failure> {
        let Some(path) = path_of(matches, "in") else {
            return Ok(Source {
                reader: Box::new(io::stdin()),
                name: "Standard input".to_owned(),
                size: None,
            });
        };
        let name = path.display().to_string();
        let unreadable = |error| Failure::wrong(format!("{name} cannot be read: {error}."));
        let file = File::open(path).map_err(unreadable)?;
        let metadata = file.metadata().map_err(unreadable)?;
        if metadata.is_dir() {
            return Err(Failure::wrong(format!("{name} is a folder.")));
        }
        Ok(Source {
            size: metadata.is_file().then_some(metadata.len()),
            reader: Box::new(file),
            name,
        })
    }

    /// Fills `buffer` as far as there is something: only at the end it is not full.
    pub(super) fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, Failure> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.reader.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(size) => filled += size,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    return Err(Failure::wrong(format!(
                        "{} cannot be read: {error}.",
                        self.name
                    )));
                }
            }
        }
        Ok(filled)
    }
}

/// What is written: a file, or standard output.
pub(super) struct Target {
    writer: Box<dyn Write + Send>,
    name: String,
    /// Where it is a file that gets its name at the end.
    unfinished: Option<Unfinished>,
}

impl Target {
    /// The file that `--out` names; standard output for `-` and without it.
    pub(super) fn of(matches: &ArgMatches) -> Result<Self, Failure> {
        let Some(path) = path_of(matches, "out") else {
            let name = "Standard output".to_owned();
            return match direct_stdout() {
                Ok(writer) => Ok(Target {
                    writer,
                    name,
                    unfinished: None,
                }),
                Err(error) => Err(Failure::wrong(format!(
                    "{name} cannot be written: {error}."
                ))),
            };
        };
        let name = path.display().to_string();
        let unwritable = |error| Failure::wrong(format!("{name} cannot be written: {error}."));
        let Some(path) = place_of(path).map_err(unwritable)? else {
            // A device or a named pipe is written as it is: a file in its place would not be what is meant.
            let file = OpenOptions::new().write(true).open(path);
            return Ok(Target {
                writer: Box::new(file.map_err(unwritable)?),
                name,
                unfinished: None,
            });
        };
        let (unfinished, file) = Unfinished::new(path).map_err(unwritable)?;
        Ok(Target {
            writer: Box::new(file),
            name,
            unfinished: Some(unfinished),
        })
    }

    /// Whether somebody would see the bytes in a terminal.
    pub(super) fn is_terminal(matches: &ArgMatches) -> bool {
        path_of(matches, "out").is_none() && io::stdout().is_terminal()
    }

    /// Whether it is written as it comes, and not a file that appears at the end.
    pub(super) fn is_direct(&self) -> bool {
        self.unfinished.is_none()
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let written = self.writer.write_all(bytes);
        written.map_err(|error| self.unwritable(&error))
    }

    /// All has been written: flushes it, and gives the file its name.
    pub(super) fn finish(mut self) -> Result<(), Failure> {
        let finished = self.writer.flush().and_then(|()| {
            self.unfinished
                .take()
                .map_or(Ok(()), |unfinished| unfinished.finish())
        });
        finished.map_err(|error| self.unwritable(&error))
    }

    fn unwritable(&self, error: &io::Error) -> Failure {
        Failure::wrong(format!("{} cannot be written: {error}.", self.name))
    }
}

/// Standard output without its buffer, which looks for the ends of lines: these bytes have none.
fn direct_stdout() -> io::Result<Box<dyn Write + Send>> {
    #[cfg(unix)]
    {
        use std::os::fd::AsFd;
        let stdout = io::stdout().as_fd().try_clone_to_owned()?;
        Ok(Box::new(File::from(stdout)))
    }
    #[cfg(not(unix))]
    Ok(Box::new(io::stdout()))
}

fn path_of<'a>(matches: &'a ArgMatches, name: &str) -> Option<&'a Path> {
    let path = matches.get_one::<PathBuf>(name)?;
    (path.as_os_str() != "-").then_some(path)
}

/// Where a file has to be made so that this path leads to it: behind the link, if it is one. `None`: what is there already
/// is no file that could be replaced.
fn place_of(path: &Path) -> io::Result<Option<PathBuf>> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Some(path.to_owned())),
        Err(error) => return Err(error),
        Ok(_) => {}
    }
    // Through the link, before it is followed by name: that of /dev/stdout may lead to a pipe, which has none.
    let kind = fs::metadata(path)?.file_type();
    if kind.is_dir() {
        return Err(io::Error::other("it is a folder"));
    }
    #[cfg(unix)]
    if kind.is_char_device() || kind.is_block_device() || kind.is_fifo() {
        return Ok(None);
    }
    if !kind.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let place = fs::canonicalize(path)?;
    // Renaming asks nobody whether the file may be changed.
    OpenOptions::new().write(true).open(&place)?;
    Ok(Some(place))
}

/// The temporary file of this process, for the thread that waits for signals. Whoever holds the lock decides what becomes
/// of it.
static TEMPORARY: Mutex<Option<PathBuf>> = Mutex::new(None);

fn temporary() -> MutexGuard<'static, Option<PathBuf>> {
    TEMPORARY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A file that has another name, or none, until all of it is there. Dropped before, it is removed.
struct Unfinished {
    file: File,
    /// Its name at the end, for the moment before it takes the place of what is there, and before that where it has one.
    temporary: PathBuf,
    path: PathBuf,
}

impl Unfinished {
    /// Makes it where `path` is, for its owner's eyes only. The second one is for writing.
    fn new(path: PathBuf) -> io::Result<(Self, File)> {
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
        };
        Ok((unfinished, writer?))
    }

    fn named(temporary_path: &Path) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        options.mode(0o600);
        // Under the lock, so that a signal finds both the file and its name, or neither.
        let mut known = temporary();
        let file = options.open(temporary_path)?;
        *known = Some(temporary_path.to_owned());
        Ok(file)
    }

    fn finish(self) -> io::Result<()> {
        // A file that is replaced keeps who may read it; a new one is its owner's.
        #[cfg(unix)]
        if let Ok(before) = fs::metadata(&self.path) {
            let mode = before.permissions().mode() & 0o777;
            self.file
                .set_permissions(fs::Permissions::from_mode(mode))?;
        }
        self.file.sync_all()?;
        let mut known = temporary();
        if known.is_none() {
            // A name can be given, but not taken from another file: that is what renaming is for.
            give_name(&self.file, &self.temporary)?;
            *known = Some(self.temporary.clone());
        }
        let renamed = fs::rename(&self.temporary, &self.path);
        if renamed.is_ok() {
            *known = None;
        }
        drop(known);
        renamed?;
        // Some file systems cannot do that to a folder; the file is there all the same.
        let _ = File::open(folder_of(&self.path)).and_then(|folder| folder.sync_all());
        Ok(())
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

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// A file without a name, for its owner's eyes only; `None` where there is no such thing, or no way to name it later.
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

/// Never called: files have names.
#[cfg(not(target_os = "linux"))]
fn give_name(_file: &File, _path: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Where an open file of this process is found that has no name.
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

/// From now on a signal that ends the command removes the temporary file first.
fn remove_at_signals() -> io::Result<()> {
    let wanted = [SIGINT, SIGTERM, SIGHUP];
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
            // Never given back: nothing gets its name after this.
            let mut known = temporary();
            if let Some(path) = known.take() {
                let _ = fs::remove_file(path);
            }
            // The parent is to see by what it ended.
            let _ = signal_hook::low_level::emulate_default_handler(signal);
            process::exit(128 + signal);
        })?;
    Ok(())
}

/// The signals that whoever started the command wants ignored (`nohup`, `&` in a script), as a mask: that is kept.
fn ignored_signals() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What file systems that know no nameless files get; the command's tests have the others.
    #[test]
    fn a_temporary_file_takes_the_place_of_what_is_there_or_goes() {
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
            }
        };
        drop(unfinished());
        assert_eq!(fs::read(&path).unwrap(), b"before");
        unfinished().finish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"after");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
