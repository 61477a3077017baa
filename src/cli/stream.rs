//! `sealgate encrypt` and `sealgate decrypt` with `--in` or `--out`: sealed streams, of any size in constant memory.

use std::sync::mpsc::{Receiver, Sender, channel};

use clap::ArgMatches;
use sealgate::{Error, STREAM_CHUNK, Stream};
use zeroize::Zeroizing;

use super::context::given_context;
use super::files::{Source, Target};
use super::progress::Progress;
use super::{Failure, open_gate, start};

/// How much is read at once: whole chunks, so that most are sealed from where they were read, and so many that waking the
/// thread that waits for them costs little beside them.
const PIECE: usize = 16 * STREAM_CHUNK;
/// What a push of a piece may write more than the piece has.
const SLACK: usize = 2 * STREAM_CHUNK;
/// Buffers between two threads.
const BUFFERS: usize = 3;

/// The first byte of a stream.
pub(super) const STREAM_VERSION: u8 = 2;

/// Where a processor copies fastest to: a read into a place elsewhere has a quarter of the speed on some.
const ALIGNMENT: usize = 64;

/// Room for a piece, from an aligned place on.
struct Buffer {
    bytes: Zeroizing<Vec<u8>>,
    start: usize,
}

impl Buffer {
    fn new(size: usize) -> Self {
        let bytes = Zeroizing::new(vec![0; size + ALIGNMENT]);
        // As far as it may be asked for: not at all is right too.
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

/// Whether files are named: then the data is a stream, and not base64 text.
pub(super) fn is_asked_for(matches: &ArgMatches) -> bool {
    matches.contains_id("in") || matches.contains_id("out")
}

pub(super) fn encrypt(matches: &ArgMatches) -> Result<(), Failure> {
    if Target::is_terminal(matches) {
        return Err(Failure::wrong(
            "A sealed stream is no text for a terminal. Name a file with --out.",
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
                "It does not begin as a sealed stream does. Base64 text goes through standard input, without --in and --out."
                    .to_owned(),
            );
        }
        failure
    })
}

/// A failure also tells the first byte of what was read.
fn run(mut stream: Stream, matches: &ArgMatches) -> Result<(), (Failure, Option<u8>)> {
    let mut first = None;
    let done = Source::of(matches).and_then(|source| {
        let target = Target::of(matches)?;
        pass(&mut stream, source, target, &mut first)
    });
    done.map_err(|failure| (failure, first))
}

/// Buffers on their way from one thread to the next, and back when they are empty.
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
    /// Nothing more can be read.
    Failed(Failure),
    /// The thread that filled the belt has ended, or the one that writes.
    Over,
}

impl Drop for Belt {
    fn drop(&mut self) {
        let _ = self.full.send(Step::Over);
    }
}

fn belt(size: usize) -> (Belt, BeltEnd) {
    // Bounded by its buffers.
    let (full, filled) = channel();
    let (emptied, empty) = channel();
    for _ in 0..BUFFERS {
        // Cannot fail: the other end is here.
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
    // The source may be quiet for long when there is nothing more to be read for.
    let quiet = to_read.full.clone();
    // Not waited for: it may hang in a read for ever.
    start(move || read_all(source, &to_read))?;
    let writer = start(move || {
        let written = write_all(&to_write, target);
        let _ = quiet.send(Step::Over);
        written
    })?;
    let finished = transform(stream, first, progress, &read, &made);
    drop((read, made));
    // What failed to be written is the reason for all that did not come.
    let target = (writer.join()).map_err(|_| Failure::wrong("A thread has failed."))??;
    match finished? {
        true => target.finish(),
        false => Err(Failure::wrong("The input ended without its end.")),
    }
}

fn read_all(mut source: Source, belt: &Belt) {
    for mut buffer in &belt.empty {
        let (step, last) = match source.fill(&mut buffer.room()[..PIECE]) {
            // A piece that is not full is the last one.
            Ok(size) => (Step::Piece(buffer, size), size < PIECE),
            Err(failure) => (Step::Failed(failure), true),
        };
        if belt.full.send(step).is_err() || last {
            break;
        }
    }
}

/// Whether the stream has been finished; if not, another thread knows why.
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
        // Nobody takes a buffer back after the end.
        let _ = read.empty.send(piece);
        if made.full.send(Step::Piece(out, written)).is_err() || stream.is_finished() {
            break;
        }
    }
    Ok(stream.is_finished())
}

/// Gives the target back, which is whole if the stream is.
fn write_all(belt: &BeltEnd, mut target: Target) -> Result<Target, Failure> {
    while let Ok(Step::Piece(buffer, size)) = belt.full.recv() {
        target.write(buffer.first(size))?;
        let _ = belt.empty.send(buffer);
    }
    Ok(target)
}
