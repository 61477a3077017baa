//! Reads forms (`application/x-www-form-urlencoded`) and queries, which have the same syntax.

use std::borrow::Cow;

use super::Text;
use crate::api::problem::Problem;

/// Why a value cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    Repeated,
    Encoding,
}

impl Fault {
    /// The sentence for clients.
    pub(super) fn about(self, name: &str) -> String {
        match self {
            Fault::Repeated => format!("{name} appears twice."),
            Fault::Encoding => format!("{name} is not correctly encoded."),
        }
    }
}

/// The values of these parameters, as OAuth reads them (RFC 6749, section 3.2): other names are ignored, a parameter without a
/// value counts as missing, and none may be there twice.
pub(super) fn parameters<const N: usize>(
    form: &[u8],
    names: [&'static str; N],
) -> Result<[Option<Text<'static>>; N], Problem> {
    let mut seen = [false; N];
    let mut values: [Option<Text<'static>>; N] = [const { None }; N];
    for pair in form.split(|byte| *byte == b'&') {
        let (name, value) = parts(pair);
        let name = unescape(name);
        let Some(at) = names
            .iter()
            .position(|known| name.as_deref() == Some(*known))
        else {
            continue;
        };
        let wrong = |fault: Fault| Problem::oauth("invalid_request", fault.about(names[at]));
        if std::mem::replace(&mut seen[at], true) {
            return Err(wrong(Fault::Repeated));
        }
        let text = unescape(value).ok_or_else(|| wrong(Fault::Encoding))?;
        if !text.is_empty() {
            values[at] = Some(Text(Cow::Owned(text)));
        }
    }
    Ok(values)
}

/// Name and value; without a `=` the value is empty.
fn parts(pair: &[u8]) -> (&[u8], &[u8]) {
    match pair.iter().position(|byte| *byte == b'=') {
        Some(at) => (&pair[..at], &pair[at + 1..]),
        None => (pair, &[]),
    }
}

/// The only value of this name, which may be empty; `None` if there is none. Other names are ignored.
pub(super) fn value(form: &[u8], name: &str) -> Result<Option<String>, Fault> {
    let mut values = form.split(|byte| *byte == b'&').filter_map(|pair| {
        let (known, value) = parts(pair);
        let escaped = || known.contains(&b'%') && unescape(known).as_deref() == Some(name);
        (known == name.as_bytes() || escaped()).then_some(value)
    });
    let Some(found) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(Fault::Repeated);
    }
    unescape(found).map(Some).ok_or(Fault::Encoding)
}

/// Decodes a form value.
pub(super) fn unescape(value: &[u8]) -> Option<String> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let mut text = Vec::with_capacity(value.len());
    let mut rest = value.iter();
    while let Some(byte) = rest.next() {
        text.push(match byte {
            b'+' => b' ',
            b'%' => (digit(rest.next()?)? << 4 | digit(rest.next()?)?) as u8,
            other => *other,
        });
    }
    String::from_utf8(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_value() {
        assert_eq!(value(b"a=1&ab=2&b=3+4", "b"), Ok(Some("3 4".to_owned())));
        assert_eq!(value(b"a=1&bb=2", "b"), Ok(None));
        assert_eq!(value(b"a=1&b", "b"), Ok(Some(String::new())));
        assert_eq!(value(b"%62=1", "b"), Ok(Some("1".to_owned())));
        assert_eq!(value(b"b=1&%62=1", "b"), Err(Fault::Repeated));
        assert_eq!(value(b"", "b"), Ok(None));
        assert_eq!(value(b"b=1&a=2&b=1", "b"), Err(Fault::Repeated));
        assert_eq!(value(b"b=%zz", "b"), Err(Fault::Encoding));
    }

    /// What [`parameters`] makes of the parameters a and b.
    fn read(form: &str) -> Result<[Option<String>; 2], String> {
        match parameters(form.as_bytes(), ["a", "b"]) {
            Ok(values) => Ok(values.map(|value| value.map(|text| text.to_string()))),
            Err(problem) => {
                assert_eq!((problem.status(), problem.code()), (400, "invalid_request"));
                Err(String::new())
            }
        }
    }

    #[test]
    fn parameters_are_read_once_and_empty_ones_are_missing() {
        let some = |text: &str| Some(text.to_owned());
        for (form, a, b) in [
            ("", None, None),
            ("a=1&b=2", some("1"), some("2")),
            ("b=x%26y&c=3&c=4", None, some("x&y")),
            ("a=&b", None, None),
            ("%61=1", some("1"), None),
            ("A=1&aa=2&=3&&%zz=4", None, None),
            ("a=b=c", some("b=c"), None),
            ("a=+%2B+", some(" + "), None),
        ] {
            assert_eq!(read(form), Ok([a, b]), "{form}");
        }
        for wrong in [
            "a=1&a=1",
            "a=&a=1",
            "a&a",
            "a=1&%61=1",
            "b=%ff",
            "b=%",
            "b=%zz",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn form_values_are_decoded() {
        assert_eq!(unescape(b"a.b-c_d").as_deref(), Some("a.b-c_d"));
        assert_eq!(unescape(b"a%2Eb+%c3%A4").as_deref(), Some("a.b \u{e4}"));
        for wrong in [&b"%"[..], b"%2", b"%zz", b"%-1", b"%ff", b"\xff"] {
            assert_eq!(unescape(wrong), None);
        }
    }
}
