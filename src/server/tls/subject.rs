//! A client's name in one line for the log: the subject of its certificate in RFC 4514 format, most specific part
//! first, `CN=alice,O=Example`. Special and unprintable characters are escaped, so no name can look like another.

use std::fmt::Write;

use openssl::nid::Nid;
use openssl::x509::{X509NameEntryRef, X509Ref};

/// Longer names are truncated and end with dots.
const MAX_LENGTH: usize = 256;
const CUT: &str = "...";
/// If there is neither a subject nor another name.
const NAMELESS: &str = "(no name)";

pub(super) fn of(certificate: &X509Ref) -> Box<str> {
    let mut parts: Vec<String> = certificate
        .subject_name()
        .entries()
        .map(attribute)
        .collect();
    parts.reverse();
    let mut name = parts.join(",");
    if name.is_empty() {
        name = other_name(certificate).unwrap_or_else(|| NAMELESS.to_owned());
    }
    if name.len() > MAX_LENGTH {
        let most = MAX_LENGTH - CUT.len();
        let whole = (0..=most).rev().find(|&end| name.is_char_boundary(end));
        name.truncate(whole.unwrap_or(0));
        name.push_str(CUT);
    }
    name.into()
}

fn attribute(entry: &X509NameEntryRef) -> String {
    let object = entry.object();
    let name = match object.nid() {
        Nid::UNDEF => object.to_string(),
        nid => nid
            .short_name()
            .map_or_else(|_| object.to_string(), str::to_owned),
    };
    // Unlike a C string, this does not end at a NUL.
    let value = match entry.data().to_string() {
        Ok(value) => escaped(&value),
        Err(_) => hex(entry.data().as_slice()),
    };
    format!("{name}={value}")
}

/// Machine certificates often have no subject, but another kind of name (RFC 5280, section 4.2.1.6).
fn other_name(certificate: &X509Ref) -> Option<String> {
    certificate.subject_alt_names()?.iter().find_map(|name| {
        let kinds = [
            ("URI", name.uri()),
            ("DNS", name.dnsname()),
            ("email", name.email()),
        ];
        let (kind, value) = kinds.into_iter().find(|(_, value)| value.is_some())?;
        Some(format!("{kind}={}", escaped(value?)))
    })
}

/// RFC 4514, section 2.4; unprintable characters are escaped too.
fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    let last = value.chars().count().saturating_sub(1);
    for (place, c) in value.chars().enumerate() {
        match c {
            ',' | '+' | '"' | '\\' | '<' | '>' | ';' | '=' => text.extend(['\\', c]),
            '#' if place == 0 => text.push_str("\\#"),
            ' ' if place == 0 || place == last => text.push_str("\\ "),
            c if shows(c) => text.push(c),
            c => {
                for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                    let _ = write!(text, "\\{byte:02X}");
                }
            }
        }
    }
    text
}

/// False for characters that break lines, are invisible, or change the writing direction.
fn shows(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{AD}' | '\u{61C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E0FFF}')
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold("#".to_owned(), |mut text, byte| {
        let _ = write!(text, "{byte:02X}");
        text
    })
}
