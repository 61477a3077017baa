//! Masking: the public `mask_data`, and the shorter form that log lines use.

use std::fmt;

/// How many characters `mask_data` leaves visible by default.
pub const DEFAULT_VISIBLE_CHARS: usize = 3;

/// Replaces all but the first `visible_chars` characters by `*`, one for one.
///
/// Characters are Unicode scalar values, not bytes. Text that is not longer than `visible_chars` is returned unchanged.
///
/// ```
/// assert_eq!(sealgate::mask("my_password", 3), "my_********");
/// assert_eq!(sealgate::mask("né", 1), "n*");
/// ```
pub fn mask(data: &str, visible_chars: usize) -> String {
    match data.char_indices().nth(visible_chars) {
        None => data.to_owned(),
        Some((end_of_visible, _)) => {
            let hidden = data[end_of_visible..].chars().count();
            let mut masked = String::with_capacity(end_of_visible + hidden);
            masked.push_str(&data[..end_of_visible]);
            masked.extend(std::iter::repeat_n('*', hidden));
            masked
        }
    }
}

/// What a log line may show of a name or a path: at most its first three characters, at most a third of it, and not its
/// length.
pub(crate) struct MaskedForLog<'a>(pub(crate) &'a str);

impl fmt::Display for MaskedForLog<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Ten characters are enough to decide: a third of nine is three.
        let visible = self.0.chars().take(10).count() / 3;
        let end = self
            .0
            .char_indices()
            .nth(visible.min(DEFAULT_VISIBLE_CHARS))
            .map_or(self.0.len(), |(end, _)| end);
        f.write_str(&self.0[..end])?;
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_text_is_returned_unchanged() {
        assert_eq!(mask("", 3), "");
        assert_eq!(mask("abc", 3), "abc");
        assert_eq!(mask("abc", usize::MAX), "abc");
        assert_eq!(mask("abc", 0), "***");
    }

    #[test]
    fn log_lines_show_at_most_a_third() {
        let mask_for_log = |name: &str| MaskedForLog(name).to_string();
        assert_eq!(mask_for_log(""), "***");
        assert_eq!(mask_for_log("ab"), "***");
        assert_eq!(mask_for_log("bob"), "b***");
        assert_eq!(mask_for_log("alice"), "a***");
        assert_eq!(mask_for_log("test_user"), "tes***");
        assert_eq!(mask_for_log(&"x".repeat(256)), "xxx***");
        assert_eq!(mask_for_log("日本語日本語"), "日本***");
    }
}
