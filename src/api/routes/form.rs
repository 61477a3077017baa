//! Reads forms (`application/x-www-form-urlencoded`) and queries, which have the same syntax.

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

/// The only value of this name; `None` if there is none. Other names are ignored.
pub(super) fn value(form: &[u8], name: &str) -> Result<Option<String>, Fault> {
    let mut values = form.split(|byte| *byte == b'&').filter_map(|pair| {
        let rest = pair.strip_prefix(name.as_bytes())?;
        rest.strip_prefix(b"=")
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
        assert_eq!(value(b"a=1&bb=2&b", "b"), Ok(None));
        assert_eq!(value(b"", "b"), Ok(None));
        assert_eq!(value(b"b=1&a=2&b=1", "b"), Err(Fault::Repeated));
        assert_eq!(value(b"b=%zz", "b"), Err(Fault::Encoding));
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
