//! A local socket that takes messages one by one: as datagrams, or in a stream. Nothing here waits for long: a reader that
//! does not keep up is a failure, and the message is sent again later.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::encoding::{PREFIX, first_message};
use super::queue::Batch;
use super::sink::Sink;
use connection::{Connection, is_too_large};

/// How long a reader may take to make room.
const BUSY_LIMIT: Duration = Duration::from_millis(200);
/// How often that is checked.
const BUSY_PAUSE: Duration = Duration::from_millis(5);

/// What the socket's reader expects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// A message each datagram, or messages that end with a line feed in a stream.
    Syslog,
    /// A message each datagram.
    Journald,
}

pub(super) struct Socket {
    path: PathBuf,
    framing: Framing,
    connection: Option<Connection>,
    /// How much of the next message is in the stream already.
    sent: usize,
}

impl Socket {
    /// Connects to nothing yet.
    pub(super) fn new(path: &Path, framing: Framing) -> Self {
        Socket {
            path: path.to_owned(),
            framing,
            connection: None,
            sent: 0,
        }
    }

    /// Connects, unless there is a connection.
    pub(super) fn connect(&mut self) -> io::Result<()> {
        if self.connection.is_none() {
            self.connection = Some(Connection::open(&self.path, self.framing)?);
            self.sent = 0;
        }
        Ok(())
    }

    /// Sends the batch's messages in order. A message that is too large for the socket is skipped and counted as lost.
    pub(super) fn write_all(&mut self, batch: &mut Batch, sink: &Sink) -> io::Result<()> {
        while let Some(message) = first_message(&batch.lines[batch.from..]) {
            match self.send(message) {
                Err(error) if is_too_large(&error) => sink.refused(),
                sent => sent?,
            }
            batch.from += PREFIX + message.len();
            sink.moves();
        }
        Ok(())
    }

    fn send(&mut self, message: &[u8]) -> io::Result<()> {
        let was_connected = self.connection.is_some();
        let mut sent = self.send_once(message);
        if was_connected && self.connection.is_none() {
            // The reader may have been restarted, and listen on a new socket.
            sent = self.send_once(message);
        }
        sent
    }

    /// Gives the connection up if it cannot be used any more.
    fn send_once(&mut self, message: &[u8]) -> io::Result<()> {
        let sent = self.send_all(message);
        if sent.as_ref().is_err_and(has_left) {
            self.connection = None;
        }
        sent
    }

    fn send_all(&mut self, message: &[u8]) -> io::Result<()> {
        self.connect()?;
        let connection = self.connection.as_ref().ok_or(ErrorKind::NotConnected)?;
        let given_up = Instant::now() + BUSY_LIMIT;
        loop {
            match connection.send(message, self.sent, self.framing) {
                Ok(None) => {
                    self.sent = 0;
                    return Ok(());
                }
                Ok(Some(more)) => self.sent += more,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(error),
                Err(_) if Instant::now() < given_up => thread::sleep(BUSY_PAUSE),
                Err(_) => {
                    return Err(io::Error::new(
                        ErrorKind::WouldBlock,
                        "the socket's reader does not keep up",
                    ));
                }
            }
        }
    }
}

/// Whether another connection may work.
fn has_left(error: &io::Error) -> bool {
    error.kind() != ErrorKind::WouldBlock && !is_too_large(error)
}

#[cfg(unix)]
mod connection {
    use std::io::{self, ErrorKind, Write};
    use std::os::unix::net::{UnixDatagram, UnixStream};
    use std::path::Path;

    use rustix::io::Errno;

    use super::Framing;

    pub(super) enum Connection {
        Datagram(UnixDatagram),
        Stream(UnixStream),
    }

    impl Connection {
        pub(super) fn open(path: &Path, framing: Framing) -> io::Result<Self> {
            let socket = UnixDatagram::unbound()?;
            socket.set_nonblocking(true)?;
            match socket.connect(path) {
                Ok(()) => Ok(Connection::Datagram(socket)),
                Err(error) if is(&error, Errno::PROTOTYPE) && framing == Framing::Syslog => {
                    stream(path).map(Connection::Stream)
                }
                Err(error) => Err(error),
            }
        }

        /// Sends the rest of a message: how much more of it is sent, or `None` if all is.
        pub(super) fn send(
            &self,
            message: &[u8],
            sent: usize,
            framing: Framing,
        ) -> io::Result<Option<usize>> {
            match self {
                Connection::Datagram(socket) => {
                    let datagram = match framing {
                        Framing::Syslog => message.strip_suffix(b"\n").unwrap_or(message),
                        Framing::Journald => message,
                    };
                    socket.send(datagram)?;
                    Ok(None)
                }
                Connection::Stream(socket) => match (&mut &*socket).write(&message[sent..])? {
                    0 => Err(ErrorKind::WriteZero.into()),
                    more if sent + more == message.len() => Ok(None),
                    more => Ok(Some(more)),
                },
            }
        }
    }

    /// Connects without waiting for a reader that accepts nothing.
    #[cfg(target_os = "linux")]
    fn stream(path: &Path) -> io::Result<UnixStream> {
        use rustix::net::{
            AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with,
        };

        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        connect(&socket, &SocketAddrUnix::new(path)?)?;
        Ok(socket.into())
    }

    #[cfg(not(target_os = "linux"))]
    fn stream(path: &Path) -> io::Result<UnixStream> {
        let socket = UnixStream::connect(path)?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    }

    pub(super) fn is_too_large(error: &io::Error) -> bool {
        is(error, Errno::MSGSIZE)
    }

    fn is(error: &io::Error, number: Errno) -> bool {
        error.raw_os_error() == Some(number.raw_os_error())
    }
}

#[cfg(not(unix))]
mod connection {
    use std::io::{self, ErrorKind};
    use std::path::Path;

    use super::Framing;

    /// There are no such sockets here.
    pub(super) enum Connection {}

    impl Connection {
        pub(super) fn open(_path: &Path, _framing: Framing) -> io::Result<Self> {
            Err(ErrorKind::Unsupported.into())
        }

        pub(super) fn send(
            &self,
            _message: &[u8],
            _sent: usize,
            _framing: Framing,
        ) -> io::Result<Option<usize>> {
            match *self {}
        }
    }

    pub(super) fn is_too_large(_error: &io::Error) -> bool {
        false
    }
}
