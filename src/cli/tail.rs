//! `sealgate audit tail`: the latest events of a server's audit trail, and those that follow.

use std::time::Duration;

use clap::{Arg, ArgMatches, Command, value_parser};
use serde_json::{Map, Value};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::args::{flag, option};
use super::remote::{Event, EventFilter, Page, Unasked};
use super::standard::{pause, write_on};
use super::table::{harmless, harmless_json, rfc3339};
use super::{Failure, Remote, remark, start};

/// How often a server is asked for new events.
const EVERY: Duration = Duration::from_secs(2);
/// The most events of one request, and of all: a server keeps no more.
const PAGE: u32 = 1_000;
const MOST: u32 = 10_000;

pub(super) fn command() -> Command {
    Command::new("tail")
        .about("Print the latest events of a server's audit trail; only with --server")
        .long_about(
            "Print the latest events of a server's audit trail, oldest first, one on each line. A server keeps the latest 10,000 \
             of its own events; those of commands, of other servers and of before its last start are in the log, or in the \
             file that SEALGATE_AUDIT_FILE names. With --follow, print new events as they come, until interrupted; while the \
             server cannot be reached, it is asked again every two seconds.",
        )
        .arg(flag("follow", "Print new events as they come").short('f'))
        .arg(
            option("lines", "N", "How many events, at most 10000")
                .short('n')
                .default_value("20")
                .value_parser(value_parser!(u32).range(0..=i64::from(MOST))),
        )
        .arg(option("event", "EVENT", "Only this kind, such as login"))
        .arg(option("user", "NAME", "Only events that concern this user or client"))
        .arg(option("by", "NAME", "Only what this administrator asked for"))
        .arg(since())
        .arg(option("text", "TEXT", "Only events with this text somewhere, ASCII letters in either case"))
        .arg(flag("json", "Print JSON for programs, one event a line"))
}

fn since() -> Arg {
    let help = "Only from this time on, in seconds since 1970 (date -d '1 hour ago' +%s)";
    option("since", "TIME", help).value_parser(value_parser!(u64))
}

pub(super) fn run(matches: &ArgMatches, remote: Option<&Remote>) -> Result<(), Failure> {
    let remote = remote.ok_or_else(|| {
        Failure::wrong(
            "The audit trail is in the log of each server and command, and in the file that SEALGATE_AUDIT_FILE names. For the \
             latest events of a server: sealgate --server URL audit tail",
        )
    })?;
    let given = |name: &str| matches.get_one::<String>(name).cloned();
    let mut tail = Tail {
        remote,
        filter: EventFilter {
            event: given("event"),
            user: given("user"),
            by: given("by"),
            since: matches.get_one("since").copied(),
            text: given("text"),
        },
        json: matches.get_flag("json"),
        seen: None,
        noticed: false,
    };
    let lines = matches.get_one::<u32>("lines").copied().unwrap_or(0);
    let is_read = tail.begin(lines)?;
    match matches.get_flag("follow") {
        true if is_read => tail.follow(),
        _ => Ok(()),
    }
}

struct Tail<'r> {
    remote: &'r Remote,
    filter: EventFilter,
    json: bool,
    /// The number of the newest event that the server had.
    seen: Option<u64>,
    /// Whether it has been reported that events may be missing before the next one.
    noticed: bool,
}

impl Tail<'_> {
    /// Prints the latest events. `false`: nobody reads them.
    fn begin(&mut self, lines: u32) -> Result<bool, Failure> {
        let page = self.collect(None, lines).map_err(Unasked::into_failure)?;
        self.seen = page.range.map(|(_, last)| last);
        self.print(&page)
    }

    fn follow(&mut self) -> Result<(), Failure> {
        end_on_signals()?;
        let mut is_away = false;
        // A reader that has closed the pipe (`| head`) has enough.
        while pause(EVERY) {
            match self.next() {
                Ok(page) => {
                    if std::mem::take(&mut is_away) {
                        remark(&format!("The server {} answers again.", self.remote.url()));
                    }
                    if !self.print(&page)? {
                        break;
                    }
                }
                Err(Unasked::Away(why)) => {
                    // Once, however long it takes.
                    if !std::mem::replace(&mut is_away, true) {
                        why.sentences.iter().for_each(|sentence| remark(sentence));
                        remark("It is asked again every two seconds.");
                    }
                }
                Err(Unasked::Failed(failure)) => return Err(failure),
            }
        }
        Ok(())
    }

    /// The events since the last time.
    fn next(&mut self) -> Result<Page, Unasked> {
        let page = self.collect(self.seen, MOST)?;
        let (Some(seen), range) = (self.seen, page.range) else {
            self.seen = page.range.map(|(_, last)| last);
            return Ok(page);
        };
        // The numbers have no gaps, unless the server was restarted or has had no room for all events.
        let is_complete =
            range.is_some_and(|(first, last)| first <= seen.saturating_add(1) && last >= seen);
        if !is_complete && !std::mem::replace(&mut self.noticed, range.is_none()) {
            remark(
                "Events may be missing here: the server was restarted, or has had more than it keeps. The log has all of them.",
            );
        }
        let Some((_, last)) = range else {
            return Ok(page);
        };
        self.noticed = false;
        self.seen = Some(last);
        match last < seen {
            // Its clock was set back, and its numbers began again.
            true => self.collect(None, MOST),
            false => Ok(page),
        }
    }

    /// The newest events after this one, in as many requests as that takes.
    fn collect(&self, after: Option<u64>, most: u32) -> Result<Page, Unasked> {
        // One at least, for the range.
        let ask = |before: Option<u64>, left: u32| {
            let size = left.clamp(1, PAGE);
            self.remote.events(&self.filter, (after, before), size)
        };
        let mut all = ask(None, most)?;
        let mut got = all.events.len();
        while got >= PAGE as usize && all.events.len() < most as usize {
            let Some(oldest) = all.events.last().map(|event| event.seq) else {
                break;
            };
            let mut more = ask(Some(oldest), most - all.events.len() as u32)?.events;
            // Whatever the server answers, this ends.
            more.retain(|event| event.seq < oldest);
            got = more.len();
            all.events.append(&mut more);
        }
        all.events.truncate(most as usize);
        Ok(all)
    }

    /// Prints events, oldest first. `false`: nobody reads them.
    fn print(&self, page: &Page) -> Result<bool, Failure> {
        let lines: String = page
            .events
            .iter()
            .rev()
            .map(|event| match self.json {
                true => json(event),
                false => line(event),
            })
            .collect();
        write_on(lines.as_bytes())
    }
}

/// An interrupted command has done what was asked for.
fn end_on_signals() -> Result<(), Failure> {
    let mut signals = Signals::new([SIGINT, SIGTERM])
        .map_err(|error| Failure::wrong(format!("Signals cannot be watched: {error}.")))?;
    start(move || {
        if signals.forever().next().is_some() {
            std::process::exit(0);
        }
    })?;
    Ok(())
}

/// As in the log.
fn line(event: &Event) -> String {
    let mut line = rfc3339(event.time).unwrap_or_else(|| event.time.to_string());
    for (name, _, text) in &event.texts {
        line.push_str(&format!(" {name}={}", value(text)));
    }
    line.push('\n');
    line
}

/// A text that could look like further fields is a JSON string.
fn value(text: &str) -> String {
    match text.contains([' ', '=', '"', '\n']) {
        true => harmless_json(&Value::from(text).to_string()),
        false => harmless(text),
    }
}

fn json(event: &Event) -> String {
    let mut members = Map::new();
    members.insert("seq".to_owned(), event.seq.into());
    members.insert("time".to_owned(), rfc3339(event.time).into());
    for (_, name, text) in &event.texts {
        members.insert((*name).to_owned(), text.as_str().into());
    }
    harmless_json(&format!("{}\n", Value::Object(members)))
}
