//! An answer as bytes (RFC 9112), the same for every engine.

use std::cell::RefCell;
use std::io::Write;
use std::time::{Duration, SystemTime};

use crate::api::Response;

/// How an answer has to be written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Framing {
    /// Answer as HTTP/1.0.
    pub(super) version_1_0: bool,
    /// The request was HEAD: the body's length is told, the body is not sent.
    pub(super) head: bool,
    /// Nothing more is read from this connection.
    pub(super) close: bool,
}

/// Leave to send a body (RFC 9110, section 15.2.1).
pub(super) const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// Appends status line, header fields and body to `out`.
pub(super) fn encode(response: &Response, framing: Framing, out: &mut Vec<u8>) {
    let body = response.body();
    let status = response.status();
    let bodiless = matches!(status.0, 100..=199 | 204 | 304);
    out.reserve(512 + body.len());
    // Writing to a Vec does not fail, here and below.
    let _ = write!(
        out,
        "HTTP/1.{} {} {}\r\nDate: ",
        u8::from(!framing.version_1_0),
        status.0,
        status.default_reason_phrase(),
    );
    date(out);
    out.extend_from_slice(b"\r\n");
    for (name, value) in response.headers() {
        field(out, name, value.as_bytes());
    }
    if !bodiless {
        let _ = write!(out, "Content-Length: {}\r\n", body.len());
    }
    if framing.close {
        field(out, "Connection", b"close");
    } else if framing.version_1_0 {
        // In HTTP/1.0 it is the exception (RFC 9112, section 9.3).
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

/// The time as `Date` has it. Its text is made once a second.
fn date(out: &mut Vec<u8>) {
    thread_local! {
        static LAST: RefCell<(u64, String)> = const { RefCell::new((u64::MAX, String::new())) };
    }
    let now = SystemTime::UNIX_EPOCH
        .elapsed()
        .map_or(0, |since| since.as_secs());
    LAST.with_borrow_mut(|(second, text)| {
        if *second != now {
            *second = now;
            *text = httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(now));
        }
        out.extend_from_slice(text.as_bytes());
    });
}
