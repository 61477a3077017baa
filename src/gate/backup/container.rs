//! The bytes of a backup: a line with the format, a line with the contents, the files one after another, and a checksum.
//! docs/formats.md describes them. Names in a backup only select one of the known files; none is ever used as a path.

use std::io::{self, Read, Write};

use openssl::sha::Sha256;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::Error;
use crate::base::VERSION;
use crate::keys::{RING_FILE, USAGE_FILE};
use crate::store::STORE_FILE;

/// The first line.
const HEAD: &str = "sealgate backup 1\n";
/// The start of the first line in every version.
const FORMAT: &str = "sealgate backup ";
/// The longest line of a backup, in bytes.
const LONGEST_LINE: usize = 4096;
const CHECKSUM: usize = 32;
const PIECE: usize = 64 << 10;

/// A file of the data directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::gate) enum Part {
    Store,
    Usage,
    Ring,
}

impl Part {
    const ALL: [Part; 3] = [Part::Store, Part::Usage, Part::Ring];

    /// Its name, both in the data directory and in a backup.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Part::Store => STORE_FILE,
            Part::Usage => USAGE_FILE,
            Part::Ring => RING_FILE,
        }
    }
}

/// The second line.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    /// The version of the program that wrote it.
    program: String,
    /// Seconds since 1970-01-01 UTC.
    created: u64,
    files: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    size: u64,
}

/// Writes a backup of these files, each with its size.
pub(super) fn write(
    out: &mut dyn Write,
    created: u64,
    parts: Vec<(Part, u64, Box<dyn Read + '_>)>,
) -> io::Result<()> {
    let entries = parts.iter().map(|(part, size, _)| Entry {
        name: part.name().to_owned(),
        size: *size,
    });
    let manifest = Manifest {
        program: VERSION.to_owned(),
        created,
        files: entries.collect(),
    };
    let mut out = Hashed::new(out);
    out.write_all(HEAD.as_bytes())?;
    serde_json::to_writer(&mut out, &manifest)?;
    out.write_all(b"\n")?;
    for (_, size, from) in parts {
        if copy(&mut from.take(size), &mut out)? != size {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    let checksum = out.hash.finish();
    out.inner.write_all(&checksum)?;
    out.inner.flush()
}

/// Reads a backup of `length` bytes, if that is known, to its end. `take` reads each file, of the given size, but must not
/// rely on it until this function has returned. Returns when the backup was made.
pub(super) fn read(
    from: &mut dyn Read,
    length: Option<u64>,
    mut take: impl FnMut(Part, u64, &mut dyn Read) -> Result<(), Error>,
) -> Result<u64, Error> {
    let mut from = Hashed::new(from);
    let head = line(&mut from.inner)?;
    if head != HEAD.as_bytes() {
        return Err(not_a_backup(&head, FORMAT));
    }
    let manifest_line = line(&mut from.inner)?;
    from.hash.update(&head);
    from.hash.update(&manifest_line);
    let manifest: Manifest = serde_json::from_slice(&manifest_line)
        .map_err(|_| damaged("its list of contents cannot be read"))?;
    let parts = parts(&manifest)?;
    let lines = (head.len() + manifest_line.len() + CHECKSUM) as u64;
    let whole = parts
        .iter()
        .try_fold(lines, |sum, (_, size)| sum.checked_add(*size))
        .ok_or_else(|| damaged("its list of contents cannot be read"))?;
    match length {
        Some(length) if length < whole => return Err(cut()),
        Some(length) if length > whole => return Err(damaged("something follows its end")),
        _ => {}
    }
    for (part, size) in parts {
        let mut bytes = (&mut from).take(size);
        take(part, size, &mut bytes)?;
        if bytes.limit() > 0 {
            return Err(cut());
        }
    }
    let mut checksum = [0; CHECKSUM];
    from.inner.read_exact(&mut checksum).map_err(unreadable)?;
    if from.hash.finish() != checksum {
        return Err(damaged("its checksum is wrong"));
    }
    match from.inner.read(&mut [0]).map_err(unreadable)? {
        0 => Ok(manifest.created),
        _ => Err(damaged("something follows its end")),
    }
}

/// The files in the list, each at most once.
fn parts(manifest: &Manifest) -> Result<Vec<(Part, u64)>, Error> {
    let mut parts: Vec<(Part, u64)> = Vec::new();
    for entry in &manifest.files {
        let known = Part::ALL.into_iter().find(|part| part.name() == entry.name);
        match known.filter(|part| parts.iter().all(|(other, _)| other != part)) {
            Some(part) => parts.push((part, entry.size)),
            None => return Err(damaged("its list of contents cannot be read")),
        }
    }
    Ok(parts)
}

/// A line with its end, or the first bytes of a longer one. Read byte by byte: a buffer would leave unwiped copies of the
/// secrets that follow.
pub(super) fn line(from: &mut dyn Read) -> Result<Vec<u8>, Error> {
    let mut line = Vec::new();
    let mut byte = [0];
    while line.len() < LONGEST_LINE && !line.ends_with(b"\n") {
        match from.read(&mut byte) {
            Ok(0) => break,
            Ok(_) => line.extend(byte),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(unreadable(error)),
        }
    }
    Ok(line)
}

/// Copies all of `from`, and returns the number of bytes.
pub(super) fn copy(from: &mut dyn Read, to: &mut dyn Write) -> io::Result<u64> {
    let mut piece = Zeroizing::new(vec![0; PIECE]);
    let mut copied = 0;
    loop {
        match from.read(&mut piece) {
            Ok(0) => return Ok(copied),
            Ok(size) => {
                to.write_all(&piece[..size])?;
                copied += size as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// The error for a first line that is not the one of this version.
pub(super) fn not_a_backup(head: &[u8], format: &str) -> Error {
    let version = head.strip_prefix(format.as_bytes());
    let version = version.and_then(|version| str::from_utf8(version).ok()?.trim_end().parse().ok());
    if version.is_some_and(|version: u32| version > 1) {
        return Error::InvalidInput(
            "The backup was written by a newer version of sealgate; use that version. Nothing was changed."
                .into(),
        );
    }
    Error::InvalidInput("This is not a backup. Make one with: sealgate backup FILE".into())
}

pub(super) fn damaged(what: &str) -> Error {
    Error::InvalidInput(format!(
        "The backup is damaged: {what}. Nothing was changed. Use another backup."
    ))
}

fn cut() -> Error {
    damaged("its end is missing")
}

/// The error for a backup that cannot be read.
pub(super) fn unreadable(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => cut(),
        _ => Error::InvalidInput(format!(
            "The backup cannot be read: {error}. Nothing was changed."
        )),
    }
}

/// Hashes what passes through.
struct Hashed<T> {
    inner: T,
    hash: Sha256,
}

impl<T> Hashed<T> {
    fn new(inner: T) -> Self {
        Hashed {
            inner,
            hash: Sha256::new(),
        }
    }
}

impl<T: Write> Write for Hashed<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<T: Read> Read for Hashed<T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hash.update(&buffer[..read]);
        Ok(read)
    }
}

#[cfg(test)]
#[path = "container_tests.rs"]
mod tests;
