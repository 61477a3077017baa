//! The chunked transfer coding (RFC 9112, section 7.1): decodes bytes as they arrive. No I/O.
//!
//! Strict where two parsers could disagree: sizes are hex digits and nothing else, lines end with CR LF, and the
//! overhead of the coding is bounded.

use memchr::memchr;

use crate::api::Problem;
use crate::base::http_syntax::is_token;
use crate::server::buffer::append;

/// Longest line with a chunk's size and its extensions, in bytes.
const MAX_LINE: usize = 1024;

/// A chunked body being received.
#[derive(Debug)]
pub(super) struct Chunked {
    body: Vec<u8>,
    at: At,
    /// Maximum size of the body, in bytes.
    max_body: usize,
    /// Bytes that extensions and trailers may still take.
    extra_left: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Size,
    Data { left: usize },
    DataEnd,
    Trailers,
    End,
}

impl Chunked {
    /// `max_extra`: maximum size of all extensions and trailers together, in bytes.
    pub(super) fn new(max_body: usize, max_extra: usize) -> Self {
        Chunked {
            body: Vec::new(),
            at: At::Size,
            max_body,
            extra_left: max_extra,
        }
    }

    /// Consumes as much of `input` as it can, from the beginning, and returns the number of bytes consumed.
    pub(super) fn take(&mut self, input: &[u8]) -> Result<usize, Problem> {
        let mut used = 0;
        loop {
            let rest = &input[used..];
            used += match self.at {
                At::Size => match line(rest, MAX_LINE)? {
                    Some(line) => self.begin_chunk(line)?,
                    None => return Ok(used),
                },
                At::Data { left } => {
                    if left > self.room() {
                        return Err(Problem::body_too_large(self.max_body));
                    }
                    let part = &rest[..left.min(rest.len())];
                    append(&mut self.body, part, self.max_body);
                    self.at = match left - part.len() {
                        0 => At::DataEnd,
                        left => At::Data { left },
                    };
                    if self.at != At::DataEnd {
                        return Ok(used + part.len());
                    }
                    part.len()
                }
                At::DataEnd => match rest {
                    [b'\r', b'\n', ..] => {
                        self.at = At::Size;
                        2
                    }
                    [] | [b'\r'] => return Ok(used),
                    _ => return Err(malformed()),
                },
                At::Trailers => match line(rest, self.extra_left)? {
                    Some(line) => self.trailer(line)?,
                    None => return Ok(used),
                },
                At::End => return Ok(used),
            };
        }
    }

    /// Lowers the limit on the body's size.
    pub(super) fn limit_body(&mut self, most: usize) {
        self.max_body = self.max_body.min(most);
    }

    /// How many more bytes the body may have.
    fn room(&self) -> usize {
        self.max_body.saturating_sub(self.body.len())
    }

    /// Whether the whole body has been received.
    pub(super) fn is_complete(&self) -> bool {
        self.at == At::End
    }

    /// Memory used by the body, in bytes.
    pub(super) fn memory(&self) -> usize {
        self.body.capacity()
    }

    pub(super) fn into_body(self) -> Vec<u8> {
        self.body
    }

    fn begin_chunk(&mut self, line: &[u8]) -> Result<usize, Problem> {
        let digits = line
            .iter()
            .take_while(|byte| byte.is_ascii_hexdigit())
            .count();
        let (size, extensions) = line.split_at(digits);
        if size.is_empty() || !is_extension(extensions) {
            return Err(malformed());
        }
        self.extra_left = self
            .extra_left
            .checked_sub(extensions.len())
            .ok_or_else(Problem::head_too_large)?;
        // A size that overflows is too large, not malformed.
        let size = std::str::from_utf8(size)
            .ok()
            .and_then(|size| usize::from_str_radix(size, 16).ok())
            .filter(|size| *size <= self.room())
            .ok_or_else(|| Problem::body_too_large(self.max_body))?;
        self.at = match size {
            0 => At::Trailers,
            left => At::Data { left },
        };
        Ok(line.len() + 2)
    }

    /// Trailers are checked and dropped: nothing may depend on a field that comes after the body.
    fn trailer(&mut self, line: &[u8]) -> Result<usize, Problem> {
        if line.is_empty() {
            self.at = At::End;
            return Ok(2);
        }
        let colon = memchr(b':', line).ok_or_else(malformed)?;
        let name = std::str::from_utf8(&line[..colon]).map_err(|_| malformed())?;
        if !is_token(name) || line[colon..].iter().any(|byte| is_control(*byte)) {
            return Err(malformed());
        }
        self.extra_left = self
            .extra_left
            .checked_sub(line.len() + 2)
            .ok_or_else(Problem::head_too_large)?;
        Ok(line.len() + 2)
    }
}

/// The first line without its line end, once it is complete; an error if it is longer than `longest` or lacks the CR.
fn line(input: &[u8], longest: usize) -> Result<Option<&[u8]>, Problem> {
    let Some(end) = memchr(b'\n', input) else {
        // One more byte for the CR.
        return if input.len() > longest + 1 {
            Err(Problem::head_too_large())
        } else {
            Ok(None)
        };
    };
    match input[..end].strip_suffix(b"\r") {
        Some(line) if line.len() > longest => Err(Problem::head_too_large()),
        Some(line) => Ok(Some(line)),
        None => Err(malformed()),
    }
}

/// Empty, or starts like `;name=value` and has no control characters.
fn is_extension(text: &[u8]) -> bool {
    let spaces = text
        .iter()
        .take_while(|byte| matches!(byte, b' ' | b'\t'))
        .count();
    text.is_empty()
        || (text.get(spaces) == Some(&b';') && !text.iter().any(|byte| is_control(*byte)))
}

fn is_control(byte: u8) -> bool {
    byte.is_ascii_control() && byte != b'\t'
}

fn malformed() -> Problem {
    Problem::bad_request("The chunks of the body are malformed.")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The body and the number of bytes consumed; `None` if it was refused.
    fn decode(input: &[u8], step: usize) -> Option<(Vec<u8>, usize)> {
        let mut chunked = Chunked::new(1000, 200);
        let mut kept = Vec::new();
        let mut used = 0;
        for part in input.chunks(step) {
            kept.extend_from_slice(part);
            let taken = chunked.take(&kept).ok()?;
            kept.drain(..taken);
            used += taken;
        }
        chunked.is_complete().then(|| (chunked.into_body(), used))
    }

    #[test]
    fn a_body_reads_the_same_however_it_is_split() {
        let input = b"5;a=\"b\"\r\nhello\r\n00A \t;x\r\n 123456789\r\n0\r\nX-Trailer: y\r\n\r\nGET";
        for step in 1..input.len() {
            let (body, used) = decode(input, step).unwrap();
            assert_eq!(body, b"hello 123456789", "{step}");
            assert_eq!(used, input.len() - 3, "{step}");
        }
    }

    #[test]
    fn ambiguous_bodies_are_refused() {
        for wrong in [
            "\r\n",
            "g\r\n",
            "-1\r\n",
            "+1\r\n",
            " 1\r\na\r\n",
            "0x1\r\na\r\n",
            "1 1\r\na\r\n",
            "1 \r\na\r\n",
            "1\r;x\r\na\r\n",
            "1\na\r\n",
            "1\r\nab\r\n",
            "1\r\na\n0\r\n\r\n",
            "1\r\na\r\r",
            "1;\0\r\n",
            "1;a\rb\r\n",
            "0\r\n: x\r\n\r\n",
            "0\r\nA b: x\r\n\r\n",
            "0\r\n x\r\n\r\n",
            "0\r\nA: x\n\r\n",
            "1_0\r\n",
        ] {
            for step in [1, 100] {
                assert_eq!(decode(wrong.as_bytes(), step), None, "{wrong:?}");
                let mut chunked = Chunked::new(1000, 200);
                assert!(chunked.take(wrong.as_bytes()).is_err(), "{wrong:?}");
            }
        }
    }

    #[test]
    fn sizes_beyond_the_limit_are_refused_before_any_data() {
        for size in [
            "3e9",
            "ffffffff",
            "ffffffffffffffff",
            "fffffffffffffffffffffff",
        ] {
            let mut chunked = Chunked::new(1000, 200);
            assert!(chunked.take(format!("{size}\r\n").as_bytes()).is_err());
        }
        let mut chunked = Chunked::new(1000, 200);
        let two = format!("1f4\r\n{0}\r\n1f4\r\n{0}\r\n", "x".repeat(500));
        chunked.take(two.as_bytes()).unwrap();
        assert!(chunked.take(b"1\r\n").is_err());
    }

    #[test]
    fn a_limit_is_only_ever_lowered() {
        for (limit, size, refused) in [
            (16, "10", false),
            (16, "11", true),
            (2000, "3e8", false),
            (2000, "3e9", true),
        ] {
            let mut chunked = Chunked::new(1000, 200);
            chunked.limit_body(limit);
            let taken = chunked.take(format!("{size}\r\n").as_bytes());
            assert_eq!(taken.is_err(), refused, "{limit} {size}");
        }
    }

    /// Whether `text` is accepted, which has to be the same wherever it is split.
    fn is_accepted(text: &str, max_extra: usize) -> bool {
        let accepted = |at: usize| {
            let mut chunked = Chunked::new(1000, max_extra);
            let Ok(used) = chunked.take(&text.as_bytes()[..at]) else {
                return false;
            };
            chunked.take(&text.as_bytes()[used..]).is_ok()
        };
        let whole = accepted(text.len());
        for at in 0..text.len() {
            assert_eq!(accepted(at), whole, "split at {at}");
        }
        whole
    }

    #[test]
    fn the_longest_lines_are_accepted_and_one_byte_more_is_not() {
        for more in 0..3 {
            let size = format!("1;{}\r\nx\r\n", "a".repeat(MAX_LINE - 2 + more));
            assert_eq!(is_accepted(&size, 10_000), more == 0, "{more} too long");
            // With its line end, which counts.
            let trailer = format!("0\r\nA:{}\r\n\r\n", "a".repeat(200 - 4 + more));
            assert_eq!(is_accepted(&trailer, 200), more == 0, "{more} too long");
            let two = format!("0\r\nB:\r\nA:{}\r\n\r\n", "a".repeat(200 - 8 + more));
            assert_eq!(is_accepted(&two, 200), more == 0, "{more} too long");
        }
    }

    #[test]
    fn the_overhead_of_the_coding_is_bounded() {
        let mut chunked = Chunked::new(1000, 200);
        let mut refused = false;
        for _ in 0..100 {
            refused |= chunked.take(b"1;abcdefgh\r\nx\r\n").is_err();
        }
        assert!(refused);
        let long = format!("1;{}", "a".repeat(2000));
        assert!(Chunked::new(1000, 10_000).take(long.as_bytes()).is_err());
        let trailer = format!("0\r\nA: {}", "a".repeat(300));
        assert!(Chunked::new(1000, 200).take(trailer.as_bytes()).is_err());
    }
}
