//! Messages for syslog (RFC 5424): the event's fields as structured data, then the text of a line of the file.

use std::io::Write as _;
use std::process;
use std::time::Duration;

use log::Record;

use super::fields::{FACILITY, IDENTIFIER, fields, push_text, severity, value_of};
use super::line::{Quoting, push_escaped, push_time};

/// The name of the structured data (RFC 5424, section 6.3.2). Names without an `@` are IANA's to assign, and Sealgate has no
/// private enterprise number: this one is reserved for programs without (RFC 5612).
const STRUCTURE: &str = "sealgate@32473";
/// Where there is nothing (`NILVALUE`).
const NOTHING: &str = "-";
/// Announces text in UTF-8 (section 6.4).
const BOM: &[u8] = b"\xef\xbb\xbf";

/// Writes a message and a line feed, which ends it in a stream (RFC 6587, section 3.4.2). There is no other line feed in it.
pub(super) fn message(out: &mut Vec<u8>, record: &Record<'_>, since_epoch: Duration) {
    let fields = fields(record, on_one_line);
    let priority = FACILITY * 8 + severity(record, &fields);
    // Writing to memory does not fail, here and below.
    let _ = write!(out, "<{priority}>1 ");
    push_time(out, since_epoch);
    let event = value_of(&fields, "event").unwrap_or(NOTHING);
    let _ = write!(
        out,
        " {} {IDENTIFIER} {} {event} ",
        host_name(),
        process::id()
    );
    if fields.is_empty() {
        out.extend_from_slice(NOTHING.as_bytes());
    } else {
        let _ = write!(out, "[{STRUCTURE}");
        for (name, value) in &fields {
            let _ = write!(out, " {name}=\"");
            push_parameter(out, value);
            out.push(b'"');
        }
        out.push(b']');
    }
    let mut text = Vec::new();
    push_text(&mut text, record, &fields);
    out.push(b' ');
    if !text.is_ascii() {
        out.extend_from_slice(BOM);
    }
    out.extend_from_slice(&text);
    out.push(b'\n');
}

fn on_one_line(value: String) -> String {
    let mut escaped = Vec::new();
    push_escaped(&mut escaped, &value, Quoting::Text);
    String::from_utf8(escaped).unwrap_or_default()
}

/// A parameter's value (section 6.3.3): quotes, backslashes and closing brackets are escaped.
fn push_parameter(out: &mut Vec<u8>, value: &str) {
    for byte in value.bytes() {
        if matches!(byte, b'"' | b'\\' | b']') {
            out.push(b'\\');
        }
        out.push(byte);
    }
}

fn host_name() -> String {
    #[cfg(unix)]
    let name = {
        let system = rustix::system::uname();
        String::from_utf8_lossy(system.nodename().to_bytes()).into_owned()
    };
    #[cfg(not(unix))]
    let name = String::new();
    let fits = (1..=255).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic());
    match fits {
        true => name,
        false => NOTHING.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use log::Level;

    fn written(fields: &[(&str, &str)]) -> String {
        let mut out = Vec::new();
        let record = Record::builder()
            .level(Level::Info)
            .args(format_args!("audit"))
            .key_values(&fields)
            .build();
        message(
            &mut out,
            &record,
            Duration::from_nanos(1_795_491_237_012_345_678),
        );
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn an_event_is_a_message_with_structured_data() {
        let fields = [
            ("event", "login"),
            ("result", "login_failed"),
            ("user", "ali***"),
        ];
        let expected = format!(
            "<85>1 2026-11-24T03:33:57.012345Z {} sealgate {} login \
             [sealgate@32473 event=\"login\" result=\"login_failed\" user=\"ali***\"] \
             audit event=login result=login_failed user=ali***\n",
            host_name(),
            process::id()
        );
        assert_eq!(written(&fields), expected);
        assert!(written(&[("event", "logout"), ("result", "ok")]).starts_with("<86>1 "));
        let bare = written(&[]);
        assert!(bare.ends_with(" - - audit\n"), "{bare}");
    }

    #[test]
    fn no_value_ends_the_message_or_its_parameter() {
        let user = "a\"]\\b\n\0<0>1 - - - - - -\r\u{2028}\u{202e}é";
        let text = written(&[("event", "login"), ("user", user)]);
        let (message, end) = text.split_at(text.len() - 1);
        assert_eq!(end, "\n");
        assert!(!message.contains(|c: char| c.is_control() || c == '\u{2028}' || c == '\u{202e}'));
        assert!(
            message
                .contains(r#" user="a\"\]\\b\\n\\u{0}<0>1 - - - - - -\\r\\u{2028}\\u{202e}é"] "#),
            "{message}"
        );
        // What follows the structured data is text in UTF-8, and says so.
        assert!(
            message.contains("] \u{feff}audit event=login user="),
            "{message}"
        );
    }

    #[test]
    fn a_message_stays_below_2048_bytes() {
        let names = [
            "event", "result", "user", "who", "peer", "key", "trace", "span", "id",
        ];
        for hostile in ["\u{1}", "\"", "\\", "]", "\u{202e}", "日", "x"] {
            let long = hostile.repeat(4096);
            // Of these two a program decides; the others are short.
            let value = |name| match name {
                "peer" | "id" => long.as_str(),
                _ => "0123456789abcdef0123456789abcdef",
            };
            let text = written(&names.map(|name| (name, value(name))));
            assert!(text.len() < 2048, "{}: {text}", text.len());
        }
    }
}
