//! The socket as OpenSSL sees it: complete records. OpenSSL reads the five bytes of a record's header and then the
//! rest, and holds memory for a full-size record in between. Here the socket is read once for both, and a partial
//! record waits in as many bytes as have arrived.

use std::io::{self, Read, Write};
use std::mem::MaybeUninit;
use std::sync::Arc;

use super::hello::{
    APPLICATION_DATA, Alert, MAX_ENCRYPTED_RECORD, RECORD_HEAD, Watch, announces_early_data, length,
};
use crate::server::socket::Socket;

/// Maximum bytes per read: one full-size record.
const AT_A_TIME: usize = RECORD_HEAD + MAX_ENCRYPTED_RECORD;
/// Socket reads per call, so that a client sending empty records does not keep a worker busy. A handshake takes fewer
/// than five.
pub(super) const READS: u8 = 16;
/// Early data skipped before a second hello. OpenSSL would skip 16 KiB including the records' tags, and so no full-size
/// record.
const MAX_EARLY_DATA: usize = 64 * 1024;

/// See the module.
pub(super) struct Wire {
    socket: Arc<Socket>,
    /// Bytes read from the socket; the first `taken` have been consumed. Holds no memory when all have been.
    ahead: Vec<u8>,
    taken: usize,
    /// Bytes left of the complete record that OpenSSL is reading.
    record_left: usize,
    watch: Watch,
    /// Socket reads left in this call.
    reads: u8,
    /// Early data that may still arrive before a second hello.
    early_data: usize,
    /// Why OpenSSL gets no more bytes.
    refusal: Option<Alert>,
    /// Bytes to be sent together with those that follow, and whether more are being collected.
    held: Vec<u8>,
    holds: bool,
}

impl Wire {
    /// `ahead` starts with the complete ClientHello, of length `hello`.
    pub(super) fn new(socket: Arc<Socket>, ahead: Vec<u8>, hello: usize) -> Self {
        let announced = announces_early_data(&ahead[..hello]);
        Wire {
            socket,
            early_data: if announced { MAX_EARLY_DATA } else { 0 },
            ahead,
            taken: 0,
            record_left: 0,
            watch: Watch::Heard,
            reads: READS,
            refusal: None,
            held: Vec::new(),
            holds: false,
        }
    }

    /// From now on keeps what OpenSSL writes, to send it together with the response.
    pub(super) fn hold(&mut self) {
        self.holds = true;
    }

    /// No longer keeps anything. Sends what was kept if nothing is about to follow.
    pub(super) fn let_go(&mut self, follows: bool) {
        self.holds = false;
        if !follows && !self.held.is_empty() {
            // What does not fit goes with the next write.
            let _ = self.send(&[]);
        }
    }

    /// Sends what was kept and then these bytes; returns how many of these.
    fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.held.is_empty() {
            return self.socket.send(bytes);
        }
        let kept = self.held.len();
        self.held.extend_from_slice(bytes);
        let sent = self.socket.send(&self.held);
        self.held.truncate(kept);
        let sent = sent?;
        self.held.drain(..sent.min(kept));
        if self.held.is_empty() {
            self.held = Vec::new();
        }
        match sent.checked_sub(kept) {
            Some(sent) if sent > 0 || bytes.is_empty() => Ok(sent),
            _ => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    /// Called before each OpenSSL call.
    pub(super) fn begin(&mut self) {
        self.reads = READS;
    }

    /// Whether there is data to read that polling the socket would not report.
    pub(super) fn has_whole_record(&self) -> bool {
        let ahead = &self.ahead[self.taken..];
        self.record_left > 0 || record_length(ahead).is_some_and(|length| length <= ahead.len())
    }

    /// Memory it uses, in bytes.
    pub(super) fn memory(&self) -> usize {
        self.ahead.capacity() + self.held.capacity()
    }

    /// The alert to send to the client; OpenSSL does not know of it.
    pub(super) fn refusal(&self) -> Option<Alert> {
        self.refusal
    }

    /// Reads the next complete record, unless OpenSSL is in the middle of one.
    fn next_record(&mut self) -> io::Result<()> {
        while self.record_left == 0 {
            let head = self.peek(RECORD_HEAD)?;
            let kind = head[0];
            // OpenSSL itself reports a record that is too long.
            let length = record_length(head).filter(|length| *length <= AT_A_TIME);
            let length = length.unwrap_or(RECORD_HEAD);
            self.peek(length)?;
            if kind == APPLICATION_DATA && self.early_data > 0 && self.watch.is_before_second() {
                self.skip_early_data(length)?;
            } else {
                self.record_left = length;
            }
        }
        Ok(())
    }

    /// Skips a record that the client sent under the keys of an earlier session before it learned that it has to send a
    /// second hello (RFC 8446, section 4.2.10).
    fn skip_early_data(&mut self, record: usize) -> io::Result<()> {
        let Some(left) = self.early_data.checked_sub(record) else {
            return Err(self.refuse(Alert::UnexpectedMessage));
        };
        self.early_data = left;
        self.take(record);
        Ok(())
    }

    /// The next bytes, without consuming them.
    fn peek(&mut self, bytes: usize) -> io::Result<&[u8]> {
        while self.ahead.len() - self.taken < bytes {
            self.reads = self.reads.checked_sub(1).ok_or(io::ErrorKind::WouldBlock)?;
            self.ahead.drain(..self.taken);
            self.taken = 0;
            if read_on(&self.socket, &mut self.ahead)? == 0 {
                self.ahead = Vec::new();
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(&self.ahead[self.taken..self.taken + bytes])
    }

    fn take(&mut self, bytes: usize) {
        self.taken += bytes;
        if self.taken == self.ahead.len() {
            self.ahead = Vec::new();
            self.taken = 0;
        }
    }

    fn refuse(&mut self, alert: Alert) -> io::Error {
        self.refusal = Some(alert);
        io::ErrorKind::InvalidData.into()
    }
}

/// Length of the record that starts here, including its header; `None` if the header is incomplete.
fn record_length(bytes: &[u8]) -> Option<usize> {
    let length_of_rest = length(bytes.get(RECORD_HEAD - 2..RECORD_HEAD)?);
    Some(RECORD_HEAD + length_of_rest)
}

/// Appends the available bytes; 0 at the end of the stream.
pub(super) fn read_on(socket: &Socket, bytes: &mut Vec<u8>) -> io::Result<usize> {
    let mut room = [MaybeUninit::uninit(); AT_A_TIME];
    let received = socket.receive(&mut room)?;
    if bytes.is_empty() {
        // Most records arrive in one piece.
        bytes.reserve_exact(received.len());
    }
    bytes.extend_from_slice(received);
    Ok(received.len())
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.next_record() {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
            Err(error) => return Err(error),
        }
        let read = self.record_left.min(buffer.len());
        buffer[..read].copy_from_slice(&self.ahead[self.taken..self.taken + read]);
        self.record_left -= read;
        self.take(read);
        let looked_at = self.watch.received(&buffer[..read]);
        looked_at.map_err(|alert| self.refuse(alert))?;
        Ok(read)
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.watch.sent(bytes);
        if self.holds {
            self.held.extend_from_slice(bytes);
            return Ok(bytes.len());
        }
        self.send(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
