//! A backup sealed under a passphrase: two lines that say so and how the key is derived, followed by a sealed stream whose
//! plaintext is a backup.

use std::io::{self, Read, Write};

use zeroize::Zeroizing;

use super::container::{damaged, line, not_a_backup};
use crate::Error;
use crate::cipher::{FindKey, STREAM_CHUNK, Stream};
use crate::keys::{RingSecret, new_passphrase_key, passphrase_key};

/// The first line.
const HEAD: &str = "sealgate sealed backup 1\n";
/// The start of the first line in every version.
pub(super) const FORMAT: &str = "sealgate sealed backup ";

/// Seals what is written to it.
pub(super) struct SealingWriter<'w> {
    to: &'w mut dyn Write,
    stream: Stream,
    /// Sealed bytes that are about to be written.
    sealed: Vec<u8>,
}

impl<'w> SealingWriter<'w> {
    pub(super) fn new(to: &'w mut dyn Write, secret: &RingSecret) -> Result<Self, Error> {
        let (derivation, key) = new_passphrase_key(secret)?;
        let lines = HEAD.to_owned() + &derivation;
        let stream = Stream::seal(&key, lines.as_bytes())?;
        let written = to.write_all(lines.as_bytes());
        written.map_err(|error| Error::Io(format!("The backup cannot be written: {error}.")))?;
        Ok(SealingWriter {
            to,
            stream,
            sealed: Vec::new(),
        })
    }

    /// Writes the last bytes.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.sealed.resize(self.stream.finish_size(), 0);
        let finished = self.stream.finish(&mut self.sealed);
        let size = finished.map_err(io::Error::other)?;
        self.to.write_all(&self.sealed[..size])?;
        self.to.flush()
    }
}

impl Write for SealingWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.sealed.resize(self.stream.push_size(bytes.len()), 0);
        let pushed = self.stream.push(bytes, &mut self.sealed);
        let size = pushed.map_err(io::Error::other)?;
        self.to.write_all(&self.sealed[..size])?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// Opens the rest of a sealed backup, whose first line has been read.
pub(super) fn open<'r>(
    mut from: Box<dyn Read + 'r>,
    head: &[u8],
    secret: &RingSecret,
) -> Result<Box<dyn Read + 'r>, Error> {
    if head != HEAD.as_bytes() {
        return Err(not_a_backup(head, FORMAT));
    }
    let derivation = line(&mut from)?;
    let derivation = String::from_utf8(derivation).unwrap_or_default();
    let key = passphrase_key(&derivation, secret)?
        .ok_or_else(|| damaged("its second line cannot be read"))?;
    let context = HEAD.to_owned() + &derivation;
    let find: FindKey = Box::new(move |header| match header.key_id() == key.id() {
        true => key.stream_key(header),
        false => Err(Error::Decrypt),
    });
    Ok(Box::new(OpeningReader {
        from,
        stream: Stream::open(find, context.as_bytes())?,
        piece: vec![0; STREAM_CHUNK],
        // Never grows: reallocation would leave unwiped copies behind.
        opened: Zeroizing::new(Vec::with_capacity(3 * STREAM_CHUNK)),
        taken: 0,
    }))
}

/// Opens what is read from it. Its end is reported only once it has been authenticated.
struct OpeningReader<'r> {
    from: Box<dyn Read + 'r>,
    stream: Stream,
    piece: Vec<u8>,
    /// Opened bytes, of which so many have been read.
    opened: Zeroizing<Vec<u8>>,
    taken: usize,
}

impl OpeningReader<'_> {
    /// Opens another piece.
    fn fill(&mut self) -> io::Result<()> {
        let size = self.from.read(&mut self.piece)?;
        let is_end = size == 0;
        let room = match is_end {
            true => self.stream.finish_size(),
            false => self.stream.push_size(size),
        };
        self.opened.resize(room, 0);
        let opened = match is_end {
            true => self.stream.finish(&mut self.opened),
            false => self.stream.push(&self.piece[..size], &mut self.opened),
        };
        let opened = opened.map_err(|_| {
            io::Error::other("it was sealed under another passphrase, or it is damaged")
        })?;
        self.opened.truncate(opened);
        self.taken = 0;
        Ok(())
    }
}

impl Read for OpeningReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.taken == self.opened.len() && !self.stream.is_finished() {
            match self.fill() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                filled => filled?,
            }
        }
        let size = buffer.len().min(self.opened.len() - self.taken);
        buffer[..size].copy_from_slice(&self.opened[self.taken..][..size]);
        self.taken += size;
        Ok(size)
    }
}
