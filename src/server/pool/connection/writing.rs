//! A connection's way out: answers are written, kept where the client is slow to read them, and the end is said.

use super::{After, Connection, Next, Phase, Ready, Turn};
use crate::server::pool::deadlines::Wait;
use crate::server::pool::transport::Stop;

impl Connection {
    /// Writes the gathered answers.
    pub(super) fn write(&mut self, turn: &mut Turn<'_>, after: After) -> Next {
        let mut written = 0;
        while written < turn.out.len() {
            match self.transport.write(&turn.out[written..]) {
                Ok(wrote) => written += wrote,
                Err(Stop::Broken) => {
                    turn.out.clear();
                    return Next::Close;
                }
                Err(stop) => {
                    self.output = turn.out[written..].to_vec();
                    self.written = 0;
                    turn.out.clear();
                    self.phase = Phase::Writing(after);
                    // An answer that is made has to go somewhere: it is counted, never refused.
                    self.count(turn.shared);
                    return wait_for_write(stop, true);
                }
            }
        }
        turn.out.clear();
        self.finished(turn, after)
    }

    /// Writes what is left of the answers.
    pub(super) fn write_on(&mut self, turn: &mut Turn<'_>, after: After) -> Next {
        while self.written < self.output.len() {
            match self.transport.write(&self.output[self.written..]) {
                Ok(wrote) => self.written += wrote,
                Err(Stop::Broken) => return Next::Close,
                Err(stop) => return wait_for_write(stop, false),
            }
        }
        self.output = Vec::new();
        self.written = 0;
        self.finished(turn, after)
    }

    pub(super) fn finished(&mut self, turn: &mut Turn<'_>, after: After) -> Next {
        self.count(turn.shared);
        match after {
            After::Read { .. } if self.transport.has_unread() => {
                self.phase = Phase::Reading;
                Next::Again
            }
            After::Read { answered } => {
                self.phase = Phase::Reading;
                self.wait_for_more(Ready::Read, answered, false)
            }
            After::Again => {
                self.phase = Phase::Reading;
                self.begins = true;
                Next::Again
            }
            // Closed with something unread the kernel would tear the connection, and what is left of the answer with it.
            After::Close => match self.transport.read(turn.scratch) {
                Ok(1..) | Err(Stop::WantsWrite) => self.begin_to_linger(),
                Ok(0) | Err(_) => {
                    self.transport.say_goodbye();
                    Next::Close
                }
            },
            After::Linger => self.begin_to_linger(),
        }
    }

    fn begin_to_linger(&mut self) -> Next {
        self.transport.finish();
        self.phase = Phase::Lingering;
        Next::Wait {
            wait: Wait::Linger,
            on: Ready::Read,
            anew: true,
        }
    }

    /// Reads what a client still sends that has been told that the connection is over.
    pub(super) fn linger(&mut self, turn: &mut Turn<'_>) -> Next {
        match self.transport.read(turn.scratch) {
            Ok(0) | Err(Stop::Broken) => Next::Close,
            Ok(_) | Err(Stop::WantsRead) => Next::Wait {
                wait: Wait::Linger,
                on: Ready::Read,
                anew: false,
            },
            Err(Stop::WantsWrite) => Next::Wait {
                wait: Wait::Linger,
                on: Ready::Write,
                anew: false,
            },
        }
    }
}

fn wait_for_write(stop: Stop, anew: bool) -> Next {
    Next::Wait {
        wait: Wait::Write,
        on: match stop {
            Stop::WantsRead => Ready::Read,
            _ => Ready::Write,
        },
        anew,
    }
}
