//! One connection: bytes in, requests answered in place and in order, bytes out. What it waits for next it tells its worker.
//!
//! `reading` is the way in, `writing` the way out. While an answer is not written whole, nothing more is read. An idle connection keeps no buffer: bytes are read into the
//! worker's, and only what is left of a request stays with the connection.

mod reading;
mod writing;

use std::mem;

use super::answer::{Who, overloaded, refuse};
use super::deadlines::Wait;
use super::job::Job;
use super::shared::Shared;
use super::transport::Transport;
use crate::api::{Admitted, Headers, Peer, Problem};
use crate::base::address::Counted;
use crate::server::http1::framing::{Framer, Parsed};

/// What the worker lends to a connection while it drives it.
pub(super) struct Turn<'w> {
    pub(super) shared: &'w Shared,
    /// What is read goes here first.
    pub(super) scratch: &'w mut [u8],
    /// Answers are gathered here; empty between two turns.
    pub(super) out: &'w mut Vec<u8>,
}

/// What a connection wants after its turn.
pub(super) enum Next {
    /// To be driven again when its socket is ready.
    Wait {
        wait: Wait,
        on: Ready,
        /// The wait is for something new: its time begins now.
        anew: bool,
    },
    /// To be driven again when others have had their turn.
    Again,
    /// To be driven again with the answer of this job.
    Blocked(Box<Job>),
    /// To be left alone: the answer of its job is on its way.
    Nothing,
    /// To be forgotten.
    Close,
}

/// What a socket is watched for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ready {
    Read,
    Write,
}

/// What becomes of the connection when all that was to be written is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    /// The next request, for which more bytes have to come. `answered`: there was an answer among what was written.
    Read { answered: bool },
    /// The next request, which may be here already.
    Again,
    /// It is over, and nothing unread is known of.
    Close,
    /// It is over, but the client may still be sending: it shall read the answer before it finds the connection closed.
    Linger,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Reading,
    /// A job is being done; nothing is read.
    Blocked,
    Writing(After),
    Lingering,
}

/// One connection.
pub(super) struct Connection {
    transport: Transport,
    peer: Peer,
    pub(super) address: Option<Counted>,
    phase: Phase,
    /// What more bytes are waited for.
    waiting: Wait,
    /// That has begun since the last wait: others had their turn in between.
    begins: bool,
    framer: Framer,
    /// What has been judged of the request whose body is coming.
    admitted: Option<Box<Admitted>>,
    /// What has come and belongs to a request that is not whole, or not yet looked at.
    input: Vec<u8>,
    /// Whether `input` may hold a whole request.
    unread: bool,
    output: Vec<u8>,
    written: usize,
    /// Bytes of a job that is being done.
    lent: usize,
    /// Bytes that have gone either way since that was last asked, or a request was answered.
    moved: u64,
    /// What is counted of it in the buffers of all connections.
    counted: usize,
    /// What is counted of it in the TLS state of all connections.
    tls_counted: usize,
}

impl Connection {
    pub(super) fn new(transport: Transport, peer: Peer, address: Option<Counted>) -> Self {
        Connection {
            transport,
            peer,
            address,
            phase: Phase::Reading,
            waiting: Wait::Head,
            begins: false,
            framer: Framer::default(),
            admitted: None,
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

    /// Bytes of it that are counted in the buffers of all connections.
    pub(super) fn counted(&self) -> usize {
        self.counted
    }

    /// Counts the TLS state that it keeps; whether there is more of it than before.
    pub(super) fn count_tls(&mut self, shared: &Shared) -> bool {
        let now = self.transport.memory();
        let before = mem::replace(&mut self.tls_counted, now);
        shared.tls.change(before, now);
        now > before
    }

    /// It keeps nothing any more of what is counted.
    pub(super) fn uncount(&mut self, shared: &Shared) {
        shared.buffered.change(mem::take(&mut self.counted), 0);
        shared.tls.change(mem::take(&mut self.tls_counted), 0);
    }

    /// Bytes that have gone either way since the last call.
    pub(super) fn take_moved(&mut self) -> u64 {
        mem::take(&mut self.moved)
    }

    /// Whether nothing of a request has come yet.
    pub(super) fn is_between_requests(&self) -> bool {
        self.phase == Phase::Reading && self.input.is_empty() && !self.framer.in_body()
    }

    /// Whether another worker may go on with it: nothing of it is known to this one alone.
    pub(super) fn may_move(&self) -> bool {
        self.is_between_requests() && !self.transport.has_unread()
    }

    /// Does all that can be done without waiting.
    pub(super) fn drive(&mut self, turn: &mut Turn<'_>) -> Next {
        match self.phase {
            Phase::Reading => self.read(turn),
            Phase::Writing(after) => self.write_on(turn, after),
            Phase::Lingering => self.linger(turn),
            Phase::Blocked => Next::Nothing,
        }
    }

    /// Goes on with the answer of the job.
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

    /// The time for what it waits for is over.
    pub(super) fn overdue(&mut self, turn: &mut Turn<'_>, wait: Wait) -> Next {
        // What has come in time is not late because its worker was busy.
        if self.phase == Phase::Reading {
            match self.read(turn) {
                Next::Wait {
                    wait: still,
                    anew: false,
                    ..
                } if still == wait => {}
                // However fast it still comes.
                Next::Again if wait == Wait::Body && !self.begins => {}
                next => return next,
            }
        }
        match wait {
            Wait::Idle | Wait::Write | Wait::Linger => Next::Close,
            // Silent from the start, or still shaking hands: there is nobody to be told.
            Wait::Head if self.is_between_requests() => Next::Close,
            Wait::Body if self.framer.is_passing_over() => Next::Close,
            Wait::Head | Wait::Body => self.refuse(turn, Problem::timeout(), None),
        }
    }

    /// Answers with an error and ends the connection.
    fn refuse(
        &mut self,
        turn: &mut Turn<'_>,
        problem: Problem,
        request: Option<Parsed<'_>>,
    ) -> Next {
        self.write_refusal(turn, problem, request);
        self.forget_input();
        self.write(turn, After::Linger)
    }

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

    /// What it holds in memory has to go.
    pub(super) fn shed(&mut self, turn: &mut Turn<'_>) -> Next {
        match self.phase {
            Phase::Reading if !self.framer.is_passing_over() => {
                self.refuse(turn, overloaded(), None)
            }
            _ => Next::Close,
        }
    }

    /// The client sends no more: what is whole has been answered.
    fn end_of_input(&mut self, turn: &mut Turn<'_>) -> Next {
        if self.is_between_requests() || self.framer.is_passing_over() {
            return Next::Close;
        }
        let problem = Problem::bad_request("The request ended too early.");
        self.refuse(turn, problem, None)
    }

    fn forget_input(&mut self) {
        self.input = Vec::new();
        self.framer = Framer::default();
        self.admitted = None;
        self.unread = false;
    }

    /// `answered`: since the last wait; `begins`: what is waited for is new already.
    fn wait_for_more(&mut self, on: Ready, answered: bool, begins: bool) -> Next {
        let wait = if self.framer.in_body() {
            Wait::Body
        } else if !self.input.is_empty() {
            Wait::Head
        } else if answered {
            Wait::Idle
        } else {
            // Of a new connection a head, of another one the next request; a head that came to nothing stays one.
            self.waiting
        };
        if answered {
            self.moved = 0;
        }
        let anew = begins || answered || wait != self.waiting;
        self.waiting = wait;
        Next::Wait { wait, on, anew }
    }

    /// Counts its buffers anew.
    fn count(&mut self, shared: &Shared) {
        let now = self.input.capacity() + self.output.capacity() + self.framer.memory() + self.lent;
        shared.buffered.change(self.counted, now);
        self.counted = now;
    }
}
