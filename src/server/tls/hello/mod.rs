//! Inspects the first records of a client before OpenSSL sees them. OpenSSL allocates a whole handshake message as soon
//! as its length is announced, up to 128 KiB for a hello: nine bytes from each of 10,000 silent clients would take more
//! than a gigabyte. So a hello that announces too much, or anything else, is answered here with an alert.

/// Real ones have about 500 bytes, 2 KiB with a post-quantum key share, and somewhat more with a ticket that contains a
/// certificate.
const MAX_HELLO: usize = 16 * 1024;
/// Maximum length of a record, in the clear and encrypted (RFC 8446, sections 5.1 and 5.2).
const MAX_RECORD: usize = 1 << 14;
pub(super) const MAX_ENCRYPTED_RECORD: usize = MAX_RECORD + 256;

const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
pub(super) const APPLICATION_DATA: u8 = 23;
const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;
pub(super) const RECORD_HEAD: usize = 5;
/// The first version byte in a record's header, in all versions.
const MAJOR_VERSION: u8 = 3;
const MESSAGE_HEAD: usize = 4;

/// The random of a ServerHello that asks for another hello: SHA-256 of "HelloRetryRequest" (RFC 8446, section 4.1.3).
const RETRY: [u8; 32] = [
    0xCF, 0x21, 0xAD, 0x74, 0xE5, 0x9A, 0x61, 0x11, 0xBE, 0x1D, 0x8C, 0x02, 0x1E, 0x65, 0xB8, 0x91,
    0xC2, 0xA2, 0x11, 0x16, 0x7A, 0xBB, 0x8C, 0x5E, 0x07, 0x9E, 0x09, 0xE2, 0xC8, 0xA8, 0x33, 0x9C,
];
/// Its offset in the server's first record: after the record header, the message header and the version.
const RETRY_AT: usize = RECORD_HEAD + MESSAGE_HEAD + 2;

/// Why a client is refused (RFC 8446, section 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Alert {
    UnexpectedMessage = 10,
    RecordOverflow = 22,
    IllegalParameter = 47,
    DecodeError = 50,
    ProtocolVersion = 70,
}

impl Alert {
    /// The record with this alert, before there are keys.
    pub(super) fn record(self) -> [u8; 7] {
        const FATAL: u8 = 2;
        [ALERT, 3, 3, 0, 2, FATAL, self as u8]
    }

    /// For the log.
    pub(super) fn reason(self) -> &'static str {
        match self {
            Alert::UnexpectedMessage => "the first message is not a ClientHello",
            Alert::RecordOverflow => "a record is too long",
            Alert::IllegalParameter => "the ClientHello is too long",
            Alert::DecodeError => "the ClientHello is empty",
            Alert::ProtocolVersion => "a record has an unknown TLS version",
        }
    }
}

/// What is inspected after the first hello.
#[derive(Debug)]
pub(super) enum Watch {
    /// The hello has been received and the server has not responded yet.
    Heard,
    /// The server has asked for a second hello, which is being received.
    Retried(Reader),
    /// No other hello was asked for: OpenSSL bounds everything else in the clear more tightly.
    Done,
}

impl Watch {
    /// Inspects bytes from the client.
    pub(super) fn received(&mut self, bytes: &[u8]) -> Result<(), Alert> {
        if let Watch::Retried(reader) = self
            && let Some(used) = reader.read(bytes)?
        {
            // OpenSSL reads one record at a time.
            if used < bytes.len() {
                return Err(Alert::UnexpectedMessage);
            }
            *self = Watch::Heard;
        }
        Ok(())
    }

    /// Whether the next byte starts a record that need not belong to the second hello.
    pub(super) fn is_before_second(&self) -> bool {
        matches!(self, Watch::Retried(reader)
            if reader.record_read + reader.record_left + reader.message_read == 0)
    }

    /// Inspects bytes for the client, as OpenSSL writes them: from the start of a record.
    pub(super) fn sent(&mut self, bytes: &[u8]) {
        if !matches!(self, Watch::Heard) {
            return;
        }
        let asks_again = bytes.first() == Some(&HANDSHAKE)
            && bytes.get(RECORD_HEAD) == Some(&SERVER_HELLO)
            && bytes.get(RETRY_AT..RETRY_AT + RETRY.len()) == Some(&RETRY);
        *self = match asks_again {
            true => Watch::Retried(Reader::of_second()),
            false => Watch::Done,
        };
    }
}

/// Parses a hello: tracks the position within records and within the header of the message.
#[derive(Debug, Default)]
pub(super) struct Reader {
    /// Before a second hello, one dummy ChangeCipherSpec record is allowed.
    second: bool,
    record: [u8; RECORD_HEAD],
    record_read: usize,
    /// Bytes of the record still to come.
    record_left: usize,
    message: [u8; MESSAGE_HEAD],
    message_read: usize,
    /// Bytes of the hello still to come.
    message_left: usize,
}

impl Reader {
    fn of_second() -> Self {
        Reader {
            second: true,
            ..Reader::default()
        }
    }

    /// Parses bytes. Once the hello is complete, returns how many of them belong to it or precede it.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Result<Option<usize>, Alert> {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            let here = self.record_left.min(bytes.len() - at);
            at += if self.record_left == 0 {
                self.read_record_head(byte)?;
                1
            } else if self.record[0] != HANDSHAKE {
                self.record_left -= here;
                here
            } else if self.message_read < MESSAGE_HEAD {
                self.record_left -= 1;
                self.read_message_head(byte)?;
                1
            } else {
                let here = here.min(self.message_left);
                self.record_left -= here;
                self.message_left -= here;
                here
            };
            if self.message_read == MESSAGE_HEAD && self.message_left == 0 {
                // The keys change after it, so nothing else may share its record (RFC 8446, section 5.1).
                return match self.record_left {
                    0 => Ok(Some(at)),
                    _ => Err(Alert::UnexpectedMessage),
                };
            }
        }
        Ok(None)
    }

    fn read_record_head(&mut self, byte: u8) -> Result<(), Alert> {
        self.record[self.record_read] = byte;
        self.record_read += 1;
        // This also refuses the SSL 2.0 hello, which OpenSSL would accept (RFC 8446, appendix E.5).
        let fits = match self.record[0] {
            HANDSHAKE => true,
            CHANGE_CIPHER_SPEC => self.second && self.message_read == 0,
            _ => false,
        };
        if !fits {
            return Err(Alert::UnexpectedMessage);
        }
        // OpenSSL would close without an alert.
        if self.record_read == 2 && self.record[1] != MAJOR_VERSION {
            return Err(Alert::ProtocolVersion);
        }
        if self.record_read == RECORD_HEAD {
            self.record_read = 0;
            self.record_left = length(&self.record[3..]);
            if self.record[0] == HANDSHAKE && self.record_left == 0 {
                return Err(Alert::UnexpectedMessage);
            }
            if self.record_left > MAX_RECORD {
                return Err(Alert::RecordOverflow);
            }
        }
        Ok(())
    }

    fn read_message_head(&mut self, byte: u8) -> Result<(), Alert> {
        self.message[self.message_read] = byte;
        self.message_read += 1;
        if self.message[0] != CLIENT_HELLO {
            return Err(Alert::UnexpectedMessage);
        }
        if self.message_read < MESSAGE_HEAD {
            return Ok(());
        }
        self.message_left = length(&self.message[1..]);
        match self.message_left {
            0 => Err(Alert::DecodeError),
            1..=MAX_HELLO => Ok(()),
            _ => Err(Alert::IllegalParameter),
        }
    }
}

/// Whether this hello, given with its record headers, announces early data (RFC 8446, section 4.2.10).
pub(super) fn announces_early_data(mut records: &[u8]) -> bool {
    const EARLY_DATA: [u8; 2] = [0, 42];
    let mut message = Vec::with_capacity(records.len());
    while let Some((head, rest)) = records.split_at_checked(RECORD_HEAD) {
        let (part, rest) = rest.split_at(rest.len().min(length(&head[3..])));
        message.extend_from_slice(part);
        records = rest;
    }
    let extensions = || {
        let (_version_and_random, rest) = message.split_at_checked(MESSAGE_HEAD + 2 + 32)?;
        let (_session, rest) = split_vector(rest, 1)?;
        let (_ciphers, rest) = split_vector(rest, 2)?;
        let (_compressions, rest) = split_vector(rest, 1)?;
        Some(split_vector(rest, 2)?.0)
    };
    let mut extensions = extensions().unwrap_or_default();
    while let Some((kind, rest)) = extensions.split_at_checked(2) {
        if kind == EARLY_DATA {
            return true;
        }
        extensions = split_vector(rest, 2).map_or(&[], |(_, rest)| rest);
    }
    false
}

/// Splits off a vector with a length prefix of this many bytes.
fn split_vector(bytes: &[u8], length_of_length: usize) -> Option<(&[u8], &[u8])> {
    let (head, rest) = bytes.split_at_checked(length_of_length)?;
    rest.split_at_checked(length(head))
}

/// A big-endian length of up to three bytes.
pub(super) fn length(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .fold(0, |length, &byte| length << 8 | usize::from(byte))
}

#[cfg(any(test, fuzzing))]
pub(super) mod fuzz;

#[cfg(test)]
mod tests {
    use super::*;

    /// A hello of this length, in records of this many bytes each.
    fn hello(length: usize, in_record: usize) -> Vec<u8> {
        let mut message = vec![CLIENT_HELLO, 0, (length >> 8) as u8, length as u8];
        message.resize(MESSAGE_HEAD + length, 7);
        let record = |part: &[u8]| {
            let length = (part.len() as u16).to_be_bytes();
            [&[HANDSHAKE, 3, 1], &length[..], part].concat()
        };
        message.chunks(in_record).flat_map(record).collect()
    }

    #[test]
    fn hellos_are_read_however_they_are_split() {
        for in_record in [1, 3, 4, 5, 700, 16_384] {
            for at_a_time in [1, 2, 5, 1000] {
                for length in [1, 512, 2000, 9000] {
                    let bytes = hello(length, in_record);
                    let mut reader = Reader::default();
                    let short = &bytes[..bytes.len() - 1];
                    assert!(short.chunks(at_a_time).all(|b| reader.read(b) == Ok(None)));
                    assert_eq!(reader.read(&bytes[bytes.len() - 1..]), Ok(Some(1)));
                    // Bytes after it are not inspected.
                    let more = [&bytes[..], b"more"].concat();
                    let read = Reader::default().read(&more);
                    assert_eq!(read, Ok(Some(bytes.len())));
                }
            }
        }
    }

    #[test]
    fn a_hello_that_announces_too_much_is_refused_at_once() {
        let most = hello(MAX_HELLO, 16_384);
        assert_eq!(Reader::default().read(&most), Ok(Some(most.len())));
        for in_record in [1, 2, 4, 100] {
            let mut bytes = hello(MAX_HELLO, in_record);
            let last_of_claim = match in_record {
                1 => 4 * (RECORD_HEAD + 1) - 1,
                2 => 2 * (RECORD_HEAD + 2) - 1,
                _ => RECORD_HEAD + MESSAGE_HEAD - 1,
            };
            bytes[last_of_claim] += 1;
            let mut reader = Reader::default();
            assert_eq!(reader.read(&bytes[..last_of_claim]), Ok(None));
            let claimed = reader.read(&bytes[last_of_claim..=last_of_claim]);
            assert_eq!(claimed, Err(Alert::IllegalParameter));
        }
    }

    #[test]
    fn a_second_hello_is_inspected_if_the_server_asked_for_it() {
        let mut retry = vec![HANDSHAKE, 3, 3, 0, 88, SERVER_HELLO, 0, 0, 84, 3, 3];
        retry.extend(RETRY);
        retry.resize(93, 0);
        let mut plain = retry.clone();
        plain[20] ^= 1;
        let asked = || {
            let mut watch = Watch::Heard;
            watch.sent(&retry);
            watch
        };

        let spec: &[u8] = &[CHANGE_CIPHER_SPEC, 3, 3, 0, 1, 1];
        for before in [&[][..], spec] {
            for at_a_time in [1, 100, usize::MAX] {
                let mut watch = asked();
                for record in [before, &hello(400, 4096)] {
                    assert!(watch.is_before_second());
                    for bytes in record.chunks(at_a_time) {
                        assert!(matches!(watch, Watch::Retried(_)));
                        assert_eq!(watch.received(bytes), Ok(()));
                    }
                }
                assert!(matches!(watch, Watch::Heard));
                watch.sent(&plain);
                assert!(matches!(watch, Watch::Done));
            }
        }

        let mut long = hello(MAX_HELLO, 4096);
        long[8] = 1;
        assert_eq!(asked().received(&long), Err(Alert::IllegalParameter));
        // Not in the middle of a hello, and nothing after it in the same read.
        let mut watch = asked();
        assert_eq!(watch.received(&hello(400, 100)[..105]), Ok(()));
        assert!(!watch.is_before_second());
        assert_eq!(watch.received(spec), Err(Alert::UnexpectedMessage));
        let two = [hello(5, 100), hello(5, 100)].concat();
        assert_eq!(asked().received(&two), Err(Alert::UnexpectedMessage));
    }
}
