//! Entity tags in requests: whether a client has a representation already.

/// Whether a value of `If-None-Match` names this entity tag (RFC 9110, section 13.1.2).
pub(super) fn names(value: &[u8], etag: &str) -> bool {
    // A comma in another server's tag splits it, but no part of it then equals ours, quotes included.
    value.split(|byte| *byte == b',').any(|tag| {
        let tag = tag.trim_ascii();
        tag == b"*" || tag.strip_prefix(b"W/").unwrap_or(tag) == etag.as_bytes()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_found_in_a_list_and_compared_weakly() {
        for value in [r#""a""#, r#"W/"a""#, r#""b", "a""#, r#""b,c" ,W/"a" "#, "*"] {
            assert!(names(value.as_bytes(), r#""a""#), "{value}");
        }
        for value in [
            "",
            "a",
            r#""b""#,
            r#""A""#,
            r#"w/"a""#,
            r#""a"#,
            "\"\u{e4}\"",
        ] {
            assert!(!names(value.as_bytes(), r#""a""#), "{value}");
        }
    }
}
