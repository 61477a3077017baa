//! What comes back over a connection, told apart to the last byte: answers, interim ones too, and how it ended.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, ErrorKind, Read};

use super::Answer;

/// Why no further answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The peer said that it sends nothing more, between two answers.
    Closed,
    /// The peer went away in the middle of an answer.
    Torn,
    /// The connection was reset: what the peer had said last may be lost.
    Reset,
    /// Nothing came within the time limit of the stream.
    Silent,
}

impl End {
    fn of(kind: ErrorKind) -> End {
        match kind {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => End::Silent,
            ErrorKind::UnexpectedEof => End::Torn,
            _ => End::Reset,
        }
    }
}

/// A stream of answers.
pub struct Answers<S> {
    stream: BufReader<S>,
}

impl<S: Read> Answers<S> {
    pub fn new(stream: S) -> Answers<S> {
        Answers {
            stream: BufReader::new(stream),
        }
    }

    pub fn get_mut(&mut self) -> &mut S {
        self.stream.get_mut()
    }

    pub fn get_ref(&self) -> &S {
        self.stream.get_ref()
    }

    /// The next answer, be it an interim one.
    pub fn next(&mut self) -> Result<Answer, End> {
        self.read(true)
    }

    /// The next answer, which has no body whatever its Content-Length: the request was HEAD.
    pub fn next_of_head(&mut self) -> Result<Answer, End> {
        self.read(false)
    }

    fn read(&mut self, has_body: bool) -> Result<Answer, End> {
        let first = self.line(End::Closed)?;
        let status = first.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status: u16 = status.unwrap_or_else(|| panic!("no status line: {first:?}"));
        let mut headers = BTreeMap::new();
        loop {
            let line = self.line(End::Torn)?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').expect("a header field");
            let twice = headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
            assert!(twice.is_none(), "{name} is there twice");
        }
        let length = match headers.get("content-length") {
            Some(length) if has_body && status >= 200 => length.parse().expect("a length"),
            _ => 0,
        };
        let mut body = vec![0; length];
        self.stream
            .read_exact(&mut body)
            .map_err(|error| End::of(error.kind()))?;
        let answer = Answer {
            status,
            headers,
            body: String::from_utf8(body).expect("UTF-8"),
        };
        answer.is_described();
        Ok(answer)
    }

    fn line(&mut self, at_end: End) -> Result<String, End> {
        let mut line = Vec::new();
        match self.stream.read_until(b'\n', &mut line) {
            Err(error) => return Err(End::of(error.kind())),
            Ok(0) => return Err(at_end),
            Ok(_) => {}
        }
        let line = String::from_utf8(line).expect("ASCII");
        line.strip_suffix("\r\n")
            .map(str::to_owned)
            .ok_or(End::Torn)
    }
}
