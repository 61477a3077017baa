//! From bytes to requests: finds where a request ends, decides whether to accept it, and extracts its content. No I/O.
//!
//! httparse parses a head (`parse`); `head` validates it. This module enforces what both leave open: line ends that are
//! exactly CR LF, limits that apply before a head is complete, and the body.

mod parse;

use std::borrow::Cow;

use memchr::memchr;

use super::chunked::Chunked;
use crate::api::Problem;
use crate::server::http1::head::{self, BodyLength, Limits, MAX_TARGET};

pub(in crate::server) use parse::{Parsed, parse_again};
use parse::{expects, parse};

/// The request line also holds the method and the version.
const LONGEST_FIRST_LINE: usize = MAX_TARGET + 64;
/// Empty lines skipped before a request (RFC 9112, section 2.2).
const MAX_EMPTY_LINES: usize = 4;
/// The rest of an unwanted body is skipped up to this length; a longer one ends the connection.
const MOST_PASSED_OVER: usize = 64 << 10;

/// Reads the requests of one connection, one after the other.
///
/// The caller keeps the bytes: each call gets everything received since the last complete request, except what was
/// taken.
#[derive(Debug, Default)]
pub(in crate::server) struct Framer {
    /// How far the head has been searched for its end; always the start of a line.
    searched: usize,
    body: Option<Body>,
    /// Bytes of an unwanted body that have yet to arrive.
    unwanted: usize,
}

/// A body being received; its head has been accepted.
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

/// The result of reading the bytes received so far.
#[derive(Debug)]
pub(in crate::server) enum Step<'b> {
    /// More bytes are needed. The caller removes `taken` bytes at offset `keep`: they are already decoded.
    More {
        keep: usize,
        taken: usize,
        /// The client waits for `100 Continue` before it sends its body.
        leave: bool,
        /// The head, if it has just been accepted and its body is incomplete.
        opened: Option<Parsed<'b>>,
    },
    /// A complete request, which took `used` bytes, `head` of them for its head.
    Whole {
        request: Parsed<'b>,
        head: usize,
        used: usize,
    },
    /// Not an acceptable request; nothing after it on the connection may be read.
    Refused {
        problem: Problem,
        /// What is known about it, for the log.
        request: Option<Parsed<'b>>,
    },
}

impl Framer {
    /// Reads `bytes`, which start at the next request.
    pub(in crate::server) fn read<'b>(&mut self, bytes: &'b [u8], limits: Limits) -> Step<'b> {
        match self.step(bytes, limits) {
            Ok(step) => step,
            Err(refusal) => {
                let (problem, request) = *refusal;
                Step::Refused { problem, request }
            }
        }
    }

    /// Whether a body is being received or skipped.
    pub(in crate::server) fn in_body(&self) -> bool {
        self.body.is_some() || self.is_passing_over()
    }

    /// The length of the body being received, if the head gives it.
    pub(in crate::server) fn body_length(&self) -> Option<usize> {
        match self.body.as_ref()?.length {
            Length::Sized(size) => Some(size),
            Length::Chunked(_) => None,
        }
    }

    /// The total size of the request being received, if known.
    pub(in crate::server) fn announced(&self) -> Option<usize> {
        Some(self.body.as_ref()?.head + self.body_length()?)
    }

    /// The head of the request whose body is being received. `bytes`: all that the caller keeps of it.
    pub(in crate::server) fn head<'b>(&self, bytes: &'b [u8]) -> Option<Parsed<'b>> {
        parse_again(bytes.get(..self.body.as_ref()?.head)?)
    }

    /// Limits the size of the body being received.
    pub(in crate::server) fn limit_body(&mut self, most: usize) {
        if let Some(Body {
            length: Length::Chunked(chunked),
            ..
        }) = &mut self.body
        {
            chunked.limit_body(most);
        }
    }

    /// Skips the body being received. `come`: bytes of the request received so far. Returns false if the rest is too
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

    /// Returns how many of `come` bytes belong to an unwanted body, and counts them as skipped.
    pub(in crate::server) fn pass_over(&mut self, come: usize) -> usize {
        let passed = self.unwanted.min(come);
        self.unwanted -= passed;
        passed
    }

    /// Whether the next bytes belong to a request that has already been answered.
    pub(in crate::server) fn is_passing_over(&self) -> bool {
        self.unwanted > 0
    }

    /// Memory it uses in addition to the caller's bytes.
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
            // A client that has already sent part of the body is not waiting.
            *asked = leave && nothing_yet;
        }
        Ok(step)
    }

    /// `request`: the head, if this call parsed it.
    fn read_body<'b>(
        &mut self,
        bytes: &'b [u8],
        request: Option<Parsed<'b>>,
    ) -> Result<Step<'b>, Refusal<'b>> {
        let mut body = self
            .body
            .take()
            .expect("called while a body is being received");
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
                keep: head,
                taken,
                leave: false,
                opened: request,
            });
        }
        let mut request = request
            .or_else(|| parse_again(&bytes[..head]))
            .expect("the head was parsed once already");
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

    /// The length of the head including the final empty line, once it is complete.
    fn find_head(&mut self, bytes: &[u8], limits: Limits) -> Result<Option<usize>, Problem> {
        let start = empty_lines(bytes)?;
        self.searched = self.searched.max(start);
        // A byte that cannot start a method never becomes a request: do not wait for the end of the line.
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
        // One more byte for the CR.
        if self.searched == start && bytes.len() - start > LONGEST_FIRST_LINE + 1 {
            return Err(Problem::target_too_long());
        }
        if bytes.len() >= limits.head {
            return Err(Problem::head_too_large());
        }
        Ok(None)
    }
}

/// A refusal, and what is known about the request.
type Refusal<'b> = Box<(Problem, Option<Parsed<'b>>)>;

fn unknown<'b>(problem: Problem) -> Refusal<'b> {
    Box::new((problem, None))
}

/// Length of the empty lines before a request, which some clients send after a body.
fn empty_lines(bytes: &[u8]) -> Result<usize, Problem> {
    let mut at = 0;
    while bytes[at..].starts_with(b"\r\n") {
        at += 2;
        if at > 2 * MAX_EMPTY_LINES {
            return Err(Problem::bad_request(
                "There are too many empty lines before the request.",
            ));
        }
    }
    Ok(at)
}

#[cfg(any(test, fuzzing))]
pub(in crate::server) mod fuzz;
#[cfg(test)]
mod tests;
