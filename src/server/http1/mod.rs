//! HTTP/1.1 as bytes (RFC 9112): what a head promises, where a request ends, and how answers are written. No I/O.

#[cfg(target_os = "linux")]
mod chunked;
pub(super) mod encode;
#[cfg(target_os = "linux")]
pub(super) mod framing;
pub(super) mod head;
