//! Parts of HTTP's grammar that several modules use.

/// Whether a text is a token (RFC 9110, section 5.6.2), like the names of header fields.
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| TOKEN[usize::from(byte)])
}

/// The bytes allowed in a token.
const TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = matches!(
            byte as u8,
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.'
                | b'^' | b'_' | b'`' | b'|' | b'~'
        );
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_contain_no_separators() {
        assert!(is_token("!#$%&'*+-.^_`|~09azAZ"));
        for text in [
            "", "a b", "a\t", "a:", "(a", "a\"", "ä", "a\u{7f}", "a@b", "[", "]", "{", "}", "/",
            "\\",
        ] {
            assert!(!is_token(text), "{text}");
        }
    }
}
