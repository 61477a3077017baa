//! Sockets that play syslog's daemon and systemd's journal, and what they are sent, read by the grammars that these follow.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::PATIENCE;

/// Closes a datagram socket. Once this returns, nothing can be sent to it: processes that other tests have just forked do not have
/// it any more.
pub fn close(socket: UnixDatagram) {
    let sender = sender_to(&socket);
    drop(socket);
    until_refused(&sender);
}

fn sender_to(socket: &UnixDatagram) -> UnixDatagram {
    let sender = UnixDatagram::unbound().unwrap();
    sender.set_nonblocking(true).unwrap();
    let address = socket.local_addr().unwrap();
    sender.connect(address.as_pathname().unwrap()).unwrap();
    sender
}

fn until_refused(sender: &UnixDatagram) {
    let start = Instant::now();
    let refused = |error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    while !sender.send(&[]).is_err_and(refused) {
        assert!(start.elapsed() < PATIENCE, "somebody has the socket");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A datagram socket and a thread that reads it.
pub struct Daemon {
    messages: Receiver<Vec<u8>>,
    sender: UnixDatagram,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Daemon {
    /// Takes the place of an earlier one.
    pub fn at(path: &Path) -> Daemon {
        let _ = std::fs::remove_file(path);
        Daemon::reading(UnixDatagram::bind(path).unwrap())
    }

    pub fn reading(socket: UnixDatagram) -> Daemon {
        let sender = sender_to(&socket);
        let pause = Duration::from_millis(20);
        socket.set_read_timeout(Some(pause)).unwrap();
        let (read, messages) = channel();
        let ends = Arc::new(AtomicBool::new(false));
        let stop = ends.clone();
        let thread = std::thread::spawn(move || {
            let mut room = vec![0; 1 << 16];
            while !stop.load(Ordering::Relaxed) {
                if let Ok(length) = socket.recv(&mut room) {
                    read.send(room[..length].to_vec()).unwrap();
                }
            }
        });
        Daemon {
            messages,
            sender,
            ends,
            thread: Some(thread),
        }
    }

    pub fn next(&self) -> Vec<u8> {
        self.messages.recv_timeout(PATIENCE).expect("a message")
    }

    pub fn syslog(&self) -> Syslog {
        Syslog::parse(&self.next())
    }

    pub fn journal(&self) -> BTreeMap<String, Vec<u8>> {
        journal(&self.next())
    }

    /// Nothing more is sent for a moment.
    pub fn is_silent(&self) -> bool {
        let pause = Duration::from_millis(200);
        self.messages.recv_timeout(pause).is_err()
    }
}

/// Nobody reads the socket any more; its path stays.
impl Drop for Daemon {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        let _ = self.thread.take().unwrap().join();
        if !std::thread::panicking() {
            until_refused(&self.sender);
        }
    }
}

/// A stream socket; each connection's messages end with a line feed.
pub struct StreamDaemon(UnixListener);

impl StreamDaemon {
    /// Takes the place of an earlier one.
    pub fn at(path: &Path) -> StreamDaemon {
        let _ = std::fs::remove_file(path);
        let listener = UnixListener::bind(path).unwrap();
        listener.set_nonblocking(true).unwrap();
        StreamDaemon(listener)
    }

    /// The messages of the next connection, if there is one.
    pub fn accepted(&self) -> Option<impl Iterator<Item = Syslog> + use<>> {
        let (stream, _) = self.0.accept().ok()?;
        stream.set_nonblocking(false).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let lines = BufReader::new(stream).split(b'\n');
        Some(lines.map(|line| Syslog::parse(&line.unwrap())))
    }
}

/// A message of syslog (RFC 5424).
#[derive(Debug)]
pub struct Syslog {
    pub facility: u32,
    pub severity: u32,
    pub process: u32,
    pub id: String,
    pub fields: BTreeMap<String, String>,
    pub text: String,
}

fn is_print(byte: u8) -> bool {
    (33..=126).contains(&byte)
}

/// Reads by the grammar of section 6, rule by rule.
struct Reader<'m>(&'m [u8]);

impl<'m> Reader<'m> {
    fn byte(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().expect("the message goes on");
        self.0 = rest;
        *first
    }

    fn expect(&mut self, byte: u8) {
        assert_eq!(char::from(self.byte()), char::from(byte));
    }

    fn while_(&mut self, is: impl Fn(u8) -> bool) -> &'m str {
        let end = self.0.iter().position(|byte| !is(*byte));
        let (taken, rest) = self.0.split_at(end.unwrap_or(self.0.len()));
        self.0 = rest;
        std::str::from_utf8(taken).unwrap()
    }

    /// `NILVALUE` or 1 to `most` printable characters, then a space.
    fn header(&mut self, most: usize) -> &'m str {
        let value = self.while_(is_print);
        assert!((1..=most).contains(&value.len()), "{value}");
        self.expect(b' ');
        value
    }

    fn digits(&mut self, count: usize) -> u32 {
        let (digits, rest) = self.0.split_at(count);
        self.0 = rest;
        assert!(digits.iter().all(u8::is_ascii_digit));
        std::str::from_utf8(digits).unwrap().parse().unwrap()
    }

    fn time(&mut self) {
        assert!(self.digits(4) >= 2020);
        self.expect(b'-');
        assert!((1..=12).contains(&self.digits(2)));
        self.expect(b'-');
        assert!((1..=31).contains(&self.digits(2)));
        self.expect(b'T');
        assert!(self.digits(2) < 24);
        self.expect(b':');
        assert!(self.digits(2) < 60);
        self.expect(b':');
        assert!(self.digits(2) < 60);
        self.expect(b'.');
        let fraction = self.while_(|byte| byte.is_ascii_digit());
        assert!((1..=6).contains(&fraction.len()));
        self.expect(b'Z');
        self.expect(b' ');
    }

    fn name(&mut self) -> &'m str {
        let name = self.while_(|byte| is_print(byte) && !b"=]\"".contains(&byte));
        assert!((1..=32).contains(&name.len()), "{name}");
        name
    }

    fn value(&mut self) -> String {
        self.expect(b'"');
        let mut value = Vec::new();
        loop {
            match self.byte() {
                b'"' => return String::from_utf8(value).unwrap(),
                b'\\' => {
                    let escaped = self.byte();
                    assert!(b"\"\\]".contains(&escaped), "{escaped}");
                    value.push(escaped);
                }
                b']' => panic!("a bracket that is not escaped"),
                byte => value.push(byte),
            }
        }
    }
}

impl Syslog {
    pub fn parse(message: &[u8]) -> Syslog {
        let shown = String::from_utf8(message.to_vec()).expect("UTF-8");
        assert!(message.len() < 2048, "{shown}");
        assert!(!shown.contains(char::is_control), "{shown:?}");
        let mut reader = Reader(message);
        reader.expect(b'<');
        let priority = reader.while_(|byte| byte.is_ascii_digit());
        assert!(!priority.starts_with('0') || priority == "0", "{shown}");
        let priority: u32 = priority.parse().unwrap();
        assert!(priority <= 191);
        reader.expect(b'>');
        reader.expect(b'1');
        reader.expect(b' ');
        reader.time();
        reader.header(255);
        assert_eq!(reader.header(48), "sealgate");
        let process = reader.header(128).parse().unwrap();
        let id = reader.header(32).to_owned();
        reader.expect(b'[');
        let structure = reader.name();
        // A name that IANA has not assigned ends in an enterprise number.
        let (_, number) = structure.split_once('@').expect("an enterprise number");
        assert!(number.bytes().all(|byte| byte.is_ascii_digit()), "{number}");
        let mut fields = BTreeMap::new();
        while reader.0.first() == Some(&b' ') {
            reader.expect(b' ');
            let name = reader.name();
            reader.expect(b'=');
            let earlier = fields.insert(name.to_owned(), reader.value());
            assert_eq!(earlier, None, "{name}");
        }
        reader.expect(b']');
        reader.expect(b' ');
        let text = std::str::from_utf8(reader.0).unwrap();
        // Text in UTF-8 begins with a mark; without one it is ASCII here.
        let text = match text.strip_prefix('\u{feff}') {
            Some(text) => text,
            None => {
                assert!(text.is_ascii(), "{text}");
                text
            }
        };
        Syslog {
            facility: priority / 8,
            severity: priority % 8,
            process,
            id,
            fields,
            text: text.to_owned(),
        }
    }

    pub fn event(&self) -> (&str, &str) {
        (&self.fields["event"], &self.fields["result"])
    }
}

/// The fields of a message in the native protocol of systemd's journal.
pub fn journal(message: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut fields = BTreeMap::new();
    let mut rest = message;
    while !rest.is_empty() {
        let end = rest.iter().position(|byte| b"=\n".contains(byte)).unwrap();
        let name = std::str::from_utf8(&rest[..end]).unwrap();
        let is_permitted = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        assert!(
            (1..=64).contains(&name.len()) && name.chars().all(is_permitted),
            "{name}"
        );
        assert!(name.starts_with(|c: char| c.is_ascii_uppercase()), "{name}");
        let value = match rest[end] {
            b'=' => {
                let value = &rest[end + 1..];
                &value[..value.iter().position(|byte| *byte == b'\n').unwrap()]
            }
            _ => {
                let (length, value) = rest[end + 1..].split_first_chunk::<8>().unwrap();
                &value[..u64::from_le_bytes(*length) as usize]
            }
        };
        let used = match rest[end] {
            b'=' => end + 1 + value.len(),
            _ => end + 1 + 8 + value.len(),
        };
        assert_eq!(rest[used], b'\n');
        assert!(
            fields.insert(name.to_owned(), value.to_vec()).is_none(),
            "{name}"
        );
        rest = &rest[used + 1..];
    }
    fields
}
