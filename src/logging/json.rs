//! The JSON format of a line: one object (RFC 8259) with time, level, target and message, then the fields.

use std::fmt::Write as _;
use std::io::Write as _;
use std::ops::Range;
use std::time::Duration;

use log::Record;
use log::kv::{self, Key, Value, VisitSource, VisitValue};

use super::line::{Escaped, Quoting, push_args, push_escaped, push_time};

/// The members of every line.
const FIXED: [&[u8]; 4] = [b"time", b"level", b"target", b"message"];

pub(super) fn json(line: &mut Vec<u8>, record: &Record<'_>, since_epoch: Duration) {
    line.extend_from_slice(br#"{"time":""#);
    push_time(line, since_epoch);
    line.extend_from_slice(br#"","level":""#);
    line.extend_from_slice(record.level().as_str().as_bytes());
    line.extend_from_slice(br#"","target":""#);
    push_escaped(line, record.target(), Quoting::Json);
    line.extend_from_slice(br#"","message":""#);
    push_args(line, record, Quoting::Json);
    line.push(b'"');
    let mut fields = Fields {
        line,
        names: Vec::new(),
    };
    // Neither the visitor nor a write to memory fails.
    let _ = record.key_values().visit(&mut fields);
    line.extend_from_slice(b"}\n");
}

struct Fields<'a> {
    line: &'a mut Vec<u8>,
    /// The positions of this line's field names in it.
    names: Vec<Range<usize>>,
}

impl Fields<'_> {
    fn is_taken(&self, name: Range<usize>) -> bool {
        let name = &self.line[name];
        FIXED.contains(&name)
            || self
                .names
                .iter()
                .any(|known| self.line[known.clone()] == *name)
    }

    fn push_string(&mut self, value: std::fmt::Arguments<'_>) {
        self.line.push(b'"');
        let _ = Escaped(self.line, Quoting::Json).write_fmt(value);
        self.line.push(b'"');
    }
}

impl<'kvs> VisitSource<'kvs> for Fields<'_> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), kv::Error> {
        self.line.extend_from_slice(b",\"");
        let start = self.line.len();
        push_escaped(self.line, key.as_str(), Quoting::Json);
        // Parsers differ in which of two members with the same name they use.
        while self.is_taken(start..self.line.len()) {
            self.line.push(b'_');
        }
        self.names.push(start..self.line.len());
        self.line.extend_from_slice(b"\":");
        value.visit(self)
    }
}

impl<'v> VisitValue<'v> for Fields<'_> {
    fn visit_any(&mut self, value: Value<'_>) -> Result<(), kv::Error> {
        self.push_string(format_args!("{value}"));
        Ok(())
    }

    fn visit_null(&mut self) -> Result<(), kv::Error> {
        self.line.extend_from_slice(b"null");
        Ok(())
    }

    fn visit_str(&mut self, value: &str) -> Result<(), kv::Error> {
        self.line.push(b'"');
        push_escaped(self.line, value, Quoting::Json);
        self.line.push(b'"');
        Ok(())
    }

    fn visit_bool(&mut self, value: bool) -> Result<(), kv::Error> {
        let _ = write!(self.line, "{value}");
        Ok(())
    }

    fn visit_u64(&mut self, value: u64) -> Result<(), kv::Error> {
        let _ = write!(self.line, "{value}");
        Ok(())
    }

    fn visit_i64(&mut self, value: i64) -> Result<(), kv::Error> {
        let _ = write!(self.line, "{value}");
        Ok(())
    }

    fn visit_f64(&mut self, value: f64) -> Result<(), kv::Error> {
        if value.is_finite() {
            let _ = write!(self.line, "{value}");
        } else {
            // JSON has no such numbers.
            self.push_string(format_args!("{value}"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use log::Level;

    fn line(message: &str, fields: &[(&str, Value<'_>)]) -> String {
        let mut line = Vec::new();
        json(
            &mut line,
            &Record::builder()
                .level(Level::Warn)
                .target("sealgate::test")
                .args(format_args!("{message}"))
                .key_values(&fields)
                .build(),
            Duration::from_nanos(1_795_491_237_012_345_678),
        );
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn numbers_are_numbers_and_text_is_text() {
        let fields = [
            ("status", Value::from(200_u16)),
            ("below", Value::from(-7_i64)),
            ("share", Value::from(0.5)),
            ("none", Value::null()),
            ("yes", Value::from(true)),
            ("nan", Value::from(f64::NAN)),
            ("user", Value::from("tes***")),
            ("peer", Value::from_display(&"::1")),
        ];
        assert_eq!(
            line("request", &fields),
            concat!(
                r#"{"time":"2026-11-24T03:33:57.012345Z","level":"WARN","target":"sealgate::test","message":"request","#,
                r#""status":200,"below":-7,"share":0.5,"none":null,"yes":true,"nan":"NaN","user":"tes***","peer":"::1"}"#,
                "\n"
            )
        );
    }

    #[test]
    fn any_content_gives_one_valid_line() {
        let mut nasty: String = (0..0x300_u32).filter_map(char::from_u32).collect();
        nasty += "\u{61c}\u{202e}\u{2028}\u{2066}\u{feff}\u{10ffff}日本\"}\n{\"level\":\"ERROR\"";
        let fields = [(nasty.as_str(), Value::from(nasty.as_str()))];
        let line = line(&nasty, &fields);
        let (body, end) = line.split_at(line.len() - 1);
        assert_eq!(end, "\n");
        assert!(!body.contains(|c: char| c.is_control() || c == '\u{202e}' || c == '\u{2028}'));
        let read: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(read["message"], nasty.as_str());
        assert_eq!(read[&nasty], nasty.as_str());
        assert_eq!(read["level"], "WARN");
    }

    #[test]
    fn no_object_has_duplicate_members() {
        let fields = ["level", "level", "level_", "a", "a", "time"].map(|name| (name, 1.into()));
        let line = line("said", &fields);
        assert!(
            line.ends_with(
                r#""message":"said","level_":1,"level__":1,"level___":1,"a":1,"a_":1,"time_":1}
"#
            ),
            "{line}"
        );
    }
}
