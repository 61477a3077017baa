//! What messages for syslog and for systemd's journal have in common: their fields, bounded in length, their text and severity.

use log::kv::{self, Key, Value, VisitSource};
use log::{Level, Record};

use super::line::{Quoting, push_args, push_value};

/// Maximum length of a field's value, in bytes. A syslog message then stays below the 2048 bytes that every receiver should
/// accept (RFC 5424, section 6.1).
const LONGEST: usize = 128;

/// The program's name in syslog and in systemd's journal.
pub(super) const IDENTIFIER: &str = "sealgate";
/// Security and authorization messages that only administrators may read (RFC 5424, section 6.2.1; `authpriv`).
pub(super) const FACILITY: u8 = 10;

/// The name and value of a field.
pub(super) type Field = (String, String);

/// The record's fields. `form` changes each value, which is then cut to [`LONGEST`] bytes.
pub(super) fn fields(record: &Record<'_>, form: fn(String) -> String) -> Vec<Field> {
    let mut fields = Fields {
        form,
        found: Vec::new(),
    };
    // This visitor does not fail.
    let _ = record.key_values().visit(&mut fields);
    fields.found
}

struct Fields {
    form: fn(String) -> String,
    found: Vec<Field>,
}

impl<'kvs> VisitSource<'kvs> for Fields {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), kv::Error> {
        let mut value = (self.form)(value.to_string());
        let mut end = value.len().min(LONGEST);
        while !value.is_char_boundary(end) {
            end -= 1;
        }
        value.truncate(end);
        self.found.push((key.to_string(), value));
        Ok(())
    }
}

pub(super) fn value_of<'f>(fields: &'f [Field], name: &str) -> Option<&'f str> {
    let found = fields.iter().find(|(known, _)| known == name);
    found.map(|(_, value)| value.as_str())
}

/// The severity (RFC 5424, section 6.2.1): informational for what went well, notice for refusals and failures.
pub(super) fn severity(record: &Record<'_>, fields: &[Field]) -> u8 {
    match record.level() {
        Level::Error => 3,
        Level::Warn => 4,
        _ if value_of(fields, "result").is_none_or(|result| result == "ok") => 6,
        _ => 5,
    }
}

/// The text of the message and its fields, as in a line of the file.
pub(super) fn push_text(out: &mut Vec<u8>, record: &Record<'_>, fields: &[Field]) {
    push_args(out, record, Quoting::Text);
    for (name, value) in fields {
        out.push(b' ');
        out.extend_from_slice(name.as_bytes());
        out.push(b'=');
        push_value(out, value);
    }
}
