//! An answer as bytes (RFC 9112), the same for every engine.

use std::io::Write;
use std::time::SystemTime;

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

/// Writes status line, header fields and body.
pub(super) fn encode(response: &Response, framing: Framing) -> Vec<u8> {
    let body = response.body();
    let status = response.status();
    let bodiless = matches!(status.0, 100..=199 | 204 | 304);
    let mut out = Vec::with_capacity(512 + body.len());
    // Writing to a Vec does not fail, here and below.
    let _ = write!(
        out,
        "HTTP/1.{} {} {}\r\nDate: {}\r\n",
        u8::from(!framing.version_1_0),
        status.0,
        status.default_reason_phrase(),
        httpdate::fmt_http_date(SystemTime::now())
    );
    for (name, value) in response.headers() {
        let _ = write!(out, "{name}: {value}\r\n");
    }
    if !bodiless {
        let _ = write!(out, "Content-Length: {}\r\n", body.len());
    }
    if framing.close {
        out.extend_from_slice(b"Connection: close\r\n");
    }
    out.extend_from_slice(b"\r\n");
    if !bodiless && !framing.head {
        out.extend_from_slice(body);
    }
    out
}
