//! The thread that writes a sink's lines, and its target. Only this thread touches the terminal and the file, so only it
//! waits for them.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::sink::{Batch, Sink, Work};
use crate::base::threads;

/// The destination of a sink's lines.
pub(super) struct Target {
    name: &'static str,
    out: Box<dyn Write + Send>,
    /// The file's path; none for the terminal.
    path: Option<PathBuf>,
    /// The file ends in the middle of a line that will not be completed.
    broken: bool,
    /// Maximum bytes of one write.
    at_once: usize,
}

/// What a pipe writes atomically (POSIX's PIPE_BUF on Linux): lines of processes that share a pipe are not interleaved.
const PIPE_TAKES: usize = 4096;

impl Target {
    pub(super) fn terminal() -> Self {
        Target {
            at_once: PIPE_TAKES,
            ..Target::new("Standard error", Box::new(io::stderr()))
        }
    }

    pub(super) fn file(name: &'static str, path: &Path) -> io::Result<Self> {
        let mut file = open(path)?;
        Ok(Target {
            broken: ends_within_a_line(&mut file),
            path: Some(path.to_owned()),
            ..Target::new(name, Box::new(file))
        })
    }

    pub(super) fn new(name: &'static str, out: Box<dyn Write + Send>) -> Self {
        Target {
            name,
            out,
            path: None,
            broken: false,
            at_once: usize::MAX,
        }
    }

    /// The name that operators see.
    pub(super) fn name(&self) -> &'static str {
        self.name
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

    fn write_all(&mut self, batch: &mut Batch, sink: &Sink) -> io::Result<()> {
        self.write(batch)?;
        while batch.from < batch.lines.len() {
            sink.moves();
            self.write(batch)?;
        }
        Ok(())
    }

    fn write_some(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match self.out.write(bytes) {
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

/// Starts the thread. It runs as long as the process.
pub(super) fn start(sink: Arc<Sink>, target: Target) -> io::Result<()> {
    threads::spawn("sealgate-log", move || run(&sink, target)).map(drop)
}

/// The thread logs its own messages through the logger: it holds no lock then, and its own sink accepts the line like any
/// other.
fn run(sink: &Sink, mut target: Target) {
    loop {
        match sink.next() {
            Work::Write(mut batch) => match target.write_all(&mut batch, sink) {
                Ok(()) => {
                    if sink.written(batch) {
                        log::warn!("{} can be written again", target.name);
                    }
                }
                Err(error) => {
                    if sink.failed(batch, &error) {
                        log::error!(
                            "{} cannot be written: {error}. Lines are kept in memory up to a limit",
                            target.name
                        );
                    }
                }
            },
            Work::Reopen => {
                let Some(path) = &target.path else {
                    sink.not_reopened();
                    continue;
                };
                match Target::file(target.name, path) {
                    Ok(anew) => {
                        target = anew;
                        sink.reopened();
                        log::info!("{} was reopened", target.name);
                    }
                    Err(error) => {
                        sink.not_reopened();
                        log::warn!(
                            "{} cannot be reopened: {error}. The old file stays in use",
                            target.name
                        );
                    }
                }
            }
        }
    }
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
