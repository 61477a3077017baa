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

/// The host in a `Host` header or the authority of an origin, without the port (RFC 9110, section 7.2).
pub(crate) fn host_of(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

/// Header fields that frame the response or control the connection; only the engine sets them.
const ENGINES: [&str; 7] = [
    "Connection",
    "Content-Length",
    "Date",
    "Keep-Alive",
    "Trailer",
    "Transfer-Encoding",
    "Upgrade",
];

/// Whether a field of this name is not the engines' alone to set.
pub(crate) fn may_be_set(name: &str) -> bool {
    !ENGINES.iter().any(|own| name.eq_ignore_ascii_case(own))
}

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
