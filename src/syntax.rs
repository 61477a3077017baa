//! Small rules of HTTP's grammar that several rooms go by.

/// Whether a text is a token (RFC 9110, section 5.6.2), as the names of header fields are.
pub(crate) fn is_token(text: &str) -> bool {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(token)
}
