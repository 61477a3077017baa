//! `sealgate rewrap`: reads lines of encrypted data and writes them sealed under the newest key.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use clap::{ArgMatches, Command};
use memchr::memrchr;
use sealgate::{Error, Gate};

use super::args::{context, flag, given_context, option, text};
use super::files::{self, Source, Target};
use super::progress::Progress;
use super::{Failure, open_gate, settings, start};

/// How many bytes of lines a thread receives at once.
const BLOCK: usize = 256 << 10;
/// The longest line, in bytes, which bounds memory.
const MAX_LINE: usize = 64 << 20;
/// Blocks queued before and after each thread.
const WAITING: usize = 2;
/// More threads would only wait for reading and writing.
const MAX_THREADS: usize = 2;

pub(super) fn command() -> Command {
    let command = Command::new("rewrap")
        .about("Re-encrypt data, line by line, under the newest key")
        .long_about(
            "Re-encrypt data, line by line, under the newest key. Each input line is base64 text from sealgate encrypt, the \
             server or a binding; with SEALGATE_CBC=open also the original program's AES-CBC, which becomes sealed data. \
             The order of the lines and the context stay the same, and no plaintext is written anywhere. Empty lines are \
             kept. If each line has its own context, --with-contexts reads it from the line; for AES-CBC it must be empty. \
             Lines that cannot be decrypted are reported by number, and the exit code is then 1.",
        )
        .arg(context())
        .arg(
            flag(
                "with-contexts",
                "Each line is a context, a tab and the data that belongs to it; the context is kept",
            )
            .conflicts_with("context"),
        )
        .args(files::arguments(
            "Read the lines from this file [default: standard input]",
            "Write the lines to this file, which appears once it is complete; it may be the input file [default: \
             standard output]",
        ))
        .arg(
            option(
                "bad-lines",
                "keep|drop|stop",
                "What to do with a line that cannot be decrypted: keep it unchanged, drop it, or stop",
            )
            .value_parser(["keep", "drop", "stop"])
            .hide_possible_values(true)
            .default_value("keep"),
        );
    settings::add_flags(
        command,
        &[settings::RING, settings::NEW_KEYS, settings::CBC],
    )
}

/// What to do with lines that cannot be decrypted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum BadLines {
    Keep,
    Drop,
    Stop,
}

pub(super) fn run(matches: &ArgMatches) -> Result<(), Failure> {
    let bad_lines = match text(matches, "bad-lines") {
        "drop" => BadLines::Drop,
        "stop" => BadLines::Stop,
        _ => BadLines::Keep,
    };
    let work = Work {
        gate: open_gate(matches)?,
        context: match matches.get_flag("with-contexts") {
            true => Context::OfEachLine,
            false => Context::OfAll(given_context(matches).to_vec()),
        },
        bad_lines,
    };
    let source = Source::of(matches, "in")?;
    let target = Target::of(matches, "out")?;
    let mut progress = Progress::new(source.size);
    let passed = work.pass(source, target, &mut progress);
    // Not left to the gate's drop: threads that are never joined hold it too.
    work.gate.write_key_usage();
    let counted = passed?;
    drop(progress);
    match (counted.bad, bad_lines) {
        (0, _) => Ok(()),
        (bad, BadLines::Drop) => Err(Failure::no(format!(
            "{bad} of {} lines could not be decrypted and were dropped.",
            counted.lines
        ))),
        (bad, _) => Err(Failure::no(format!(
            "{bad} of {} lines could not be decrypted and were left unchanged.",
            counted.lines
        ))),
    }
}

#[derive(Clone)]
enum Context {
    OfAll(Vec<u8>),
    /// Each line is its context, a tab and the data.
    OfEachLine,
}

impl Context {
    /// A line's context, and where its data begins.
    fn split<'a>(&'a self, line: &'a [u8]) -> Option<(&'a [u8], usize)> {
        match self {
            Context::OfAll(context) => Some((context, 0)),
            // The last tab: the data has none, but a context may.
            Context::OfEachLine => memrchr(b'\t', line).map(|tab| (&line[..tab], tab + 1)),
        }
    }
}

/// What every thread needs.
#[derive(Clone)]
struct Work {
    gate: Gate,
    context: Context,
    bad_lines: BadLines,
}

/// The result for a block of lines.
struct Done {
    /// The lines to write.
    text: Vec<u8>,
    lines: u64,
    /// The size of the input lines, in bytes.
    read: usize,
    /// The lines that cannot be decrypted, by number within the block, and why.
    bad: Vec<(u64, String)>,
    /// A failure that ends the command.
    fatal: Option<Failure>,
    /// The whole input has been processed.
    end: bool,
}

struct Counted {
    lines: u64,
    bad: u64,
}

/// Whole lines, empty at the end of the input, or why it could not be read.
type Block = Result<Vec<u8>, Failure>;

impl Work {
    /// One thread reads and hands out blocks of lines in turn; this one collects the results in the same order and writes
    /// them.
    fn pass(
        &self,
        source: Source,
        mut target: Target,
        progress: &mut Progress,
    ) -> Result<Counted, Failure> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let mut inputs = Vec::new();
        let mut outputs = Vec::new();
        for _ in 0..cores.min(MAX_THREADS) {
            let (input, blocks) = sync_channel(WAITING);
            let (done, output) = sync_channel(WAITING);
            let work = self.clone();
            start(move || work.serve(&blocks, &done))?;
            inputs.push(input);
            outputs.push(output);
        }
        // Never joined: it may block in a read for ever.
        start(move || deal(source, &inputs))?;
        let mut counted = Counted { lines: 0, bad: 0 };
        for output in outputs.iter().cycle() {
            let Ok(done) = output.recv() else {
                return Err(Failure::wrong("A thread has failed."));
            };
            if done.end {
                break;
            }
            report(&done, counted.lines, progress);
            target.write(&done.text)?;
            counted.lines += done.lines;
            counted.bad += done.bad.len() as u64;
            progress.add(done.read);
            if let Some(fatal) = done.fatal {
                if target.is_direct() {
                    target.finish()?;
                }
                return Err(fatal);
            }
        }
        target.finish()?;
        Ok(counted)
    }

    fn serve(&self, blocks: &Receiver<Block>, done: &SyncSender<Done>) {
        for block in blocks {
            if done.send(self.rewrap(block)).is_err() {
                break;
            }
        }
    }

    fn rewrap(&self, block: Block) -> Done {
        let mut done = Done {
            text: Vec::new(),
            lines: 0,
            read: 0,
            bad: Vec::new(),
            fatal: None,
            end: false,
        };
        let block = match block {
            Ok(block) => block,
            Err(failure) => {
                done.fatal = Some(failure);
                return done;
            }
        };
        done.read = block.len();
        done.end = block.is_empty();
        // The original program's data grows most: a block of 16 bytes becomes 60.
        done.text.reserve(block.len() * 2);
        for line in block.split_inclusive(|byte| *byte == b'\n') {
            done.lines += 1;
            self.rewrap_line(line, &mut done);
            if done.fatal.is_some() {
                break;
            }
        }
        done
    }

    fn rewrap_line(&self, line: &[u8], done: &mut Done) {
        if line.trim_ascii().is_empty() {
            done.text.extend_from_slice(line);
            return;
        }
        let (before, end) = line.split_at(line.trim_ascii_end().len());
        let Some((context, data)) = self.context.split(before) else {
            self.add_bad(
                line,
                "It is not a context, a tab and data.".to_owned(),
                done,
            );
            return;
        };
        let sealed = std::str::from_utf8(before[data..].trim_ascii_start())
            .map_err(|_| Error::Decrypt)
            .and_then(|data| self.gate.rewrap_data(data, context));
        match sealed {
            Ok(sealed) => {
                done.text.extend_from_slice(&line[..data]);
                done.text.extend_from_slice(sealed.as_bytes());
                done.text.extend_from_slice(end);
            }
            Err(error @ (Error::Decrypt | Error::KeyRetired)) => {
                self.add_bad(line, error.to_string(), done);
            }
            Err(error) => done.fatal = Some(error.into()),
        }
    }

    fn add_bad(&self, line: &[u8], why: String, done: &mut Done) {
        done.bad.push((done.lines, why));
        match self.bad_lines {
            BadLines::Keep => done.text.extend_from_slice(line),
            BadLines::Drop => {}
            BadLines::Stop => {
                done.fatal = Some(Failure::no(
                    "Stopped at the first line that cannot be decrypted.",
                ));
            }
        }
    }
}

/// Reports which lines cannot be decrypted.
fn report(done: &Done, lines_before: u64, progress: &mut Progress) {
    if done.bad.is_empty() {
        return;
    }
    progress.hide();
    let mut text = String::new();
    for (line, why) in &done.bad {
        let _ = writeln!(text, "sealgate: line {}: {why}", lines_before + line);
    }
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Reads whole lines and gives each thread a block in turn.
fn deal(mut source: Source, threads: &[SyncSender<Block>]) {
    let mut rest = Vec::new();
    let mut ended = false;
    for thread in threads.iter().cycle() {
        let block = next_block(&mut source, &mut rest, &mut ended);
        let last = block.as_ref().map_or(true, Vec::is_empty);
        if thread.send(block).is_err() || last {
            return;
        }
    }
}

/// The next whole lines; the last line of the input may lack its newline. `rest` holds what was read beyond them. Once
/// `ended`, the source is not read again: a terminal would ask for more.
fn next_block(source: &mut Source, rest: &mut Vec<u8>, ended: &mut bool) -> Block {
    let mut block = std::mem::take(rest);
    while !*ended {
        let before = block.len();
        block.resize(before + BLOCK, 0);
        let read = source.fill(&mut block[before..])?;
        block.truncate(before + read);
        *ended = read < BLOCK;
        if *ended {
            break;
        }
        if let Some(end) = memrchr(b'\n', &block[before..]) {
            *rest = block.split_off(before + end + 1);
            return Ok(block);
        }
        if block.len() > MAX_LINE {
            return Err(Failure::wrong(format!(
                "A line is longer than {} MiB. For larger data, use sealgate encrypt --in and --out.",
                MAX_LINE >> 20
            )));
        }
    }
    Ok(block)
}
