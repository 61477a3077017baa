//! Invariants of requests for any bytes in any pieces: there is one reading, or they are refused.

#![allow(clippy::unwrap_used)] // a panic is a finding

use super::*;

pub(super) const LIMITS: Limits = Limits {
    head: 16 << 10,
    fields: 64,
    body: 100_000,
};

/// The first two bytes decide how the rest is split.
pub(crate) fn framing(input: &[u8]) {
    let Some((&[first, second], input)) = input.split_first_chunk() else {
        return;
    };
    let heard = hear(input, [input.len()]);
    let shown = || input.escape_ascii();
    let seed = usize::from(u16::from_be_bytes([first, second]));
    let at = seed % (input.len() + 1);
    assert_eq!(
        hear(input, [at, input.len()]),
        heard,
        "cut at {at}: {}",
        shown()
    );
    let sizes = (0..).map(|turn: usize| 1 + (seed >> (turn % 12)) % 20);
    assert_eq!(hear(input, sizes), heard, "in pieces: {}", shown());
    // Takes quadratic time.
    if input.len() <= 1024 {
        let single = std::iter::repeat(1);
        assert_eq!(hear(input, single), heard, "byte by byte: {}", shown());
    }
    check_the_accepted(input);
}

/// Method, target and body of each request, in order, and whether the last bytes were refused.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Heard {
    pub(super) requests: Vec<(String, String, Vec<u8>)>,
    pub(super) refused: bool,
    pub(super) left: usize,
}

/// Reads like a connection, with the bytes arriving in pieces of these sizes.
pub(super) fn hear(input: &[u8], sizes: impl IntoIterator<Item = usize>) -> Heard {
    let mut heard = Heard::default();
    let mut framer = Framer::default();
    let mut kept: Vec<u8> = Vec::new();
    let mut rest = input;
    for size in sizes {
        let (piece, more) = rest.split_at(size.min(rest.len()));
        rest = more;
        kept.extend_from_slice(piece);
        loop {
            match framer.read(&kept, LIMITS) {
                Step::More { keep, taken, .. } => {
                    kept.drain(keep..keep + taken);
                    break;
                }
                Step::Whole { request, used, .. } => {
                    heard.requests.push((
                        request.method.to_string(),
                        request.target.to_owned(),
                        request.body.to_vec(),
                    ));
                    kept.drain(..used);
                }
                Step::Refused { .. } => {
                    heard.refused = true;
                    return heard;
                }
            }
        }
        assert!(framer.memory() <= 2 * LIMITS.body);
        assert!(kept.len() <= LIMITS.head + LIMITS.body + piece.len());
        if rest.is_empty() {
            break;
        }
    }
    heard.left = kept.len();
    heard
}

/// An accepted request can be rewritten with a Content-Length and parses as the same request.
fn check_rewritten(request: &Parsed<'_>) {
    let version = if request.version_1_0 { "1.0" } else { "1.1" };
    let mut bytes =
        format!("{} {} HTTP/{version}\r\n", request.method, request.target).into_bytes();
    for (name, value) in &request.headers.0 {
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        if !is("Content-Length") && !is("Transfer-Encoding") {
            bytes.extend([name.as_bytes(), b":", value, b"\r\n"].concat());
        }
    }
    if !request.body.is_empty() {
        bytes.extend(format!("Content-Length:{}\r\n", request.body.len()).as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(&request.body);
    let again = Heard {
        requests: vec![(
            request.method.to_string(),
            request.target.to_owned(),
            request.body.to_vec(),
        )],
        ..Heard::default()
    };
    assert_eq!(
        hear(&bytes, [bytes.len()]),
        again,
        "{}",
        bytes.escape_ascii()
    );
}

/// An independent, simpler parser reads accepted bytes the same way.
fn check_the_accepted(input: &[u8]) {
    let mut framer = Framer::default();
    let mut rest = input;
    while let Step::Whole {
        request,
        head,
        used,
    } = framer.read(rest, LIMITS)
    {
        let shown = rest[..used].escape_ascii().to_string();
        let empty = rest.chunks(2).take_while(|line| *line == b"\r\n").count();
        let headers = read_plainly(&rest[2 * empty..head]).expect(&shown);
        let all = |name: &str| -> Vec<&[u8]> {
            let named = headers
                .iter()
                .filter(|(other, _)| other.eq_ignore_ascii_case(name));
            named.map(|(_, value)| value.trim_ascii()).collect()
        };
        assert!(
            all("Host").len() == 1 || (request.version_1_0 && all("Host").is_empty()),
            "{shown}"
        );
        let body = &rest[head..used];
        match (&all("Content-Length")[..], &all("Transfer-Encoding")[..]) {
            ([], []) => assert!(body.is_empty() && request.body.is_empty(), "{shown}"),
            ([length], []) => {
                let length = std::str::from_utf8(length).unwrap();
                assert!(length.bytes().all(|byte| byte.is_ascii_digit()), "{shown}");
                assert_eq!(length.parse(), Ok(body.len()), "{shown}");
                assert_eq!(*request.body, *body, "{shown}");
            }
            ([], [coding]) => {
                assert!(
                    coding.eq_ignore_ascii_case(b"chunked") && !request.version_1_0,
                    "{shown}"
                );
                assert_eq!(
                    unchunk_plainly(body).expect(&shown),
                    *request.body,
                    "{shown}"
                );
            }
            _ => panic!("two lengths: {shown}"),
        }
        assert!(head <= used && used > 0, "{shown}");
        check_rewritten(&request);
        rest = &rest[used..];
    }
}

/// The fields of a head, line by line; `None` if it does not follow RFC 9112 to the letter.
fn read_plainly(head: &[u8]) -> Option<Vec<(&str, &[u8])>> {
    let head = head.strip_suffix(b"\r\n\r\n")?;
    // Within the lines there is neither CR nor LF.
    let joined: Vec<&[u8]> = head.split(|byte| *byte == b'\n').collect();
    let last = joined.len() - 1;
    let mut lines = Vec::new();
    for (number, line) in joined.into_iter().enumerate() {
        let line = if number == last {
            line
        } else {
            line.strip_suffix(b"\r")?
        };
        if line
            .iter()
            .any(|byte| (*byte < 0x20 && *byte != b'\t') || *byte == 0x7f)
        {
            return None;
        }
        lines.push(line);
    }
    let mut words = lines.first()?.split(|byte| *byte == b' ');
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    let is_token = |word: &[u8]| {
        let others = b"!#$%&'*+-.^_`|~";
        !word.is_empty()
            && word
                .iter()
                .all(|byte| byte.is_ascii_alphanumeric() || others.contains(byte))
    };
    let good_line = is_token(method)
        && !target.is_empty()
        && target.iter().all(u8::is_ascii_graphic)
        && (version == b"HTTP/1.1" || version == b"HTTP/1.0")
        && words.next().is_none();
    if !good_line {
        return None;
    }
    lines[1..]
        .iter()
        .map(|line| {
            let colon = line.iter().position(|byte| *byte == b':')?;
            let name = std::str::from_utf8(&line[..colon]).ok()?;
            is_token(name.as_bytes()).then_some((name, &line[colon + 1..]))
        })
        .collect()
}

fn unchunk_plainly(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = rest.iter().position(|byte| *byte == b'\n')?;
        let line = rest[..end].strip_suffix(b"\r")?;
        rest = &rest[end + 1..];
        let digits = line
            .iter()
            .take_while(|byte| byte.is_ascii_hexdigit())
            .count();
        let size = usize::from_str_radix(std::str::from_utf8(&line[..digits]).ok()?, 16).ok()?;
        let extension = line[digits..].trim_ascii_start();
        if line.contains(&b'\r') || !(line.len() == digits || extension.starts_with(b";")) {
            return None;
        }
        if size == 0 {
            break;
        }
        body.extend_from_slice(rest.get(..size)?);
        rest = rest[size..].strip_prefix(b"\r\n")?;
    }
    // Trailers, and nothing after the empty line.
    let trailers = rest.strip_suffix(b"\r\n")?;
    let good = trailers.is_empty() || trailers.ends_with(b"\r\n");
    let lines = trailers
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty());
    let mut lines = lines.map(|line| line.strip_suffix(b"\r"));
    (good && lines.all(|line| line.is_some_and(|line| !line.is_empty() && line.contains(&b':'))))
        .then_some(body)
}
