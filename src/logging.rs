//! Log set-up and the form of a line: whole lines at a time, nothing in them that a caller could forge.
//!
//! What a line may say is decided where it is written: names are masked there, and secrets never get this far. Here all
//! control characters are escaped, and of other crates only warnings and errors are let through, because what they tell
//! when they are chatty is not known.

use std::fmt::{self, Write as _};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::sync::Mutex;

use log::kv::{Key, Value, VisitSource};
use log::{Level, LevelFilter, Log, Metadata, Record};
use simplelog::{CombinedLogger, SharedLogger};
use time::OffsetDateTime;

use crate::Error;
use crate::config::LogSettings;
use crate::sync::lock;

/// Makes the process's logger: to the terminal (standard error) and, where set, to a file. For a program, not a library:
/// there is one logger in a process.
///
/// # Errors
/// [`Error::Setting`] where the file cannot be opened; [`Error::Io`] where the process has a logger already.
pub fn init(settings: &LogSettings) -> Result<(), Error> {
    let mut sinks: Vec<Box<dyn SharedLogger>> =
        vec![LineLogger::boxed(settings.level, io::stderr())];
    if let Some(path) = &settings.file {
        let file = open(path).map_err(|error| {
            Error::Setting(format!(
                "SEALGATE_LOG_FILE: {} cannot be opened for writing: {error}.",
                path.display()
            ))
        })?;
        sinks.push(LineLogger::boxed(settings.level, file));
    }
    CombinedLogger::init(sinks)
        .map_err(|_| Error::Io("The process has a logger already.".to_owned()))
}

fn open(path: &std::path::Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Writes each record as one line with one write.
struct LineLogger<W> {
    level: LevelFilter,
    out: Mutex<W>,
}

impl<W: Write + Send + 'static> LineLogger<W> {
    fn boxed(level: LevelFilter, out: W) -> Box<Self> {
        Box::new(LineLogger {
            level,
            out: Mutex::new(out),
        })
    }
}

impl<W: Write + Send + 'static> Log for LineLogger<W> {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let ours = metadata.target().starts_with("sealgate");
        metadata.level() <= self.level && (ours || metadata.level() <= Level::Warn)
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let line = line(record, OffsetDateTime::now_utc());
        // Nobody can be told that the log cannot be written; the server goes on.
        let _ = lock(&self.out).write_all(line.as_bytes());
    }

    fn flush(&self) {
        let _ = lock(&self.out).flush();
    }
}

impl<W: Write + Send + 'static> SharedLogger for LineLogger<W> {
    fn level(&self) -> LevelFilter {
        self.level
    }

    fn config(&self) -> Option<&simplelog::Config> {
        None
    }

    fn as_log(self: Box<Self>) -> Box<dyn Log> {
        self
    }
}

/// Time, level, message, and the fields as `name=value`.
fn line(record: &Record<'_>, now: OffsetDateTime) -> String {
    let mut line = String::with_capacity(256);
    let (date, time) = (now.date(), now.time());
    // Writing to a String does not fail, here and below.
    let _ = write!(
        line,
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z {:<5} ",
        date.year(),
        u8::from(date.month()),
        date.day(),
        time.hour(),
        time.minute(),
        time.second(),
        time.microsecond(),
        record.level()
    );
    let _ = write!(Escaped(&mut line), "{}", record.args());
    let _ = record.key_values().visit(&mut Fields(&mut line));
    line.push('\n');
    line
}

struct Fields<'a>(&'a mut String);

impl<'kvs> VisitSource<'kvs> for Fields<'_> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), log::kv::Error> {
        let _ = write!(self.0, " {key}=");
        let _ = write!(Escaped(self.0), "{value}");
        Ok(())
    }
}

/// Lets no character through that moves the cursor, ends the line or changes the reading direction.
struct Escaped<'a>(&'a mut String);

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let harmful = |c: char| {
            c.is_control()
                || matches!(c, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        };
        let mut rest = text;
        while let Some(at) = rest.find(harmful) {
            self.0.push_str(&rest[..at]);
            let c = rest[at..].chars().next().expect("found there");
            self.0.extend(c.escape_default());
            rest = &rest[at + c.len_utf8()..];
        }
        self.0.push_str(rest);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_line_whatever_is_in_it() {
        let moment = OffsetDateTime::from_unix_timestamp_nanos(1_795_491_237_012_345_678).unwrap();
        let fields = [
            ("peer", "1.2.3.4"),
            ("user", "a\u{202e}b\r\nfake INFO line\x1b[2J\u{7f}"),
        ];
        let line = line(
            &Record::builder()
                .level(Level::Info)
                .target("sealgate")
                .args(format_args!("hello {}", "wörld\n"))
                .key_values(&fields)
                .build(),
            moment,
        );
        assert_eq!(
            line,
            "2026-11-24T03:33:57.012345Z INFO  hello wörld\\n peer=1.2.3.4 \
             user=a\\u{202e}b\\r\\nfake INFO line\\u{1b}[2J\\u{7f}\n"
        );
    }

    #[test]
    fn other_crates_are_heard_only_when_something_is_wrong() {
        let logger = LineLogger {
            level: LevelFilter::Trace,
            out: Mutex::new(Vec::new()),
        };
        let enabled = |target: &str, level| {
            logger.enabled(&Metadata::builder().target(target).level(level).build())
        };
        assert!(enabled("sealgate::access", Level::Trace));
        assert!(!enabled("tiny_http", Level::Info));
        assert!(enabled("tiny_http", Level::Warn));
    }
}
