//! One connection: bytes in, requests answered in place and in order, bytes out. What it waits for next it tells its worker.
//!
//! While an answer is not written whole, nothing more is read. An idle connection keeps no buffer: bytes are read into the
//! worker's, and only what is left of a request stays with the connection.

mod writing;

use std::mem;

use super::answer::{Who, answer, overloaded, refuse, view};
use super::blocking::{Job, Lane};
use super::deadlines::Wait;
use super::shared::Shared;
use super::transport::Transport;
use crate::api::{Admitted, Headers, Pace, Peer, Problem};
use crate::base::address::Counted;
use crate::server::buffer::append;
use crate::server::http1::encode::{CONTINUE, encode};
use crate::server::http1::framing::{Framer, Parsed, Step};
use crate::server::http1::head::origin_form;
use crate::server::socket::Stop;

/// Requests that a pipelining client gets answered before others have their turn.
const TURN: usize = 32;
/// Reads of one connection before others have their turn.
const READS: usize = 8;
/// Answers are gathered up to this size before they are written.
const BATCH: usize = 64 << 10;

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

    fn read(&mut self, turn: &mut Turn<'_>) -> Next {
        // Whether the time for what is waited for begins anew.
        let mut begins = mem::take(&mut self.begins);
        if mem::take(&mut self.unread) && !self.input.is_empty() {
            match self.take_input(turn) {
                Next::Wait {
                    on: Ready::Read,
                    wait: Wait::Head | Wait::Body | Wait::Idle,
                    anew,
                } => begins |= anew,
                next => return next,
            }
        }
        for _ in 0..READS {
            let read = match self.transport.read(turn.scratch) {
                Ok(0) => return self.end_of_input(turn),
                Ok(read) => read,
                Err(Stop::WantsRead) => return self.wait_for_more(Ready::Read, false, begins),
                Err(Stop::WantsWrite) => return self.wait_for_more(Ready::Write, false, begins),
                Err(Stop::Refused) => return self.begin_to_linger(),
                Err(Stop::Broken) => return Next::Close,
            };
            self.moved += read as u64;
            // TLS may hold more than the socket shows; of a plain socket a full buffer says that there may be more.
            let all_read = match self.transport {
                Transport::Plain(_) => read < turn.scratch.len(),
                Transport::Tls(_) => !self.transport.has_unread(),
            };
            match self.take_scratch(turn, read) {
                Next::Wait {
                    on: Ready::Read,
                    wait: wait @ (Wait::Head | Wait::Body | Wait::Idle),
                    anew,
                } => {
                    begins |= anew;
                    if all_read {
                        return Next::Wait {
                            wait,
                            on: Ready::Read,
                            anew: begins,
                        };
                    }
                }
                next => return next,
            }
        }
        self.begins = begins;
        Next::Again
    }

    /// Answers what is whole in the scratch buffer and keeps the rest.
    fn take_scratch(&mut self, turn: &mut Turn<'_>, read: usize) -> Next {
        if !self.input.is_empty() {
            self.keep_bytes(&turn.scratch[..read]);
            return self.take_input(turn);
        }
        // Lent for the call: the answers need the rest of the turn.
        let scratch = mem::take(&mut turn.scratch);
        let mut taken = self.take(turn, &scratch[..read]);
        if let Then::Job { job, from } = &mut taken.then {
            job.give(scratch[*from..taken.used].to_vec());
        }
        let rest = &scratch[taken.used..read];
        self.keep_bytes(&rest[..taken.keep]);
        self.keep_bytes(&rest[taken.keep + taken.decoded..]);
        turn.scratch = scratch;
        self.after_taking(turn, taken.then)
    }

    /// Answers what is whole in the kept bytes and keeps the rest.
    fn take_input(&mut self, turn: &mut Turn<'_>) -> Next {
        let mut input = mem::take(&mut self.input);
        let mut taken = self.take(turn, &input);
        if let Then::Job { job, from } = &mut taken.then {
            // A large body is handed on as it is.
            let rest = input.split_off(taken.used);
            let mut bytes = mem::replace(&mut input, rest);
            bytes.drain(..*from);
            job.give(bytes);
        } else {
            let start = taken.used + taken.keep;
            input.drain(start..start + taken.decoded);
            input.drain(..taken.used);
        }
        if !input.is_empty() {
            self.input = input;
        }
        self.after_taking(turn, taken.then)
    }

    fn keep_bytes(&mut self, bytes: &[u8]) {
        let most = self.framer.announced().unwrap_or(usize::MAX);
        append(&mut self.input, bytes, most);
    }

    fn after_taking(&mut self, turn: &mut Turn<'_>, then: Then) -> Next {
        match then {
            Then::Refused => {
                self.forget_input();
                self.write(turn, After::Linger)
            }
            Then::Job { job, .. } => {
                self.lent = job.bytes();
                self.count(turn.shared);
                self.phase = Phase::Blocked;
                Next::Blocked(job)
            }
            Then::More { answered } => self.write(turn, After::Read { answered }),
            Then::Again => {
                self.unread = true;
                self.write(turn, After::Again)
            }
            Then::Over if self.input.is_empty() => self.write(turn, After::Close),
            Then::Over => self.write(turn, After::Linger),
        }
    }

    /// Answers the whole requests at the beginning of `bytes`, into the worker's buffer.
    fn take(&mut self, turn: &mut Turn<'_>, bytes: &[u8]) -> Taken {
        // The body of a request that has been answered may still be coming.
        let passed = self.framer.pass_over(bytes.len());
        let mut used = passed;
        let mut answers = 0;
        let taken = |used, then| Taken {
            used,
            keep: bytes.len() - used,
            decoded: 0,
            then,
        };
        loop {
            let rest = &bytes[used..];
            if rest.is_empty() {
                let passed_over = passed > 0 && !self.framer.is_passing_over();
                let answered = answers > 0 || passed_over;
                return taken(used, Then::More { answered });
            }
            let answered = answers > 0;
            if answers == TURN || turn.out.len() > BATCH {
                return taken(used, Then::Again);
            }
            match self.framer.read(rest, turn.shared.limits) {
                Step::More {
                    keep,
                    taken: decoded,
                    leave,
                    opened,
                } => {
                    if let Some(head) = opened
                        && let Some(then) = self.open(turn, head, rest.len(), leave)
                    {
                        return taken(bytes.len(), then);
                    }
                    if leave {
                        turn.out.extend_from_slice(CONTINUE);
                    }
                    return Taken {
                        used,
                        keep,
                        decoded,
                        then: Then::More { answered },
                    };
                }
                Step::Whole {
                    request,
                    head,
                    used: length,
                } => {
                    if let Some(lane) = lane(turn.shared, &request) {
                        // Earlier answers do not wait for it: it is looked at again when they are written.
                        if answered {
                            return taken(used, Then::Again);
                        }
                        let admitted = self.admitted.take();
                        let job = Box::new(Job::new(lane, head, request, admitted, self.who()));
                        return taken(used + length, Then::Job { job, from: used });
                    }
                    used += length;
                    answers += 1;
                    let admitted = self.admitted.take();
                    if answer(turn.shared, request, admitted, self.who(), turn.out) {
                        return taken(used, Then::Over);
                    }
                }
                Step::Refused { problem, request } => {
                    self.write_refusal(turn, problem, request);
                    return taken(bytes.len(), Then::Refused);
                }
            }
        }
    }

    /// A head has come, and its body is coming: judges whether that is wanted. If not, the answer is written, and what
    /// becomes of the connection then; `come`: bytes of the request that are here, `leave`: the client waits for leave to
    /// send its body.
    fn open(
        &mut self,
        turn: &mut Turn<'_>,
        mut head: Parsed<'_>,
        come: usize,
        leave: bool,
    ) -> Option<Then> {
        let close = leave || !head.keeps_alive() || turn.shared.is_stopping();
        let mut framing = head.framing(close);
        let app = &turn.shared.app;
        let length = self.framer.body_length();
        match app.admit(&view(&mut head, self.who()), length) {
            Ok(admitted) => {
                self.framer.limit_body(admitted.max_body());
                self.admitted = Some(Box::new(admitted));
                None
            }
            Err(response) => {
                framing.close = framing.close || !self.framer.pass_over_body(come);
                encode(&response, framing, turn.out);
                Some(match framing.close {
                    true => Then::Refused,
                    false => Then::More { answered: true },
                })
            }
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

/// What `take` did with the bytes.
struct Taken {
    used: usize,
    /// Behind those, bytes to keep.
    keep: usize,
    /// Behind those, bytes that are decoded already.
    decoded: usize,
    then: Then,
}

enum Then {
    /// Wait for more bytes.
    More {
        answered: bool,
    },
    /// There may be more whole requests.
    Again,
    /// The last request of this connection has been answered.
    Over,
    Refused,
    /// To be done elsewhere, with the bytes from this place to the last one used.
    Job {
        job: Box<Job>,
        from: usize,
    },
}

/// Where a request is answered that takes long; `None` for one that is answered in place.
fn lane(shared: &Shared, request: &Parsed<'_>) -> Option<Lane> {
    let target = origin_form(request.target);
    match shared.app.pace(&request.method, target, &request.body) {
        Pace::Quick => None,
        Pace::Large => Some(Lane::Large),
        Pace::Slow => Some(Lane::Slow),
        Pace::Hashing => Some(Lane::Hashing),
    }
}
