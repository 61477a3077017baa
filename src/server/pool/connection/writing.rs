//! The output side of a connection: writes responses, keeps what a slow client has not read yet, and closes.

use super::{After, Connection, Next, Phase, Ready, Turn};
use crate::server::pool::deadlines::Wait;
use crate::server::pool::transport::Transport;
use crate::server::socket::Stop;

impl Connection {
    /// Writes the collected responses.
    pub(super) fn write(&mut self, turn: &mut Turn<'_>, after: After) -> Next {
        let mut written = 0;
        let done = write_from(&mut self.transport, turn.out, &mut written);
        if let Err(Stop::WantsRead | Stop::WantsWrite) = done {
            self.output = turn.out[written..].to_vec();
        }
        turn.out.clear();
        match done {
            Ok(()) => self.finished(turn, after),
            Err(Stop::Broken | Stop::Refused) => Next::Close,
            Err(stop) => self.keep(turn, after, stop),
        }
    }

    /// Writes a response without copying it, since it may be large.
    pub(super) fn write_whole(
        &mut self,
        turn: &mut Turn<'_>,
        answer: Vec<u8>,
        after: After,
    ) -> Next {
        self.output = answer;
        match self.write_output() {
            Ok(()) => self.finished(turn, after),
            Err(Stop::Broken | Stop::Refused) => Next::Close,
            Err(stop) => self.keep(turn, after, stop),
        }
    }

    /// Keeps unwritten output until the client reads. A response that has been produced has to go somewhere: it is
    /// counted, never refused.
    fn keep(&mut self, turn: &mut Turn<'_>, after: After, stop: Stop) -> Next {
        self.phase = Phase::Writing(after);
        self.count(turn.shared);
        wait_for_write(stop, true)
    }

    /// Writes the remaining output.
    pub(super) fn write_on(&mut self, turn: &mut Turn<'_>, after: After) -> Next {
        match self.write_output() {
            Ok(()) => self.finished(turn, after),
            Err(Stop::Broken | Stop::Refused) => Next::Close,
            Err(stop) => wait_for_write(stop, false),
        }
    }

    fn write_output(&mut self) -> Result<(), Stop> {
        let before = self.written;
        let done = write_from(&mut self.transport, &self.output, &mut self.written);
        self.moved += (self.written - before) as u64;
        done?;
        self.output = Vec::new();
        self.written = 0;
        Ok(())
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
            // With unread input, closing would make the kernel reset the connection and discard the rest of the
            // response.
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

    pub(super) fn begin_to_linger(&mut self) -> Next {
        self.transport.finish();
        self.phase = Phase::Lingering;
        Next::Wait {
            wait: Wait::Linger,
            on: Ready::Read,
            anew: true,
        }
    }

    /// Reads and drops what the client sends after we have closed our side.
    pub(super) fn linger(&mut self, turn: &mut Turn<'_>) -> Next {
        match self.transport.read(turn.scratch) {
            Ok(0) | Err(Stop::Broken) => Next::Close,
            Ok(_) | Err(Stop::WantsRead | Stop::Refused) => Next::Wait {
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

/// Writes the bytes after the first `written`.
fn write_from(transport: &mut Transport, bytes: &[u8], written: &mut usize) -> Result<(), Stop> {
    while *written < bytes.len() {
        *written += transport.write(&bytes[*written..])?;
    }
    Ok(())
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
