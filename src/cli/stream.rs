//! `sealgate encrypt` and `sealgate decrypt` with `--in` or `--out`: sealed streams, of any size in constant memory.

use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread;

use clap::ArgMatches;
use sealgate::{Error, STREAM_CHUNK, Stream};
use zeroize::Zeroizing;

use super::data::given_context;
use super::files::{Source, Target};
use super::progress::Progress;
use super::{Failure, open_gate};

/// How much is read at once: whole chunks, so that most are sealed from where they were read, and few enough to stay in a
/// processor's own cache.
const PIECE: usize = 4 * STREAM_CHUNK;
/// What a push of a piece may write more than the piece has.
const SLACK: usize = 2 * STREAM_CHUNK;
/// Buffers between the two threads.
const BUFFERS: usize = 3;

/// The first byte of a stream.
const STREAM_VERSION: u8 = 2;

type Buffer = Zeroizing<Vec<u8>>;

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

/// From the source through the stream to the target: this thread reads, seals and opens, another one writes.
fn pass(
    stream: &mut Stream,
    mut source: Source,
    mut target: Target,
    first: &mut Option<u8>,
) -> Result<(), Failure> {
    let (full, to_write) = sync_channel(BUFFERS);
    let (written, empty) = channel();
    for _ in 0..BUFFERS {
        let _ = written.send(Zeroizing::new(vec![0; PIECE + SLACK]));
    }
    let progress = Progress::new(source.size);
    thread::scope(|scope| {
        let writer = thread::Builder::new()
            .spawn_scoped(scope, move || {
                write_all(&to_write, &written, &mut target).map(|()| target)
            })
            .map_err(|error| Failure::wrong(format!("No thread can be started: {error}.")))?;
        let done = transform(stream, &mut source, first, progress, &empty, &full);
        drop(full);
        let target = writer
            .join()
            .map_err(|_| Failure::wrong("The thread that writes has failed."))?;
        match (done, target) {
            // What stopped the writer is the reason.
            (Ok(true), Ok(target)) => target.finish(),
            (_, Err(failure)) | (Err(failure), _) => Err(failure),
            (Ok(false), Ok(_)) => Err(Failure::wrong("The thread that writes ended too early.")),
        }
    })
}

/// `Ok(false)`: the writer takes nothing more.
fn transform(
    stream: &mut Stream,
    source: &mut Source,
    first: &mut Option<u8>,
    mut progress: Progress,
    empty: &Receiver<Buffer>,
    full: &SyncSender<(Buffer, usize)>,
) -> Result<bool, Failure> {
    let mut piece = Zeroizing::new(vec![0; PIECE]);
    loop {
        let size = source.fill(&mut piece)?;
        *first = first.or(piece[..size].first().copied());
        let Ok(mut out) = empty.recv() else {
            return Ok(false);
        };
        let mut made = stream.push(&piece[..size], &mut out)?;
        progress.add(size);
        let last = size < PIECE;
        if last {
            made += stream.finish(out.get_mut(made..).ok_or(Error::Decrypt)?)?;
        }
        if full.send((out, made)).is_err() {
            return Ok(false);
        }
        if last {
            return Ok(true);
        }
    }
}

fn write_all(
    to_write: &Receiver<(Buffer, usize)>,
    written: &std::sync::mpsc::Sender<Buffer>,
    target: &mut Target,
) -> Result<(), Failure> {
    for (buffer, size) in to_write {
        target.write(&buffer[..size])?;
        // Nobody takes it when the end has been read.
        let _ = written.send(buffer);
    }
    Ok(())
}
