//! A response as bytes (RFC 9112), the same for every engine.

use std::cell::RefCell;
use std::time::{Duration, SystemTime};

use crate::api::Response;
use crate::base::clock::unix_now;

/// How to encode a response.
#[derive(Debug, Clone, Copy)]
pub(in crate::server) struct Framing {
    /// Answer as HTTP/1.0.
    pub(in crate::server) version_1_0: bool,
    /// The request was HEAD: send the body's length but not the body.
    pub(in crate::server) head: bool,
    /// The connection closes after this response.
    pub(in crate::server) close: bool,
}

/// Asks the client to send its body (RFC 9110, section 15.2.1).
pub(in crate::server) const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// Appends status line, header fields and body to `out`.
pub(in crate::server) fn encode(response: &Response, framing: Framing, out: &mut Vec<u8>) {
    let body = response.body();
    let status = response.status();
    let bodiless = matches!(status.0, 100..=199 | 204 | 304);
    out.reserve(512 + body.len());
    out.extend_from_slice(match framing.version_1_0 {
        false => b"HTTP/1.1 ",
        true => b"HTTP/1.0 ",
    });
    number(out, status.0.into());
    out.push(b' ');
    out.extend_from_slice(status.default_reason_phrase().as_bytes());
    out.extend_from_slice(b"\r\nDate: ");
    date(out);
    out.extend_from_slice(b"\r\n");
    for (name, value) in response.headers() {
        field(out, name, value.as_bytes());
    }
    if !bodiless {
        out.extend_from_slice(b"Content-Length: ");
        number(out, body.len());
        out.extend_from_slice(b"\r\n");
    }
    if framing.close {
        field(out, "Connection", b"close");
    } else if framing.version_1_0 {
        // Not the default in HTTP/1.0 (RFC 9112, section 9.3).
        field(out, "Connection", b"keep-alive");
    }
    out.extend_from_slice(b"\r\n");
    if !bodiless && !framing.head {
        out.extend_from_slice(body);
    }
}

fn field(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

fn number(out: &mut Vec<u8>, number: usize) {
    let mut digits = [0; 20];
    let mut first = digits.len();
    let mut rest = number;
    loop {
        first -= 1;
        digits[first] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[first..]);
}

/// The time in the format of `Date`. It is formatted once per second.
fn date(out: &mut Vec<u8>) {
    thread_local! {
        static LAST: RefCell<(u64, String)> = const { RefCell::new((u64::MAX, String::new())) };
    }
    let now = unix_now();
    LAST.with_borrow_mut(|(second, text)| {
        if *second != now {
            *second = now;
            *text = httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(now));
        }
        out.extend_from_slice(text.as_bytes());
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(response: &Response, framing: Framing) -> String {
        let mut out = Vec::new();
        encode(response, framing, &mut out);
        let text = String::from_utf8(out).unwrap();
        // Only the date varies.
        let (before, rest) = text.split_once("Date: ").unwrap();
        let (date, after) = rest.split_once("\r\n").unwrap();
        assert!(date.ends_with(" GMT"), "{date}");
        format!("{before}{after}")
    }

    const PLAIN: Framing = Framing {
        version_1_0: false,
        head: false,
        close: false,
    };

    #[test]
    fn a_response_is_framed_by_its_status_and_request() {
        let response = Response::new(200, "text/plain", b"0123456789".to_vec());
        assert_eq!(
            encoded(&response, PLAIN),
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 10\r\n\r\n0123456789"
        );
        let head = Framing {
            head: true,
            close: true,
            ..PLAIN
        };
        assert_eq!(
            encoded(&response, head),
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 10\r\nConnection: close\r\n\r\n"
        );
        let old = Framing {
            version_1_0: true,
            ..PLAIN
        };
        assert_eq!(
            encoded(&Response::empty(404), old),
            "HTTP/1.0 404 Not Found\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n"
        );
        assert_eq!(
            encoded(&Response::empty(204), PLAIN),
            "HTTP/1.1 204 No Content\r\n\r\n"
        );
    }

    #[test]
    fn numbers_are_written_in_decimal() {
        for value in [0, 7, 10, 999, 1000, 1_048_576, usize::MAX] {
            let mut out = Vec::new();
            number(&mut out, value);
            assert_eq!(out, value.to_string().as_bytes());
        }
    }
}
