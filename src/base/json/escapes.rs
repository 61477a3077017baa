//! Escapes in JSON strings (RFC 8259, section 7).

use std::cmp::Ordering;
use std::str;

use memchr::memchr;

/// Whether a string contains escapes.
pub(super) fn has_escapes(written: &str) -> bool {
    memchr(b'\\', written.as_bytes()).is_some()
}

/// Compares strings, given as written, by their unescaped contents.
pub(super) fn compare(one: &str, other: &str) -> Ordering {
    match has_escapes(one) || has_escapes(other) {
        false => one.cmp(other),
        true => Unescaped(one).cmp(Unescaped(other)),
    }
}

/// The unescaped characters of a string; takes the text between the quotes, already validated.
pub(super) struct Unescaped<'a>(pub(super) &'a str);

impl Iterator for Unescaped<'_> {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        let mut characters = self.0.chars();
        let first = characters.next()?;
        self.0 = characters.as_str();
        if first != '\\' {
            return Some(first);
        }
        let (character, length) = escape(self.0.as_bytes())?;
        self.0 = &self.0[length..];
        Some(character)
    }
}

/// The character that an escape stands for, and how many bytes it has after the backslash; `rest` starts there.
pub(super) fn escape(rest: &[u8]) -> Option<(char, usize)> {
    let unit = |at: usize| {
        rest.get(at..at + 4)?.iter().try_fold(0_u16, |unit, digit| {
            let digit = char::from(*digit).to_digit(16)?;
            Some(unit << 4 | digit as u16)
        })
    };
    let character = match rest.first()? {
        letter @ (b'"' | b'\\' | b'/') => char::from(*letter),
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => {
            let high = unit(1)?;
            if let Some(character) = char::from_u32(high.into()) {
                return Some((character, 5));
            }
            // The first half of a surrogate pair.
            let low = rest[5..].strip_prefix(b"\\u").and_then(|_| unit(7))?;
            let character = char::decode_utf16([high, low]).next()?.ok()?;
            return Some((character, 11));
        }
        _ => return None,
    };
    Some((character, 1))
}
