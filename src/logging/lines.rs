//! A terminal or a file that lines are appended to.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use super::queue::Batch;
use super::sink::Sink;
use crate::Error;
use crate::base::given_file;

/// What a pipe writes atomically (POSIX's PIPE_BUF on Linux): lines of processes that share a pipe are not interleaved.
const PIPE_TAKES: usize = 4096;

/// Something that lines are written to.
pub(super) trait Output: Write + Send {
    /// Returns once what was written is on disk, if that is where it goes.
    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Output for io::Stderr {}

impl Output for File {
    fn sync(&mut self) -> io::Result<()> {
        // A pipe or a device has no disk.
        if !self.metadata()?.is_file() {
            return Ok(());
        }
        match self.sync_data() {
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::InvalidInput | ErrorKind::Unsupported
                ) =>
            {
                Ok(())
            }
            synced => synced,
        }
    }
}

pub(super) struct Lines {
    /// `None` until the file is opened.
    out: Option<Box<dyn Output>>,
    /// The file's path; none for the terminal.
    path: Option<PathBuf>,
    /// The file ends in the middle of a line that will not be completed.
    broken: bool,
    /// Maximum bytes of one write.
    at_once: usize,
    /// Lines count as written once they are on disk.
    synced: bool,
}

impl Lines {
    pub(super) fn terminal() -> Self {
        Lines {
            at_once: PIPE_TAKES,
            ..Lines::new(Box::new(io::stderr()))
        }
    }

    /// Those of a file that is opened for the first line.
    pub(super) fn of_file(path: &Path) -> Self {
        Lines {
            out: None,
            path: Some(path.to_owned()),
            broken: false,
            at_once: usize::MAX,
            synced: false,
        }
    }

    pub(super) fn new(out: Box<dyn Output>) -> Self {
        Lines {
            out: Some(out),
            path: None,
            broken: false,
            at_once: usize::MAX,
            synced: false,
        }
    }

    /// Has lines count as written only once they are on disk.
    pub(super) fn synced(self) -> Self {
        Lines {
            synced: true,
            ..self
        }
    }

    /// Opens the file, which a setting names, unless it is open.
    ///
    /// # Errors
    /// [`Error::Setting`] if it cannot be opened, or others can change it.
    pub(super) fn open_for(&mut self, setting: &str) -> Result<(), Error> {
        let path = self.path.clone().unwrap_or_default();
        check_file(setting, &path)?;
        self.open().map_err(|error| {
            Error::Setting(format!(
                "{setting}: {} cannot be opened for writing: {error}.",
                path.display()
            ))
        })
    }

    /// Opens the file, unless it is open. Anyone who can change a log can remove lines from it, so such a file is refused.
    pub(super) fn open(&mut self) -> io::Result<()> {
        if self.out.is_some() {
            return Ok(());
        }
        if let Some(path) = &self.path
            && let Ok(metadata) = path.metadata()
        {
            // Without the path, which not everybody who learns of this may know.
            given_file::check(path, &metadata)
                .map_err(|_| io::Error::other("other users can change the file"))?;
        }
        self.reopen().map(drop)
    }

    /// Opens the file again. `false`: it is a terminal, and stays open.
    pub(super) fn reopen(&mut self) -> io::Result<bool> {
        let Some(path) = &self.path else {
            return Ok(false);
        };
        let mut file = open(path)?;
        self.broken = ends_within_a_line(&mut file);
        self.out = Some(Box::new(file));
        Ok(true)
    }

    pub(super) fn write_all(&mut self, batch: &mut Batch, sink: &Sink) -> io::Result<()> {
        self.open()?;
        self.write(batch)?;
        while batch.from < batch.lines.len() {
            sink.moves();
            self.write(batch)?;
        }
        if self.synced
            && let Some(out) = &mut self.out
        {
            // After a failure the system may have dropped what was written: better twice than never.
            out.sync().inspect_err(|_| batch.from = 0)?;
        }
        Ok(())
    }

    /// Writes as many whole lines as one write allows.
    fn write(&mut self, batch: &mut Batch) -> io::Result<()> {
        if self.broken {
            self.write_some(b"\n")?;
            self.broken = false;
        }
        let rest = &batch.lines[batch.from..];
        let piece = match rest.get(..self.at_once) {
            None => rest,
            Some(most) => {
                let end = most.iter().rposition(|byte| *byte == b'\n');
                &rest[..end.map_or(rest.len(), |end| end + 1)]
            }
        };
        batch.from += self.write_some(piece)?;
        Ok(())
    }

    fn write_some(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let out = self.out.as_mut().ok_or(ErrorKind::NotConnected)?;
        loop {
            match out.write(bytes) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => return Ok(written),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // A pipe, or a terminal that another program made non-blocking: it is full, not broken.
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    thread::sleep(Duration::from_millis(10));
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// Checks that the file that a setting names can be trusted or, if it does not exist, the directories on its path.
///
/// # Errors
/// [`Error::Setting`] if others can change it.
pub(super) fn check_file(setting: &str, path: &Path) -> Result<(), Error> {
    let checked = match path.metadata() {
        Ok(metadata) => given_file::check(path, &metadata).map(drop),
        // It will be created.
        Err(_) => given_file::check_place(path),
    };
    checked.map_err(|end| Error::Setting(format!("{setting}: {} {end}", path.display())))
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        // Opening a pipe does not block if it has no reader.
        let at_once = rustix::fs::OFlags::NONBLOCK.bits() as i32;
        options.mode(0o600).custom_flags(at_once);
    }
    // Reading shows how the file ends. For a pipe or a device that is meaningless, and would disturb the pipe's reader.
    let regular = fs::metadata(path).map_or(true, |metadata| metadata.is_file());
    match options.read(regular).open(path) {
        Err(error) if error.kind() == ErrorKind::PermissionDenied && regular => {
            options.read(false).open(path)
        }
        #[cfg(unix)]
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::NXIO.raw_os_error()) => {
            Err(io::Error::other("the pipe has no reader"))
        }
        opened => opened,
    }
}

/// Whether an earlier process, or a full disk, left an incomplete last line.
fn ends_within_a_line(file: &mut File) -> bool {
    let mut last = [b'\n'];
    let read = file
        .seek(SeekFrom::End(-1))
        .and_then(|_| file.read_exact(&mut last));
    read.is_ok() && last != *b"\n"
}
