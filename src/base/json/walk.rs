//! Finds the values of arrays and objects in a text that has been validated.

use memchr::memchr2;

/// Iterates over the values of an array, or alternately over names and values of an object, in a validated text.
pub(super) struct Walk<'a>(&'a str);

impl<'a> Walk<'a> {
    pub(super) fn into(value: &'a str, opening: char) -> Option<Self> {
        value.strip_prefix(opening).map(Walk)
    }
}

impl<'a> Iterator for Walk<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let between = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b',' | b':');
        let start = self.0.bytes().position(|byte| !between(&byte));
        let rest = &self.0[start.unwrap_or(self.0.len())..];
        if let None | Some(b']' | b'}') = rest.as_bytes().first() {
            self.0 = "";
            return None;
        }
        let (value, rest) = rest.split_at(length_of_value(rest.as_bytes()));
        self.0 = rest;
        Some(value)
    }
}

/// The length in bytes of the value at the start of a validated text.
fn length_of_value(text: &[u8]) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => at = end_of_string(text, at),
            b'[' | b'{' => {
                depth += 1;
                at += 1;
                continue;
            }
            b']' | b'}' => {
                depth = depth.saturating_sub(1);
                at += 1;
            }
            b',' | b':' | b' ' | b'\t' | b'\r' | b'\n' => {
                at += 1;
                continue;
            }
            _ => {
                at += text[at..]
                    .iter()
                    .position(|byte| matches!(byte, b',' | b']' | b'}' | ..=b' '))
                    .unwrap_or(text.len() - at);
            }
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// The end of the string that starts at `at` in a validated text.
fn end_of_string(text: &[u8], at: usize) -> usize {
    let mut at = at + 1;
    while let Some(stop) = text.get(at..).and_then(|rest| memchr2(b'"', b'\\', rest)) {
        at += stop;
        if text[at] == b'"' {
            return at + 1;
        }
        at += 2;
    }
    text.len()
}
