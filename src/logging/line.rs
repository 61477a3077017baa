//! The text format of a line (time, level, message, fields), and the time and escaping code for both formats.

use std::cell::Cell;
use std::fmt::{self, Write as _};
use std::io::Write as _;
use std::time::Duration;

use log::kv::{self, Key, Value, VisitSource, VisitValue};
use log::{Level, Record};

use crate::base::calendar::DateTime;

/// Time, level, message, and the fields as `name=value`.
pub(super) fn text(line: &mut Vec<u8>, record: &Record<'_>, since_epoch: Duration) {
    push_time(line, since_epoch);
    line.extend_from_slice(match record.level() {
        Level::Error => b" ERROR ",
        Level::Warn => b" WARN  ",
        Level::Info => b" INFO  ",
        Level::Debug => b" DEBUG ",
        Level::Trace => b" TRACE ",
    });
    message(line, record);
    line.push(b'\n');
}

/// The message, and the fields as `name=value`.
pub(super) fn message(line: &mut Vec<u8>, record: &Record<'_>) {
    push_args(line, record, Quoting::Text);
    // Neither the visitor nor a write to memory fails.
    let _ = record.key_values().visit(&mut Fields(line));
}

struct Fields<'a>(&'a mut Vec<u8>);

impl<'kvs> VisitSource<'kvs> for Fields<'_> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), kv::Error> {
        self.0.push(b' ');
        push_escaped(self.0, key.as_str(), Quoting::Text);
        self.0.push(b'=');
        value.visit(self)
    }
}

/// A field's value; a quoted JSON string if it could look like further fields: a user-chosen name may contain spaces and
/// `=`.
pub(super) fn push_value(line: &mut Vec<u8>, value: &str) {
    let special = |byte: u8| matches!(byte, b' ' | b'=' | b'"');
    if value.bytes().fold(false, |any, byte| any | special(byte)) {
        line.push(b'"');
        push_escaped(line, value, Quoting::Json);
        line.push(b'"');
    } else {
        push_escaped(line, value, Quoting::Text);
    }
}

impl<'v> VisitValue<'v> for Fields<'_> {
    fn visit_any(&mut self, value: Value<'_>) -> Result<(), kv::Error> {
        let start = self.0.len();
        let _ = write!(self.0, "{value}");
        // Nearly always it needs no quotes.
        let plain = |byte: u8| matches!(byte, b'!'..=b'~') && !matches!(byte, b'=' | b'"');
        if !self.0[start..]
            .iter()
            .fold(true, |all, byte| all & plain(*byte))
        {
            let value = String::from_utf8_lossy(&self.0.split_off(start)).into_owned();
            push_value(self.0, &value);
        }
        Ok(())
    }

    fn visit_str(&mut self, value: &str) -> Result<(), kv::Error> {
        push_value(self.0, value);
        Ok(())
    }

    fn visit_u64(&mut self, value: u64) -> Result<(), kv::Error> {
        let _ = write!(self.0, "{value}");
        Ok(())
    }
}

/// RFC 3339 in UTC with microseconds. The calendar date is computed once per second and thread.
pub(super) fn push_time(line: &mut Vec<u8>, since_epoch: Duration) {
    thread_local!(static DATE: Cell<(u64, [u8; 20])> = const { Cell::new((u64::MAX, [0; 20])) });
    let second = since_epoch.as_secs();
    let (known, mut date) = DATE.get();
    if known != second {
        date = date_and_time(second);
        DATE.set((second, date));
    }
    let mut rest = since_epoch.subsec_micros();
    let mut micros = *b"000000Z";
    for digit in micros[..6].iter_mut().rev() {
        *digit += (rest % 10) as u8;
        rest /= 10;
    }
    line.extend_from_slice(&date);
    line.extend_from_slice(&micros);
}

/// `2026-11-24T03:33:57.`
fn date_and_time(second: u64) -> [u8; 20] {
    let DateTime {
        year,
        month,
        day,
        hour,
        minute,
        second,
    } = DateTime::at(second);
    let mut text = [0; 20];
    // Exactly twenty bytes: the clock stays within the calendar.
    let _ = write!(
        text.as_mut_slice(),
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.",
    );
    text
}

/// How harmful characters are written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Quoting {
    /// As in Rust: `\n`, `\u{202e}`.
    Text,
    /// As in a JSON string (RFC 8259, section 7), including quotes and backslashes.
    Json,
}

pub(super) fn push_args(line: &mut Vec<u8>, record: &Record<'_>, quoting: Quoting) {
    match record.args().as_str() {
        Some(text) => push_escaped(line, text, quoting),
        None => {
            let _ = write!(Escaped(line, quoting), "{}", record.args());
        }
    }
}

/// Escapes every character that moves the cursor, ends the line or changes the text direction.
pub(super) struct Escaped<'a>(pub(super) &'a mut Vec<u8>, pub(super) Quoting);

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        push_escaped(self.0, text, self.1);
        Ok(())
    }
}

pub(super) fn push_escaped(line: &mut Vec<u8>, text: &str, quoting: Quoting) {
    let json = quoting == Quoting::Json;
    let is_plain =
        |byte: u8| matches!(byte, b' '..=b'~') && !(json && matches!(byte, b'"' | b'\\'));
    // The common case. Without an early exit the compiler vectorises the loop.
    if text.bytes().fold(true, |all, byte| all & is_plain(byte)) {
        line.extend_from_slice(text.as_bytes());
        return;
    }
    let harmful = |c: char| is_harmful(c) || json && matches!(c, '"' | '\\');
    let mut rest = text;
    while let Some(at) = rest.find(harmful) {
        line.extend_from_slice(&rest.as_bytes()[..at]);
        let c = rest[at..].chars().next().expect("found there");
        let _ = match (quoting, c) {
            (Quoting::Text, _) => write!(line, "{}", c.escape_default()),
            (Quoting::Json, '"' | '\\' | '\n' | '\r' | '\t') => {
                write!(line, "{}", c.escape_default())
            }
            // All of them have four hex digits.
            (Quoting::Json, _) => write!(line, "\\u{:04x}", u32::from(c)),
        };
        rest = &rest[at + c.len_utf8()..];
    }
    line.extend_from_slice(rest.as_bytes());
}

/// Whether a character could move a terminal's cursor, end a line, or reorder the text beside it: control characters, line
/// and paragraph separators, and directional formatting characters. All of them have four hex digits.
pub fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_content_stays_on_one_line() {
        let moment = Duration::from_nanos(1_795_491_237_012_345_678);
        let fields = [
            ("peer", "1.2.3.4"),
            ("user", "a\u{202e}b\r\nfake INFO \"status=200\x1b[2J\u{7f}"),
        ];
        let mut line = Vec::new();
        text(
            &mut line,
            &Record::builder()
                .level(Level::Info)
                .target("sealgate")
                .args(format_args!("hello {}", "wörld\n"))
                .key_values(&fields)
                .build(),
            moment,
        );
        assert_eq!(
            String::from_utf8(line).unwrap(),
            "2026-11-24T03:33:57.012345Z INFO  hello wörld\\n peer=1.2.3.4 \
             user=\"a\\u202eb\\r\\nfake INFO \\\"status=200\\u001b[2J\\u007f\"\n"
        );
    }

    #[test]
    fn times_match_the_calendar() {
        let time = |second, micros: u32| {
            let mut line = Vec::new();
            push_time(&mut line, Duration::new(second, micros * 1000));
            String::from_utf8(line).unwrap()
        };
        assert_eq!(time(951_782_399, 999_999), "2000-02-28T23:59:59.999999Z");
        assert_eq!(time(951_782_400, 0), "2000-02-29T00:00:00.000000Z");
        assert_eq!(time(951_782_400, 120), "2000-02-29T00:00:00.000120Z");
        assert_eq!(time(0, 7), "1970-01-01T00:00:00.000007Z");
        assert_eq!(time(253_402_300_799, 0), "9999-12-31T23:59:59.000000Z");
        assert_eq!(time(u64::MAX, 0), "1970-01-01T00:00:00.000000Z");
    }
}
