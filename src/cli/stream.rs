//! `sealgate encrypt` and `sealgate decrypt` with `--in` or `--out`: sealed streams of any size in constant memory.

use std::sync::mpsc::{Receiver, Sender, channel};

use clap::ArgMatches;
use sealgate::{Error, STREAM_CHUNK, Stream};
use zeroize::Zeroizing;

use super::args::given_context;
use super::files::{Source, Target};
use super::progress::Progress;
use super::{Failure, open_gate, start};

/// How much is read at once: whole chunks, so that most are sealed straight from the read buffer, and enough of them that
/// the cost of waking the next thread is small.
const PIECE: usize = 16 * STREAM_CHUNK;
/// How much more than the piece itself a push may write.
const SLACK: usize = 2 * STREAM_CHUNK;
/// Buffers between two threads.
const BUFFERS: usize = 3;

/// The first byte of a stream.
pub(super) const STREAM_VERSION: u8 = 2;

/// The alignment that processors copy to fastest: on some, an unaligned read has a quarter of the speed.
const ALIGNMENT: usize = 64;

/// An aligned buffer for a piece.
struct Buffer {
    bytes: Zeroizing<Vec<u8>>,
    start: usize,
}

impl Buffer {
    fn new(size: usize) -> Self {
        let bytes = Zeroizing::new(vec![0; size + ALIGNMENT]);
        // `align_offset` may give up; an unaligned buffer works too.
        let start = bytes.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
        Buffer { bytes, start }
    }

    fn room(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..]
    }

    fn first(&self, size: usize) -> &[u8] {
        &self.bytes[self.start..][..size]
    }
}

/// Whether files are named, so that the data is a stream and not base64 text.
pub(super) fn is_asked_for(matches: &ArgMatches) -> bool {
    matches.contains_id("in") || matches.contains_id("out")
}

pub(super) fn encrypt(matches: &ArgMatches) -> Result<(), Failure> {
    if Target::is_terminal(matches, "out") {
        return Err(Failure::wrong(
            "A sealed stream is binary and cannot be written to a terminal. Name a file with --out.",
        ));
    }
    let stream = open_gate(matches)?.seal_stream(given_context(matches))?;
    run(stream, matches).map_err(|(failure, _)| failure)
}

pub(super) fn decrypt(matches: &ArgMatches) -> Result<(), Failure> {
    let stream = open_gate(matches)?.open_stream(given_context(matches))?;
    run(stream, matches).map_err(|(mut failure, first)| {
        if failure.code == 1 && first.is_some_and(|first| first != STREAM_VERSION) {
            failure.sentences.push(
                "It does not look like a sealed stream. Pass base64 text on standard input, without --in and --out."
                    .to_owned(),
            );
        }
        failure
    })
}

/// A failure comes with the first byte of the input.
fn run(mut stream: Stream, matches: &ArgMatches) -> Result<(), (Failure, Option<u8>)> {
    let mut first = None;
    let done = Source::of(matches, "in").and_then(|source| {
        let target = Target::of(matches, "out")?;
        pass(&mut stream, source, target, &mut first)
    });
    done.map_err(|failure| (failure, first))
}

/// Passes full buffers from one thread to the next, and empty ones back.
struct Belt {
    full: Sender<Step>,
    empty: Receiver<Buffer>,
}

/// The other end of a belt.
struct BeltEnd {
    full: Receiver<Step>,
    empty: Sender<Buffer>,
}

enum Step {
    Piece(Buffer, usize),
    /// The input cannot be read.
    Failed(Failure),
    /// The thread that filled the belt has ended, or the writer has.
    Over,
}

impl Drop for Belt {
    fn drop(&mut self) {
        let _ = self.full.send(Step::Over);
    }
}

fn belt(size: usize) -> (Belt, BeltEnd) {
    // Bounded by the number of buffers.
    let (full, filled) = channel();
    let (emptied, empty) = channel();
    for _ in 0..BUFFERS {
        // Cannot fail: the receiver is still in scope.
        let _ = emptied.send(Buffer::new(size));
    }
    let end = BeltEnd {
        full: filled,
        empty: emptied,
    };
    (Belt { full, empty }, end)
}

/// From the source through the stream to the target: one thread reads, this one seals or opens, one writes.
fn pass(
    stream: &mut Stream,
    source: Source,
    target: Target,
    first: &mut Option<u8>,
) -> Result<(), Failure> {
    let progress = Progress::new(source.size);
    let (to_read, read) = belt(PIECE);
    let (made, to_write) = belt(PIECE + SLACK);
    // Lets the writer stop `transform` when it fails, even if the source stays idle.
    let quiet = to_read.full.clone();
    // Never joined: it may block in a read for ever.
    start(move || read_all(source, &to_read))?;
    let writer = start(move || {
        let written = write_all(&to_write, target);
        let _ = quiet.send(Step::Over);
        written
    })?;
    let finished = transform(stream, first, progress, &read, &made);
    drop((read, made));
    // A write error comes first, because it causes the others.
    let target = (writer.join()).map_err(|_| Failure::wrong("A thread has failed."))??;
    match finished? {
        true => target.finish(),
        false => Err(Failure::wrong("The input ended unexpectedly.")),
    }
}

fn read_all(mut source: Source, belt: &Belt) {
    for mut buffer in &belt.empty {
        let (step, last) = match source.fill(&mut buffer.room()[..PIECE]) {
            // A piece that is not full is the last.
            Ok(size) => (Step::Piece(buffer, size), size < PIECE),
            Err(failure) => (Step::Failed(failure), true),
        };
        if belt.full.send(step).is_err() || last {
            break;
        }
    }
}

/// Whether the stream was finished; if not, another thread has the reason.
fn transform(
    stream: &mut Stream,
    first: &mut Option<u8>,
    mut progress: Progress,
    read: &BeltEnd,
    made: &Belt,
) -> Result<bool, Failure> {
    for (step, mut out) in read.full.iter().zip(&made.empty) {
        let (piece, size) = match step {
            Step::Piece(piece, size) => (piece, size),
            Step::Failed(failure) => return Err(failure),
            Step::Over => break,
        };
        *first = first.or(piece.first(size).first().copied());
        let room = out.room();
        let mut written = stream.push(piece.first(size), room)?;
        if size < PIECE {
            written += stream.finish(room.get_mut(written..).ok_or(Error::Decrypt)?)?;
        }
        progress.add(size);
        // Fails after the end of the input, when the reader has gone.
        let _ = read.empty.send(piece);
        if made.full.send(Step::Piece(out, written)).is_err() || stream.is_finished() {
            break;
        }
    }
    Ok(stream.is_finished())
}

/// Returns the target, which is complete if the stream is.
fn write_all(belt: &BeltEnd, mut target: Target) -> Result<Target, Failure> {
    while let Ok(Step::Piece(buffer, size)) = belt.full.recv() {
        target.write(buffer.first(size))?;
        let _ = belt.empty.send(buffer);
    }
    Ok(target)
}
