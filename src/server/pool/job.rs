//! A request that takes long, with all that it needs to be answered on another thread than its connection's.

use std::borrow::Cow;
use std::time::Duration;

use super::answer::{Who, answer, overloaded, refuse};
use super::shared::Shared;
use crate::api::{Admitted, Peer};
use crate::server::http1::framing::{Parsed, parse_again};

/// How long an answer is put off for where answers that wait for their readers take all memory that they may.
const PATIENCE: Duration = Duration::from_millis(50);
/// And a large one, for others that are made just now.
const LARGE_PATIENCE: Duration = Duration::from_secs(5);

/// What kind of job it is: which threads do it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane {
    /// On the same threads as what is slow; its answer is about as large as the request.
    Large,
    Slow,
    Hashing,
}

/// A request that takes long, with all that it needs to be answered elsewhere.
pub(super) struct Job {
    /// The bytes of the head and, unless it has been decoded, of the body behind it.
    bytes: Vec<u8>,
    head: usize,
    decoded: Option<Vec<u8>>,
    admitted: Option<Box<Admitted>>,
    peer: Peer,
    certificate: Option<Box<str>>,
    pub(super) lane: Lane,
}

impl Job {
    /// A job that has still to be given its bytes, of which `head` are the request's head.
    pub(super) fn new(
        lane: Lane,
        head: usize,
        request: Parsed<'_>,
        admitted: Option<Box<Admitted>>,
        who: Who<'_>,
    ) -> Self {
        Job {
            bytes: Vec::new(),
            head,
            decoded: match request.body {
                Cow::Owned(body) => Some(body),
                Cow::Borrowed(_) => None,
            },
            admitted,
            peer: who.peer.clone(),
            certificate: who.certificate.map(Into::into),
            lane,
        }
    }

    /// Gives it the bytes of its request.
    pub(super) fn give(&mut self, mut bytes: Vec<u8>) {
        if self.decoded.is_some() {
            bytes.truncate(self.head);
            bytes.shrink_to_fit();
        }
        self.bytes = bytes;
    }

    /// Bytes that it takes in memory.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.capacity() + self.decoded.as_ref().map_or(0, Vec::capacity)
    }

    fn request(&self) -> Option<Parsed<'_>> {
        let (head, behind) = self.bytes.split_at_checked(self.head)?;
        let mut request = parse_again(head)?;
        request.body = Cow::Borrowed(self.decoded.as_deref().unwrap_or(behind));
        Some(request)
    }

    /// Waits until there is room for its answer; what is reserved for that.
    pub(super) fn wait_for_room(&self, shared: &Shared) -> usize {
        let buffered = &shared.buffered;
        // Answers to logins are small.
        if self.lane != Lane::Hashing {
            buffered.wait_for_room(PATIENCE);
        }
        if self.lane != Lane::Large {
            return 0;
        }
        // Sealed data as base64 is larger than the data by a third.
        let expected = self.bytes() + self.bytes() / 2;
        buffered.reserve(expected, LARGE_PATIENCE);
        expected
    }

    /// The answer's bytes, and whether the connection is over.
    pub(super) fn run(mut self, shared: &Shared) -> (Vec<u8>, bool) {
        let mut out = Vec::new();
        let admitted = self.admitted.take();
        let Some(request) = self.request() else {
            return (out, true);
        };
        let close = answer(shared, request, admitted, self.who(), &mut out);
        (out, close)
    }

    fn who(&self) -> Who<'_> {
        Who {
            peer: &self.peer,
            certificate: self.certificate.as_deref(),
        }
    }

    /// The answer where there is no room for the job.
    pub(super) fn refuse(&self, shared: &Shared) -> Vec<u8> {
        let mut out = Vec::new();
        if let Some(request) = self.request() {
            refuse(shared, request, overloaded(), self.who(), &mut out);
        }
        out
    }
}
