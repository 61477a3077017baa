//! From bytes to requests: where a request ends, whether it may be read at all, and what it says. No I/O.
//!
//! httparse takes a head apart; `head` judges it; here is what both leave open: lines that end with CR LF and nothing else,
//! limits that hold before a head is whole, and the body.

use std::borrow::Cow;
use std::mem::MaybeUninit;
use std::str::FromStr;

use memchr::memchr;

use super::chunked::Chunked;
use crate::api::{Headers, Method, Problem};
use crate::server::http1::encode::Framing;
use crate::server::http1::head::{self, BodyLength, Limits, MAX_TARGET};

/// Most fields that any setting permits.
const MOST_FIELDS: usize = 256;
/// A first line has the method and the version beside its target.
const LONGEST_FIRST_LINE: usize = MAX_TARGET + 64;
/// Empty lines before a request that are passed over (RFC 9112, section 2.2).
const MAX_EMPTY_LINES: usize = 4;
/// What is left of a body that nobody wants is passed over up to this length; a longer one ends the connection.
const MOST_PASSED_OVER: usize = 64 << 10;

/// Reads one connection's requests, one after the other.
///
/// The caller keeps the bytes: each call gets all that came since the last whole request and was not yet taken.
#[derive(Debug, Default)]
pub(in crate::server) struct Framer {
    /// How far the head has been searched for its end: the beginning of a line.
    searched: usize,
    body: Option<Body>,
    /// Bytes of a body that is not wanted, which are still to come.
    unwanted: usize,
}

/// A body that is still coming; the head before it has been judged.
#[derive(Debug)]
struct Body {
    head: usize,
    length: Length,
}

#[derive(Debug)]
enum Length {
    Sized(usize),
    Chunked(Chunked),
}

/// What the bytes are so far.
#[derive(Debug)]
pub(in crate::server) enum Step<'b> {
    /// More have to come. The caller takes out `taken` bytes from the place `keep` on: they are decoded already.
    More {
        keep: usize,
        taken: usize,
        /// The client waits for leave to send its body (`Expect: 100-continue`).
        leave: bool,
        /// The head, where it has just been judged: its body is still coming.
        opened: Option<Parsed<'b>>,
    },
    /// A request, which took `used` bytes, `head` of them for its head.
    Whole {
        request: Parsed<'b>,
        head: usize,
        used: usize,
    },
    /// No request that may be answered; what follows on the connection must not be read.
    Refused {
        problem: Problem,
        /// What is known of it, for the log.
        request: Option<Parsed<'b>>,
    },
}

/// A request as its bytes say it.
#[derive(Debug)]
pub(in crate::server) struct Parsed<'b> {
    pub(in crate::server) method: Method,
    pub(in crate::server) target: &'b str,
    pub(in crate::server) version_1_0: bool,
    pub(in crate::server) headers: Headers<'b>,
    pub(in crate::server) body: Cow<'b, [u8]>,
}

impl Framer {
    /// Looks at `bytes`, of which the first belongs to the request that is to come.
    pub(in crate::server) fn read<'b>(&mut self, bytes: &'b [u8], limits: Limits) -> Step<'b> {
        match self.step(bytes, limits) {
            Ok(step) => step,
            Err(refusal) => {
                let (problem, request) = *refusal;
                Step::Refused { problem, request }
            }
        }
    }

    /// Whether a request has begun and is not whole.
    pub(in crate::server) fn in_body(&self) -> bool {
        self.body.is_some() || self.is_passing_over()
    }

    /// The length of the body that is coming, where the head says it.
    pub(in crate::server) fn body_length(&self) -> Option<usize> {
        match self.body.as_ref()?.length {
            Length::Sized(size) => Some(size),
            Length::Chunked(_) => None,
        }
    }

    /// How many bytes the request that is coming has in all, where that is known.
    pub(in crate::server) fn announced(&self) -> Option<usize> {
        Some(self.body.as_ref()?.head + self.body_length()?)
    }

    /// The body that is coming may have no more bytes than this.
    pub(in crate::server) fn limit_body(&mut self, most: usize) {
        if let Some(Body {
            length: Length::Chunked(chunked),
            ..
        }) = &mut self.body
        {
            chunked.limit_body(most);
        }
    }

    /// The body that is coming is not wanted; `come`: bytes of the request that are here. False where the rest of it is too
    /// long to wait for, or of unknown length.
    pub(in crate::server) fn pass_over_body(&mut self, come: usize) -> bool {
        let announced = self.announced();
        self.body = None;
        self.unwanted = match announced.and_then(|all| all.checked_sub(come)) {
            Some(left) if left <= MOST_PASSED_OVER => left,
            _ => return false,
        };
        true
    }

    /// Passes over as many of `come` bytes as belong to a body that is not wanted.
    pub(in crate::server) fn pass_over(&mut self, come: usize) -> usize {
        let passed = self.unwanted.min(come);
        self.unwanted -= passed;
        passed
    }

    /// Whether what comes belongs to a request that has been answered.
    pub(in crate::server) fn is_passing_over(&self) -> bool {
        self.unwanted > 0
    }

    /// Bytes that it holds in memory beside the caller's.
    pub(in crate::server) fn memory(&self) -> usize {
        match &self.body {
            Some(Body {
                length: Length::Chunked(chunked),
                ..
            }) => chunked.memory(),
            _ => 0,
        }
    }

    fn step<'b>(&mut self, bytes: &'b [u8], limits: Limits) -> Result<Step<'b>, Refusal<'b>> {
        if self.body.is_some() {
            return self.read_body(bytes, None);
        }
        let Some(end) = self.find_head(bytes, limits).map_err(unknown)? else {
            return Ok(Step::More {
                keep: bytes.len(),
                taken: 0,
                leave: false,
                opened: None,
            });
        };
        let request = parse(&bytes[..end], limits.fields).map_err(unknown)?;
        let judged = head::judge(
            &request.method,
            request.target,
            request.version_1_0,
            &request.headers,
            limits,
        )
        .and_then(|length| Ok((length, expects(&request)?)));
        let (length, leave) = match judged {
            Ok(judged) => judged,
            Err(problem) => return Err(Box::new((problem, Some(request)))),
        };
        self.searched = 0;
        let length = match length {
            BodyLength::None => {
                return Ok(Step::Whole {
                    request,
                    head: end,
                    used: end,
                });
            }
            BodyLength::Sized(size) => Length::Sized(size),
            BodyLength::Chunked => Length::Chunked(Chunked::new(limits.body, limits.head)),
        };
        self.body = Some(Body { head: end, length });
        let nothing_yet = bytes.len() == end;
        let mut step = self.read_body(bytes, Some(request))?;
        if let Step::More { leave: asked, .. } = &mut step {
            // Who sends without waiting needs no leave.
            *asked = leave && nothing_yet;
        }
        Ok(step)
    }

    /// `request`: the head, if it has just been parsed.
    fn read_body<'b>(
        &mut self,
        bytes: &'b [u8],
        request: Option<Parsed<'b>>,
    ) -> Result<Step<'b>, Refusal<'b>> {
        let mut body = self.body.take().expect("called while a body is coming");
        let head = body.head;
        let (whole, taken) = match &mut body.length {
            Length::Sized(size) => (bytes.len() - head >= *size, 0),
            Length::Chunked(chunked) => match chunked.take(&bytes[head..]) {
                Ok(taken) => (chunked.is_complete(), taken),
                Err(problem) => {
                    let request = request.or_else(|| parse_again(&bytes[..head]));
                    return Err(Box::new((problem, request)));
                }
            },
        };
        if !whole {
            self.body = Some(body);
            return Ok(Step::More {
                keep: if taken > 0 { head } else { bytes.len() },
                taken,
                leave: false,
                opened: request,
            });
        }
        let mut request = request
            .or_else(|| parse_again(&bytes[..head]))
            .expect("the head was parsed before");
        let used = match body.length {
            Length::Sized(size) => {
                request.body = Cow::Borrowed(&bytes[head..head + size]);
                head + size
            }
            Length::Chunked(chunked) => {
                request.body = Cow::Owned(chunked.into_body());
                head + taken
            }
        };
        Ok(Step::Whole {
            request,
            head,
            used,
        })
    }

    /// The length of the head with the empty line behind it, once that is there.
    fn find_head(&mut self, bytes: &[u8], limits: Limits) -> Result<Option<usize>, Problem> {
        let start = empty_lines(bytes)?;
        self.searched = self.searched.max(start);
        // What cannot be the first letter of a method never becomes a request: no need to wait for a line's end.
        if let Some(first) = bytes.get(start)
            && !first.is_ascii_graphic()
            && *first != b'\r'
        {
            return Err(Problem::bad_request("This is not HTTP."));
        }
        while let Some(length) = memchr(b'\n', &bytes[self.searched..]) {
            let line = &bytes[self.searched..self.searched + length];
            let Some(line) = line.strip_suffix(b"\r") else {
                return Err(Problem::bad_request(
                    "A line of the head does not end with CR LF.",
                ));
            };
            if self.searched == start && line.len() > LONGEST_FIRST_LINE {
                return Err(Problem::target_too_long());
            }
            self.searched += length + 1;
            if self.searched > limits.head {
                return Err(Problem::head_too_large());
            }
            if line.is_empty() {
                return Ok(Some(self.searched));
            }
        }
        if self.searched == start && bytes.len() - start > LONGEST_FIRST_LINE {
            return Err(Problem::target_too_long());
        }
        if bytes.len() > limits.head {
            return Err(Problem::head_too_large());
        }
        Ok(None)
    }
}

/// A refusal, and what is known of the request.
type Refusal<'b> = Box<(Problem, Option<Parsed<'b>>)>;

fn unknown<'b>(problem: Problem) -> Refusal<'b> {
    Box::new((problem, None))
}

/// Bytes of the empty lines in front of a request, which some clients send after a body.
fn empty_lines(bytes: &[u8]) -> Result<usize, Problem> {
    let mut at = 0;
    while bytes[at..].starts_with(b"\r\n") {
        at += 2;
        if at > 2 * MAX_EMPTY_LINES {
            return Err(Problem::bad_request(
                "There are empty lines where a request should be.",
            ));
        }
    }
    Ok(at)
}

/// Takes a head apart.
fn parse(head: &[u8], max_fields: usize) -> Result<Parsed<'_>, Problem> {
    let mut fields = [const { MaybeUninit::uninit() }; MOST_FIELDS];
    let mut request = httparse::Request::new(&mut []);
    let config = httparse::ParserConfig::default();
    let whole = config
        .parse_request_with_uninit_headers(
            &mut request,
            head,
            &mut fields[..max_fields.min(MOST_FIELDS)],
        )
        .map_err(|error| malformed(error, head))?
        .is_complete();
    let (true, Some(method), Some(target), Some(version)) =
        (whole, request.method, request.path, request.version)
    else {
        return Err(Problem::bad_request("The head is cut short."));
    };
    let headers = request
        .headers
        .iter()
        .map(|field| (field.name, field.value))
        .collect();
    Ok(Parsed {
        method: Method::from_str(method)
            .map_err(|()| Problem::bad_request("The method is not a token."))?,
        target,
        version_1_0: version == 0,
        headers: Headers(headers),
        body: Cow::Borrowed(b""),
    })
}

/// A head that has been parsed and judged before.
pub(in crate::server) fn parse_again(head: &[u8]) -> Option<Parsed<'_>> {
    parse(head, MOST_FIELDS).ok()
}

fn malformed(error: httparse::Error, head: &[u8]) -> Problem {
    match error {
        httparse::Error::Version if is_other_version(head) => Problem::version_not_supported(),
        httparse::Error::TooManyHeaders => Problem::head_too_large(),
        httparse::Error::HeaderName => Problem::bad_request("A header's name is not a token."),
        httparse::Error::HeaderValue => {
            Problem::bad_request("A header's value has a character that is not permitted there.")
        }
        httparse::Error::Version | httparse::Error::NewLine | httparse::Error::Token => {
            Problem::bad_request("The first line is not a method, a target and a version.")
        }
        httparse::Error::Status => Problem::bad_request("The head is malformed."),
    }
}

/// Whether the first line is a good one but for its version, `HTTP/` and two digits (RFC 9112, section 2.3): with more
/// than three words, or fewer, it is malformed whatever the last one says.
fn is_other_version(head: &[u8]) -> bool {
    let first_line = head
        .split(|byte| *byte == b'\r')
        .find(|line| !line.is_empty() && *line != b"\n")
        .unwrap_or_default();
    let mut words = first_line.split(|byte| *byte == b' ');
    let (_method, target, version) = (words.next(), words.next(), words.next());
    matches!(
        version,
        Some([b'H', b'T', b'T', b'P', b'/', major, b'.', minor])
            if major.is_ascii_digit() && minor.is_ascii_digit()
    ) && target.is_some_and(|target| !target.is_empty())
        && words.next().is_none()
}

/// Whether the client waits for leave to send its body.
fn expects(request: &Parsed<'_>) -> Result<bool, Problem> {
    let mut values = request.headers.all("Expect");
    match (values.next(), values.next()) {
        (None, _) => Ok(false),
        // HTTP/1.0 knows no interim answers (RFC 9110, section 10.1.1).
        _ if request.version_1_0 => Ok(false),
        (Some(value), None) if value.trim_ascii().eq_ignore_ascii_case(b"100-continue") => Ok(true),
        _ => Err(Problem::expectation_failed()),
    }
}

impl Parsed<'_> {
    /// Whether the client wants the connection to stay (RFC 9112, section 9.3).
    pub(in crate::server) fn keeps_alive(&self) -> bool {
        let says = |wanted: &[u8]| {
            self.headers
                .all("Connection")
                .flat_map(|value| value.split(|byte| *byte == b','))
                .any(|word| word.trim_ascii().eq_ignore_ascii_case(wanted))
        };
        !says(b"close") && (!self.version_1_0 || says(b"keep-alive"))
    }

    /// How its answer is written. `close`: the connection is over with it.
    pub(in crate::server) fn framing(&self, close: bool) -> Framing {
        Framing {
            version_1_0: self.version_1_0,
            head: self.method == Method::Head,
            close,
        }
    }
}

#[cfg(any(test, fuzzing))]
pub(in crate::server) mod fuzz;
#[cfg(test)]
mod tests;
