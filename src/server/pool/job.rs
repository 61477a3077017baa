//! A slow request, with everything needed to answer it on a thread other than its connection's.

use std::borrow::Cow;
use std::time::Duration;

use super::answer::{Who, answer, overloaded, refuse};
use super::shared::Shared;
use crate::api::{Begun, Peer};
use crate::server::http1::framing::{Parsed, parse_again};

/// How long a response is delayed while responses waiting for slow clients use all the buffer memory.
const PATIENCE: Duration = Duration::from_millis(50);
/// How long a large response is delayed while others are being produced.
const LARGE_PATIENCE: Duration = Duration::from_secs(5);

/// The kind of job, which decides the threads that run it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane {
    /// Runs on the same threads as `Slow`; its response is about as large as the request.
    Large,
    /// The same, but its response may be several times as large.
    Growing,
    Slow,
    Hashing,
}

/// A slow request, with everything needed to answer it on another thread.
pub(super) struct Job {
    /// The bytes of the head, followed by the body unless that was decoded.
    bytes: Vec<u8>,
    head: usize,
    decoded: Option<Vec<u8>>,
    /// `None` once it runs.
    begun: Option<Begun>,
    peer: Peer,
    certificate: Option<Box<str>>,
    pub(super) lane: Lane,
}

impl Job {
    /// A job without its bytes yet; `head` is the length of the request's head.
    pub(super) fn new(
        lane: Lane,
        head: usize,
        request: Parsed<'_>,
        begun: Begun,
        who: Who<'_>,
    ) -> Self {
        Job {
            bytes: Vec::new(),
            head,
            decoded: match request.body {
                Cow::Owned(body) => Some(body),
                Cow::Borrowed(_) => None,
            },
            begun: Some(begun),
            peer: who.peer.clone(),
            certificate: who.certificate.map(Into::into),
            lane,
        }
    }

    /// Sets the bytes of its request.
    pub(super) fn give(&mut self, mut bytes: Vec<u8>) {
        if self.decoded.is_some() {
            bytes.truncate(self.head);
            bytes.shrink_to_fit();
        }
        self.bytes = bytes;
    }

    /// Memory it uses, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.capacity() + self.decoded.as_ref().map_or(0, Vec::capacity)
    }

    fn request(&self) -> Option<Parsed<'_>> {
        let (head, behind) = self.bytes.split_at_checked(self.head)?;
        let mut request = parse_again(head)?;
        request.body = Cow::Borrowed(self.decoded.as_deref().unwrap_or(behind));
        Some(request)
    }

    /// Waits for room for its response and returns the number of bytes reserved.
    pub(super) fn wait_for_room(&self, shared: &Shared) -> usize {
        let buffered = &shared.buffered;
        // Login responses are small.
        if self.lane != Lane::Hashing {
            buffered.wait_for_room(PATIENCE);
        }
        let expected = match self.lane {
            // Base64 makes sealed data a third larger.
            Lane::Large => self.bytes() + self.bytes() / 2,
            // It makes the text a quarter smaller, and an escape takes six characters (RFC 8259, section 7).
            Lane::Growing => self.bytes() * 9 / 2,
            Lane::Slow | Lane::Hashing => return 0,
        };
        buffered.reserve(expected, LARGE_PATIENCE)
    }

    /// The encoded response, and whether the connection closes afterwards.
    pub(super) fn run(mut self, shared: &Shared) -> (Vec<u8>, bool) {
        let mut out = Vec::new();
        let begun = self.begun.take();
        let (Some(request), Some(begun)) = (self.request(), begun) else {
            return (out, true);
        };
        let close = answer(shared, request, begun, self.who(), &mut out);
        (out, close)
    }

    fn who(&self) -> Who<'_> {
        Who {
            peer: &self.peer,
            certificate: self.certificate.as_deref(),
        }
    }

    /// The response if there is no room for the job.
    pub(super) fn refuse(&self, shared: &Shared) -> Vec<u8> {
        let mut out = Vec::new();
        if let Some(request) = self.request() {
            refuse(shared, request, overloaded(), self.who(), &mut out);
        }
        out
    }
}
