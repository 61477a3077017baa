//! The header `traceparent`, which joins the log lines of several services that worked on one request.

/// The ids of a trace, as the caller sent them.
/// <https://www.w3.org/TR/trace-context-1/#traceparent-header>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceParent {
    trace: [u8; 32],
    span: [u8; 16],
}

impl TraceParent {
    /// Reads the header's value; `None` if it is not exactly as the standard wants it. Of versions other than 00 it reads
    /// the part that they have in common.
    pub fn parse(value: &[u8]) -> Option<Self> {
        let is_hex = |text: &[u8]| {
            let lower = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
            text.iter().all(lower)
        };
        let is_zero = |text: &[u8]| text.iter().all(|byte| *byte == b'0');
        let (known, rest) = value.split_at_checked(55)?;
        let (version, trace, span, flags) =
            (&known[..2], &known[3..35], &known[36..52], &known[53..]);
        let dashes = [2, 35, 52].into_iter().all(|at| known[at] == b'-');
        let numbers = [version, trace, span, flags].into_iter().all(is_hex);
        let ends = rest.is_empty() || (version != b"00" && rest.starts_with(b"-"));
        if !(dashes && numbers && ends) || version == b"ff" || is_zero(trace) || is_zero(span) {
            return None;
        }
        Some(TraceParent {
            trace: trace.try_into().ok()?,
            span: span.try_into().ok()?,
        })
    }

    /// The id of the whole trace: 32 hexadecimal digits.
    pub fn trace_id(&self) -> &str {
        std::str::from_utf8(&self.trace).unwrap_or_default()
    }

    /// The id of the caller's span: 16 hexadecimal digits.
    pub fn span_id(&self) -> &str {
        std::str::from_utf8(&self.span).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_standard_permits_is_read() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let read = TraceParent::parse(good.as_bytes()).unwrap();
        assert_eq!(read.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(read.span_id(), "00f067aa0ba902b7");
        let later = good.replacen("00", "cc", 1);
        for right in [
            later.clone(),
            format!("{later}-what-the-future-will-be-like"),
        ] {
            assert_eq!(TraceParent::parse(right.as_bytes()), Some(read), "{right}");
        }
        for wrong in [
            "".to_owned(),
            good[..54].to_owned(),
            format!("{good}-"),
            format!("{good}0"),
            format!("{later}."),
            good.replacen("00", "ff", 1),
            good.replacen("00", "0g", 1),
            good.to_uppercase(),
            good.replace('-', "_"),
            good.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            good.replace("00f067aa0ba902b7", &"0".repeat(16)),
            format!(" {good}"),
            good.replace("4bf92f", "\u{e4}\u{e4}\u{e4}"),
        ] {
            assert_eq!(TraceParent::parse(wrong.as_bytes()), None, "{wrong}");
        }
    }
}
