//! One request and its response over a connection of their own, with a deadline for all of it and a bound on the response.

use std::io::{self, Read, Write};
use std::net::TcpStream;
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use sealgate::Secret;
use serde_json::Value;

use super::address::Address;
use super::timed::Timed;
use super::tls::Tls;

/// The longest head of a response, and the longest response.
const MAX_HEAD: usize = 64 << 10;
const MAX_BODY: usize = 16 << 20;

/// A response.
pub(super) struct Answer {
    pub(super) status: u16,
    body: Secret,
}

impl Answer {
    pub(super) fn json(&self) -> Option<Value> {
        serde_json::from_slice(self.body.expose()).ok()
    }

    /// The code in a problem.
    pub(super) fn code(&self) -> Option<String> {
        let kind = self.json()?["type"].as_str()?.to_owned();
        kind.rsplit(':').next().map(str::to_owned)
    }
}

/// A request.
pub(super) struct Request<'r> {
    pub(super) method: &'r str,
    pub(super) path: &'r str,
    pub(super) body: Option<&'r Value>,
    pub(super) token: Option<&'r Secret>,
    /// For all of it.
    pub(super) timeout: Duration,
}

/// Sends a request and reads its response. The error is the end of a sentence that begins with the server.
pub(super) fn send(
    to: &Address,
    tls: Option<&Tls>,
    request: &Request<'_>,
) -> Result<Answer, String> {
    let (deadline, longest) = (Instant::now() + request.timeout, request.timeout.as_secs());
    let what_now = match request.method {
        "GET" => "Perhaps it speaks TLS",
        _ => "Does it speak TLS? Look whether the change was made",
    };
    let request = text_of(to, request);
    let exchange = |mut stream: Box<dyn Stream>| {
        stream.write_all(request.expose())?;
        stream.flush()?;
        read(&mut stream)
    };
    let answered = match (to.socket(), tls) {
        (Some(socket), _) => exchange(unix(socket, deadline)?),
        (None, None) => exchange(Box::new(tcp(to, deadline)?)),
        (None, Some(tls)) => {
            let stream = tls.connect(to.host(), tcp(to, deadline)?)?;
            exchange(Box::new(stream)).map_err(|error| tls.explain(error))
        }
    };
    answered.map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            format!("did not answer within {longest} s")
        }
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::BrokenPipe => {
            format!("closed the connection before its answer was complete. {what_now}")
        }
        _ => format!("cannot be asked: {error}"),
    })
}

/// Its text, which may have a password and a token in it.
fn text_of(to: &Address, request: &Request<'_>) -> Secret {
    let (method, path) = (request.method, request.path);
    let body = request
        .body
        .map(|body| Secret::new(body.to_string().into_bytes()));
    let length = body.as_ref().map_or(0, |body| body.expose().len());
    // Room for all of it: growing would leave copies behind.
    let mut text = Vec::with_capacity(length + path.len() + (MAX_HEAD << 1));
    let head = format!(
        "{method} {}{path} HTTP/1.1\r\nHost: {}\r\nUser-Agent: sealgate/{}\r\nAccept: application/json\r\nConnection: close\r\n",
        to.prefix(),
        to.authority(),
        sealgate::VERSION
    );
    text.extend_from_slice(head.as_bytes());
    if let Some(token) = request.token {
        text.extend_from_slice(b"Authorization: Bearer ");
        text.extend_from_slice(token.expose());
        text.extend_from_slice(b"\r\n");
    }
    if method != "GET" {
        let head = match &body {
            Some(_) => format!("Content-Type: application/json\r\nContent-Length: {length}\r\n"),
            None => "Content-Length: 0\r\n".to_owned(),
        };
        text.extend_from_slice(head.as_bytes());
    }
    if method == "PATCH" {
        // As the command does on the server's machine: the last one wins.
        text.extend_from_slice(b"If-Match: *\r\n");
    }
    text.extend_from_slice(b"\r\n");
    if let Some(body) = &body {
        text.extend_from_slice(body.expose());
    }
    Secret::new(text)
}

trait Stream: Read + Write {}
impl<S: Read + Write> Stream for S {}

fn tcp(to: &Address, deadline: Instant) -> Result<Timed<TcpStream>, String> {
    let addresses = to
        .resolve()
        .map_err(|error| format!("cannot be found: {error}"))?;
    let mut last = "has no address".to_owned();
    for address in &addresses {
        let left = deadline.saturating_duration_since(Instant::now());
        // Each has its share.
        let share = (left / addresses.len() as u32).max(Duration::from_millis(1));
        match TcpStream::connect_timeout(address, share) {
            Ok(stream) => {
                let _ = stream.set_nodelay(true);
                return Ok(Timed { stream, deadline });
            }
            Err(error) => last = format!("cannot be reached: {error}"),
        }
    }
    Err(last)
}

#[cfg(unix)]
fn unix(path: &std::path::Path, deadline: Instant) -> Result<Box<dyn Stream>, String> {
    match UnixStream::connect(path) {
        Ok(stream) => Ok(Box::new(Timed { stream, deadline })),
        Err(error) => Err(format!("cannot be reached: {error}")),
    }
}

#[cfg(not(unix))]
fn unix(_path: &std::path::Path, _deadline: Instant) -> Result<Box<dyn Stream>, String> {
    Err("is on a Unix socket, which this platform does not support".to_owned())
}

fn wrong(what: &str) -> io::Error {
    io::Error::other(format!("its answer is not HTTP ({what})"))
}

/// How a body ends.
enum Framing {
    None,
    Length(usize),
    Chunked,
    Closed,
}

fn read(stream: &mut dyn Read) -> io::Result<Answer> {
    let mut bytes = Vec::new();
    let (status, framing, head) = loop {
        if let Some(head) = parse(&bytes)? {
            match head {
                // It goes on with the real one.
                (100..=199, _, length) => drop(bytes.drain(..length)),
                head => break head,
            }
            continue;
        }
        if bytes.len() > MAX_HEAD {
            return Err(wrong("its head is too long"));
        }
        if more(stream, &mut bytes)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    };
    bytes.drain(..head);
    let body = match framing {
        Framing::None => Vec::new(),
        Framing::Length(length) if length > MAX_BODY => return Err(wrong("it is too long")),
        Framing::Length(length) => {
            while bytes.len() < length {
                if more(stream, &mut bytes)? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
            bytes.truncate(length);
            bytes
        }
        Framing::Closed => {
            while more(stream, &mut bytes)? > 0 {}
            bytes
        }
        Framing::Chunked => chunks(stream, bytes)?,
    };
    Ok(Answer {
        status,
        body: Secret::new(body),
    })
}

/// Reads some bytes more; at the end of the stream none.
fn more(stream: &mut dyn Read, bytes: &mut Vec<u8>) -> io::Result<usize> {
    if bytes.len() > MAX_BODY + MAX_HEAD {
        return Err(wrong("it is too long"));
    }
    let mut piece = [0; 8192];
    let count = loop {
        match stream.read(&mut piece) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => break read?,
        }
    };
    bytes.extend_from_slice(&piece[..count]);
    Ok(count)
}

/// The status, how the body ends, and the length of the head; `None` if there is more of it.
fn parse(bytes: &[u8]) -> io::Result<Option<(u16, Framing, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; 100];
    let mut response = httparse::Response::new(&mut headers);
    let length = match response.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(error) => return Err(wrong(&error.to_string())),
    };
    let status = response.code.unwrap_or(0);
    let mut framing = match status {
        100..=199 | 204 | 304 => return Ok(Some((status, Framing::None, length))),
        _ => Framing::Closed,
    };
    for header in response.headers {
        let value = str::from_utf8(header.value).unwrap_or_default().trim();
        if header.name.eq_ignore_ascii_case("transfer-encoding") {
            if !value.eq_ignore_ascii_case("chunked") {
                return Err(wrong("it has an unknown transfer encoding"));
            }
            framing = Framing::Chunked;
        } else if header.name.eq_ignore_ascii_case("content-length") {
            let is_number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
            let given = value.parse().ok().filter(|_| is_number);
            let given = given.ok_or_else(|| wrong("its length is not a number"))?;
            framing = match framing {
                Framing::Closed => Framing::Length(given),
                Framing::Length(before) if before == given => Framing::Length(given),
                Framing::Chunked => Framing::Chunked,
                _ => return Err(wrong("it has two lengths")),
            };
        }
    }
    Ok(Some((status, framing, length)))
}

fn chunks(stream: &mut dyn Read, mut bytes: Vec<u8>) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let (head, size) = match httparse::parse_chunk_size(&bytes) {
            Ok(httparse::Status::Complete((head, size))) => (head, usize::try_from(size)),
            Ok(httparse::Status::Partial) if bytes.len() < 1024 => {
                if more(stream, &mut bytes)? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                continue;
            }
            _ => return Err(wrong("a chunk has no size")),
        };
        let size = size.ok().filter(|size| body.len() + size <= MAX_BODY);
        let size = size.ok_or_else(|| wrong("it is too long"))?;
        // What follows the last chunk says nothing that matters here.
        if size == 0 {
            return Ok(body);
        }
        while bytes.len() < head + size + 2 {
            if more(stream, &mut bytes)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        body.extend_from_slice(&bytes[head..head + size]);
        if &bytes[head + size..head + size + 2] != b"\r\n" {
            return Err(wrong("a chunk has another size"));
        }
        bytes.drain(..head + size + 2);
    }
}

#[cfg(test)]
#[path = "http_tests.rs"]
mod tests;
