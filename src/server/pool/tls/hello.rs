//! A look at the first records of a client, before OpenSSL sees them. OpenSSL makes room for a whole handshake message as
//! soon as its length is claimed, up to 128 KiB for a hello: nine bytes from each of 10,000 silent clients would take more
//! than a gigabyte. So a hello that claims too much, and what is no hello at all, ends the connection here.

use std::io;

/// Real ones have about 500 bytes, 2 KiB with a post-quantum key share, and some more with a ticket that holds a
/// certificate.
const MAX_HELLO: usize = 16 * 1024;

const CHANGE_CIPHER_SPEC: u8 = 20;
const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;
const RECORD_HEAD: usize = 5;
const MESSAGE_HEAD: usize = 4;

/// The random of a ServerHello that asks for another hello: SHA-256 of "HelloRetryRequest" (RFC 8446, section 4.1.3).
const RETRY: [u8; 32] = [
    0xCF, 0x21, 0xAD, 0x74, 0xE5, 0x9A, 0x61, 0x11, 0xBE, 0x1D, 0x8C, 0x02, 0x1E, 0x65, 0xB8, 0x91,
    0xC2, 0xA2, 0x11, 0x16, 0x7A, 0xBB, 0x8C, 0x5E, 0x07, 0x9E, 0x09, 0xE2, 0xC8, 0xA8, 0x33, 0x9C,
];
/// Where it stands in the server's first record: behind the heads of record and message and the version.
const RETRY_AT: usize = RECORD_HEAD + MESSAGE_HEAD + 2;

/// What is being looked at.
#[derive(Debug)]
pub(super) enum Watch {
    /// A hello is coming. `second` after a retry, when one record of another kind may come first.
    Hello { reader: Reader, second: bool },
    /// The hello is there and the server has not answered yet.
    Heard,
    /// The server has asked for no other hello: nothing is in the clear that OpenSSL does not bound more tightly.
    Done,
}

/// Where in records and in the hello's head the next byte stands.
#[derive(Debug, Default)]
pub(super) struct Reader {
    record: [u8; RECORD_HEAD],
    record_read: usize,
    /// Bytes of the record that are still to come.
    record_left: usize,
    message: [u8; MESSAGE_HEAD],
    message_read: usize,
    /// Bytes of the hello that are still to come.
    message_left: usize,
}

impl Watch {
    pub(super) fn new() -> Self {
        Watch::Hello {
            reader: Reader::default(),
            second: false,
        }
    }

    /// Looks at bytes of the client.
    pub(super) fn received(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Watch::Hello { reader, second } = self
            && reader.read(bytes, *second)?
        {
            *self = Watch::Heard;
        }
        Ok(())
    }

    /// Looks at bytes for the client, as OpenSSL gives them: from the start of a record on.
    pub(super) fn sent(&mut self, bytes: &[u8]) {
        if !matches!(self, Watch::Heard) {
            return;
        }
        let asks_again = bytes.first() == Some(&HANDSHAKE)
            && bytes.get(RECORD_HEAD) == Some(&SERVER_HELLO)
            && bytes.get(RETRY_AT..RETRY_AT + RETRY.len()) == Some(&RETRY);
        *self = match asks_again {
            true => Watch::Hello {
                reader: Reader::default(),
                second: true,
            },
            false => Watch::Done,
        };
    }
}

impl Reader {
    /// Goes over bytes; whether the hello ends with them.
    fn read(&mut self, mut bytes: &[u8], second: bool) -> io::Result<bool> {
        while let Some((&byte, rest)) = bytes.split_first() {
            if self.record_left == 0 {
                self.read_record_head(byte, second)?;
                bytes = rest;
            } else if self.record[0] != HANDSHAKE {
                self.record_left -= 1;
                bytes = rest;
            } else if self.message_read < MESSAGE_HEAD {
                self.record_left -= 1;
                self.read_message_head(byte)?;
                bytes = rest;
            } else {
                let now = bytes.len().min(self.record_left).min(self.message_left);
                self.record_left -= now;
                self.message_left -= now;
                bytes = &bytes[now..];
            }
            if self.message_read == MESSAGE_HEAD && self.message_left == 0 {
                // More behind it, in one record, would be read without a look at it.
                return match self.record_left == 0 && bytes.is_empty() {
                    true => Ok(true),
                    false => Err(refused("more than a hello")),
                };
            }
        }
        Ok(false)
    }

    fn read_record_head(&mut self, byte: u8, second: bool) -> io::Result<()> {
        self.record[self.record_read] = byte;
        self.record_read += 1;
        // Not the hello of SSL 2.0 either, which OpenSSL would take (RFC 8446, appendix E.5).
        let fits = match byte {
            HANDSHAKE => true,
            CHANGE_CIPHER_SPEC => second && self.message_read == 0,
            _ => false,
        };
        if self.record_read == 1 && !fits {
            return Err(refused("no TLS handshake"));
        }
        if self.record_read == RECORD_HEAD {
            self.record_read = 0;
            self.record_left = u16::from_be_bytes([self.record[3], self.record[4]]).into();
            if self.record_left == 0 {
                return Err(refused("an empty record"));
            }
        }
        Ok(())
    }

    fn read_message_head(&mut self, byte: u8) -> io::Result<()> {
        self.message[self.message_read] = byte;
        self.message_read += 1;
        if self.message_read < MESSAGE_HEAD {
            return Ok(());
        }
        let [kind, length @ ..] = self.message;
        self.message_left = length
            .iter()
            .fold(0, |length, &byte| length << 8 | usize::from(byte));
        match kind == CLIENT_HELLO && (1..=MAX_HELLO).contains(&self.message_left) {
            true => Ok(()),
            false => Err(refused("no hello of a sensible size")),
        }
    }
}

fn refused(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A hello of this length, in records with this many bytes each.
    fn hello(length: usize, in_record: usize) -> Vec<u8> {
        let mut message = vec![CLIENT_HELLO, 0, (length >> 8) as u8, length as u8];
        message.resize(MESSAGE_HEAD + length, 7);
        let record = |part: &[u8]| {
            let length = (part.len() as u16).to_be_bytes();
            [&[HANDSHAKE, 3, 1], &length[..], part].concat()
        };
        message.chunks(in_record).flat_map(record).collect()
    }

    fn heard(watch: &mut Watch, bytes: &[u8], at_a_time: usize) -> bool {
        bytes
            .chunks(at_a_time)
            .all(|bytes| watch.received(bytes).is_ok())
            && matches!(watch, Watch::Heard)
    }

    #[test]
    fn hellos_are_heard_however_they_are_cut() {
        for in_record in [1, 3, 4, 5, 700, 16_384] {
            for at_a_time in [1, 2, 5, 1000] {
                for length in [1, 512, 2000, 9000] {
                    let bytes = hello(length, in_record);
                    assert!(heard(&mut Watch::new(), &bytes, at_a_time));
                    let short = &bytes[..bytes.len() - 1];
                    assert!(!heard(&mut Watch::new(), short, at_a_time));
                }
            }
        }
    }

    #[test]
    fn what_claims_too_much_ends_with_the_claim() {
        let most = hello(MAX_HELLO, 16_384);
        assert!(heard(&mut Watch::new(), &most, 4096));
        for in_record in [1, 2, 4, 100] {
            let mut bytes = hello(MAX_HELLO, in_record);
            let last_of_claim = match in_record {
                1 => 4 * (RECORD_HEAD + 1) - 1,
                2 => 2 * (RECORD_HEAD + 2) - 1,
                _ => RECORD_HEAD + MESSAGE_HEAD - 1,
            };
            bytes[last_of_claim] += 1;
            let mut watch = Watch::new();
            assert!(watch.received(&bytes[..last_of_claim]).is_ok());
            assert!(
                watch
                    .received(&bytes[last_of_claim..=last_of_claim])
                    .is_err()
            );
        }
    }

    #[test]
    fn what_is_no_hello_is_refused() {
        let finished = [HANDSHAKE, 3, 1, 0, 8, 20, 0, 0, 4, 1, 2, 3, 4];
        let empty = [HANDSHAKE, 3, 1, 0, 0];
        let alert = [21, 3, 1, 0, 2, 1, 0];
        let early = [CHANGE_CIPHER_SPEC, 3, 3, 0, 1, 1];
        let two = [hello(5, 100), hello(5, 100)].concat();
        let ssl_2 = [0x80, 0x2e, 1, 3, 1, 0, 0x15];
        for bytes in [
            &finished[..],
            &empty,
            &alert,
            &early,
            &two,
            &ssl_2,
            b"GET / HTTP/1.1\r\n",
        ] {
            assert!(Watch::new().received(bytes).is_err(), "{bytes:?}");
        }
        let mut two_in_one = hello(5, 100);
        two_in_one[4] += 4;
        two_in_one.extend([CLIENT_HELLO, 1, 0, 0]);
        assert!(Watch::new().received(&two_in_one).is_err());
    }

    #[test]
    fn a_second_hello_is_looked_at_where_the_server_asked_for_it() {
        let mut retry = vec![HANDSHAKE, 3, 3, 0, 88, SERVER_HELLO, 0, 0, 84, 3, 3];
        retry.extend(RETRY);
        retry.resize(93, 0);
        let mut plain = retry.clone();
        plain[20] ^= 1;

        for spec in [&[][..], &[CHANGE_CIPHER_SPEC, 3, 3, 0, 1, 1]] {
            let mut watch = Watch::new();
            assert!(heard(&mut watch, &hello(300, 4096), 100));
            watch.sent(&retry);
            assert!(watch.received(spec).is_ok());
            assert!(heard(&mut watch, &hello(400, 4096), 100));
            watch.sent(&plain);
            assert!(matches!(watch, Watch::Done));
        }

        let mut watch = Watch::new();
        assert!(heard(&mut watch, &hello(300, 4096), 100));
        watch.sent(&retry);
        let mut long = hello(MAX_HELLO, 4096);
        long[8] = 1;
        assert!(watch.received(&long).is_err());
    }
}
