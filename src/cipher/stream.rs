//! Sealed streams, version 1: data of any size in chunks, sealed and opened in constant memory. Does no I/O.
//!
//! The construction is STREAM (Hoang, Reyhanitabar, Rogaway, Vizár: "Online Authenticated-Encryption and its Nonce-Reuse
//! Misuse-Resistance", 2015): each chunk's nonce contains its number and whether it is the last, so a chunk that is
//! dropped, moved, duplicated or added does not open. docs/formats.md describes the bytes and the reasons. `stream_chunks`
//! seals and opens single chunks; this file decides what a whole stream is.

use std::mem;

use super::sealed::{DataKey, KEY_ID};
use super::stream_chunks::{Chunks, Header, STREAM_HEADER, StreamHeader, StreamKey, chunk_nonce};
use super::xaes::TAG;
use crate::Error;
use crate::base::random::random;
use crate::base::secret::wipe;

/// First byte of a sealed stream, version 1. Sealed data starts with a different byte.
const VERSION: u8 = 0x02;
/// Plaintext size of a chunk, in bytes; the last chunk may be shorter.
pub const STREAM_CHUNK: usize = 64 << 10;
/// The longest context of a stream, in bytes: it is authenticated with each chunk.
pub const MAX_STREAM_CONTEXT: usize = 64 << 10;

const SEALED_CHUNK: usize = STREAM_CHUNK + TAG;
/// 256 TiB, far below the point where AES-GCM under one key weakens.
const MAX_CHUNKS: u64 = 1 << 32;

/// Finds the key that a stream's header names.
pub(crate) type FindKey = Box<dyn FnOnce(&StreamHeader) -> Result<StreamKey, Error> + Send + Sync>;

/// A stream being sealed or opened, made by [`Gate::seal_stream`](crate::Gate::seal_stream) and
/// [`Gate::open_stream`](crate::Gate::open_stream).
///
/// Feed data in with [`push`](Self::push) in pieces of any size; output goes to the caller's buffer.
/// [`finish`](Self::finish) ends the stream. Opened output has been authenticated chunk by chunk and is in its proper
/// position, but only `finish` verifies that the stream is complete: do not rely on any of the output before that. After a
/// failure every further call fails in the same way. Internal buffers are wiped on drop.
pub struct Stream {
    phase: Phase,
    context: Vec<u8>,
    /// Input that is not a whole chunk yet, or could be the last one.
    pending: Vec<u8>,
    /// How many chunks have been processed.
    chunks: u64,
    opening: bool,
}

enum Phase {
    /// Sealing: the header has not been written.
    Start(Header, Chunks),
    /// Opening: the header has not been read.
    Header(FindKey),
    Chunks(Chunks),
    Finished,
    Failed(Error),
}

impl Stream {
    pub(crate) fn seal(key: &DataKey, context: &[u8]) -> Result<Self, Error> {
        let mut header = [0; STREAM_HEADER];
        header[0] = VERSION;
        header[1..=KEY_ID].copy_from_slice(&key.id());
        random(&mut header[1 + KEY_ID..])?;
        Stream::seal_with(key, context, header)
    }

    fn seal_with(key: &DataKey, context: &[u8], header: Header) -> Result<Self, Error> {
        let chunks = Chunks::seal(&key.stream_key(&StreamHeader(header))?)?;
        Stream::new(Phase::Start(header, chunks), context, false)
    }

    pub(crate) fn open(find: FindKey, context: &[u8]) -> Result<Self, Error> {
        Stream::new(Phase::Header(find), context, true)
    }

    fn new(phase: Phase, context: &[u8], opening: bool) -> Result<Self, Error> {
        if context.len() > MAX_STREAM_CONTEXT {
            return Err(Error::InvalidInput(format!(
                "The context of a stream must be at most {} KiB long.",
                MAX_STREAM_CONTEXT >> 10
            )));
        }
        Ok(Stream {
            phase,
            context: context.to_vec(),
            // Never grows: reallocation would leave unwiped copies behind.
            pending: Vec::with_capacity(SEALED_CHUNK),
            chunks: 0,
            opening,
        })
    }

    /// How many bytes [`push`](Self::push) would write now for `size` bytes of input.
    pub fn push_size(&self, size: usize) -> usize {
        let waiting = self.pending.len();
        let (before, size) = match &self.phase {
            Phase::Start(..) => (STREAM_HEADER, waiting.saturating_add(size)),
            Phase::Header(_) => (
                0,
                (waiting.saturating_add(size)).saturating_sub(STREAM_HEADER),
            ),
            Phase::Chunks(_) => (0, waiting.saturating_add(size)),
            Phase::Finished | Phase::Failed(_) => return 0,
        };
        // A chunk is processed once it is known that more follows.
        let whole = size.saturating_sub(1) / self.chunk_in();
        before.saturating_add(whole.saturating_mul(self.chunk_out()))
    }

    /// How many bytes [`finish`](Self::finish) would write now.
    pub fn finish_size(&self) -> usize {
        let waiting = self.pending.len();
        match &self.phase {
            Phase::Start(..) => STREAM_HEADER + TAG,
            Phase::Chunks(_) if self.opening => waiting.saturating_sub(TAG),
            Phase::Chunks(_) => waiting + TAG,
            _ => 0,
        }
    }

    /// Accepts a piece of the data, writes the finished output to the start of `out`, and returns the number of bytes
    /// written, which is what [`push_size`](Self::push_size) returned before.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] if `out` is too small (nothing has changed then), if the stream is finished, or if it would
    /// exceed 256 TiB. When opening: [`Error::Decrypt`], the same error for every cause; [`Error::KeyRetired`].
    pub fn push(&mut self, data: &[u8], out: &mut [u8]) -> Result<usize, Error> {
        let out = self.room(out, self.push_size(data.len()))?;
        let written = out.len();
        let done = self.push_into(data, out);
        self.keep_failure(done, out)?;
        Ok(written)
    }

    /// Ends the stream, writes the last bytes to the start of `out`, and returns their number, which is what
    /// [`finish_size`](Self::finish_size) returned before. When opening, only now is the stream known to be complete.
    ///
    /// # Errors
    /// Those of [`push`](Self::push).
    pub fn finish(&mut self, out: &mut [u8]) -> Result<usize, Error> {
        let out = self.room(out, self.finish_size())?;
        let written = out.len();
        let done = self.finish_into(out);
        self.keep_failure(done, out)?;
        self.phase = Phase::Finished;
        wipe(&mut self.pending);
        self.pending.clear();
        Ok(written)
    }

    /// Whether [`finish`](Self::finish) has succeeded.
    pub fn is_finished(&self) -> bool {
        matches!(self.phase, Phase::Finished)
    }

    /// The part of `out` that a call fills, if the call is allowed.
    fn room<'a>(&self, out: &'a mut [u8], size: usize) -> Result<&'a mut [u8], Error> {
        match &self.phase {
            Phase::Failed(error) => return Err(error.clone()),
            Phase::Finished => {
                return Err(Error::InvalidInput(
                    "The stream is already finished.".into(),
                ));
            }
            _ => {}
        }
        out.get_mut(..size).ok_or_else(|| {
            Error::InvalidInput(format!(
                "The output buffer must have room for {size} bytes."
            ))
        })
    }

    fn keep_failure(&mut self, done: Result<(), Error>, out: &mut [u8]) -> Result<(), Error> {
        done.inspect_err(|error| {
            wipe(out);
            wipe(&mut self.pending);
            self.pending.clear();
            self.phase = Phase::Failed(error.clone());
        })
    }

    fn push_into(&mut self, mut data: &[u8], mut out: &mut [u8]) -> Result<(), Error> {
        out = self.begin(out);
        if let Phase::Header(_) = self.phase {
            data = self.fill(data, STREAM_HEADER);
            if self.pending.len() < STREAM_HEADER {
                return Ok(());
            }
            self.read_header()?;
        }
        let (chunk_in, chunk_out) = (self.chunk_in(), self.chunk_out());
        if !self.pending.is_empty() {
            data = self.fill(data, chunk_in);
            if data.is_empty() {
                return Ok(());
            }
            let pending = mem::take(&mut self.pending);
            let done = self.next_chunk(&pending, false, &mut out[..chunk_out]);
            self.pending = pending;
            done?;
            out = &mut out[chunk_out..];
            wipe(&mut self.pending);
            self.pending.clear();
        }
        while data.len() > chunk_in {
            let (chunk, rest) = data.split_at(chunk_in);
            let (place, left) = out.split_at_mut(chunk_out);
            self.next_chunk(chunk, false, place)?;
            (data, out) = (rest, left);
        }
        self.pending.extend_from_slice(data);
        Ok(())
    }

    fn finish_into(&mut self, out: &mut [u8]) -> Result<(), Error> {
        let out = self.begin(out);
        let waiting = self.pending.len();
        // Only the single chunk of an empty stream is empty, so each plaintext has exactly one form.
        let complete = !self.opening || waiting > TAG || (waiting == TAG && self.chunks == 0);
        if !complete {
            return Err(Error::Decrypt);
        }
        let pending = mem::take(&mut self.pending);
        let done = self.next_chunk(&pending, true, out);
        self.pending = pending;
        done
    }

    /// Sealing: writes the header first.
    fn begin<'a>(&mut self, out: &'a mut [u8]) -> &'a mut [u8] {
        let Phase::Start(header, _) = &self.phase else {
            return out;
        };
        let (place, rest) = out.split_at_mut(STREAM_HEADER);
        place.copy_from_slice(header);
        if let Phase::Start(_, chunks) = mem::replace(&mut self.phase, Phase::Finished) {
            self.phase = Phase::Chunks(chunks);
        }
        rest
    }

    /// Fills the buffer up to `size` bytes; returns the rest of the data.
    fn fill<'a>(&mut self, data: &'a [u8], size: usize) -> &'a [u8] {
        let missing = size.saturating_sub(self.pending.len()).min(data.len());
        let (taken, rest) = data.split_at(missing);
        self.pending.extend_from_slice(taken);
        rest
    }

    fn read_header(&mut self) -> Result<(), Error> {
        let header: Header = self.pending[..].try_into().map_err(|_| Error::Decrypt)?;
        self.pending.clear();
        if header[0] != VERSION {
            return Err(Error::Decrypt);
        }
        let Phase::Header(find) = mem::replace(&mut self.phase, Phase::Finished) else {
            return Err(Error::Decrypt);
        };
        let key = find(&StreamHeader(header))?;
        self.phase = Phase::Chunks(Chunks::open(&key)?);
        Ok(())
    }

    fn next_chunk(&mut self, chunk: &[u8], last: bool, out: &mut [u8]) -> Result<(), Error> {
        let Phase::Chunks(chunks) = &mut self.phase else {
            return Err(Error::Decrypt);
        };
        if self.chunks >= MAX_CHUNKS {
            return Err(match self.opening {
                true => Error::Decrypt,
                false => Error::InvalidInput("A stream can be at most 256 TiB long.".into()),
            });
        }
        let nonce = chunk_nonce(self.chunks, last);
        match self.opening {
            true => chunks.open_chunk(&nonce, &self.context, chunk, out)?,
            false => chunks.seal_chunk(&nonce, &self.context, chunk, out)?,
        }
        self.chunks += 1;
        Ok(())
    }

    fn chunk_in(&self) -> usize {
        match self.opening {
            true => SEALED_CHUNK,
            false => STREAM_CHUNK,
        }
    }

    fn chunk_out(&self) -> usize {
        match self.opening {
            true => STREAM_CHUNK,
            false => SEALED_CHUNK,
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        wipe(&mut self.pending);
    }
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stream")
            .field("opening", &self.opening)
            .field("chunks", &self.chunks)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
