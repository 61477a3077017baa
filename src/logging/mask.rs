//! Masking: the public `mask_data`, and the shorter form that log lines use.

use std::fmt;

use crate::base::api_key::{PREFIX, secrets_in};

/// How many characters `mask_data` leaves visible by default.
pub const DEFAULT_VISIBLE_CHARS: usize = 3;

/// Replaces all but the first `visible_chars` characters by `*`, one for one.
///
/// Characters are Unicode scalar values, not bytes. Text that is not longer than `visible_chars` is returned unchanged. Of an
/// API key no more than its id stays visible, whatever `visible_chars` is.
///
/// ```
/// assert_eq!(sealgate::mask("my_password", 3), "my_********");
/// assert_eq!(sealgate::mask("né", 1), "n*");
/// ```
pub fn mask(data: &str, visible_chars: usize) -> String {
    let end = data.char_indices().nth(visible_chars);
    let (visible, hidden) = data.split_at(end.map_or(data.len(), |(end, _)| end));
    let hidden = hidden.chars().count();
    let mut masked = String::with_capacity(visible.len() + hidden);
    match visible.contains(PREFIX) {
        true => push_without_keys(data, visible.len(), &mut masked),
        false => masked.push_str(visible),
    }
    masked.extend(std::iter::repeat_n('*', hidden));
    masked
}

/// Appends the first `end` bytes of a text, with the secrets of API keys masked.
fn push_without_keys(data: &str, end: usize, masked: &mut String) {
    let mut from = 0;
    for secret in secrets_in(data) {
        let (start, stop) = (secret.start.min(end), secret.end.min(end));
        masked.push_str(&data[from..start]);
        masked.extend(std::iter::repeat_n('*', stop - start));
        from = stop;
    }
    masked.push_str(&data[from..end]);
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
    fn of_an_api_key_no_more_than_the_id_is_ever_visible() {
        let key = crate::base::api_key::new_key().unwrap();
        let (id, stars) = (&key[..15], "*".repeat(49));
        for visible in [0, 3, 14, 15, 16, 40, 64, usize::MAX] {
            let shown = id.get(..visible).unwrap_or(id);
            let expected = format!("{shown}{}", "*".repeat(64 - shown.len()));
            assert_eq!(mask(&key, visible), expected, "{visible}");
        }
        let line = format!("é: {} and {}.", *key, *key);
        let all = format!("é: {id}{stars} and {id}{stars}.");
        assert_eq!(mask(&line, 1_000), all);
        assert_eq!(mask(&line, 30), format!("é: {id}{}", "*".repeat(119)));
        // What only begins like a key is text like any other.
        for text in ["sg_", "msg_1", &key[..40]] {
            assert_eq!(mask(text, 100), text);
        }
        let log = MaskedForLog(&key).to_string();
        assert_eq!(log, "sg_***");
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
