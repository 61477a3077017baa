//! The socket as OpenSSL sees it: whole records. OpenSSL asks for the five bytes of a record's head and then for the rest,
//! with memory for a record of full size meanwhile; here the socket is read once for both, and what has come of a record
//! waits in as many bytes until it is whole.

use std::io::{self, Read, Write};
use std::mem::MaybeUninit;
use std::sync::Arc;

use super::hello::{
    APPLICATION_DATA, Alert, MAX_ENCRYPTED_RECORD, RECORD_HEAD, Watch, announces_early_data, length,
};
use crate::server::socket::Socket;

/// Read at a time: one record of full size.
const AT_A_TIME: usize = RECORD_HEAD + MAX_ENCRYPTED_RECORD;
/// Reads of the socket in one read of ours: whoever sends records without data in them does not keep a worker busy. A
/// handshake takes fewer than five.
pub(super) const READS: u8 = 16;
/// Early data that is skipped before a second hello. OpenSSL would take 16 KiB, the records' tags included, and no record of
/// full size.
const MAX_EARLY_DATA: usize = 64 * 1024;

/// See the module.
pub(super) struct Wire {
    socket: Arc<Socket>,
    /// What has been read, with the bytes in front that are `taken` already; no memory while there is nothing else.
    ahead: Vec<u8>,
    taken: usize,
    /// Bytes of the whole record that OpenSSL is reading.
    record_left: usize,
    watch: Watch,
    /// How often the socket may still be read in this call.
    reads: u8,
    /// Early data that may still come before a second hello.
    early_data: usize,
    /// Why OpenSSL gets nothing more.
    refusal: Option<Alert>,
}

impl Wire {
    /// `ahead` begins with the client's whole hello, which has so many bytes.
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
        }
    }

    /// A call of OpenSSL begins.
    pub(super) fn begin(&mut self) {
        self.reads = READS;
    }

    /// Whether there is something to read that no poll of the socket would report.
    pub(super) fn has_whole_record(&self) -> bool {
        let ahead = &self.ahead[self.taken..];
        self.record_left > 0 || record_length(ahead).is_some_and(|length| length <= ahead.len())
    }

    /// Bytes of memory that it keeps.
    pub(super) fn memory(&self) -> usize {
        self.ahead.capacity()
    }

    /// What the client is to be told that OpenSSL does not know of.
    pub(super) fn refusal(&self) -> Option<Alert> {
        self.refusal
    }

    /// Waits for the next record, unless OpenSSL is in the middle of one.
    fn next_record(&mut self) -> io::Result<()> {
        while self.record_left == 0 {
            let head = self.peek(RECORD_HEAD)?;
            let kind = head[0];
            // OpenSSL says what is wrong with one that is too long.
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

    /// Skips a record that the client had sent under the keys of an earlier session before it knew that it is asked for a
    /// second hello (RFC 8446, section 4.2.10).
    fn skip_early_data(&mut self, record: usize) -> io::Result<()> {
        let Some(left) = self.early_data.checked_sub(record) else {
            return Err(self.refuse(Alert::UnexpectedMessage));
        };
        self.early_data = left;
        self.take(record);
        Ok(())
    }

    /// The next bytes, so many of them.
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

/// Bytes of the record that begins here, its head included; `None` where the head is not whole.
fn record_length(bytes: &[u8]) -> Option<usize> {
    let length_of_rest = length(bytes.get(RECORD_HEAD - 2..RECORD_HEAD)?);
    Some(RECORD_HEAD + length_of_rest)
}

/// Reads what is there behind these bytes; 0 at the end of the stream.
pub(super) fn read_on(socket: &Socket, bytes: &mut Vec<u8>) -> io::Result<usize> {
    let mut room = [MaybeUninit::uninit(); AT_A_TIME];
    let received = socket.receive(&mut room)?;
    if bytes.is_empty() {
        // Most records come in one piece.
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
        self.socket.send(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
