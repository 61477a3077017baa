//! `sealgate rewrap`: lines of encrypted data in, the same lines sealed under the newest key out.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use clap::{Arg, ArgAction, ArgMatches, Command};
use memchr::memrchr;
use sealgate::{Error, Gate};

use super::context::{context, given_context};
use super::files::{self, Source, Target};
use super::progress::Progress;
use super::{Failure, open_gate, settings, start};

/// How many bytes of lines a thread gets at once.
const BLOCK: usize = 256 << 10;
/// The longest line, in bytes: a limit to memory.
const MAX_LINE: usize = 64 << 20;
/// Blocks that wait before and behind each thread.
const WAITING: usize = 2;
/// More threads would wait for reading and writing.
const MAX_THREADS: usize = 2;

pub(super) fn command() -> Command {
    let command = Command::new("rewrap")
        .about("Seal encrypted data anew, line by line, under the newest key")
        .long_about(
            "Seal encrypted data anew, line by line, under the newest key. Each line of the input is base64 text that \
             sealgate encrypt, the server or a binding made; with SEALGATE_CBC=open also the original program's AES-CBC, \
             which becomes sealed data. The lines come out in their order, the context stays the same, and no plaintext \
             is written anywhere. Empty lines stay. Where each line has a context of its own, --with-contexts reads it from \
             there; that of AES-CBC has to be empty. Each line that does not open is told with its number, and the exit \
             code is then 1.",
        )
        .arg(context())
        .arg(
            Arg::new("with-contexts")
                .long("with-contexts")
                .action(ArgAction::SetTrue)
                .conflicts_with("context")
                .help("Each line is a context, a tab and the data that belongs to it; the context comes out as it was"),
        )
        .args(files::arguments(
            "Read the lines from this file [default: standard input]",
            "Write the lines to this file, which appears when all are there; it may be the one that is read [default: \
             standard output]",
        ))
        .arg(
            Arg::new("bad-lines")
                .long("bad-lines")
                .value_name("keep|drop|stop")
                .value_parser(["keep", "drop", "stop"])
                .hide_possible_values(true)
                .default_value("keep")
                .help("What becomes of a line that does not open: it stays as it is, is left out, or ends the command"),
        );
    settings::add_flags(
        command,
        &[settings::RING, settings::NEW_KEYS, settings::CBC],
    )
}

/// What becomes of lines that do not open.
#[derive(Clone, Copy, PartialEq, Eq)]
enum BadLines {
    Keep,
    Drop,
    Stop,
}

pub(super) fn run(matches: &ArgMatches) -> Result<(), Failure> {
    let bad_lines = match matches.get_one::<String>("bad-lines").map(String::as_str) {
        Some("drop") => BadLines::Drop,
        Some("stop") => BadLines::Stop,
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
    let source = Source::of(matches)?;
    let target = Target::of(matches)?;
    let mut progress = Progress::new(source.size);
    let passed = work.pass(source, target, &mut progress);
    // Threads that nobody waits for hold the gate too.
    work.gate.write_key_usage();
    let counted = passed?;
    drop(progress);
    match (counted.bad, bad_lines) {
        (0, _) => Ok(()),
        (bad, BadLines::Drop) => Err(Failure::no(format!(
            "{bad} of {} lines did not open and were left out.",
            counted.lines
        ))),
        (bad, _) => Err(Failure::no(format!(
            "{bad} of {} lines did not open and stand in the output as they were.",
            counted.lines
        ))),
    }
}

#[derive(Clone)]
enum Context {
    OfAll(Vec<u8>),
    /// Stands before the data, and a tab between the two.
    OfEachLine,
}

impl Context {
    /// A line's context, and where its data begins.
    fn split<'a>(&'a self, line: &'a [u8]) -> Option<(&'a [u8], usize)> {
        match self {
            Context::OfAll(context) => Some((context, 0)),
            // The last one: data has none, and a context may.
            Context::OfEachLine => memrchr(b'\t', line).map(|tab| (&line[..tab], tab + 1)),
        }
    }
}

/// What all threads need.
#[derive(Clone)]
struct Work {
    gate: Gate,
    context: Context,
    bad_lines: BadLines,
}

/// Lines after this work was done.
struct Done {
    /// What is to be written.
    text: Vec<u8>,
    lines: u64,
    /// How many bytes they were before.
    read: usize,
    /// Which of them do not open, by their numbers within the block, and why.
    bad: Vec<(u64, String)>,
    /// What ends everything.
    fatal: Option<Failure>,
    /// Nothing more follows, and nothing was missed.
    end: bool,
}

struct Counted {
    lines: u64,
    bad: u64,
}

/// Whole lines, none at the end, or why there are none.
type Block = Result<Vec<u8>, Failure>;

impl Work {
    /// One thread reads and deals blocks of lines out in turn; this one takes them back in the same turn, and writes.
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
        // Not waited for: it may hang in a read for ever.
        start(move || deal(source, &inputs))?;
        let mut counted = Counted { lines: 0, bad: 0 };
        for output in outputs.iter().cycle() {
            let Ok(done) = output.recv() else {
                return Err(Failure::wrong("A thread has failed."));
            };
            if done.end {
                break;
            }
            tell(&done, counted.lines, progress);
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
        // The seed's data grows most: a block of 16 bytes becomes 60.
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
                done.fatal = Some(Failure::no("Stopped at the first line that does not open."));
            }
        }
    }
}

/// Says which lines do not open.
fn tell(done: &Done, lines_before: u64, progress: &mut Progress) {
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

/// The next whole lines; the last one may lack its end. `rest` has what was read of the line after them. What has `ended` is
/// not read again: a terminal would ask for more.
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
                "A line is longer than {} MiB. Larger data is a matter for sealgate encrypt --in and --out.",
                MAX_LINE >> 20
            )));
        }
    }
    Ok(block)
}
