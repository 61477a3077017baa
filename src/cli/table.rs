//! Text for a terminal: aligned columns, times, and no control characters.

use sealgate::logging::is_harmful;
use time::OffsetDateTime;

/// Aligns rows in columns two spaces apart, without trailing spaces.
pub(super) fn aligned<const N: usize>(
    heading: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut widths = [0; N];
    let mut all = vec![heading.map(str::to_owned)];
    all.extend(rows);
    for row in &all {
        for (cell, widest) in row.iter().zip(&mut widths) {
            *widest = cell.chars().count().max(*widest);
        }
    }
    let mut text = String::new();
    for row in &all {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(&format!("{cell:<width$}  "));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// A number with a comma between thousands.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Formats seconds since 1970-01-01 UTC according to RFC 3339.
pub(super) fn rfc3339(seconds: u64) -> Option<String> {
    let moment = OffsetDateTime::from_unix_timestamp(seconds.try_into().ok()?).ok()?;
    let (hour, minute, second) = moment.to_hms();
    Some(format!(
        "{:04}-{:02}-{:02}T{hour:02}:{minute:02}:{second:02}Z",
        moment.year(),
        u8::from(moment.month()),
        moment.day()
    ))
}

pub(super) fn or_dash(text: String) -> String {
    match text.is_empty() {
        true => "-".to_owned(),
        false => text,
    }
}

/// Escapes characters that could move the cursor or change the direction of the text around them.
pub(super) fn harmless(text: &str) -> String {
    escaped(text, |c, shown| shown.extend(c.escape_default()))
}

/// The same for JSON, without changing its meaning.
pub(super) fn harmless_json(text: &str) -> String {
    escaped(text, |c, shown| match c {
        // Outside strings the only control characters are newlines.
        '\n' => shown.push(c),
        // Four hex digits fit every harmful character.
        _ => shown.push_str(&format!("\\u{:04x}", u32::from(c))),
    })
}

fn escaped(text: &str, escape: impl Fn(char, &mut String)) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match is_harmful(c) {
            true => escape(c, &mut shown),
            false => shown.push(c),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        assert_eq!(
            aligned(["A", "B", "C"], [["longer", "ü", ""].map(str::to_owned)]),
            "A       B  C\nlonger  ü\n"
        );
    }

    #[test]
    fn thousands_are_separated_by_commas() {
        let grouped = [0, 999, 1000, 12_345, 1_234_567].map(grouped);
        assert_eq!(grouped, ["0", "999", "1,000", "12,345", "1,234,567"]);
    }

    #[test]
    fn times_are_rfc_3339() {
        assert_eq!(rfc3339(0).unwrap(), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(1_795_491_237).unwrap(), "2026-11-24T03:33:57Z");
        assert_eq!(rfc3339(u64::MAX), None);
    }

    #[test]
    fn printed_text_cannot_control_a_terminal() {
        assert_eq!(
            harmless("a\x1b[2Jé\n\u{202e}\u{61c}"),
            "a\\u{1b}[2Jé\\n\\u{202e}\\u{61c}"
        );
        assert_eq!(
            harmless_json("{\n  \"a\": \"é\u{9b}2J\u{7f}\u{2066}\"\n}"),
            "{\n  \"a\": \"é\\u009b2J\\u007f\\u2066\"\n}"
        );
    }
}
