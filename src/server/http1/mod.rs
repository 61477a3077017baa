//! HTTP/1.1 as bytes (RFC 9112): validates heads, finds the end of requests, and encodes responses. No I/O.

#[cfg(target_os = "linux")]
mod chunked;
pub(super) mod encode;
#[cfg(target_os = "linux")]
pub(super) mod framing;
pub(super) mod head;
