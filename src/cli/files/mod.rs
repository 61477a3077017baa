//! Input and output of large data: files and the standard streams.

mod unfinished;

use std::fs::{self, File, OpenOptions};
use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

#[cfg(unix)]
use std::os::unix::fs::FileTypeExt;

use clap::{Arg, ArgMatches};

use self::unfinished::Unfinished;
pub(super) use self::unfinished::{Scratch, folder_of, report_size_limit};
use super::Failure;
use super::args::file;

/// `--in` and `--out`, for commands that work on files as well as on the standard streams.
pub(super) fn arguments(read: &'static str, write: &'static str) -> [Arg; 2] {
    [file("in", read), file("out", write)]
}

/// The input: a file, or standard input.
pub(super) struct Source {
    reader: Box<dyn Read + Send>,
    name: String,
    path: Option<PathBuf>,
    /// Its size in bytes, if known in advance.
    pub(super) size: Option<u64>,
}

impl Source {
    /// The file that the argument names; standard input if it names that, or is not given.
    pub(super) fn of(matches: &ArgMatches, argument: &str) -> Result<Self, Failure> {
        let Some(path) = path_of(matches, argument, STDIN) else {
            return Ok(Source {
                reader: Box::new(io::stdin()),
                name: "Standard input".to_owned(),
                path: None,
                size: None,
            });
        };
        let name = path.display().to_string();
        let unreadable = |error| Failure::wrong(format!("{name} cannot be read: {error}."));
        let file = File::open(path).map_err(unreadable)?;
        let metadata = file.metadata().map_err(unreadable)?;
        if metadata.is_dir() {
            return Err(Failure::wrong(format!("{name} is a directory.")));
        }
        Ok(Source {
            size: metadata.is_file().then_some(metadata.len()),
            reader: Box::new(file),
            path: Some(path.to_owned()),
            name,
        })
    }

    /// The path of the file, unless it is standard input.
    pub(super) fn file(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Fills `buffer`, completely unless the input ends.
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

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reader.read(buffer)
    }
}

/// The output: a file, or standard output.
pub(super) struct Target {
    writer: Box<dyn Write + Send>,
    name: String,
    /// Set for a file that gets its name at the end.
    unfinished: Option<Unfinished>,
}

impl Target {
    /// The file that the argument names; standard output if it names that, or is not given. A file that is replaced keeps
    /// its mode.
    pub(super) fn of(matches: &ArgMatches, argument: &str) -> Result<Self, Failure> {
        Target::open(matches, argument, |_| {})
    }

    /// The same for secrets: readable by the file's owner only, and replacing an existing file only if `force`.
    pub(super) fn private(
        matches: &ArgMatches,
        argument: &str,
        force: bool,
    ) -> Result<Self, Failure> {
        let target = Target::open(matches, argument, |file| file.make_private(force))?;
        match &target.unfinished {
            Some(file) if !force && file.path().symlink_metadata().is_ok() => {
                Err(Failure::wrong(format!(
                    "{} already exists. Name a new file, or use --force",
                    target.name
                )))
            }
            _ => Ok(target),
        }
    }

    fn open(
        matches: &ArgMatches,
        argument: &str,
        prepare: impl FnOnce(&mut Unfinished),
    ) -> Result<Self, Failure> {
        let path = path_of(matches, argument, STDOUT);
        let name = path.map_or("Standard output".to_owned(), |path| {
            path.display().to_string()
        });
        match open_target(path) {
            Ok((writer, mut unfinished)) => {
                unfinished.as_mut().map(prepare);
                Ok(Target {
                    writer,
                    name,
                    unfinished,
                })
            }
            Err(error) => Err(Failure::wrong(format!(
                "{name} cannot be written: {error}."
            ))),
        }
    }

    /// Whether the bytes would go to a terminal.
    pub(super) fn is_terminal(matches: &ArgMatches, argument: &str) -> bool {
        path_of(matches, argument, STDOUT).is_none() && io::stdout().is_terminal()
    }

    /// The path of the file that gets its name at the end.
    pub(super) fn file(&self) -> Option<&Path> {
        self.unfinished.as_ref().map(Unfinished::path)
    }

    /// Whether data reaches it as it is written, instead of a file that appears at the end.
    pub(super) fn is_direct(&self) -> bool {
        self.unfinished.is_none()
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.write_bytes(bytes)
            .map_err(|error| self.unwritable(&error))
    }

    /// The same with the system's error.
    pub(super) fn write_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        let written = self.writer.write_all(bytes);
        if let Some(unfinished) = &mut self.unfinished {
            unfinished.has_grown(bytes.len());
        }
        written
    }

    /// Flushes the output after the last write, and gives the file its name.
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

/// A writer and, unless it writes to its target directly, the file that gets its name at the end.
fn open_target(path: Option<&Path>) -> io::Result<(Box<dyn Write + Send>, Option<Unfinished>)> {
    let Some(path) = path else {
        return Ok((direct_stdout()?, None));
    };
    if let Some(place) = place_of(path)? {
        let (unfinished, file) = Unfinished::new(place)?;
        return Ok((Box::new(file), Some(unfinished)));
    }
    // A device or a named pipe is written to directly, not replaced by a file.
    Ok((Box::new(OpenOptions::new().write(true).open(path)?), None))
}

/// Standard output without its line buffer, which is useless for binary data.
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

/// For output that can only go to a file: elsewhere `-` is standard output, so it is not meant as a file name here.
pub(super) fn refuse_standard_output(path: &Path) -> Result<(), Failure> {
    if path.as_os_str() != "-" {
        return Ok(());
    }
    Err(Failure::wrong(
        "This cannot be written to standard output. Name a new file.",
    ))
}

/// Other names of the standard streams. Opening these by name would reopen what is behind them: a file at its beginning,
/// which is wrong if other commands read or write it before and after, and a socket not at all.
const STDIN: &[&str] = &["-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"];
const STDOUT: &[&str] = &["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"];

/// `None`: the standard stream with these names.
fn path_of<'a>(matches: &'a ArgMatches, argument: &str, standard: &[&str]) -> Option<&'a Path> {
    let path = matches.get_one::<PathBuf>(argument)?;
    (!standard.iter().any(|name| path.as_os_str() == *name)).then_some(path)
}

/// Where to create a file so that this path leads to it: at the target of the link, if it is one. `None`: what exists there
/// is not a file that can be replaced.
fn place_of(path: &Path) -> io::Result<Option<PathBuf>> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Some(path.to_owned())),
        Err(error) => return Err(error),
        Ok(_) => {}
    }
    // Follows the link without resolving it to a name: /dev/stdout may lead to a pipe, which has none.
    let kind = fs::metadata(path)?.file_type();
    if kind.is_dir() {
        return Err(io::Error::other("it is a directory"));
    }
    #[cfg(unix)]
    if kind.is_char_device() || kind.is_block_device() || kind.is_fifo() {
        return Ok(None);
    }
    if !kind.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    let place = fs::canonicalize(path)?;
    // Renaming does not check whether the file itself may be written.
    OpenOptions::new().write(true).open(&place)?;
    Ok(Some(place))
}
