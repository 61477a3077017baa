//! The input side of a connection: reads bytes, parses requests, and answers them in place or hands them over as jobs.

use std::mem;

use super::{After, Connection, Next, Phase, Ready, Turn};
use crate::api::{Begun, Cost};
use crate::server::buffer::append;
use crate::server::http1::encode::{CONTINUE, encode};
use crate::server::http1::framing::{Parsed, Step};
use crate::server::http1::head::origin_form;
use crate::server::pool::answer::{answer, answer_at_once, view};
use crate::server::pool::deadlines::Wait;
use crate::server::pool::job::{Job, Lane};
use crate::server::pool::transport::Transport;
use crate::server::socket::Stop;

/// Pipelined requests answered before other connections get their turn.
const TURN: usize = 32;
/// Reads on one connection before others get their turn.
const READS: usize = 8;
/// Responses are collected up to this size before they are written.
const BATCH: usize = 64 << 10;

impl Connection {
    pub(super) fn read(&mut self, turn: &mut Turn<'_>) -> Next {
        if self.awaited.is_some()
            && let Some(next) = self.read_proxy_header(turn)
        {
            return next;
        }
        // Whether the timeout restarts.
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
            // TLS may buffer more than the socket shows; on a plain socket a full read means that there may be more.
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

    /// Answers the complete requests in the scratch buffer and keeps the rest.
    fn take_scratch(&mut self, turn: &mut Turn<'_>, read: usize) -> Next {
        if !self.input.is_empty() {
            self.keep_bytes(&turn.scratch[..read]);
            return self.take_input(turn);
        }
        // Taken out for the call, because answering borrows the rest of the turn.
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

    /// Answers the complete requests in the kept bytes and keeps the rest.
    fn take_input(&mut self, turn: &mut Turn<'_>) -> Next {
        let mut input = mem::take(&mut self.input);
        let mut taken = self.take(turn, &input);
        if let Then::Job { job, from } = &mut taken.then {
            // A large body is moved, not copied.
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

    /// Answers the complete requests at the start of `bytes`, into the worker's buffer.
    fn take(&mut self, turn: &mut Turn<'_>, bytes: &[u8]) -> Taken {
        // The body of a request that has already been answered may still be arriving.
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
                    mut request,
                    head,
                    used: length,
                } => {
                    let app = &turn.shared.app;
                    let mut begun = self.begun.take().unwrap_or_else(|| {
                        Begun::Found(app.find(&request.method, origin_form(request.target)))
                    });
                    let mut lane = lane(app.cost(&begun, request.body.len()));
                    if lane.is_none() && app.counts_in_store() {
                        match answer_at_once(turn.shared, &mut request, begun, self.who(), turn.out)
                        {
                            Ok(closes) => {
                                used += length;
                                answers += 1;
                                if closes {
                                    return taken(used, Then::Over);
                                }
                                continue;
                            }
                            Err(waiting) => (begun, lane) = (waiting, Some(Lane::Slow)),
                        }
                    }
                    if let Some(lane) = lane {
                        // Earlier responses do not wait for it: it is parsed again after they are written.
                        if answered {
                            self.begun = Some(begun);
                            return taken(used, Then::Again);
                        }
                        let job = Box::new(Job::new(lane, head, request, begun, self.who()));
                        return taken(used + length, Then::Job { job, from: used });
                    }
                    used += length;
                    answers += 1;
                    if answer(turn.shared, request, begun, self.who(), turn.out) {
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

    /// Decides from the head whether to accept a body that is still being received. If not, writes the response and
    /// returns what happens to the connection. `come`: bytes of the request received so far; `leave`: the client waits
    /// for `100 Continue`.
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
                self.begun = Some(Begun::Admitted(Box::new(admitted)));
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
}

/// What `take` did with the bytes.
struct Taken {
    used: usize,
    /// Bytes to keep, after those used.
    keep: usize,
    /// Bytes already decoded, after those to keep.
    decoded: usize,
    then: Then,
}

enum Then {
    /// Wait for more bytes.
    More {
        answered: bool,
    },
    /// There may be more complete requests.
    Again,
    /// The last request on this connection has been answered.
    Over,
    Refused,
    /// To run on another thread, with the bytes from this offset to the last one used.
    Job {
        job: Box<Job>,
        from: usize,
    },
}

/// The lane of a slow request; `None` for one that is answered in place.
fn lane(cost: Cost) -> Option<Lane> {
    match cost {
        Cost::Quick => None,
        Cost::Large => Some(Lane::Large),
        Cost::Growing => Some(Lane::Growing),
        Cost::Slow => Some(Lane::Slow),
        Cost::Hashing => Some(Lane::Hashing),
    }
}
