//! One connection: bytes in, requests answered in place and in order, bytes out. It returns what it waits for next to
//! its worker.
//!
//! `proxy_header` is what may precede the first request, `reading` the input side, `writing` the output side. While a response is not completely written, nothing more is
//! read. An idle connection keeps no buffer: bytes are read into the worker's, and only an incomplete request stays
//! with the connection.

mod proxy_header;
mod reading;
mod writing;

use std::mem;

use super::answer::{Who, overloaded, refuse};
use super::deadlines::Wait;
use super::job::Job;
use super::proxies::Awaited;
use super::shared::Shared;
use super::transport::Transport;
use crate::api::{Begun, Headers, Peer, Problem};
use crate::base::address::Counted;
use crate::server::http1::framing::{Framer, Parsed};

/// What a connection borrows from its worker for its turn.
pub(super) struct Turn<'w> {
    pub(super) shared: &'w Shared,
    /// Bytes are read into this buffer first.
    pub(super) scratch: &'w mut [u8],
    /// Responses are collected here; empty between turns.
    pub(super) out: &'w mut Vec<u8>,
}

/// What to do with a connection after its turn.
pub(super) enum Next {
    /// Drive it again when its socket is ready.
    Wait {
        wait: Wait,
        on: Ready,
        /// The wait is for something new: its timeout starts now.
        anew: bool,
    },
    /// Drive it again after others have had their turn.
    Again,
    /// Run this job, then drive it again with the response.
    Blocked(Box<Job>),
    /// Nothing: its job is still running.
    Nothing,
    /// Close it.
    Close,
}

/// The readiness for which a socket is polled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ready {
    Read,
    Write,
}

/// What happens to the connection once all output has been written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    /// Read the next request, which needs more bytes. `answered`: the output included a response.
    Read { answered: bool },
    /// Process the next request, which may already be buffered.
    Again,
    /// Close; there is no known unread input.
    Close,
    /// Close, but the client may still be sending: let it read the response first.
    Linger,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Reading,
    /// A job is running; nothing is read.
    Blocked,
    Writing(After),
    Lingering,
}

/// One connection.
pub(super) struct Connection {
    transport: Transport,
    peer: Peer,
    pub(super) address: Option<Counted>,
    /// The header of a proxy that is yet to arrive.
    awaited: Option<Box<Awaited>>,
    phase: Phase,
    /// What the awaited bytes belong to.
    waiting: Wait,
    /// Whether that began after the last wait, because others had their turn in between.
    begins: bool,
    framer: Framer,
    /// The next request, if its head has been examined.
    begun: Option<Begun>,
    /// Bytes of an incomplete request, or not yet examined.
    input: Vec<u8>,
    /// Whether `input` may hold a complete request.
    unread: bool,
    output: Vec<u8>,
    written: usize,
    /// Memory of the job that is running.
    lent: usize,
    /// Bytes transferred in either direction since the last [`Self::take_moved`] or response.
    moved: u64,
    /// Its share in the count of all buffers.
    counted: usize,
    /// Its share in the count of all TLS state.
    tls_counted: usize,
}

impl Connection {
    pub(super) fn new(
        transport: Transport,
        peer: Peer,
        address: Option<Counted>,
        awaited: Option<Box<Awaited>>,
    ) -> Self {
        Connection {
            transport,
            peer,
            address,
            awaited,
            phase: Phase::Reading,
            waiting: Wait::Head,
            begins: false,
            framer: Framer::default(),
            begun: None,
            input: Vec::new(),
            unread: false,
            output: Vec::new(),
            written: 0,
            lent: 0,
            moved: 0,
            counted: 0,
            tls_counted: 0,
        }
    }

    pub(super) fn transport(&self) -> &Transport {
        &self.transport
    }

    fn who(&self) -> Who<'_> {
        Who {
            peer: &self.peer,
            certificate: self.transport.client(),
        }
    }

    /// Its share in the count of all buffers.
    pub(super) fn counted(&self) -> usize {
        self.counted
    }

    /// Updates the count of its TLS state; returns whether it has grown.
    pub(super) fn count_tls(&mut self, shared: &Shared) -> bool {
        let now = self.transport.memory();
        let before = mem::replace(&mut self.tls_counted, now);
        shared.tls.change(before, now);
        now > before
    }

    /// Removes it from all counts.
    pub(super) fn uncount(&mut self, shared: &Shared) {
        shared.buffered.change(mem::take(&mut self.counted), 0);
        shared.tls.change(mem::take(&mut self.tls_counted), 0);
    }

    /// Bytes transferred in either direction since the last call.
    pub(super) fn take_moved(&mut self) -> u64 {
        mem::take(&mut self.moved)
    }

    /// Whether no part of a request has been received.
    pub(super) fn is_between_requests(&self) -> bool {
        self.phase == Phase::Reading && self.input.is_empty() && !self.framer.in_body()
    }

    /// Whether a request, or part of one, has been received whose response has not been sent.
    pub(super) fn owes_a_response(&self) -> bool {
        match self.phase {
            Phase::Reading => !self.is_between_requests() && !self.framer.is_passing_over(),
            Phase::Blocked | Phase::Writing(_) => true,
            Phase::Lingering => false,
        }
    }

    /// Whether another worker may take it over: it holds no data that polling its socket would not report.
    pub(super) fn may_move(&self) -> bool {
        self.is_between_requests() && !self.transport.has_unread()
    }

    /// Does everything possible without blocking.
    pub(super) fn drive(&mut self, turn: &mut Turn<'_>) -> Next {
        match self.phase {
            Phase::Reading => self.read(turn),
            Phase::Writing(after) => self.write_on(turn, after),
            Phase::Lingering => self.linger(turn),
            Phase::Blocked => Next::Nothing,
        }
    }

    /// Continues with the response of its job.
    pub(super) fn answered(&mut self, turn: &mut Turn<'_>, answer: Vec<u8>, close: bool) -> Next {
        self.lent = 0;
        let after = match (close, self.input.is_empty()) {
            (true, true) => After::Close,
            (true, false) => After::Linger,
            (false, true) => After::Read { answered: true },
            (false, false) => After::Again,
        };
        self.unread = true;
        self.write_whole(turn, answer, after)
    }

    /// Handles an expired wait.
    pub(super) fn overdue(&mut self, turn: &mut Turn<'_>, wait: Wait) -> Next {
        // Bytes that arrived in time do not count as late because the worker was busy.
        if self.phase == Phase::Reading {
            match self.read(turn) {
                Next::Wait {
                    wait: still,
                    anew: false,
                    ..
                } if still == wait => {}
                // No matter how fast it is still arriving.
                Next::Again if wait == Wait::Body && !self.begins => {}
                next => return next,
            }
        }
        match wait {
            Wait::Idle | Wait::Write | Wait::Linger => Next::Close,
            // Silent from the start, or still in the handshake: nothing can be answered.
            Wait::Head if self.is_between_requests() => Next::Close,
            Wait::Body if self.framer.is_passing_over() => Next::Close,
            Wait::Head | Wait::Body => self.refuse(turn, Problem::timeout()),
        }
    }

    /// Answers the request being received with an error and ends the connection.
    fn refuse(&mut self, turn: &mut Turn<'_>, problem: Problem) -> Next {
        self.write_refusal(turn, problem, self.framer.head(&self.input));
        self.forget_input();
        self.write(turn, After::Linger)
    }

    /// `request`: what is known about it.
    fn write_refusal(&self, turn: &mut Turn<'_>, problem: Problem, request: Option<Parsed<'_>>) {
        let request = request.unwrap_or_else(|| Parsed {
            method: turn.shared.unknown_method.clone(),
            target: "",
            version_1_0: false,
            headers: Headers::default(),
            body: Default::default(),
        });
        refuse(turn.shared, request, problem, self.who(), turn.out);
    }

    /// Gives up the memory it holds.
    pub(super) fn shed(&mut self, turn: &mut Turn<'_>) -> Next {
        match self.phase {
            Phase::Reading if !self.framer.is_passing_over() => self.refuse(turn, overloaded()),
            _ => Next::Close,
        }
    }

    /// The client has closed its side; complete requests have been answered.
    fn end_of_input(&mut self, turn: &mut Turn<'_>) -> Next {
        if self.is_between_requests() || self.framer.is_passing_over() {
            return Next::Close;
        }
        let problem = Problem::bad_request("The request ended too early.");
        self.refuse(turn, problem)
    }

    fn forget_input(&mut self) {
        self.awaited = None;
        self.input = Vec::new();
        self.framer = Framer::default();
        self.begun = None;
        self.unread = false;
    }

    /// `answered`: a response was sent since the last wait; `begins`: the wait is known to be for something new.
    fn wait_for_more(&mut self, on: Ready, answered: bool, begins: bool) -> Next {
        let wait = if self.framer.in_body() {
            Wait::Body
        } else if !self.input.is_empty() {
            Wait::Head
        } else if answered {
            Wait::Idle
        } else {
            // Unchanged: still the first head on a new connection, otherwise the next request.
            self.waiting
        };
        if answered {
            self.moved = 0;
        }
        let anew = begins || answered || wait != self.waiting;
        self.waiting = wait;
        Next::Wait { wait, on, anew }
    }

    /// Updates the count of its buffers.
    fn count(&mut self, shared: &Shared) {
        let header = self.awaited.as_ref();
        let header = header.map_or(0, |awaited| awaited.reader.memory());
        let buffers = self.input.capacity() + self.output.capacity() + header;
        let now = buffers + self.framer.memory() + self.lent;
        shared.buffered.change(self.counted, now);
        self.counted = now;
    }
}
