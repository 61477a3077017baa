//! From bytes to requests: where a request ends, whether it may be read at all, and what it says. No I/O.
//!
//! httparse takes a head apart (`parse`); `head` judges it; here is what both leave open: lines that end with CR LF and nothing else,
//! limits that hold before a head is whole, and the body.

mod parse;

use std::borrow::Cow;

use memchr::memchr;

use super::chunked::Chunked;
use crate::api::Problem;
use crate::server::http1::head::{self, BodyLength, Limits, MAX_TARGET};

pub(in crate::server) use parse::{Parsed, parse_again};
use parse::{expects, parse};

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

#[cfg(any(test, fuzzing))]
pub(in crate::server) mod fuzz;
#[cfg(test)]
mod tests;
